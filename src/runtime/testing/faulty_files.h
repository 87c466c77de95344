// A disk that fails: always, never, or now and then.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"

namespace nexus::runtime::testing {

// In front of another one, which must outlive it. Thread-safe.
class FaultyFiles final : public FileSystem {
 public:
  explicit FaultyFiles(FileSystem& inner, uint32_t seed = 1) : inner_(inner), random_(seed) {}

  // From now on, so many of a hundred operations fail; replace and create may fail when all is
  // done, too.
  void failPercent(uint32_t percent);
  // No file can be written; the rest works.
  void setFull(bool isFull);
  uint64_t failures() const;

  Status makeFolder(const std::string& path) override;
  Status checkFolder(const std::string& path) override;
  Result<std::string> read(const std::string& path, uint64_t maxBytes) override;
  Status replace(const std::string& path, std::string_view bytes) override;
  Status create(const std::string& path, std::string_view bytes) override;
  Result<std::vector<Entry>> list(const std::string& folder) override;
  Status remove(const std::string& path) override;

 private:
  bool fails();
  bool failsToWrite();

  FileSystem& inner_;
  mutable Mutex mutex_;
  std::mt19937 random_ NEXUS_GUARDED_BY(mutex_);
  uint32_t percent_ NEXUS_GUARDED_BY(mutex_) = 0;
  bool isFull_ NEXUS_GUARDED_BY(mutex_) = false;
  uint64_t failures_ NEXUS_GUARDED_BY(mutex_) = 0;
};

}  // namespace nexus::runtime::testing
