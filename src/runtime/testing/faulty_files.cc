#include "runtime/testing/faulty_files.h"

namespace nexus::runtime::testing {
namespace {

Error broken(const std::string& path) {
  return Error{.code = ErrorCode::kUnavailable, .message = path + ": the disk fails"};
}

}  // namespace

void FaultyFiles::failPercent(uint32_t percent) {
  const MutexLock lock(mutex_);
  percent_ = percent;
}

void FaultyFiles::setFull(bool isFull) {
  const MutexLock lock(mutex_);
  isFull_ = isFull;
}

uint64_t FaultyFiles::failures() const {
  const MutexLock lock(mutex_);
  return failures_;
}

bool FaultyFiles::fails() {
  const MutexLock lock(mutex_);
  const bool failed = random_() % 100 < percent_;
  failures_ += failed ? 1 : 0;
  return failed;
}

bool FaultyFiles::failsToWrite() {
  {
    const MutexLock lock(mutex_);
    failures_ += isFull_ ? 1 : 0;
    if (isFull_) return true;
  }
  return fails();
}

Status FaultyFiles::checkFolder(const std::string& path) {
  return fails() ? broken(path) : inner_.checkFolder(path);
}

Status FaultyFiles::makeFolder(const std::string& path) {
  return fails() ? broken(path) : inner_.makeFolder(path);
}

Result<std::string> FaultyFiles::read(const std::string& path, uint64_t maxBytes) {
  if (fails()) return broken(path);
  return inner_.read(path, maxBytes);
}

Status FaultyFiles::replace(const std::string& path, std::string_view bytes) {
  if (failsToWrite()) return broken(path);
  auto done = inner_.replace(path, bytes);
  return fails() ? broken(path) : done;
}

Status FaultyFiles::create(const std::string& path, std::string_view bytes) {
  if (failsToWrite()) return broken(path);
  auto done = inner_.create(path, bytes);
  return fails() ? broken(path) : done;
}

Result<std::vector<FileSystem::Entry>> FaultyFiles::list(const std::string& folder) {
  if (fails()) return broken(folder);
  return inner_.list(folder);
}

Status FaultyFiles::remove(const std::string& path) {
  return fails() ? broken(path) : inner_.remove(path);
}

}  // namespace nexus::runtime::testing
