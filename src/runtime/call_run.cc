#include "runtime/call_run.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/json.h"
#include "runtime/refusals.h"

namespace nexus::runtime {
namespace {

// Most calls have one part, which is taken as it is.
template <typename T>
void append(std::vector<T>& to, std::vector<T>& from) {
  if (to.empty()) return to.swap(from);
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

// Each key's last change, in the place of its first. Within a part a key is there once.
void mergeMutations(std::vector<StateMutation>& all, std::vector<StateMutation>& part) {
  if (all.empty() || part.empty()) return append(all, part);
  all.reserve(all.size() + part.size());  // keys are looked at while it grows
  std::unordered_map<std::string_view, size_t> places;
  for (size_t i = 0; i < all.size(); ++i) places.emplace(all[i].key, i);
  for (StateMutation& mutation : part) {
    const auto old = places.find(mutation.key);
    if (old == places.end()) {
      all.push_back(std::move(mutation));
    } else {
      all[old->second].value = std::move(mutation.value);
    }
  }
}

}  // namespace

CallRun::~CallRun() {
  abandon();
  if (inbox_) inbox_->close();
}

js::CallInput CallRun::input() const {
  return {.state = state_,
          .rights = rights_.get(),
          .seed = terms_.repeat.seed,
          .clock = terms_.repeat.clock,
          .limit = terms_.limit};
}

CallRun::Step CallRun::fail(Error error) {
  abandon();
  total_.error = std::move(error);
  total_.value.reset();
  total_.pending.clear();
  return Step::kEnded;
}

// Does not throw: the call may be one that is about to be resumed, and is not to be lost.
Result<PooledInstance> CallRun::lease(const sandbox::Image* image) const {
  try {
    return around_.pool.acquire({.image = image,
                                 .until = around_.clock.now() + around_.acquireTimeout,
                                 .stop = terms_.limit.stop});
  } catch (const std::bad_alloc&) {
    return outOfMemory();
  }
}

Status CallRun::acquire(const sandbox::Image* image) {
  const auto start = std::chrono::steady_clock::now();
  auto leased = lease(image);
  wait_ += std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 start);
  if (!leased) return std::move(leased).error();
  lease_.emplace(std::move(*leased));
  instanceId_ = (*lease_)->id();
  return Done{};
}

HandlerCompiler::Request CallRun::request() const {
  return {.limit = terms_.limit, .until = around_.clock.now() + around_.acquireTimeout};
}

CallRun::Step CallRun::begin(std::shared_ptr<const Rights> rights,
                             Result<HandlerCompiler::Found> found, std::string_view args,
                             std::string_view scope, const StateSnapshot& state) {
  if (!found) return fail(std::move(found).error());
  rights_ = std::move(rights);
  handler_ = std::move(found->loaded);
  tier_ = found->tier;
  compilationTime_ = found->compilationTime;
  state_ = state;
  auto acquired = acquire(handler_->image.get());
  if (!acquired) return fail(std::move(acquired).error());
  js::CallInput first = input();
  first.args = args;
  first.scope = scope;
  return follow((*lease_)->execute(*handler_, first));
}

// From what a run came to, as far as it goes without waiting.
CallRun::Step CallRun::follow(ExecutionResult part) {
  while (true) {
    const bool waits = part.status() == CallStatus::kSuspended;
    if (!waits || !assign(part.pending)) {
      absorb(part);
      total_.pending = std::move(part.pending);
      return waits ? leave() : Step::kEnded;
    }
    if (!flush(part)) return Step::kEnded;
    ask(part.pending);
    auto answers = inbox_->take();
    if (!answers) return fail(std::move(answers).error());
    if (answers->empty()) return putAway();
    auto resumed = (*lease_)->resume(*handler_, input(), settle(*answers));
    if (!resumed) return fail(std::move(resumed).error());
    part = std::move(*resumed);
  }
}

// Into the result, but for what is pending.
void CallRun::absorb(ExecutionResult& part) {
  mergeMutations(total_.stateMutations, part.stateMutations);
  append(total_.events, part.events);
  append(total_.viewCommands, part.viewCommands);
  append(total_.log, part.log);
  total_.error = std::move(part.error);
  total_.value = std::move(part.value);
  total_.metrics = part.metrics;
}

// What the call did before it goes on. False: it has failed.
bool CallRun::flush(ExecutionResult& part) {
  if (!terms_.onFlush) {
    state_ = state_.with(part.stateMutations);
    absorb(part);
    return true;
  }
  total_.metrics = part.metrics;
  std::string why = "no std::exception";
  try {
    state_ = terms_.onFlush(part);
    return true;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& thrown) {
    why = thrown.what();
  } catch (...) {
  }
  fail(Error{.code = ErrorCode::kInternalError, .message = "onFlush has thrown: " + why});
  return false;
}

// Null: nobody here answers it.
Extension* CallRun::extensionFor(const ExtensionRequest& request) const {
  const auto found = around_.extensions.find(request.extension);
  if (found == around_.extensions.end() || !found->second->answers(request.method)) return nullptr;
  return found->second.get();
}

// Decides about each new request, once, whether an extension answers it. False: nothing that the
// call waits for will come by itself.
bool CallRun::assign(const std::vector<ExtensionRequest>& pending) {
  std::erase_if(asked_, [&pending](const Asked& asked) {
    return !std::ranges::binary_search(pending, asked.id, {}, &ExtensionRequest::id);
  });
  for (const ExtensionRequest& request : pending) {
    if (request.id <= lastRequest_) continue;
    lastRequest_ = request.id;
    Extension* extension = extensionFor(request);
    if (extension != nullptr) asked_.push_back({request.id, extension});
  }
  return !asked_.empty();
}

// Those that were not asked yet.
void CallRun::ask(const std::vector<ExtensionRequest>& pending) {
  if (!inbox_) inbox_ = std::make_shared<Inbox>();
  for (Asked& asked : asked_) {
    Extension* extension = std::exchange(asked.extension, nullptr);
    if (extension == nullptr) continue;
    const auto request = std::ranges::lower_bound(pending, asked.id, {}, &ExtensionRequest::id);
    const auto sink = [inbox = inbox_, id = asked.id](bool isResult, std::string text) {
      using Kind = js::Settlement::Kind;
      inbox->deliver({id, isResult ? Kind::kResult : Kind::kError, std::move(text)});
    };
    extension->call({request->method, request->args, inbox_->stopToken()}, ExtensionReply(sink));
  }
}

// False: it cannot wait, and has failed.
bool CallRun::store(std::shared_ptr<Inbox> inbox) {
  auto call = (*lease_)->suspend(handler_);
  if (!call) {
    fail(std::move(call).error());
    return false;
  }
  auto id =
      around_.suspensions.put({std::move(*call), rights_, std::move(inbox), {}, terms_.repeat});
  if (!id) {
    fail(std::move(id).error());
    return false;
  }
  id_ = *id;
  return true;
}

// Until something comes.
CallRun::Step CallRun::putAway() {
  if (!store(inbox_)) return Step::kEnded;
  isAway_ = true;
  lease_.reset();
  // After it was put away: whoever closes wakes all that are, or is seen here.
  return around_.gate.isClosed() ? fail(shuttingDown()) : Step::kWaits;
}

// From here on it belongs to whoever has the id.
CallRun::Step CallRun::leave() {
  if (!store(nullptr)) return Step::kEnded;
  isAway_ = true;  // should there be no memory for the text: nobody else knows it then
  total_.suspensionId = id_.toString();
  isAway_ = false;
  return Step::kEnded;
}

void CallRun::abandon() {
  if (isAway_) around_.suspensions.abandon(id_);
  isAway_ = false;
}

// An extension's mistake is the handler's error to catch, not the end of its call.
std::vector<js::Settlement> CallRun::settle(std::vector<Inbox::Answer>& answers) {
  std::vector<js::Settlement> settlements;
  settlements.reserve(answers.size());
  for (Inbox::Answer& answer : answers) {
    if (answer.kind == js::Settlement::Kind::kResult) {
      auto checked = checkJson(answer.text, "the extension's result");
      if (!checked) {
        answer.kind = js::Settlement::Kind::kError;
        answer.text = std::move(checked).error().message;
      }
    }
    settlements.push_back({answer.requestId, answer.kind, answer.text, true});
  }
  return settlements;
}

CallRun::Step CallRun::goOn() {
  if (terms_.limit.stop.stop_requested()) return fail(cancelled());
  if (around_.gate.isClosed()) return fail(shuttingDown());
  auto answers = inbox_->take();
  if (!answers) return fail(std::move(answers).error());
  // Woken for nothing. It stays where it is: whoever closes meanwhile finds it there.
  if (answers->empty() && around_.suspensions.holds(id_)) return Step::kWaits;
  const std::vector<js::Settlement> settlements = settle(*answers);
  auto suspension = around_.suspensions.take(id_);
  if (!suspension) {
    // Nobody else takes it: if it is not there, it has expired, however long ago.
    const bool isGone = suspension.error().code == ErrorCode::kNotFound;
    return fail(isGone ? around_.suspensions.expiredError() : std::move(suspension).error());
  }
  isAway_ = false;
  handler_ = suspension->call.handler;
  auto acquired = acquire(handler_->image.get());
  auto resumed = acquired ? (*lease_)->resume(suspension->call, input(), settlements)
                          : Result<ExecutionResult>(std::move(acquired).error());
  around_.suspensions.count(resumed ? SuspensionOutcome::kResumed : SuspensionOutcome::kDropped);
  return resumed ? follow(std::move(*resumed)) : fail(std::move(resumed).error());
}

CallRun::Step CallRun::resume(const SuspensionId& id, std::span<const RequestAnswer> answers,
                              const StateSnapshot& state) {
  using Kind = js::Settlement::Kind;
  state_ = state;
  std::vector<js::Settlement> settlements;
  settlements.reserve(answers.size());
  for (const RequestAnswer& answer : answers) {
    settlements.push_back({answer.id, answer.result ? Kind::kResult : Kind::kError,
                           answer.result ? *answer.result : answer.error});
  }
  const auto refuse = [&](Error error) {
    fail(std::move(error));
    total_.suspensionId = id.toString();
    return Step::kEnded;
  };
  // Before it is taken: a right answer that comes meanwhile is to find it.
  auto fits = around_.suspensions.checkWaits(id, settlements);
  if (!fits) return refuse(std::move(fits).error());
  auto suspension = around_.suspensions.take(id);
  if (!suspension) {
    if (suspension.error().code == ErrorCode::kUnavailable) total_.suspensionId = id.toString();
    return fail(std::move(suspension).error());
  }
  handler_ = suspension->call.handler;
  rights_ = suspension->rights;
  terms_.repeat = suspension->repeat;
  lastRequest_ = suspension->call.book.requests;
  const auto putBack = [&](Error error) {
    around_.suspensions.putBack(id, std::move(*suspension));
    return refuse(std::move(error));
  };
  auto acquired = acquire(handler_->image.get());
  if (!acquired) return putBack(std::move(acquired).error());
  auto resumed = (*lease_)->resume(suspension->call, input(), settlements);
  if (!resumed) return putBack(std::move(resumed).error());
  around_.suspensions.count(SuspensionOutcome::kResumed);
  return follow(std::move(*resumed));
}

ExecutionResult CallRun::finish() {
  ExecutionResult result = std::move(total_);
  result.metrics.cacheTier = tier_;
  result.metrics.compilationTime = compilationTime_;
  around_.calls.fetch_add(1, std::memory_order_relaxed);
  around_.observer.onCall({.status = result.status(),
                           .error = result.error ? &*result.error : nullptr,
                           .metrics = &result.metrics,
                           .wait = wait_,
                           .instanceId = instanceId_});
  return result;
}

}  // namespace nexus::runtime
