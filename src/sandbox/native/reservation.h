// Address space with nothing behind it until it is asked for. All addresses are offsets from its
// start; all ranges are multiples of the page size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nexus/result.h"

namespace nexus::sandbox {

enum class PageAccess { kNone, kRead, kReadWrite };

class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation();

  // kUnavailable when the system has no such range (a limit on address space, for one).
  static Result<Reservation> make(size_t bytes);

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

  // These are system calls and async-signal-safe; false when the system refuses.
  [[nodiscard]] bool protect(size_t begin, size_t end, PageAccess access) noexcept;
  // Private copy of a file's first `bytes`, readable.
  [[nodiscard]] bool mapFile(size_t begin, int descriptor, size_t bytes) noexcept;
  // Gives pages back: the next read finds zeros, or what the mapped file holds.
  [[nodiscard]] bool discard(size_t begin, size_t end) noexcept;

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace nexus::sandbox
