// The thread that, once in a while, makes what is idle give memory back, and more of it when memory
// gets short.
#pragma once

#include <chrono>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "nexus/observer.h"
#include "runtime/instance_pool.h"
#include "runtime/memory_cache.h"
#include "runtime/memory_pressure.h"
#include "runtime/suspension_store.h"

namespace nexus::runtime {

class Housekeeper {
 public:
  static constexpr std::chrono::milliseconds kInterval{500};

  // All must outlive it.
  Housekeeper(InstancePool& pool, MemoryCache& memory, SuspensionStore& suspensions,
              MemoryPressure& pressure, Observer& observer,
              std::chrono::milliseconds interval = kInterval);
  Housekeeper(const Housekeeper&) = delete;
  Housekeeper& operator=(const Housekeeper&) = delete;
  ~Housekeeper();

  // One round: what the thread does at each interval. For tests, too.
  void tidyUp();

 private:
  void run();

  InstancePool& pool_;
  MemoryCache& memory_;
  SuspensionStore& suspensions_;
  MemoryPressure& pressure_;
  Observer& observer_;
  const std::chrono::milliseconds interval_;
  Mutex mutex_;
  Condition stop_;
  bool isStopped_ NEXUS_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace nexus::runtime
