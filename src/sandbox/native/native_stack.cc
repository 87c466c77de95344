#include "sandbox/native/native_stack.h"

#include "sandbox/image.h"

namespace nexus::sandbox {

Result<NativeStack> NativeStack::make(size_t usableBytes) {
  const size_t rounded =
      (usableBytes + kImportStackBytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  auto region = Reservation::make(kGuardBytes + rounded);
  if (!region) return std::move(region).error();
  if (!region->protect(kGuardBytes, kGuardBytes + rounded, PageAccess::kReadWrite)) {
    return Error{.code = ErrorCode::kUnavailable,
                 .message = "the system refused memory for a sandbox's stack"};
  }
  return NativeStack(std::move(*region));
}

}  // namespace nexus::sandbox
