#include "runtime/housekeeper.h"

#include <new>

#include "sandbox/quiet_thread.h"

namespace nexus::runtime {

Housekeeper::Housekeeper(InstancePool& pool, MemoryCache& memory, SuspensionStore& suspensions,
                         MemoryPressure& pressure, Observer& observer,
                         std::chrono::milliseconds interval)
    : pool_(pool),
      memory_(memory),
      suspensions_(suspensions),
      pressure_(pressure),
      observer_(observer),
      interval_(interval),
      thread_(sandbox::startQuietThread([this] { run(); })) {}

Housekeeper::~Housekeeper() {
  {
    const MutexLock lock(mutex_);
    isStopped_ = true;
  }
  stop_.notifyOne();
  thread_.join();
}

void Housekeeper::run() {
  while (true) {
    {
      const MutexLock lock(mutex_);
      const auto due = std::chrono::steady_clock::now() + interval_;
      while (!isStopped_ && std::chrono::steady_clock::now() < due) stop_.waitUntil(mutex_, due);
      if (isStopped_) return;
    }
    try {
      tidyUp();
    } catch (const std::bad_alloc&) {
      // Looking for what can go takes memory, too: the next round may have more luck.
    }
  }
}

void Housekeeper::tidyUp() {
  suspensions_.expire();
  suspensions_.pack();
  if (!pressure_.isHigh()) {
    pool_.age();
    return;
  }
  // Half of what is there, each time: pressure that lasts leaves nothing but what is in use.
  const uint64_t evicted = memory_.shrinkTo(memory_.stats().bytes / 2);
  if (evicted > 0) observer_.onEviction(CacheTier::kMemory, evicted);
  pool_.shrink();
}

}  // namespace nexus::runtime
