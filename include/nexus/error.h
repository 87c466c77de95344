// What can go wrong, as the caller sees it: a code to branch on, a message for people, and where in
// the handler's own source it happened. Plain values; safe to copy between threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nexus/export.h"

namespace nexus {

enum class ErrorCode {
  kCompilationError,  // the text does not compile
  kInvalidHandler,    // the text is empty, not UTF-8 or longer than max_source_bytes
  kInvalidInput,      // what the caller passed is not JSON or does not fit
  kExecutionError,    // thrown and not caught, or a result that JSON cannot carry
  kPermissionDenied,  // an operation without its capability; it did not happen
  kTimeout,           // executed longer than timeout_ms, or suspended longer than allowed
  kMemoryLimit,       // an allocation beyond memory_limit_bytes was refused
  kStackOverflow,     // recursion deeper than stack_size_bytes allows
  kResourceLimit,     // host calls, state, events, log, requests, input, output or suspensions
  kUnavailable,       // not now: no sandbox can be had; may be tried again
  kCancelled,         // by the caller
  kNotFound,          // no such suspended request
  kInternalError,     // our own fault
};

// The code as users see it, such as "EXECUTION_ERROR". The result is a literal.
NEXUS_API std::string_view toString(ErrorCode code);

// Both count from 1, in the handler's own source; a column counts UTF-16 code units, as in
// JavaScript engines and editors.
struct SourceLocation {
  uint32_t line = 0;
  uint32_t column = 0;
  bool operator==(const SourceLocation&) const = default;
};

// For errors that say a limit was exceeded.
struct LimitReport {
  std::string name;       // the configuration key, such as "memory_limit_bytes"
  uint64_t value = 0;     // what is allowed, in the key's unit
  uint64_t observed = 0;  // what was asked for or reached
  bool operator==(const LimitReport&) const = default;
};

struct Error {
  ErrorCode code = ErrorCode::kInternalError;
  std::string message;
  std::string stack;  // one frame a line, in the handler's coordinates; may be empty
  std::optional<SourceLocation> location;
  std::string snippet;  // the source line of `location`, shortened; may be empty
  std::optional<LimitReport> limit;
};

}  // namespace nexus
