// Writes down what a runtime tells.
#pragma once

#include <string>
#include <vector>

#include "base/mutex.h"
#include "nexus/observer.h"

namespace nexus::runtime::testing {

// Thread-safe.
class RecordingObserver final : public Observer {
 public:
  void onCache(const CacheReport& report) noexcept override;
  void onEviction(CacheTier tier, uint64_t count) noexcept override;

  // Since the last time, in order: "disk hit", "disk rejected: WHY", "memory evicted 2".
  std::vector<std::string> take();

 private:
  void add(std::string line);

  Mutex mutex_;
  std::vector<std::string> lines_ NEXUS_GUARDED_BY(mutex_);
};

}  // namespace nexus::runtime::testing
