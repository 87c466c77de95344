#include "base/settings.h"

#include <string>

namespace nexus {
namespace {

using Unit = Setting::Unit;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = kKiB * kKiB;
constexpr uint64_t kGiB = kKiB * kMiB;
constexpr uint64_t kDayMs = 86'400'000;
constexpr uint64_t kMostRecords = 1'000'000'000;

constexpr Setting kSettings[] = {
    {"memory_limit_bytes", Unit::kBytes, &RuntimeConfig::memoryLimitBytes, 2 * kMiB,
     4 * kGiB - 64 * kKiB,
     "the engine itself needs 2 MiB, WebAssembly memory ends one page below 4 GiB",
     "WebAssembly memory of one sandbox"},
    {"stack_size_bytes", Unit::kBytes, &RuntimeConfig::stackSizeBytes, 64 * kKiB, 768 * kKiB,
     "the guest's own stack is 1 MiB", "JavaScript stack of one sandbox"},
    {"timeout_ms", Unit::kMilliseconds, &RuntimeConfig::timeout, 0, kDayMs,
     "at most a day; 0 for no limit", "time a call may execute, suspended time not counted"},
    {"max_host_calls", Unit::kCount, &RuntimeConfig::maxHostCalls, 0, kMostRecords,
     "each may leave a record", "records that a call may hand to the host"},
    {"max_state_mutations", Unit::kCount, &RuntimeConfig::maxStateMutations, 0, kMostRecords,
     "each leaves a record", "distinct keys of the state that a call may write or delete"},
    {"max_events", Unit::kCount, &RuntimeConfig::maxEvents, 0, kMostRecords, "each leaves a record",
     "events that a call may emit"},
    {"max_source_bytes", Unit::kBytes, &RuntimeConfig::maxSourceBytes, 1, 64 * kMiB,
     "a source is compiled at once", "length of a handler's text"},
    {"max_input_bytes", Unit::kBytes, &RuntimeConfig::maxInputBytes, 1, kGiB,
     "input is copied into the sandbox",
     "what a call takes in: arguments, scope, state that it reads, results of extensions"},
    {"max_output_bytes", Unit::kBytes, &RuntimeConfig::maxOutputBytes, 1, kGiB,
     "output is copied out of the sandbox",
     "what the host must hold for a call: value, log, state, events, view and requests"},
    {"max_log_bytes", Unit::kBytes, &RuntimeConfig::maxLogBytes, 0, kGiB,
     "the log is held until the call ends", "text that a call may log"},
    {"max_pending_requests", Unit::kCount, &RuntimeConfig::maxPendingRequests, 0, 100'000,
     "each is held until it is answered", "extension requests of one call at once"},
};

}  // namespace

uint64_t Setting::get(const RuntimeConfig& config) const {
  if (const auto* number = std::get_if<uint64_t RuntimeConfig::*>(&field)) return config.**number;
  // A negative time reads as one beyond every range.
  return static_cast<uint64_t>(
      (config.*std::get<std::chrono::milliseconds RuntimeConfig::*>(field)).count());
}

void Setting::set(RuntimeConfig& config, uint64_t value) const {
  if (const auto* number = std::get_if<uint64_t RuntimeConfig::*>(&field)) {
    config.** number = value;
  } else {
    config.*std::get<std::chrono::milliseconds RuntimeConfig::*>(field) =
        std::chrono::milliseconds(static_cast<int64_t>(value));
  }
}

std::span<const Setting> settings() { return kSettings; }

const Setting* findSetting(std::string_view key) {
  for (const Setting& setting : kSettings) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

Status checkRange(const Setting& setting, uint64_t value) {
  if (value >= setting.lowest && value <= setting.highest) return Done{};
  const bool isNegative = setting.unit == Unit::kMilliseconds && value > uint64_t{INT64_MAX};
  const std::string shown =
      isNegative ? std::to_string(static_cast<int64_t>(value)) : std::to_string(value);
  return Error{.code = ErrorCode::kInvalidInput,
               .message = std::string(setting.key) + " is " + shown + "; expected " +
                          std::to_string(setting.lowest) + " to " +
                          std::to_string(setting.highest) + " (" + std::string(setting.why) + ")"};
}

Status validate(const RuntimeConfig& config) {
  for (const Setting& setting : kSettings) {
    auto checked = checkRange(setting, setting.get(config));
    if (!checked) return checked;
  }
  return Done{};
}

}  // namespace nexus
