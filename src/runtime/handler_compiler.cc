#include "runtime/handler_compiler.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace nexus::runtime {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// What ends a leader's attempt, but says nothing about the text.
bool isOwnAffair(const Error& error) {
  switch (error.code) {
    case ErrorCode::kTimeout:
    case ErrorCode::kCancelled:
    case ErrorCode::kUnavailable:
    case ErrorCode::kInternalError:
      return true;
    default:
      return false;
  }
}

Error gaveUp(ErrorCode code, const char* why) { return Error{.code = code, .message = why}; }

}  // namespace

// The flight for a text, and the lead over it, if no other has it: then, whatever happens, those
// who wait are told that it is over.
class HandlerCompiler::Lead {
 public:
  Lead(HandlerCompiler& compiler, std::string_view source) : compiler_(compiler), source_(source) {
    // A flight without a leader would never be over: nothing may throw once it is known.
    auto own = std::make_shared<Flight>();
    const MutexLock lock(compiler_.mutex_);
    const auto [place, isNew] = compiler_.flights_.try_emplace(source_, std::move(own));
    flight_ = place->second;
    isLeader_ = isNew;
  }
  Lead(const Lead&) = delete;
  Lead& operator=(const Lead&) = delete;
  ~Lead() { end(std::nullopt); }

  bool isLeader() const { return isLeader_; }
  Flight& flight() const { return *flight_; }

  void end(std::optional<Result<Found>> outcome) {
    if (!isLeader_) return;
    isLeader_ = false;
    {
      const MutexLock lock(compiler_.mutex_);
      compiler_.flights_.erase(source_);
    }
    const MutexLock lock(flight_->mutex);
    flight_->isOver = true;
    flight_->outcome = std::move(outcome);
    flight_->over.notifyAll();
  }

 private:
  HandlerCompiler& compiler_;
  const std::string source_;
  std::shared_ptr<Flight> flight_;
  bool isLeader_ = false;
};

HandlerCompiler::HandlerCompiler(js::JsEngine& engine, InstancePool& pool, MemoryCache& memory,
                                 HandlerStore* store, const Clock& clock, Observer& observer)
    : engine_(engine),
      pool_(pool),
      memory_(memory),
      store_(store),
      clock_(clock),
      observer_(observer) {}

void HandlerCompiler::reportMemory(CacheReport::Result result) {
  observer_.onCache({.tier = CacheTier::kMemory, .result = result, .detail = ""});
}

std::optional<HandlerCompiler::Found> HandlerCompiler::findInMemory(std::string_view source) {
  auto handler = memory_.find(source);
  if (handler == nullptr) return std::nullopt;
  auto loaded = handler->loaded();
  return Found{std::move(handler), std::move(loaded), CacheTier::kMemory, {}};
}

Result<HandlerCompiler::Found> HandlerCompiler::find(std::string_view source,
                                                     const Request& request) {
  requests_.fetch_add(1, kRelaxed);
  // Before anything is made of it.
  const uint64_t longest = engine_.config().maxSourceBytes;
  if (source.size() > longest) return js::checkSource(source, longest).error();
  while (true) {
    if (auto found = findInMemory(source)) {
      memoryHits_.fetch_add(1, kRelaxed);
      reportMemory(CacheReport::Result::kHit);
      return use(std::move(*found), request);
    }
    Lead lead(*this, source);
    if (lead.isLeader()) {
      reportMemory(CacheReport::Result::kMiss);
      return get(source, request, lead);
    }
    if (auto outcome = follow(lead.flight(), request)) return std::move(*outcome);
  }
}

Result<HandlerCompiler::Found> HandlerCompiler::get(std::string_view source, const Request& request,
                                                    Lead& lead) {
  // The leader before may have put it there since this one looked. It counts as the miss that was
  // told of.
  if (auto found = findInMemory(source)) {
    lead.end(std::nullopt);
    return use(std::move(*found), request);
  }
  auto checked = js::checkSource(source, engine_.config().maxSourceBytes);
  if (!checked) return std::move(checked).error();
  if (auto stored = store_ == nullptr ? nullptr : store_->read(source)) {
    diskHits_.fetch_add(1, kRelaxed);
    Found found = keep(std::move(stored), CacheTier::kDisk);
    lead.end(found);
    return found;
  }
  auto compiled = compile(source, request);
  if (!compiled) {
    failures_.fetch_add(1, kRelaxed);
    if (!isOwnAffair(compiled.error())) lead.end(compiled);
    return compiled;
  }
  lead.end(compiled);
  if (store_ != nullptr) store_->write(*compiled->loaded);
  return compiled;
}

// Nothing: the leader failed for reasons of its own.
std::optional<Result<HandlerCompiler::Found>> HandlerCompiler::follow(Flight& flight,
                                                                      const Request& request) {
  auto outcome = waitFor(flight, request);
  if (!outcome) return outcome;
  const bool isHit = outcome->ok();
  if (isHit) memoryHits_.fetch_add(1, kRelaxed);
  reportMemory(isHit ? CacheReport::Result::kHit : CacheReport::Result::kMiss);
  return outcome;
}

std::optional<Result<HandlerCompiler::Found>> HandlerCompiler::waitFor(Flight& flight,
                                                                       const Request& request) {
  const auto wake = [&flight] {
    const MutexLock lock(flight.mutex);
    flight.over.notifyAll();
  };
  std::optional<std::stop_callback<decltype(wake)>> onStop;
  if (request.limit.stop.stop_possible()) onStop.emplace(request.limit.stop, wake);
  const MutexLock lock(flight.mutex);
  while (!flight.isOver) {
    if (request.limit.stop.stop_requested()) {
      return gaveUp(ErrorCode::kCancelled, "the call was cancelled");
    }
    if (clock_.now() >= request.until) {
      return gaveUp(ErrorCode::kUnavailable,
                    "the handler is being compiled by another call, and was not ready in time");
    }
    flight.over.waitUntil(flight.mutex, clock_.real(request.until));
  }
  if (!flight.outcome) return std::nullopt;
  if (!flight.outcome->ok()) return flight.outcome->error();
  Found found = **flight.outcome;
  found.tier = CacheTier::kMemory;
  found.compilationTime = {};
  return found;
}

Result<HandlerCompiler::Found> HandlerCompiler::compile(std::string_view source,
                                                        const Request& request) {
  auto lease = pool_.acquire({.until = request.until, .stop = request.limit.stop});
  if (!lease) return std::move(lease).error();
  const auto start = std::chrono::steady_clock::now();
  auto compiled = (*lease)->compile(source, request.limit);
  const auto duration = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - start);
  compilations_.fetch_add(1, kRelaxed);
  compileMicroseconds_.fetch_add(duration.count(), kRelaxed);
  observer_.onCompile({.duration = duration, .error = compiled ? nullptr : &compiled.error()});
  if (!compiled) return std::move(compiled).error();
  Found found = keep(std::move(*compiled), CacheTier::kNone);
  found.compilationTime = duration;
  return found;
}

HandlerCompiler::Found HandlerCompiler::keep(std::shared_ptr<const js::Handler> loaded,
                                             CacheTier tier) {
  MemoryCache::Put put = memory_.put(std::make_shared<CompiledHandler>(loaded));
  if (put.evicted > 0) observer_.onEviction(CacheTier::kMemory, put.evicted);
  return {std::move(put.handler), std::move(loaded), tier, {}};
}

Result<HandlerCompiler::Found> HandlerCompiler::find(
    const std::shared_ptr<CompiledHandler>& handler, const Request& request) {
  requests_.fetch_add(1, kRelaxed);
  memoryHits_.fetch_add(1, kRelaxed);
  reportMemory(CacheReport::Result::kHit);
  return use({handler, handler->loaded(), CacheTier::kMemory, {}}, request);
}

// Of what is in memory, perhaps without its image.
Result<HandlerCompiler::Found> HandlerCompiler::use(Found found, const Request& request) {
  if (found.loaded == nullptr) return reload(found.handler, request);
  const uint64_t evicted = memory_.touch(*found.handler, found.loaded.get());
  if (evicted > 0) observer_.onEviction(CacheTier::kMemory, evicted);
  return found;
}

// Two may do it at once: both are right, the later one stays.
Result<HandlerCompiler::Found> HandlerCompiler::reload(
    const std::shared_ptr<CompiledHandler>& handler, const Request& request) {
  auto lease = pool_.acquire({.until = request.until, .stop = request.limit.stop});
  if (!lease) return std::move(lease).error();
  auto loaded = (*lease)->load(handler->code());
  if (!loaded) return std::move(loaded).error();
  reloads_.fetch_add(1, kRelaxed);
  const uint64_t evicted = memory_.keepLoaded(handler, *loaded);
  if (evicted > 0) observer_.onEviction(CacheTier::kMemory, evicted);
  return Found{handler, std::move(*loaded), CacheTier::kMemory, {}};
}

CompilerStats HandlerCompiler::stats() const {
  return {.requests = requests_.load(kRelaxed),
          .memoryHits = memoryHits_.load(kRelaxed),
          .diskHits = diskHits_.load(kRelaxed),
          .compilations = compilations_.load(kRelaxed),
          .reloads = reloads_.load(kRelaxed),
          .failures = failures_.load(kRelaxed),
          .compileTime = std::chrono::microseconds(compileMicroseconds_.load(kRelaxed))};
}

}  // namespace nexus::runtime
