#include "runtime/testing/memory_files.h"

namespace nexus::runtime::testing {
namespace {

Error unavailable(const std::string& path, const char* why) {
  return Error{.code = ErrorCode::kUnavailable, .message = path + ": " + why};
}

std::string folderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

Status MemoryFiles::makeFolder(const std::string& path) {
  const MutexLock lock(mutex_);
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    folders_.insert(path.substr(0, at));
  }
  folders_.insert(path);
  return Done{};
}

Status MemoryFiles::checkFolder(const std::string& path) {
  const MutexLock lock(mutex_);
  if (folders_.contains(path)) return Done{};
  return Error{.code = ErrorCode::kNotFound, .message = path};
}

Result<std::string> MemoryFiles::read(const std::string& path, uint64_t maxBytes) {
  const MutexLock lock(mutex_);
  const auto found = files_.find(path);
  if (found == files_.end()) return Error{.code = ErrorCode::kNotFound, .message = path};
  if (found->second.content.size() <= maxBytes) return found->second.content;
  return Error{.code = ErrorCode::kInvalidInput, .message = path + " is too long"};
}

Status MemoryFiles::put(const std::string& path, std::string_view bytes) {
  if (!folders_.contains(folderOf(path))) return unavailable(path, "there is no such folder");
  File& file = files_[path];
  bytes_ += bytes.size() - file.content.size();
  file = {std::string(bytes),
          std::chrono::system_clock::now() + std::chrono::microseconds(writes_)};
  ++writes_;
  return Done{};
}

Status MemoryFiles::replace(const std::string& path, std::string_view bytes) {
  const MutexLock lock(mutex_);
  return put(path, bytes);
}

Status MemoryFiles::create(const std::string& path, std::string_view bytes) {
  const MutexLock lock(mutex_);
  if (files_.contains(path)) return unavailable(path, "it exists");
  return put(path, bytes);
}

Result<std::vector<FileSystem::Entry>> MemoryFiles::list(const std::string& folder) {
  const MutexLock lock(mutex_);
  ++lists_;
  std::vector<Entry> entries;
  const std::string prefix = folder + "/";
  for (auto at = files_.lower_bound(prefix); at != files_.end(); ++at) {
    const auto& [path, file] = *at;
    if (!path.starts_with(prefix)) break;
    if (path.find('/', prefix.size()) != std::string::npos) continue;
    entries.push_back(
        {path.substr(prefix.size()), Kind::kFile, true, file.content.size(), file.written});
  }
  for (const std::string& path : folders_) {
    if (folderOf(path) != folder || path == folder) continue;
    entries.push_back({path.substr(prefix.size()), Kind::kFolder, true, 0, {}});
  }
  return entries;
}

Status MemoryFiles::remove(const std::string& path) {
  const MutexLock lock(mutex_);
  const auto found = files_.find(path);
  if (found == files_.end()) return Done{};
  bytes_ -= found->second.content.size();
  files_.erase(found);
  return Done{};
}

uint64_t MemoryFiles::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

uint64_t MemoryFiles::lists() const {
  const MutexLock lock(mutex_);
  return lists_;
}

}  // namespace nexus::runtime::testing
