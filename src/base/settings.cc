#include "base/settings.h"

#include <algorithm>
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
     "it is memory of this machine", "suspended calls, with the handlers that they hold"},
    {"suspend_timeout_ms", Unit::kMilliseconds, &RuntimeConfig::suspendTimeout, 1, 30 * kDayMs,
     "at most thirty days", "time a call may be suspended"},
    {"cache_dir", Unit::kPath, &RuntimeConfig::cacheDir, 0, 0, "",
     "folder of the compile cache's disk tier; empty: none"},
    {"max_cache_size", Unit::kBytes, &RuntimeConfig::maxCacheSize, 0, kTiB,
     "it is memory of this machine", "compiled handlers in memory, least recently used out first"},
    {"max_disk_cache_bytes", Unit::kBytes, &RuntimeConfig::maxDiskCacheBytes, 0, 1024 * kTiB,
     "it is a disk of this machine",
     "compiled handlers on disk, least recently written out first; 0: none"},
    {"http_allow", Unit::kList, &HttpOptions::allow, 0, 0, "",
     "hosts that the extension `http` may reach"},
    {"http_timeout_ms", Unit::kMilliseconds, &HttpOptions::timeout, 1, kDayMs, "at most a day",
     "time of a request of `http`, with its redirects"},
    {"http_max_bytes", Unit::kBytes, &HttpOptions::maxBytes, 1, kGiB,
     "an answer is held until it is complete",
     "what a request of `http` may receive, headers and redirects included"},
    {"http_max_redirects", Unit::kCount, &HttpOptions::maxRedirects, 0, 100,
     "more lead nowhere; 0 for none", "redirects that a request of `http` follows"},
};

using Milliseconds = std::chrono::milliseconds;

// The two halves of SettingValues, by whose member it is.
template <typename T>
T& fieldOf(SettingValues& values, T RuntimeConfig::*field) {
  return values.runtime.*field;
}
template <typename T>
T& fieldOf(SettingValues& values, T HttpOptions::*field) {
  return values.http.*field;
}
template <typename T>
const T& fieldOf(const SettingValues& values, T RuntimeConfig::*field) {
  return values.runtime.*field;
}
template <typename T>
const T& fieldOf(const SettingValues& values, T HttpOptions::*field) {
  return values.http.*field;
}

uint64_t toNumber(uint64_t value) { return value; }
// A negative time reads as one beyond every range.
uint64_t toNumber(Milliseconds value) { return static_cast<uint64_t>(value.count()); }
// Texts are no numbers: nobody asks.
uint64_t toNumber(const std::string& /*text*/) { return 0; }
uint64_t toNumber(const std::vector<std::string>& /*list*/) { return 0; }

void assign(uint64_t& field, uint64_t value) { field = value; }
void assign(Milliseconds& field, uint64_t value) {
  field = Milliseconds(static_cast<int64_t>(value));
}
void assign(std::string& /*field*/, uint64_t /*value*/) {}
void assign(std::vector<std::string>& /*field*/, uint64_t /*value*/) {}

std::string toText(const std::string& text) { return text; }
std::string toText(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& entry : list) text += (text.empty() ? "" : ",") + entry;
  return text;
}
std::string toText(uint64_t value) { return std::to_string(value); }
std::string toText(Milliseconds value) { return std::to_string(value.count()); }

std::vector<std::string> splitList(std::string_view text) {
  constexpr std::string_view kBetween = ", \t\n";
  std::vector<std::string> entries;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
    if (text.empty()) return entries;
    const size_t end = std::min(text.find_first_of(kBetween), text.size());
    entries.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

void assignText(std::string& field, std::string text) { field = std::move(text); }
void assignText(std::vector<std::string>& field, const std::string& text) {
  field = splitList(text);
}
void assignText(uint64_t& /*field*/, const std::string& /*text*/) {}
void assignText(Milliseconds& /*field*/, const std::string& /*text*/) {}

}  // namespace

uint64_t Setting::get(const SettingValues& values) const {
  return std::visit([&](auto member) { return toNumber(fieldOf(values, member)); }, field);
}

void Setting::set(SettingValues& values, uint64_t value) const {
  std::visit([&](auto member) { assign(fieldOf(values, member), value); }, field);
}

std::string Setting::text(const SettingValues& values) const {
  return std::visit([&](auto member) { return toText(fieldOf(values, member)); }, field);
}

void Setting::setText(SettingValues& values, std::string value) const {
  std::visit([&](auto member) { assignText(fieldOf(values, member), std::move(value)); }, field);
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

Status checkRanges(const SettingValues& values) {
  for (const Setting& setting : kSettings) {
    if (!setting.isNumber()) continue;
    auto checked = checkRange(setting, setting.get(values));
    if (!checked) return checked;
  }
  return Done{};
}

Status validate(const RuntimeConfig& config) {
  auto checked = checkRanges({.runtime = config, .http = {}});
  if (!checked || config.minInstances <= config.maxInstances) return checked;
  return Error{.code = ErrorCode::kInvalidInput,
               .message = "min_instances is " + std::to_string(config.minInstances) +
                          "; expected at most max_instances, which is " +
                          std::to_string(config.maxInstances)};
}

}  // namespace nexus
