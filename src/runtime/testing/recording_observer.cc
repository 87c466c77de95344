#include "runtime/testing/recording_observer.h"

#include <utility>

namespace nexus::runtime::testing {
namespace {

const char* wordOf(CacheReport::Result result) {
  switch (result) {
    case CacheReport::Result::kHit:
      return " hit";
    case CacheReport::Result::kMiss:
      return " miss";
    case CacheReport::Result::kRejected:
      return " rejected";
    case CacheReport::Result::kFailed:
      return " failed";
  }
  return " ?";
}

}  // namespace

void RecordingObserver::add(std::string line) {
  const MutexLock lock(mutex_);
  lines_.push_back(std::move(line));
}

void RecordingObserver::onCache(const CacheReport& report) noexcept {
  std::string line = std::string(toString(report.tier)) + wordOf(report.result);
  if (!report.detail.empty()) line += ": " + std::string(report.detail);
  add(std::move(line));
}

void RecordingObserver::onEviction(CacheTier tier, uint64_t count) noexcept {
  add(std::string(toString(tier)) + " evicted " + std::to_string(count));
}

std::vector<std::string> RecordingObserver::take() {
  const MutexLock lock(mutex_);
  return std::exchange(lines_, {});
}

}  // namespace nexus::runtime::testing
