// The stack that a guest runs on: its own, so that a caller with a small stack can call and an
// overflow hits a guard page that belongs to nobody else.
//
//   low | guard | headroom for imports | ................ | top
#pragma once

#include <cstddef>
#include <cstdint>

#include "sandbox/engine.h"
#include "sandbox/native/reservation.h"

namespace nexus::sandbox {

class NativeStack {
 public:
  static Result<NativeStack> make(size_t usableBytes);

  void* top() const { return region_.data() + region_.size(); }
  void* bottom() const { return region_.data() + kGuardBytes; }
  size_t bytes() const { return region_.size() - kGuardBytes; }
  // A guest that is this deep must not call the host.
  uintptr_t limit() const { return reinterpret_cast<uintptr_t>(bottom()) + kImportStackBytes; }
  void* guard() const { return region_.data(); }
  bool isGuard(const void* address) const { return address >= guard() && address < bottom(); }
  // Gives its memory back. Not while a guest runs on it.
  void discard() { (void)region_.discard(kGuardBytes, region_.size()); }

 private:
  // Larger than any frame of generated code, so that no call can step over it.
  static constexpr size_t kGuardBytes = size_t{1} << 20;

  explicit NativeStack(Reservation region) : region_(std::move(region)) {}

  Reservation region_;
};

}  // namespace nexus::sandbox
