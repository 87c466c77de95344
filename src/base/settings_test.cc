#include "base/settings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

namespace nexus {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = kKiB * kKiB;
constexpr uint64_t kGiB = kKiB * kMiB;
constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

struct Bounds {
  const char* key;
  uint64_t RuntimeConfig::*field;
  uint64_t lowest;
  uint64_t highest;
};

class ConfigBounds : public testing::TestWithParam<Bounds> {
 protected:
  static Status check(uint64_t value) {
    RuntimeConfig config;
    config.*GetParam().field = value;
    return validate(config);
  }

  static void expectRefused(uint64_t value) {
    const Status status = check(value);
    ASSERT_FALSE(status.ok()) << value;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidInput);
    const std::string& message = status.error().message;
    for (const std::string& part :
         {std::string(GetParam().key), "is " + std::to_string(value) + ";",
          std::to_string(GetParam().lowest) + " to " + std::to_string(GetParam().highest)}) {
      EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
    }
  }
};

TEST_P(ConfigBounds, JustBelowIsRefused) { expectRefused(GetParam().lowest - 1); }
TEST_P(ConfigBounds, LowestIsAllowed) { EXPECT_TRUE(check(GetParam().lowest).ok()); }
TEST_P(ConfigBounds, HighestIsAllowed) { EXPECT_TRUE(check(GetParam().highest).ok()); }
TEST_P(ConfigBounds, JustAboveIsRefused) { expectRefused(GetParam().highest + 1); }
TEST_P(ConfigBounds, ZeroAndTheLargestNumberAreRefused) {
  expectRefused(0);
  expectRefused(kHuge);
}

INSTANTIATE_TEST_SUITE_P(
    Keys, ConfigBounds,
    testing::Values(Bounds{"memory_limit_bytes", &RuntimeConfig::memoryLimitBytes, 2 * kMiB,
                           4 * kGiB - 64 * kKiB},
                    Bounds{"stack_size_bytes", &RuntimeConfig::stackSizeBytes, 64 * kKiB,
                           768 * kKiB},
                    Bounds{"max_source_bytes", &RuntimeConfig::maxSourceBytes, 1, 64 * kMiB},
                    Bounds{"max_input_bytes", &RuntimeConfig::maxInputBytes, 1, kGiB},
                    Bounds{"max_output_bytes", &RuntimeConfig::maxOutputBytes, 1, kGiB}),
    [](const auto& bounds) { return std::string(bounds.param.key); });

TEST(Config, DefaultsAreValid) { EXPECT_TRUE(validate(RuntimeConfig{}).ok()); }

TEST(Config, CountsMayBeZeroAndHaveAnEnd) {
  for (const Setting& setting : settings()) {
    if (setting.unit != Setting::Unit::kCount || setting.lowest > 0) continue;
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}, setting.highest, kHuge}) {
      SettingValues values;
      values.runtime.maxInstances = 2000;
      setting.set(values, value);
      EXPECT_EQ(checkRanges(values).ok(), value != kHuge) << setting.key << " " << value;
    }
  }
}

TEST(Config, EachSettingIsAFieldOfItsOwn) {
  SettingValues values;
  uint64_t value = 1000;
  for (const Setting& setting : settings()) {
    ++value;
    if (setting.isNumber()) {
      setting.set(values, value);
    } else {
      setting.setText(values, std::to_string(value));
    }
  }
  value = 1000;
  for (const Setting& setting : settings()) {
    ++value;
    if (setting.isNumber()) {
      EXPECT_EQ(setting.get(values), value) << setting.key;
    } else {
      EXPECT_EQ(setting.text(values), std::to_string(value)) << setting.key;
    }
    EXPECT_EQ(findSetting(setting.key), &setting);
  }
  EXPECT_EQ(findSetting("max_everything"), nullptr);
}

TEST(Config, AListHasCommasOrSpacesBetween) {
  const Setting& setting = *findSetting("http_allow");
  SettingValues values;
  setting.setText(values, " a.example,b.example ,\t*:8080 ");
  EXPECT_EQ(values.http.allow, (std::vector<std::string>{"a.example", "b.example", "*:8080"}));
  EXPECT_EQ(setting.text(values), "a.example,b.example,*:8080");
  setting.setText(values, " , ");
  EXPECT_TRUE(values.http.allow.empty());
  EXPECT_EQ(setting.text(values), "");
}

TEST(Config, TimeoutIsZeroOrMore) {
  struct Case {
    int64_t timeoutMs;
    bool valid;
  };
  constexpr Case kCases[] = {{-1, false}, {0, true}, {1, true}, {INT64_MIN, false}};
  for (const Case& c : kCases) {
    RuntimeConfig config;
    config.timeout = std::chrono::milliseconds(c.timeoutMs);
    const Status status = validate(config);
    EXPECT_EQ(status.ok(), c.valid) << c.timeoutMs;
    if (c.valid) continue;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(status.error().message,
              "timeout_ms is " + std::to_string(c.timeoutMs) +
                  "; expected 0 to 86400000 (at most a day; 0 for no limit)");
  }
}

TEST(Config, FirstImpossibleSettingIsNamed) {
  RuntimeConfig config;
  config.stackSizeBytes = 0;
  config.maxInputBytes = 0;
  const Status status = validate(config);
  ASSERT_FALSE(status.ok());
  EXPECT_TRUE(status.error().message.starts_with("stack_size_bytes is 0;"));
}

TEST(Config, EveryMessageSaysWhatIsAllowedAndWhy) {
  const struct {
    const char* key;
    uint64_t value;
    const char* message;
  } rows[] = {
      {"max_instances", 0,
       "max_instances is 0; expected 1 to 2000 (a process has room for no more)"},
      {"min_instances", 2001,
       "min_instances is 2001; expected 0 to 2000 (a process has room for no more)"},
      {"worker_threads", 1025,
       "worker_threads is 1025; expected 0 to 1024 (more only wait for each other; 0 for one a "
       "core)"},
      {"max_queue", 0, "max_queue is 0; expected 1 to 1000000000 (each is held until it is run)"},
      {"acquire_timeout_ms", 86'400'001,
       "acquire_timeout_ms is 86400001; expected 0 to 86400000 (at most a day; 0 for not at all)"},
      {"max_suspended", 1'000'000'001,
       "max_suspended is 1000000001; expected 0 to 1000000000 (each takes some kilobytes)"},
      {"max_suspended_bytes", kHuge,
       "max_suspended_bytes is 18446744073709551615; expected 0 to 1099511627776 (it is memory of "
       "this machine)"},
      {"suspend_timeout_ms", 0,
       "suspend_timeout_ms is 0; expected 1 to 2592000000 (at most thirty days)"},
      {"max_cache_size", kHuge,
       "max_cache_size is 18446744073709551615; expected 0 to 1099511627776 (it is memory of this "
       "machine)"},
      {"max_disk_cache_bytes", kHuge,
       "max_disk_cache_bytes is 18446744073709551615; expected 0 to 1125899906842624 (it is a "
       "disk of this machine)"},
      {"memory_limit_bytes", 1,
       "memory_limit_bytes is 1; expected 2097152 to 4294901760 (the engine itself needs 2 MiB, "
       "WebAssembly memory ends one page below 4 GiB)"},
      {"stack_size_bytes", 1,
       "stack_size_bytes is 1; expected 65536 to 786432 (the guest's own stack is 1 MiB)"},
      {"timeout_ms", 86'400'001,
       "timeout_ms is 86400001; expected 0 to 86400000 (at most a day; 0 for no limit)"},
      {"max_host_calls", kHuge,
       "max_host_calls is 18446744073709551615; expected 0 to 1000000000 (each may leave a "
       "record)"},
      {"max_state_mutations", kHuge,
       "max_state_mutations is 18446744073709551615; expected 0 to 1000000000 (each leaves a "
       "record)"},
      {"max_events", 1'000'000'001,
       "max_events is 1000000001; expected 0 to 1000000000 (each leaves a record)"},
      {"max_source_bytes", 0,
       "max_source_bytes is 0; expected 1 to 67108864 (a source is compiled at once)"},
      {"max_input_bytes", 0,
       "max_input_bytes is 0; expected 1 to 1073741824 (input is copied into the sandbox)"},
      {"max_output_bytes", 0,
       "max_output_bytes is 0; expected 1 to 1073741824 (output is copied out of the sandbox)"},
      {"max_log_bytes", kGiB + 1,
       "max_log_bytes is 1073741825; expected 0 to 1073741824 (the log is held until the call "
       "ends)"},
      {"max_pending_requests", 100'001,
       "max_pending_requests is 100001; expected 0 to 100000 (each is held until it is answered)"},
      {"http_timeout_ms", 0, "http_timeout_ms is 0; expected 1 to 86400000 (at most a day)"},
      {"http_max_bytes", 0,
       "http_max_bytes is 0; expected 1 to 1073741824 (an answer is held until it is complete)"},
      {"http_max_redirects", 101,
       "http_max_redirects is 101; expected 0 to 100 (more lead nowhere; 0 for none)"},
  };
  const auto numbers = std::count_if(settings().begin(), settings().end(),
                                     [](const Setting& setting) { return setting.isNumber(); });
  EXPECT_EQ(std::ssize(rows), numbers) << "a row for each setting";
  for (const auto& row : rows) {
    const Setting* setting = findSetting(row.key);
    ASSERT_NE(setting, nullptr) << row.key;
    const Status status = checkRange(*setting, row.value);
    ASSERT_FALSE(status.ok()) << row.key;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(status.error().message, row.message);
  }
}

TEST(Config, DefaultsAreThoseOfTheDocumentation) {
  const struct {
    const char* key;
    uint64_t value;
  } rows[] = {{"max_instances", 10},
              {"min_instances", 1},
              {"worker_threads", 0},
              {"max_queue", 10'000},
              {"acquire_timeout_ms", 30'000},
              {"max_suspended", 1'000'000},
              {"max_suspended_bytes", 4 * kGiB},
              {"suspend_timeout_ms", 300'000},
              {"max_cache_size", 64 * kMiB},
              {"max_disk_cache_bytes", kGiB},
              {"memory_limit_bytes", 33'554'432},
              {"stack_size_bytes", 262'144},
              {"timeout_ms", 5000},
              {"max_host_calls", 10'000},
              {"max_state_mutations", 1000},
              {"max_events", 100},
              {"max_source_bytes", kMiB},
              {"max_input_bytes", 16 * kMiB},
              {"max_output_bytes", 16 * kMiB},
              {"max_log_bytes", 64 * kKiB},
              {"max_pending_requests", 64},
              {"http_timeout_ms", 10'000},
              {"http_max_bytes", 4 * kMiB},
              {"http_max_redirects", 10}};
  EXPECT_EQ(std::size(rows) + 2, settings().size()) << "and two that are empty";
  EXPECT_EQ(RuntimeConfig{}.cacheDir, "");
  EXPECT_TRUE(HttpOptions{}.allow.empty());
  for (const auto& row : rows) {
    const Setting* setting = findSetting(row.key);
    ASSERT_NE(setting, nullptr) << row.key;
    EXPECT_EQ(setting->get({}), row.value) << row.key;
    EXPECT_FALSE(setting->meaning.empty()) << row.key;
  }
}

TEST(Config, FewestInstancesAreAtMostTheMost) {
  RuntimeConfig config;
  config.minInstances = 11;
  const Status status = validate(config);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message,
            "min_instances is 11; expected at most max_instances, which is 10");
}

TEST(Config, SettingsAreFoundByTheirWholeName) {
  for (const char* key : {"", "timeout", "timeout_ms ", "TIMEOUT_MS", "timeoutMs", "max_"}) {
    EXPECT_EQ(findSetting(key), nullptr) << key;
  }
}

}  // namespace
}  // namespace nexus
