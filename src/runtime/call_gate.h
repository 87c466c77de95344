// Who is inside of a runtime, so that it can be closed and left by all: when its instances are back
// some calls still report, or write to the disk.
//
//   open:   enter ──► inside ──► leave
//   closed: nobody enters; when the last one has left, those who closed it go on
#pragma once

#include <atomic>
#include <cstdint>

#include "base/mutex.h"

namespace nexus::runtime {

// Thread-safe. Entering and leaving are an atomic operation each.
class CallGate {
 public:
  // As long as it lives, its owner is inside; unless the gate was closed.
  class Visit {
   public:
    explicit Visit(CallGate& gate) : gate_(gate), isInside_(gate.enter()) {}
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() {
      if (isInside_) gate_.leave();
    }

    explicit operator bool() const { return isInside_; }

   private:
    CallGate& gate_;
    const bool isInside_;
  };

  // From now on nobody enters.
  void close();
  bool isClosed() const { return (visitors_.load(std::memory_order_acquire) & kClosed) != 0; }
  // Until nobody is inside; the gate is closed. Whoever leaves last does not touch it any more.
  void waitUntilEmpty();

 private:
  static constexpr uint64_t kClosed = uint64_t{1} << 63;

  bool enter();
  void leave();

  std::atomic<uint64_t> visitors_{0};  // and kClosed
  Mutex mutex_;
  Condition emptied_;
  bool isEmpty_ NEXUS_GUARDED_BY(mutex_) = false;
};

}  // namespace nexus::runtime
