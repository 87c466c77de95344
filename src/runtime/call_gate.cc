#include "runtime/call_gate.h"

namespace nexus::runtime {

bool CallGate::enter() {
  if ((visitors_.fetch_add(1, std::memory_order_acq_rel) & kClosed) == 0) return true;
  leave();
  return false;
}

void CallGate::leave() {
  if (visitors_.fetch_sub(1, std::memory_order_acq_rel) != (kClosed | 1)) return;
  const MutexLock lock(mutex_);
  isEmpty_ = true;
  emptied_.notifyAll();
}

void CallGate::close() {
  if (visitors_.fetch_or(kClosed, std::memory_order_acq_rel) != 0) return;
  const MutexLock lock(mutex_);
  isEmpty_ = true;
  emptied_.notifyAll();
}

void CallGate::waitUntilEmpty() {
  const MutexLock lock(mutex_);
  while (!isEmpty_) emptied_.wait(mutex_);
}

}  // namespace nexus::runtime
