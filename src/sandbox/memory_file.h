// An anonymous file in memory: written once, then sealed, then mapped by any number of sandboxes,
// each with its own private copy of the pages it writes to.
#pragma once

#include <cstddef>
#include <span>

#include "nexus/result.h"

namespace nexus::sandbox {

class MemoryFile {
 public:
  MemoryFile() = default;
  MemoryFile(MemoryFile&& other) noexcept;
  MemoryFile& operator=(MemoryFile&& other) noexcept;
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile();

  // Zeros, `bytes` of them (a multiple of the page size). kUnavailable when the system refuses.
  static Result<MemoryFile> create(size_t bytes);

  // Until seal(); afterwards nobody can write, through this object or the descriptor.
  std::byte* writable() { return view_; }
  void seal();

  std::span<const std::byte> bytes() const { return {view_, size_}; }
  // For private mappings; owned by this object.
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
  std::byte* view_ = nullptr;
  size_t size_ = 0;
};

}  // namespace nexus::sandbox
