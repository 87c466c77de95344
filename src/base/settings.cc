#include "base/settings.h"

#include <string>
#include <utility>

namespace nexus {
namespace {

using Unit = Setting::Unit;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = kKiB * kKiB;
constexpr uint64_t kGiB = kKiB * kMiB;
constexpr uint64_t kDayMs = 86'400'000;
constexpr uint64_t kMostRecords = 1'000'000'000;

constexpr uint64_t kTiB = 1024 * kGiB;
// Each takes some 8 GiB of address space and 20 mappings, of which a process has 65,530.
constexpr uint64_t kMostInstances = 2000;

constexpr Setting kSettings[] = {
    {"max_instances", Unit::kCount, &RuntimeConfig::maxInstances, 1, kMostInstances,
     "a process has room for no more", "sandboxes that execute at once"},
    {"min_instances", Unit::kCount, &RuntimeConfig::minInstances, 0, kMostInstances,
     "a process has room for no more", "sandboxes made before the first call"},
    {"worker_threads", Unit::kCount, &RuntimeConfig::workerThreads, 0, 1024,
     "more only wait for each other; 0 for one a core",
     "threads for asynchronous calls; 0: one a core"},
    {"max_queue", Unit::kCount, &RuntimeConfig::maxQueue, 1, kMostRecords,
     "each is held until it is run", "asynchronous calls that may wait for a thread"},
    {"memory_limit_bytes", Unit::kBytes, &RuntimeConfig::memoryLimitBytes, 2 * kMiB,
     4 * kGiB - 64 * kKiB,
     "the engine itself needs 2 MiB, WebAssembly memory ends one page below 4 GiB",
     "WebAssembly memory of one sandbox"},
    {"stack_size_bytes", Unit::kBytes, &RuntimeConfig::stackSizeBytes, 64 * kKiB, 768 * kKiB,
     "the guest's own stack is 1 MiB", "JavaScript stack of one sandbox"},
    {"timeout_ms", Unit::kMilliseconds, &RuntimeConfig::timeout, 0, kDayMs,
     "at most a day; 0 for no limit",
     "time a call may execute, suspended time not counted; 0: no limit"},
    {"acquire_timeout_ms", Unit::kMilliseconds, &RuntimeConfig::acquireTimeout, 0, kDayMs,
     "at most a day; 0 for not at all",
     "time a call may wait for an instance; 0: it does not wait"},
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
    {"max_suspended", Unit::kCount, &RuntimeConfig::maxSuspended, 0, kMostRecords,
     "each takes some kilobytes", "calls suspended at once"},
    {"max_suspended_bytes", Unit::kBytes, &RuntimeConfig::maxSuspendedBytes, 0, kTiB,
     "it is memory of this machine", "suspended calls, with the images that they hold"},
    {"suspend_timeout_ms", Unit::kMilliseconds, &RuntimeConfig::suspendTimeout, 1, 30 * kDayMs,
     "at most thirty days", "time a call may be suspended"},
    {"cache_dir", Unit::kPath, &RuntimeConfig::cacheDir, 0, 0, "",
     "folder of the compile cache's disk tier; empty: none"},
    {"max_cache_size", Unit::kBytes, &RuntimeConfig::maxCacheSize, 0, kTiB,
     "it is memory of this machine", "compiled handlers in memory, least recently used out first"},
    {"max_disk_cache_bytes", Unit::kBytes, &RuntimeConfig::maxDiskCacheBytes, 0, 1024 * kTiB,
     "it is a disk of this machine",
     "compiled handlers on disk, least recently written out first; 0: none"},
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

const std::string& Setting::text(const RuntimeConfig& config) const {
  return config.*std::get<std::string RuntimeConfig::*>(field);
}

void Setting::setText(RuntimeConfig& config, std::string value) const {
  config.*std::get<std::string RuntimeConfig::*>(field) = std::move(value);
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
    if (!setting.isNumber()) continue;
    auto checked = checkRange(setting, setting.get(config));
    if (!checked) return checked;
  }
  if (config.minInstances <= config.maxInstances) return Done{};
  return Error{.code = ErrorCode::kInvalidInput,
               .message = "min_instances is " + std::to_string(config.minInstances) +
                          "; expected at most max_instances, which is " +
                          std::to_string(config.maxInstances)};
}

}  // namespace nexus
