// Errors that any part of a runtime may end a call with, in the same words.
#pragma once

#include "nexus/error.h"

namespace nexus::runtime {

inline Error shuttingDown() {
  return Error{.code = ErrorCode::kUnavailable, .message = "the runtime is shutting down"};
}

inline Error outOfMemory() {
  return Error{.code = ErrorCode::kUnavailable, .message = "the host is out of memory"};
}

inline Error cancelled() {
  return Error{.code = ErrorCode::kCancelled, .message = "the call was cancelled"};
}

}  // namespace nexus::runtime
