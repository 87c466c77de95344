// What the extension `http` says when it refuses or fails.
#pragma once

#include <string>
#include <string_view>

#include "base/text.h"
#include "nexus/error.h"

namespace nexus::extensions {

inline constexpr std::string_view kHttpPrefix = "http: ";

// Only the message reaches a handler, as that of an ExtensionError.
inline Error httpError(const std::string& message) {
  return Error{.code = ErrorCode::kExecutionError, .message = std::string(kHttpPrefix) + message};
}

// Text of others in quotes, no longer than a line.
inline std::string inQuotes(std::string_view text) {
  constexpr size_t kLongestShown = 200;
  return "'" + toValidUtf8(std::string(cutUtf8(text, kLongestShown))) + "'";
}

}  // namespace nexus::extensions
