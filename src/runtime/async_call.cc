#include "runtime/async_call.h"

#include <new>
#include <utility>

#include "runtime/refusals.h"

namespace nexus::runtime {

AsyncCall::AsyncCall(const CallSurroundings& surroundings, WorkerPool& workers,
                     CallRun::Terms terms, Begin begin, Completion completion)
    : workers_(workers),
      stop_(terms.limit.stop),
      begin_(std::move(begin)),
      completion_(std::move(completion)) {
  visit_.emplace(surroundings.gate);
  run_.emplace(surroundings, std::move(terms));
}

void AsyncCall::run() noexcept {
  try {
    runOnce();
  } catch (const std::bad_alloc&) {
    run_->fail(outOfMemory());
    complete(run_->finish());
  }
}

void AsyncCall::runOnce() {
  onStop_.reset();
  const Begin begin = std::exchange(begin_, nullptr);
  // Cancelled while it was queued: it takes nobody's instance any more.
  const bool isOver = begin && stop_.stop_requested();
  const CallRun::Step step = isOver ? run_->fail(cancelled()) : begin ? begin(*run_) : run_->goOn();
  if (step == CallRun::Step::kWaits) return wait();
  complete(run_->finish());
}

// Nothing of this object is touched after the last line: another thread may run it by then.
void AsyncCall::wait() {
  const std::shared_ptr<Inbox> inbox = run_->inbox();
  if (stop_.stop_possible()) onStop_.emplace(stop_, WakeUp{inbox});
  inbox->whenSomethingComes([self = shared_from_this()] { self->workers_.submitAlways(self); });
}

// The result first, then the instance is restored, then the runtime may end.
void AsyncCall::complete(ExecutionResult result) noexcept {
  Completion completion = std::exchange(completion_, nullptr);
  if (completion) completion(std::move(result));
  run_.reset();
  completion = nullptr;
  visit_.reset();
}

}  // namespace nexus::runtime
