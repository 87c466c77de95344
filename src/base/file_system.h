// The few things that are done with files whose content others might have changed: a cache and its
// key. An interface, so that tests can make any of them fail.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nexus/result.h"

namespace nexus {

// Thread-safe. Errors are kUnavailable, with the path and the system's words, unless it says
// otherwise.
class FileSystem {
 public:
  enum class Kind { kFile, kFolder, kOther };

  struct Entry {
    std::string name;
    Kind kind = Kind::kOther;
    bool isOwn = false;  // belongs to this process's user
    uint64_t bytes = 0;
    std::chrono::system_clock::time_point written;
  };

  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  // The folder and those above it, for this user alone. No error when it is there; kInvalidInput
  // when what is there is no folder, belongs to another user, or others may write to it.
  virtual Status makeFolder(const std::string& path) = 0;
  // The same for one that should be there: kNotFound when it is not.
  virtual Status checkFolder(const std::string& path) = 0;

  // All of a plain file of at most `maxBytes` that is this user's alone. kNotFound when nothing is
  // there, kInvalidInput when it is anything else: a link, a pipe, a longer file, another's, one
  // that others may read or write.
  virtual Result<std::string> read(const std::string& path, uint64_t maxBytes) = 0;

  // A new file for this user alone: written beside its place, then moved there, so that whoever
  // looks finds all of it or nothing. Replaces what is there.
  virtual Status replace(const std::string& path, std::string_view bytes) = 0;
  // The same, but leaves what is there: kUnavailable then.
  virtual Status create(const std::string& path, std::string_view bytes) = 0;

  // Empty when there is no such folder, kInvalidInput when it is a link or no folder.
  virtual Result<std::vector<Entry>> list(const std::string& folder) = 0;

  // No error when it is not there.
  virtual Status remove(const std::string& path) = 0;
};

// Names that replace() and create() give to unfinished files. One that stays was left by a process
// that died.
bool isUnfinishedName(std::string_view name);

std::unique_ptr<FileSystem> makePosixFileSystem();

}  // namespace nexus
