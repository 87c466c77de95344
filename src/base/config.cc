#include "nexus/config.h"

#include <string>

namespace nexus {
namespace {

struct Range {
  const char* key;
  uint64_t value;
  uint64_t lowest;
  uint64_t highest;
  const char* why;
};

}  // namespace

Status validate(const RuntimeConfig& config) {
  constexpr uint64_t kKiB = 1024;
  constexpr uint64_t kGiB = kKiB * kKiB * kKiB;
  constexpr int64_t kLongestTimeout = 86'400'000;
  if (config.timeout.count() < 0 || config.timeout.count() > kLongestTimeout) {
    return Error{.code = ErrorCode::kInvalidInput,
                 .message = "timeout_ms is " + std::to_string(config.timeout.count()) +
                            "; expected 1 to " + std::to_string(kLongestTimeout) +
                            " (a day), or 0 for no limit"};
  }
  const Range ranges[] = {
      {"memory_limit_bytes", config.memoryLimitBytes, 2 * kKiB * kKiB, 4 * kGiB - 64 * kKiB,
       "the engine itself needs 2 MiB, WebAssembly memory ends one page below 4 GiB"},
      {"stack_size_bytes", config.stackSizeBytes, 64 * kKiB, 768 * kKiB,
       "the guest's own stack is 1 MiB"},
      {"max_host_calls", config.maxHostCalls, 0, 1'000'000'000, "each may leave a record"},
      {"max_log_bytes", config.maxLogBytes, 0, kGiB, "the log is held until the call ends"},
      {"max_source_bytes", config.maxSourceBytes, 1, 64 * kKiB * kKiB,
       "a source is compiled at once"},
      {"max_input_bytes", config.maxInputBytes, 1, kGiB, "input is copied into the sandbox"},
      {"max_output_bytes", config.maxOutputBytes, 1, kGiB, "output is copied out of the sandbox"},
  };
  for (const Range& range : ranges) {
    if (range.value >= range.lowest && range.value <= range.highest) continue;
    return Error{.code = ErrorCode::kInvalidInput,
                 .message = std::string(range.key) + " is " + std::to_string(range.value) +
                            "; expected " + std::to_string(range.lowest) + " to " +
                            std::to_string(range.highest) + " (" + range.why + ")"};
  }
  return Done{};
}

}  // namespace nexus
