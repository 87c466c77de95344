// A disk in memory: fast, and its clock moves only with what is written.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"

namespace nexus::runtime::testing {

// Knows no links, owners and rights.
class MemoryFiles final : public FileSystem {
 public:
  Status makeFolder(const std::string& path) override;
  Status checkFolder(const std::string& path) override;
  Result<std::string> read(const std::string& path, uint64_t maxBytes) override;
  Status replace(const std::string& path, std::string_view bytes) override;
  Status create(const std::string& path, std::string_view bytes) override;
  Result<std::vector<Entry>> list(const std::string& folder) override;
  Status remove(const std::string& path) override;

  // Of all files.
  uint64_t bytes() const;
  // Times that a folder was listed.
  uint64_t lists() const;

 private:
  struct File {
    std::string content;
    std::chrono::system_clock::time_point written;
  };

  mutable Mutex mutex_;
  std::set<std::string> folders_ NEXUS_GUARDED_BY(mutex_);
  std::map<std::string, File> files_ NEXUS_GUARDED_BY(mutex_);
  uint64_t bytes_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t writes_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t lists_ NEXUS_GUARDED_BY(mutex_) = 0;

  Status put(const std::string& path, std::string_view bytes) NEXUS_REQUIRES(mutex_);
};

}  // namespace nexus::runtime::testing
