// Small errors that several files of this room make.
#pragma once

#include <string>
#include <utility>

#include "nexus/error.h"

namespace nexus::js {

inline Error limitError(ErrorCode code, const char* name, uint64_t value, uint64_t observed,
                        std::string message) {
  return Error{
      .code = code, .message = std::move(message), .limit = LimitReport{name, value, observed}};
}

inline Error cannotRestore() {
  return Error{.code = ErrorCode::kUnavailable,
               .message = "the sandbox could not be restored: the system refused memory"};
}

inline Error outOfHostMemory() {
  return Error{.code = ErrorCode::kUnavailable, .message = "the host is out of memory"};
}

}  // namespace nexus::js
