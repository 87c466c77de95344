// The words of the public enums.
#include "nexus/error.h"
#include "nexus/execution.h"
#include "nexus/observer.h"

namespace nexus {

std::string_view toString(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCompilationError:
      return "COMPILATION_ERROR";
    case ErrorCode::kInvalidHandler:
      return "INVALID_HANDLER";
    case ErrorCode::kInvalidInput:
      return "INVALID_INPUT";
    case ErrorCode::kExecutionError:
      return "EXECUTION_ERROR";
    case ErrorCode::kPermissionDenied:
      return "PERMISSION_DENIED";
    case ErrorCode::kTimeout:
      return "TIMEOUT";
    case ErrorCode::kMemoryLimit:
      return "MEMORY_LIMIT";
    case ErrorCode::kStackOverflow:
      return "STACK_OVERFLOW";
    case ErrorCode::kResourceLimit:
      return "RESOURCE_LIMIT";
    case ErrorCode::kUnavailable:
      return "UNAVAILABLE";
    case ErrorCode::kCancelled:
      return "CANCELLED";
    case ErrorCode::kNotFound:
      return "NOT_FOUND";
    case ErrorCode::kInternalError:
      return "INTERNAL_ERROR";
  }
  return "INTERNAL_ERROR";
}

std::string_view toString(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

std::string_view toString(CallStatus status) {
  switch (status) {
    case CallStatus::kSuccess:
      return "success";
    case CallStatus::kError:
      return "error";
    case CallStatus::kSuspended:
      return "suspended";
  }
  return "error";
}

std::string_view toString(CacheTier tier) {
  switch (tier) {
    case CacheTier::kNone:
      return "none";
    case CacheTier::kMemory:
      return "memory";
    case CacheTier::kDisk:
      return "disk";
  }
  return "none";
}

std::string_view toString(SuspensionOutcome outcome) {
  switch (outcome) {
    case SuspensionOutcome::kSuspended:
      return "suspended";
    case SuspensionOutcome::kResumed:
      return "resumed";
    case SuspensionOutcome::kExpired:
      return "expired";
    case SuspensionOutcome::kDropped:
      return "dropped";
    case SuspensionOutcome::kRefused:
      return "refused";
  }
  return "suspended";
}

}  // namespace nexus
