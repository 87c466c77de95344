#include "sandbox/deadline_watch.h"

#include <algorithm>

#include "sandbox/quiet_thread.h"

namespace nexus::sandbox {
namespace {

using Clock = DeadlineWatch::Clock;

int64_t toNanoseconds(Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

DeadlineWatch::Slot::Slot(DeadlineWatch& watch, Sandbox& sandbox)
    : watch_(watch), sandbox_(sandbox) {
  watch_.add(this);
}

DeadlineWatch::Slot::~Slot() { watch_.remove(this); }

void DeadlineWatch::Slot::arm(Clock::time_point deadline) {
  const int64_t at =
      deadline == Clock::time_point::max() ? kNever : std::max<int64_t>(toNanoseconds(deadline), 1);
  // Sequentially consistent with the watch's store of wakeAt_ and its second look at the slots:
  // either it sees this deadline, or this sees that it sleeps longer.
  stage_.store(at, std::memory_order_seq_cst);
  watch_.wakeFor(at);
  // Likewise with retire(): it sees this call, or this sees that it came before.
  if (isRetired_.load(std::memory_order_seq_cst)) cancel();
}

CallEnd DeadlineWatch::Slot::disarm() {
  int64_t stage = stage_.load(std::memory_order_acquire);
  while (true) {
    if (stage == kBusy) {
      std::this_thread::yield();
      stage = stage_.load(std::memory_order_acquire);
    } else if (stage_.compare_exchange_weak(stage, kIdle, std::memory_order_acq_rel)) {
      break;
    }
  }
  if (stage == kStopped) sandbox_.clearStop();
  if (stage == kCancelRequest) return CallEnd::kCancelled;  // the watch had not seen it yet
  if (stage != kStopped && stage != kExpired) return CallEnd::kInTime;
  return end_.exchange(CallEnd::kInTime, std::memory_order_relaxed);
}

bool DeadlineWatch::Slot::cancel() {
  int64_t stage = stage_.load(std::memory_order_seq_cst);
  while (stage > kCancelRequest) {
    if (stage_.compare_exchange_weak(stage, kCancelRequest, std::memory_order_acq_rel)) {
      watch_.wakeFor(kCancelRequest);
      return true;
    }
  }
  return false;
}

void DeadlineWatch::Slot::retire() {
  isRetired_.store(true, std::memory_order_seq_cst);
  cancel();
}

DeadlineWatch::DeadlineWatch(std::chrono::milliseconds grace)
    : grace_(grace), thread_(startQuietThread([this] { run(); })) {}

DeadlineWatch::~DeadlineWatch() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notifyOne();
  thread_.join();
}

void DeadlineWatch::add(Slot* slot) {
  const MutexLock lock(mutex_);
  slots_.push_back(slot);
}

void DeadlineWatch::remove(Slot* slot) {
  const MutexLock lock(mutex_);
  slots_.erase(std::find(slots_.begin(), slots_.end(), slot));
}

void DeadlineWatch::wakeFor(int64_t deadline) {
  if (deadline >= wakeAt_.load(std::memory_order_seq_cst)) return;
  {
    const MutexLock lock(mutex_);
    nudged_ = true;
  }
  wake_.notifyOne();
}

void DeadlineWatch::run() {
  const MutexLock lock(mutex_);
  while (!stopping_) {
    nudged_ = false;
    const int64_t next = inspectAll(Clock::now());
    while (!stopping_ && !nudged_) {
      if (next == kNever) {
        wake_.wait(mutex_);
      } else {
        const Clock::time_point until{std::chrono::nanoseconds(next)};
        if (Clock::now() >= until) break;
        wake_.waitUntil(mutex_, until);
      }
    }
  }
}

int64_t DeadlineWatch::inspectAll(Clock::time_point now) {
  int64_t next = kNever;
  // Twice: between the first look at a slot and the store, its call may have been armed with a
  // deadline that wakeFor did not find worth waking for.
  for (int look = 0; look < 2; ++look) {
    for (Slot* slot : slots_) next = std::min(next, inspect(*slot, now));
    wakeAt_.store(next, std::memory_order_seq_cst);
  }
  return next;
}

int64_t DeadlineWatch::inspect(Slot& slot, Clock::time_point now) const {
  int64_t stage = slot.stage_.load(std::memory_order_seq_cst);
  if (stage >= 0) {
    if (stage > toNanoseconds(now)) return stage;
    const CallEnd end = stage == Slot::kCancelRequest ? CallEnd::kCancelled : CallEnd::kDeadline;
    if (!slot.stage_.compare_exchange_strong(stage, Slot::kBusy)) return toNanoseconds(now);
    slot.end_.store(end, std::memory_order_relaxed);
    slot.stopAt_ = now + grace_;
    slot.stage_.store(Slot::kExpired, std::memory_order_release);
    return toNanoseconds(slot.stopAt_);
  }
  if (stage != Slot::kExpired) return kNever;
  if (slot.stopAt_ > now) return toNanoseconds(slot.stopAt_);
  if (!slot.stage_.compare_exchange_strong(stage, Slot::kBusy)) return toNanoseconds(now);
  slot.sandbox_.requestStop();
  slot.stage_.store(Slot::kStopped, std::memory_order_release);
  return kNever;
}

}  // namespace nexus::sandbox
