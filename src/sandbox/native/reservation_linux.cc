#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "sandbox/native/reservation.h"

namespace nexus::sandbox {

Reservation::Reservation(Reservation&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Reservation::~Reservation() {
  if (data_ != nullptr) munmap(data_, size_);
}

Result<Reservation> Reservation::make(size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return Error{.code = ErrorCode::kUnavailable,
                 .message = "the system refused to reserve " + std::to_string(bytes) +
                            " bytes of address space for a sandbox: " +
                            std::strerror(errno) +  // NOLINT(concurrency-mt-unsafe)
                            " (see ulimit -v and vm.max_map_count)"};
  }
  // Huge pages would make every sandbox's first write cost 2 MiB. Refusal is harmless.
  madvise(data, bytes, MADV_NOHUGEPAGE);
  Reservation reservation;
  reservation.data_ = static_cast<std::byte*>(data);
  reservation.size_ = bytes;
  return reservation;
}

bool Reservation::protect(size_t begin, size_t end, PageAccess access) noexcept {
  const int flags = access == PageAccess::kNone   ? PROT_NONE
                    : access == PageAccess::kRead ? PROT_READ
                                                  : PROT_READ | PROT_WRITE;
  return begin == end || mprotect(data_ + begin, end - begin, flags) == 0;
}

bool Reservation::mapFile(size_t begin, int descriptor, size_t bytes) noexcept {
  return mmap(data_ + begin, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, descriptor,
              0) != MAP_FAILED;
}

bool Reservation::discard(size_t begin, size_t end) noexcept {
  return begin == end || madvise(data_ + begin, end - begin, MADV_DONTNEED) == 0;
}

}  // namespace nexus::sandbox
