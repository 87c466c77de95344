#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "sandbox/memory_file.h"

namespace nexus::sandbox {
namespace {

Error refused(const char* call, size_t bytes) {
  return Error{.code = ErrorCode::kUnavailable,
               .message = std::string(call) + " refused " + std::to_string(bytes) +
                          " bytes for a sandbox image: " +
                          std::strerror(errno)};  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace

MemoryFile::MemoryFile(MemoryFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      view_(std::exchange(other.view_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MemoryFile& MemoryFile::operator=(MemoryFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(view_, other.view_);
  std::swap(size_, other.size_);
  return *this;
}

MemoryFile::~MemoryFile() {
  if (view_ != nullptr) munmap(view_, size_);
  if (descriptor_ >= 0) close(descriptor_);
}

Result<MemoryFile> MemoryFile::create(size_t bytes) {
  MemoryFile file;
  file.descriptor_ = memfd_create("nexus-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file.descriptor_ < 0) return refused("memfd_create", bytes);
  if (ftruncate(file.descriptor_, static_cast<off_t>(bytes)) != 0)
    return refused("ftruncate", bytes);
  void* view = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor_, 0);
  if (view == MAP_FAILED) return refused("mmap", bytes);
  file.view_ = static_cast<std::byte*>(view);
  file.size_ = bytes;
  return file;
}

void MemoryFile::seal() {
  // A shared mapping, even a read-only one, would forbid the write seal: the view becomes a private
  // one.
  void* view = mmap(view_, size_, PROT_READ, MAP_PRIVATE | MAP_FIXED, descriptor_, 0);
  if (view == MAP_FAILED) return;  // the old view stays; only the seal is missing
  fcntl(descriptor_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

}  // namespace nexus::sandbox
