// What a call produced and what it cost. Plain values, owned by the caller.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nexus/error.h"
#include "nexus/export.h"
#include "nexus/state.h"

namespace nexus {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

NEXUS_API std::string_view toString(LogLevel level);

struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  std::string message;  // UTF-8
};

struct Event {
  std::string name;                    // UTF-8
  std::optional<std::string> payload;  // JSON text; absent when none was given
};

struct ViewCommand {
  std::string type;         // setFilter, scrollTo, focus or command
  std::string componentId;  // UTF-8
  std::string args;         // JSON object: {value}, {position}, {} or {name, args}
};

// What a suspended call waits for: to be answered with resume.
struct ExtensionRequest {
  uint64_t id = 0;        // within the call
  std::string extension;  // its alias
  std::string method;
  std::string args;  // JSON array
};

// Records that a call handed to the host, refused ones among them.
struct HostCalls {
  uint64_t log = 0;
  uint64_t emit = 0;
  uint64_t view = 0;
  uint64_t ext = 0;
  uint64_t state = 0;  // keys written or deleted

  uint64_t total() const { return log + emit + view + ext + state; }
};

enum class CacheTier { kNone, kMemory, kDisk };

NEXUS_API std::string_view toString(CacheTier tier);

struct ExecutionMetrics {
  std::chrono::microseconds duration{0};  // the handler's execution, without waiting and restoring
  uint64_t memoryUsedBytes = 0;           // guest heap in use at the end
  uint64_t memoryPeakBytes = 0;           // highest linear memory
  HostCalls hostCalls;
  CacheTier cacheTier = CacheTier::kNone;
  std::chrono::microseconds compilationTime{0};
  // An estimate: grows with the JavaScript executed, blind to time inside built-in functions.
  uint64_t instructionCount = 0;
};

enum class CallStatus { kSuccess, kError, kSuspended };

NEXUS_API std::string_view toString(CallStatus status);

struct ExecutionResult {
  // Set when the call failed. What it did since its last suspension is dropped then, but for its
  // log.
  std::optional<Error> error;
  // JSON text of the returned value; absent when the handler returned undefined, waits or failed.
  std::optional<std::string> value;

  // What the call did since it began or was last resumed.
  std::vector<StateMutation> stateMutations;  // in the order of the first write
  std::vector<Event> events;
  std::vector<ViewCommand> viewCommands;
  std::vector<LogRecord> log;

  // Under which the Runtime holds a call that waits for somebody outside: for Runtime::resume. Also
  // with an error, when a resume was refused and the call still waits.
  std::string suspensionId;
  // Not empty: the call is suspended, and waits for these, the older ones first.
  std::vector<ExtensionRequest> pending;

  ExecutionMetrics metrics;  // of the whole call so far

  bool ok() const { return !error.has_value(); }
  CallStatus status() const {
    if (error) return CallStatus::kError;
    return pending.empty() ? CallStatus::kSuccess : CallStatus::kSuspended;
  }
};

}  // namespace nexus
