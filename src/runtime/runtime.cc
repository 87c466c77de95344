#include "nexus/runtime.h"

#include <new>
#include <string>
#include <utility>

#include "runtime/async_call.h"
#include "runtime/refusals.h"
#include "runtime/runtime_parts.h"

namespace nexus {

using runtime::CallGate;
using runtime::CallRun;
using runtime::Inbox;
using runtime::outOfMemory;
using runtime::shuttingDown;

struct Handler::Compiled {
  std::shared_ptr<runtime::CompiledHandler> handler;
  Rights rights;
  std::shared_ptr<const sandbox::Image> base;  // of its images, and of them alone
};

namespace {

// Longer than any run: nanoseconds count up to 292 years.
constexpr std::chrono::hours kLongestTimeout{24 * 365};

Error forked() {
  return Error{.code = ErrorCode::kInternalError,
               .message =
                   "this process is a fork of the one that made the runtime: it may only "
                   "exec; make a runtime after fork, or use posix_spawn"};
}

Error foreignHandler() {
  return Error{.code = ErrorCode::kInvalidInput,
               .message = "the handler was not compiled by this runtime"};
}

Error unknownSuspension(std::string_view id) {
  constexpr size_t kShown = 64;
  return Error{.code = ErrorCode::kNotFound,
               .message = "there is no suspension '" + std::string(id.substr(0, kShown)) +
                          "'; an id has 32 hexadecimal digits"};
}

ExecutionResult failed(Error error) {
  ExecutionResult result;
  result.error = std::move(error);
  return result;
}

// The terms of a call, whichever kind of context they come from.
template <typename Context>
CallRun::Terms termsOf(const Context& context) {
  CallRun::Terms terms{.limit = {.timeout = context.timeout, .stop = context.stop},
                       .onFlush = context.onFlush};
  if (context.timeout > kLongestTimeout) terms.limit.timeout = kLongestTimeout;
  if constexpr (requires { context.seed; }) {
    terms.repeat = {context.seed, context.clock};
  }
  return terms;
}

std::optional<Error> checkTerms(const CallRun::Terms& terms) {
  const js::RunLimit& limit = terms.limit;
  if (limit.timeout && limit.timeout->count() < 1) {
    return Error{.code = ErrorCode::kInvalidInput,
                 .message = "the call's timeout is " + std::to_string(limit.timeout->count()) +
                            " ms; expected at least 1, or none"};
  }
  const auto& clock = terms.repeat.clock;
  if (clock && (clock->count() < 0 || *clock > js::kLatestClock)) {
    return Error{.code = ErrorCode::kInvalidInput,
                 .message = "the call's clock is " + std::to_string(clock->count()) +
                            " ms; expected 0 to " + std::to_string(js::kLatestClock.count())};
  }
  if (!limit.stop.stop_requested()) return std::nullopt;
  return runtime::cancelled();
}

// Waits on this thread for what extensions answer.
CallRun::Step follow(CallRun& run, CallRun::Step step, const std::stop_token& stop,
                     std::chrono::milliseconds timeout) {
  while (step == CallRun::Step::kWaits) {
    const std::shared_ptr<Inbox> inbox = run.inbox();
    const auto wake = [&inbox] { inbox->wakeUp(); };
    std::optional<std::stop_callback<decltype(wake)>> onStop;
    if (stop.stop_possible()) onStop.emplace(stop, wake);
    // Looks again when it has expired by the system's clock: the store's may be another.
    inbox->wait(std::chrono::steady_clock::now() + timeout);
    onStop.reset();
    step = run.goOn();
  }
  return step;
}

// Runs a call on this thread, to its end. `begin` does its first step.
template <typename Begin>
ExecutionResult runHere(Runtime::Parts& parts, CallRun::Terms terms, const Begin& begin) {
  const std::stop_token stop = terms.limit.stop;
  auto refusal = checkTerms(terms);
  const CallGate::Visit visit(parts.gate);
  CallRun run(*parts.surroundings, std::move(terms));
  try {
    if (!visit) {
      run.fail(shuttingDown());
    } else if (refusal) {
      run.fail(std::move(*refusal));
    } else {
      follow(run, begin(run), stop, parts.config.suspendTimeout);
    }
  } catch (const std::bad_alloc&) {
    run.fail(outOfMemory());
  }
  run.giveBack();
  return run.finish();
}

// Leaves a call to the workers.
Status queue(Runtime::Parts& parts, CallRun::Terms terms, runtime::AsyncCall::Begin begin,
             Completion completion) {
  if (auto refusal = checkTerms(terms)) return std::move(*refusal);
  const CallGate::Visit visit(parts.gate);
  auto call =
      std::make_shared<runtime::AsyncCall>(*parts.surroundings, *parts.workers, std::move(terms),
                                           std::move(begin), std::move(completion));
  if (!visit || !call->isInside()) return shuttingDown();
  return parts.workers->submit(std::move(call));
}

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::make(const RuntimeConfig& config,
                                               const RuntimeOptions& options) {
  RuntimeDependencies dependencies;
  dependencies.observer = options.observer;
  dependencies.extensions = options.extensions;
  return RuntimeAccess::make(config, std::move(dependencies));
}

Runtime::Runtime(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

// In a fork the threads that would have to end are not there: what they use is left alone.
Runtime::~Runtime() {
  if (parts_->forkGuard.isSameProcess()) {
    (void)parts_->shutdown(Clock::Time::max());
  } else {
    (void)parts_.release();
  }
}

bool Runtime::isOurs(const Handler& handler) const {
  return handler && handler.compiled_->base == parts_->engines.js->base().image;
}

Result<Handler> Runtime::precompile(std::string_view source, const HandlerOptions& options) {
  if (!parts_->forkGuard.isSameProcess()) return forked();
  const CallGate::Visit visit(parts_->gate);
  if (!visit) return shuttingDown();
  try {
    auto rights = Rights::parse(options.capabilities);
    if (!rights) return std::move(rights).error();
    auto found = parts_->compiler->find(
        source,
        {.limit = {}, .until = parts_->outside.clock->now() + parts_->config.acquireTimeout});
    if (!found) return std::move(found).error();
    return Handler(std::make_shared<const Handler::Compiled>(Handler::Compiled{
        std::move(found->handler), std::move(*rights), parts_->engines.js->base().image}));
  } catch (const std::bad_alloc&) {
    return outOfMemory();
  }
}

ExecutionResult Runtime::execute(const Handler& handler, const CallContext& context) {
  if (!parts_->forkGuard.isSameProcess()) return failed(forked());
  return runHere(*parts_, termsOf(context), [&](CallRun& run) {
    if (!isOurs(handler)) return run.fail(foreignHandler());
    const auto& compiled = handler.compiled_;
    return run.begin({compiled, &compiled->rights},
                     parts_->compiler->find(compiled->handler, run.request()), context.args,
                     context.scope, context.state);
  });
}

ExecutionResult Runtime::execute(std::string_view source, const HandlerOptions& options,
                                 const CallContext& context) {
  if (!parts_->forkGuard.isSameProcess()) return failed(forked());
  return runHere(*parts_, termsOf(context), [&](CallRun& run) {
    auto rights = Rights::parse(options.capabilities);
    if (!rights) return run.fail(std::move(rights).error());
    return run.begin(std::make_shared<const Rights>(std::move(*rights)),
                     parts_->compiler->find(source, run.request()), context.args, context.scope,
                     context.state);
  });
}

Status Runtime::executeAsync(const Handler& handler, AsyncContext context, Completion completion) {
  if (!parts_->forkGuard.isSameProcess()) return forked();
  if (!isOurs(handler)) return foreignHandler();
  try {
    CallRun::Terms terms = termsOf(context);
    return queue(
        *parts_, std::move(terms),
        [compiler = parts_->compiler.get(), compiled = handler.compiled_,
         context = std::move(context)](CallRun& run) {
          return run.begin({compiled, &compiled->rights},
                           compiler->find(compiled->handler, run.request()), context.args,
                           context.scope, context.state);
        },
        std::move(completion));
  } catch (const std::bad_alloc&) {
    return outOfMemory();
  }
}

std::future<ExecutionResult> Runtime::executeAsync(const Handler& handler, AsyncContext context) {
  const auto promise = std::make_shared<std::promise<ExecutionResult>>();
  auto future = promise->get_future();
  auto queued = executeAsync(handler, std::move(context), [promise](ExecutionResult result) {
    promise->set_value(std::move(result));
  });
  if (!queued) promise->set_value(failed(std::move(queued).error()));
  return future;
}

ExecutionResult Runtime::resume(std::string_view suspensionId,
                                std::span<const RequestAnswer> answers,
                                const ResumeContext& context) {
  if (!parts_->forkGuard.isSameProcess()) return failed(forked());
  return runHere(*parts_, termsOf(context), [&](CallRun& run) {
    const auto id = runtime::SuspensionId::parse(suspensionId);
    if (!id) return run.fail(unknownSuspension(suspensionId));
    return run.resume(*id, answers, context.state);
  });
}

Status Runtime::resumeAsync(std::string_view suspensionId, std::vector<RequestAnswer> answers,
                            ResumeContext context, Completion completion) {
  if (!parts_->forkGuard.isSameProcess()) return forked();
  try {
    const auto id = runtime::SuspensionId::parse(suspensionId);
    if (!id) return unknownSuspension(suspensionId);
    CallRun::Terms terms = termsOf(context);
    return queue(
        *parts_, std::move(terms),
        [id = *id, answers = std::move(answers), state = std::move(context.state)](CallRun& run) {
          return run.resume(id, answers, state);
        },
        std::move(completion));
  } catch (const std::bad_alloc&) {
    return outOfMemory();
  }
}

std::optional<SuspensionInfo> Runtime::getSuspended(std::string_view suspensionId) const {
  if (!parts_->forkGuard.isSameProcess()) return std::nullopt;
  return parts_->pool->getSuspended(suspensionId);
}

bool Runtime::dropSuspended(std::string_view suspensionId) {
  if (!parts_->forkGuard.isSameProcess()) return false;
  const auto id = runtime::SuspensionId::parse(suspensionId);
  return id && parts_->suspensions->drop(*id);
}

RuntimeStats Runtime::stats() const {
  RuntimeStats stats;
  stats.engine = parts_->engines.engine->name();
  stats.notice = parts_->engines.notice;
  // A fork may have come while a lock was held that nobody there will ever release.
  if (!parts_->forkGuard.isSameProcess()) return stats;
  const runtime::CompilerStats compiler = parts_->compiler->stats();
  const runtime::MemoryCacheStats memory = parts_->memory->stats();
  stats.memoryCache = {.requests = compiler.requests,
                       .hits = compiler.memoryHits,
                       .evictions = memory.evictedHandlers + memory.evictedImages,
                       .entries = memory.entries,
                       .bytes = memory.bytes};
  if (parts_->handlerStore) {
    const runtime::HandlerStoreStats disk = parts_->handlerStore->stats();
    stats.diskCache = {.requests = disk.hits + disk.misses + disk.rejected + disk.failed,
                       .hits = disk.hits,
                       .rejected = disk.rejected,
                       .failed = disk.failed,
                       .evictions = disk.evicted};
  }
  stats.compilations = compiler.compilations;
  stats.compilationsFailed = compiler.failures;
  stats.imagesReloaded = compiler.reloads;
  stats.compileTime = compiler.compileTime;
  const runtime::PoolStats pool = parts_->pool->stats();
  stats.instancesActive = pool.active;
  stats.instancesAvailable = pool.available;
  stats.instancesCreated = pool.created;
  stats.instancesDiscarded = pool.discarded;
  stats.callsWaiting = pool.waiting;
  stats.callsQueued = parts_->workers->queued();
  stats.calls = parts_->calls.load(std::memory_order_relaxed);
  const runtime::SuspensionStats suspensions = parts_->suspensions->stats();
  stats.suspended = suspensions.suspended;
  stats.suspendedBytes = suspensions.bytes;
  stats.suspensionsResumed = suspensions.resumed;
  stats.suspensionsExpired = suspensions.expired;
  stats.suspensionsDropped = suspensions.dropped;
  stats.suspensionsRefused = suspensions.refused;
  return stats;
}

bool Runtime::shutdown(std::chrono::milliseconds grace) {
  if (!parts_->forkGuard.isSameProcess()) return true;
  // As far as a point in time can be told.
  if (grace > kLongestTimeout) return parts_->shutdown(Clock::Time::max());
  const auto now = parts_->outside.clock->now();
  return parts_->shutdown(grace.count() > 0 ? now + grace : now);
}

}  // namespace nexus
