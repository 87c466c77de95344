// A call that nobody waits for: it runs on the workers' threads, and on none while it waits itself.
//
// Whoever has it keeps it alive: the workers' line, or, while it waits, what its own inbox is to
// wake (Inbox::whenSomethingComes). That circle is opened by waking, which every end of a call
// does: an answer, a stop, its expiry, a shutdown.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "nexus/runtime.h"
#include "runtime/call_run.h"
#include "runtime/worker_pool.h"

namespace nexus::runtime {

class AsyncCall final : public WorkerPool::Task, public std::enable_shared_from_this<AsyncCall> {
 public:
  // What it does first, on a worker: begins the run, whichever way.
  using Begin = std::function<CallRun::Step(CallRun& run)>;

  AsyncCall(const CallSurroundings& surroundings, WorkerPool& workers, CallRun::Terms terms,
            Begin begin, Completion completion);

  // From its making to its end it is inside of the runtime's gate; unless that was closed.
  bool isInside() const { return visit_ && *visit_; }

  void run() noexcept override;

 private:
  struct WakeUp {
    std::shared_ptr<Inbox> inbox;
    void operator()() const { inbox->wakeUp(); }
  };

  void runOnce();
  void wait();
  void complete(ExecutionResult result) noexcept;

  WorkerPool& workers_;
  const std::stop_token stop_;
  Begin begin_;  // until it has begun
  Completion completion_;
  // Before the rest: whoever goes on when the gate is empty must find nothing of it in the runtime.
  std::optional<CallGate::Visit> visit_;
  std::optional<CallRun> run_;
  std::optional<std::stop_callback<WakeUp>> onStop_;
};

}  // namespace nexus::runtime
