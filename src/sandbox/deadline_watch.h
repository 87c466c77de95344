// The watch that ends calls at their deadline. One thread, asleep until the next deadline; arming
// and disarming a call are a store and no system call.
//
// A call that is overdue is ended in two stages. First its `expired` flag is up: the guest's engine
// looks at it every few thousand steps and can end the call with its line and stack intact. After a
// grace period the sandbox is told to stop, which takes effect at the next loop header of the
// guest's machine code, wherever that is.
//
//   idle ──arm──► armed ──deadline──► expired ──grace──► stopped
//     ▲             │                    │                  │
//     └───disarm────┴────────────────────┴──────────────────┘
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "sandbox/engine.h"

namespace nexus::sandbox {

enum class CallEnd { kInTime, kDeadline, kCancelled };

class DeadlineWatch {
 public:
  using Clock = std::chrono::steady_clock;

  // One call at a time of one sandbox. Its owner arms and disarms; expired() and cancel() are for
  // any thread. Must not outlive the watch or the sandbox.
  class Slot {
   public:
    Slot(DeadlineWatch& watch, Sandbox& sandbox);
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot();

    // Clock::time_point::max(): the call may run for ever, but can be cancelled.
    void arm(Clock::time_point deadline);
    // Ends the watch over the call and withdraws a stop that was requested for it.
    CallEnd disarm();
    bool expired() const { return end_.load(std::memory_order_relaxed) != CallEnd::kInTime; }
    // Ends the present call as if its deadline had come; false when there is none or it is overdue.
    bool cancel();
    // Ends the present call, and every later one as soon as it is armed. Any thread.
    void retire();

   private:
    friend class DeadlineWatch;

    // Negative values are stages, other values a deadline in nanoseconds of Clock.
    static constexpr int64_t kIdle = -1;
    static constexpr int64_t kBusy = -2;  // the watch is at work on this slot
    static constexpr int64_t kExpired = -3;
    static constexpr int64_t kStopped = -4;
    static constexpr int64_t kCancelRequest = 0;  // a deadline long past

    DeadlineWatch& watch_;
    Sandbox& sandbox_;
    std::atomic<int64_t> stage_{kIdle};
    std::atomic<CallEnd> end_{CallEnd::kInTime};
    std::atomic<bool> isRetired_{false};
    Clock::time_point stopAt_;  // the watch's own
  };

  explicit DeadlineWatch(std::chrono::milliseconds grace = std::chrono::milliseconds(2));
  DeadlineWatch(const DeadlineWatch&) = delete;
  DeadlineWatch& operator=(const DeadlineWatch&) = delete;
  ~DeadlineWatch();

 private:
  static constexpr int64_t kNever = INT64_MAX;

  void add(Slot* slot);
  void remove(Slot* slot);
  // The watch's sleep may be longer than until `deadline`.
  void wakeFor(int64_t deadline);
  void run();
  // Moves every overdue slot on; returns the next time at which one needs it.
  int64_t inspectAll(Clock::time_point now) NEXUS_REQUIRES(mutex_);
  int64_t inspect(Slot& slot, Clock::time_point now) const;

  const std::chrono::milliseconds grace_;
  std::atomic<int64_t> wakeAt_{kNever};
  Mutex mutex_;
  Condition wake_;
  std::vector<Slot*> slots_ NEXUS_GUARDED_BY(mutex_);
  bool stopping_ NEXUS_GUARDED_BY(mutex_) = false;
  bool nudged_ NEXUS_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace nexus::sandbox
