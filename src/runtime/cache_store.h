// Files that this user's processes share and that nobody is trusted with: each is authenticated by
// a key that only this user can read.
//
//   FOLDER/key                  32 random bytes, made on first use
//   FOLDER/entries/ab/cdef…     one file a name (SHA-256 in hexadecimal), in 256 folders
//
//   file:  magic, version | name | payload | HMAC-SHA256 of all that
//
// Files are written aside and moved into place, so several processes may use one folder, and die at
// any moment. What is wrong with a file or a disk costs nothing but its content: it is a miss,
// which the next write replaces. When files take more than they may, those written longest ago go.
//
// Who writes looks now and then at what there is, more often at the one folder it writes to than at
// all 256. A folder with many files has its share of all of them, as names are hashes, and is put
// in order alone; others only together.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/hash.h"
#include "base/mutex.h"

namespace nexus::runtime {

// Thread-safe, also over processes.
class CacheStore {
 public:
  // `files` must outlive it. Touches no disk yet.
  CacheStore(FileSystem& files, std::string folder, uint64_t maxBytes);

  struct Found {
    enum class Kind {
      kHit,
      kMiss,
      kRejected,  // there is something that is not to be trusted
      kFailed,    // the disk does not do what it should
    } kind = Kind::kMiss;
    std::string payload;  // of a hit
    std::string why;      // of the last two
  };
  Found read(const Digest& name);

  struct Written {
    uint64_t evicted = 0;  // files that had to go
  };
  // Replaces what is there; what is larger than all may be together is removed instead, and
  // kResourceLimit. kUnavailable when the disk refuses.
  Result<Written> write(const Digest& name, std::string_view payload);

  struct Stats {
    uint64_t entries = 0;
    uint64_t bytes = 0;
  };
  // These look at every file. kInvalidInput when the folder is not to be trusted.
  Result<Stats> stats();
  struct Damage {
    std::string path;
    std::string why;
  };
  struct Verified {
    uint64_t sound = 0;
    std::vector<Damage> damaged;
  };
  Result<Verified> verify();
  // Removes all entries, sound or not, and keeps the key; returns how many. The first error when
  // some cannot be removed.
  Result<uint64_t> clear();

 private:
  struct Place {
    std::string folder;
    std::string path;
  };
  struct File {
    std::string path;
    FileSystem::Entry entry;
  };
  enum class KeyUse { kAsKnown, kReadAgain };
  enum class Abandoned { kKeep, kRemove };

  Place placeOf(const Digest& name) const;
  std::string keyPath() const { return folder_ + "/key"; }
  std::string entriesPath() const { return folder_ + "/entries"; }
  Result<std::string> key(KeyUse use);
  Result<std::string> readOrMakeKey();
  Found open(const std::string& file, const Place& place, const Digest& name);
  Status put(const Digest& name, std::string_view payload);
  Result<std::vector<File>> files(const std::string& folder, Abandoned abandoned);
  Result<std::vector<File>> allFiles(Abandoned abandoned);
  Status makeSubfolder(const std::string& path);
  uint64_t makeRoom(const Place& place, uint64_t bytes);
  uint64_t removeOldest(std::vector<File> candidates, uint64_t maxBytes);

  FileSystem& files_;
  const std::string folder_;
  const uint64_t maxBytes_;

  mutable Mutex mutex_;
  std::string key_ NEXUS_GUARDED_BY(mutex_);  // empty: not read yet
  // Bytes to be written until the next look at a folder, and at all of them.
  std::atomic<int64_t> leftToFolder_;
  std::atomic<int64_t> leftToAll_;
};

}  // namespace nexus::runtime
