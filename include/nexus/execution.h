// What a call produced and what it cost. Plain values, owned by the caller.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nexus/error.h"

namespace nexus {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

std::string_view toString(LogLevel level);

struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  std::string message;  // UTF-8
};

enum class CacheTier { kNone, kMemory, kDisk };

std::string_view toString(CacheTier tier);

struct ExecutionMetrics {
  std::chrono::microseconds duration{0};  // the handler's execution, without waiting and restoring
  uint64_t memoryUsedBytes = 0;           // guest heap in use at the end
  uint64_t memoryPeakBytes = 0;           // highest linear memory
  uint64_t logCalls = 0;
  CacheTier cacheTier = CacheTier::kNone;
  std::chrono::microseconds compilationTime{0};
  // An estimate: grows with the JavaScript executed, blind to time inside built-in functions.
  uint64_t instructionCount = 0;
};

struct ExecutionResult {
  // Set when the call failed; what it logged until then is kept.
  std::optional<Error> error;
  // JSON text of the returned value; absent when the handler returned undefined or failed.
  std::optional<std::string> value;
  std::vector<LogRecord> log;
  ExecutionMetrics metrics;

  bool ok() const { return !error.has_value(); }
};

}  // namespace nexus
