// A cache folder on a real disk, and what an enemy or an accident would do to it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/testing/temp_folder.h"
#include "runtime/cache_store.h"

namespace nexus::runtime {

// For GoogleTest's messages.
void PrintTo(CacheStore::Found::Kind kind, std::ostream* out);

namespace testing {

using Kind = CacheStore::Found::Kind;

inline constexpr uint64_t kRoomy = uint64_t{1} << 30;

Digest nameOf(std::string_view text);

// What stands in an entry's file, written down a second time.
struct SealedEntry {
  std::string key;
  uint32_t version = 1;
  Digest name{};
  std::string_view payload;
};
std::string seal(const SealedEntry& entry);

class CacheStoreTest : public ::testing::Test {
 protected:
  // As another process would.
  CacheStore open(uint64_t maxBytes = kRoomy) { return {*files_, folder(), maxBytes}; }

  std::string folder() const { return temp_ / "cache"; }
  std::string keyPath() const { return folder() + "/key"; }
  std::string pathOf(const Digest& name) const;
  std::string readKey() const { return nexus::testing::readFile(keyPath()); }

  // Puts bytes in the place of an entry, as a file of this user alone.
  void plant(const std::string& path, std::string_view bytes) const;

  nexus::testing::TempFolder temp_;
  const std::unique_ptr<FileSystem> files_ = makePosixFileSystem();
};

// "hit: PAYLOAD", "miss", "rejected" or "failed".
std::string show(const CacheStore::Found& found);

}  // namespace testing
}  // namespace nexus::runtime
