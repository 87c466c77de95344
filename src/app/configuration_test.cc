#include "app/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/settings.h"

namespace nexus::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// In a folder of its own, where nexus.toml is looked for.
class ConfigurationTest : public testing::Test {
 protected:
  ConfigurationTest() : before_(fs::current_path()) {
    std::string pattern = (fs::temp_directory_path() / "nexus-config-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    fs::current_path(folder_);
  }
  ~ConfigurationTest() override {
    fs::current_path(before_);
    fs::remove_all(folder_);
  }

  static void write(const std::string& name, const std::string& text) {
    std::ofstream(name, std::ios::binary) << text;
  }

  static Configuration load(const ConfigurationInput& input) {
    auto configuration = loadConfiguration(input);
    EXPECT_TRUE(configuration.ok()) << configuration.error().message;
    return configuration ? *configuration : Configuration{};
  }

  static std::string refusal(const ConfigurationInput& input) {
    const auto configuration = loadConfiguration(input);
    if (configuration) return "(it is taken)";
    EXPECT_EQ(configuration.error().code, ErrorCode::kInvalidInput);
    return configuration.error().message;
  }

  const fs::path before_;
  fs::path folder_;
};

std::string variableOf(std::string_view key) {
  std::string name = "NEXUS_";
  for (const char c : key) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

// Numbers in digits.
std::string valueOf(const Setting& setting, const SettingValues& values) {
  return setting.isNumber() ? std::to_string(setting.get(values)) : setting.text(values);
}

// The command keeps compiled handlers where it is; a library does nothing of the kind.
SettingValues commandDefaults() {
  SettingValues values;
  values.runtime.cacheDir = ".nexus-cache";
  return values;
}

TEST_F(ConfigurationTest, NothingGivenIsTheDefaults) {
  const Configuration configuration = load({});
  ASSERT_EQ(configuration.origins.size(), settings().size());
  for (size_t i = 0; i < settings().size(); ++i) {
    const Setting& setting = settings()[i];
    EXPECT_EQ(valueOf(setting, configuration), valueOf(setting, commandDefaults())) << setting.key;
    EXPECT_EQ(configuration.origins[i].source, SettingSource::kDefault) << setting.key;
    EXPECT_EQ(configuration.origins[i].where, "") << setting.key;
  }
}

// Each place alone, and each before those that come after it.
TEST_F(ConfigurationTest, FlagBeforeEnvironmentBeforeFileBeforeDefault) {
  for (size_t i = 0; i < settings().size(); ++i) {
    const Setting& setting = settings()[i];
    const std::string key(setting.key);
    const auto value = [&](uint64_t which) {
      const std::string digits = std::to_string(setting.lowest + which);
      return setting.unit == Setting::Unit::kList ? "h" + digits : digits;
    };
    write("set.toml", "# settings\n" + key + " = '" + value(1) + "'\n");
    for (int places = 0; places < 8; ++places) {
      ConfigurationInput input;
      std::pair<SettingSource, std::string> expected = {SettingSource::kDefault, ""};
      std::string expectedValue = valueOf(setting, commandDefaults());
      if ((places & 1) != 0) {
        input.file = "set.toml";
        expected = {SettingSource::kFile, "set.toml:2:1"};
        expectedValue = value(1);
      }
      if ((places & 2) != 0) {
        input.environment = {"HOME=/", variableOf(key) + "=" + value(2), "PATH="};
        expected = {SettingSource::kEnvironment, variableOf(key)};
        expectedValue = value(2);
      }
      if ((places & 4) != 0) {
        input.flags = {{key, value(3)}};
        expected = {SettingSource::kFlag, "the command line"};
        expectedValue = value(3);
      }
      const Configuration configuration = load(input);
      EXPECT_EQ(valueOf(setting, configuration), expectedValue) << key << places;
      EXPECT_EQ(configuration.origins[i].source, expected.first) << key << places;
      EXPECT_EQ(configuration.origins[i].where, expected.second) << key << places;
      for (size_t other = 0; other < settings().size(); ++other) {
        if (other == i) continue;
        EXPECT_EQ(valueOf(settings()[other], configuration),
                  valueOf(settings()[other], commandDefaults()));
        EXPECT_EQ(configuration.origins[other].source, SettingSource::kDefault);
      }
    }
  }
}

TEST_F(ConfigurationTest, AListIsATextOrAListOfTexts) {
  const std::vector<std::string> expected = {"a.example", "[::1]:8080"};
  write("list.toml", "http_allow = ['a.example', '[::1]:8080']\n");
  EXPECT_EQ(load({.file = "list.toml"}).http.allow, expected);
  write("text.toml", "http_allow = 'a.example, [::1]:8080'\n");
  EXPECT_EQ(load({.file = "text.toml"}).http.allow, expected);
  EXPECT_EQ(load({.environment = {"NEXUS_HTTP_ALLOW=a.example [::1]:8080"}}).http.allow, expected);
  EXPECT_EQ(load({.flags = {{"http_allow", "a.example,[::1]:8080"}}}).http.allow, expected);

  write("numbers.toml", "http_allow = [1]\n");
  EXPECT_THAT(refusal({.file = "numbers.toml"}), HasSubstr(":14: http_allow is a list; expected "));
  write("other.toml", "max_events = ['5']\n");
  EXPECT_EQ(refusal({.file = "other.toml"}),
            "other.toml:1:1: max_events is a list; expected a whole number, a text, true or false");
  write("bad.toml", "http_allow = ['a.example', 'http://b.example/']\n");
  EXPECT_THAT(refusal({.file = "bad.toml"}),
              StartsWith("bad.toml:1:1: http_allow: 'http://b.example/' "));
}

TEST_F(ConfigurationTest, TheLastFlagOfAKeyCounts) {
  const Configuration configuration =
      load({.flags = {{"max_events", "1"}, {"max_log_bytes", "2"}, {"max_events", "3"}}});
  EXPECT_EQ(configuration.runtime.maxEvents, 3u);
  EXPECT_EQ(configuration.runtime.maxLogBytes, 2u);
}

TEST_F(ConfigurationTest, ALowerPlaceMustBeRightToo) {
  write("bad.toml", "max_events = -1\n");
  EXPECT_THAT(refusal({.file = "bad.toml", .flags = {{"max_events", "1"}}}),
              StartsWith("bad.toml:1:1: max_events: '-1'"));
  EXPECT_THAT(refusal({.environment = {"NEXUS_MAX_EVENTS=x"}, .flags = {{"max_events", "1"}}}),
              StartsWith("NEXUS_MAX_EVENTS: max_events: 'x'"));
}

TEST_F(ConfigurationTest, UnitsAreTakenEverywhere) {
  const struct {
    const char* key;
    const char* text;
    uint64_t value;
  } rows[] = {
      {"memory_limit_bytes", "64MiB", 64u << 20},
      {"memory_limit_bytes", "3 GiB", 3ull << 30},
      {"max_log_bytes", "2KiB", 2048},
      {"max_log_bytes", "7B", 7},
      {"max_log_bytes", "0", 0},
      {"timeout_ms", "250ms", 250},
      {"timeout_ms", "2s", 2000},
      {"timeout_ms", "5 min", 300'000},
      {"timeout_ms", "24h", 86'400'000},
      {"timeout_ms", "0", 0},
      {"max_events", "12", 12},
  };
  for (const auto& row : rows) {
    const Setting* setting = findSetting(row.key);
    ASSERT_NE(setting, nullptr);
    const std::string key = row.key;
    write("units.toml", key + " = \"" + row.text + "\"");
    for (const ConfigurationInput& input :
         {ConfigurationInput{.file = "units.toml"},
          ConfigurationInput{.environment = {variableOf(key) + "=" + row.text}},
          ConfigurationInput{.flags = {{key, row.text}}}}) {
      EXPECT_EQ(setting->get(load(input)), row.value) << row.key << row.text;
    }
  }
}

TEST_F(ConfigurationTest, ImpossibleValuesAreNamedWithWhatIsAllowed) {
  const struct {
    const char* key;
    const char* text;
    const char* message;
  } rows[] = {
      {"timeout_ms", "soon",
       "timeout_ms: 'soon' is not a time; expected milliseconds, such as 250, 250ms, 2s, 5min or "
       "1h"},
      {"timeout_ms", "86400001",
       "timeout_ms is 86400001; expected 0 to 86400000 (at most a day; 0 for no limit)"},
      {"timeout_ms", "64KiB", "timeout_ms: '64KiB' is not a time; expected "},
      {"memory_limit_bytes", "32mb",
       "memory_limit_bytes: '32mb' is not a size; expected bytes, such as 33554432, 512KiB, 32MiB "
       "or 1GiB"},
      {"memory_limit_bytes", "1MiB", "memory_limit_bytes is 1048576; expected 2097152 to "},
      {"memory_limit_bytes", "2s", "memory_limit_bytes: '2s' is not a size"},
      {"max_events", "-1", "max_events: '-1' is not a whole number"},
      {"max_events", "1.5", "max_events: '1.5' is not a whole number"},
      {"max_events", "5KiB", "max_events: '5KiB' is not a whole number"},
      {"max_events", "", "max_events: '' is not a whole number"},
      {"max_events", "true", "max_events: 'true' is not a whole number"},
      {"max_events", "18446744073709551616", "is not a whole number"},
      {"max_events", "1000000001", "max_events is 1000000001; expected 0 to 1000000000"},
  };
  for (const auto& row : rows) {
    const std::string key = row.key;
    write("bad.toml", "\n  " + key + " = \"" + row.text + "\"\n");
    EXPECT_THAT(refusal({.file = "bad.toml"}),
                AllOf(StartsWith("bad.toml:2:3: "), HasSubstr(row.message)));
    EXPECT_THAT(refusal({.environment = {variableOf(key) + "=" + row.text}}),
                AllOf(StartsWith(variableOf(key) + ": "), HasSubstr(row.message)));
    EXPECT_THAT(refusal({.flags = {{key, row.text}}}),
                AllOf(StartsWith("the command line: "), HasSubstr(row.message)));
  }
}

TEST_F(ConfigurationTest, UnknownKeysAreNamedWithWhatWasMeant) {
  const struct {
    std::string key;
    std::string meant;  // empty: nobody knows
  } rows[] = {
      {"max_event", "max_events"},
      {"timeoutms", "timeout_ms"},
      {"Timeout_ms", "timeout_ms"},
      {"max_log_byte", "max_log_bytes"},
      {"memory_limit", ""},
      {"colour", ""},
      {"__proto__", ""},
  };
  for (const auto& row : rows) {
    const std::string message = ": there is no setting '" + row.key + "'" +
                                (row.meant.empty() ? "" : ". Did you mean '" + row.meant + "'?");
    write("bad.toml", "max_events = 1\n" + row.key + " = 1\n");
    EXPECT_EQ(refusal({.file = "bad.toml"}), "bad.toml:2:1" + message);
    EXPECT_EQ(refusal({.flags = {{row.key, "1"}}}), "the command line" + message);
  }
  EXPECT_EQ(refusal({.flags = {{"", "1"}}}), "the command line: there is no setting ''");
}

TEST_F(ConfigurationTest, UnknownVariablesAreNamedWithWhatWasMeant) {
  const struct {
    const char* variable;
    const char* message;
  } rows[] = {
      {"NEXUS_MAX_EVENT=1",
       "the environment has NEXUS_MAX_EVENT, which is no setting. Did you mean "
       "'NEXUS_MAX_EVENTS'?"},
      {"NEXUS_timeout_ms=1", "the environment has NEXUS_timeout_ms, which is no setting"},
      {"NEXUS_COLOUR", "the environment has NEXUS_COLOUR, which is no setting"},
      {"NEXUS_=1", "the environment has NEXUS_, which is no setting"},
  };
  for (const auto& row : rows) EXPECT_EQ(refusal({.environment = {row.variable}}), row.message);
}

TEST_F(ConfigurationTest, OtherVariablesAreNobodysBusiness) {
  const Configuration configuration =
      load({.environment = {"", "=", "NEXUS", "nexus_max_events=1", "MY_NEXUS_MAX_EVENTS=1",
                            "NEXUSMAX_EVENTS=1", "NEXUS_MAX_EVENTS=7", "MAX_EVENTS=9"}});
  EXPECT_EQ(configuration.runtime.maxEvents, 7u);
}

TEST_F(ConfigurationTest, TheFileInTheFolderIsReadIfItIsThere) {
  write("nexus.toml", "max_events = 5\ntimeout_ms = \"1s\"\n");
  const Configuration configuration = load({});
  EXPECT_EQ(configuration.runtime.maxEvents, 5u);
  EXPECT_EQ(configuration.runtime.timeout, std::chrono::seconds(1));
  const auto timeout = static_cast<size_t>(findSetting("timeout_ms") - settings().data());
  EXPECT_EQ(configuration.origins[timeout].where, "nexus.toml:2:1");

  write("other.toml", "max_events = 6\n");
  const Configuration other = load({.file = "other.toml"});
  EXPECT_EQ(other.runtime.maxEvents, 6u);
  EXPECT_EQ(other.runtime.timeout, RuntimeConfig{}.timeout) << "one file, not two";

  write("nexus.toml", "max_event = 5\n");
  EXPECT_THAT(refusal({}), StartsWith("nexus.toml:1:1: there is no setting 'max_event'"));
}

TEST_F(ConfigurationTest, AFileThatIsNamedMustBeThere) {
  EXPECT_EQ(refusal({.file = "missing.toml"}),
            "cannot read missing.toml: No such file or directory");
  EXPECT_EQ(refusal({.file = "."}), "cannot read .: it is a folder");
}

TEST_F(ConfigurationTest, ShownForPeople) {
  write("nexus.toml", "memory_limit_bytes = \"64MiB\"\nmax_log_bytes = 1000\n");
  const std::string shown = showConfiguration(
      load({.environment = {"NEXUS_MAX_EVENTS=7"}, .flags = {{"timeout_ms", "0"}}}));
  std::vector<std::string> lines;
  std::istringstream text(shown);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), settings().size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_THAT(lines[i], StartsWith(std::string(settings()[i].key) + " "));
    EXPECT_THAT(lines[i], EndsWith("  " + std::string(settings()[i].meaning)));
  }
  using ::testing::ContainsRegex;
  EXPECT_THAT(shown, ContainsRegex("memory_limit_bytes +64MiB +nexus.toml:1:1 "));
  EXPECT_THAT(shown, ContainsRegex("stack_size_bytes +256KiB +default "));
  EXPECT_THAT(shown, ContainsRegex("timeout_ms +0ms +the command line "));
  EXPECT_THAT(shown, ContainsRegex("max_events +7 +NEXUS_MAX_EVENTS "));
  EXPECT_THAT(shown, ContainsRegex("max_log_bytes +1000 +nexus.toml:2:1 "));
}

// What is shown can be given back.
TEST_F(ConfigurationTest, ShownValuesAreValues) {
  for (const Setting& setting : settings()) {
    if (!setting.isNumber()) continue;
    for (const uint64_t value : {setting.lowest, setting.highest, setting.highest - 1}) {
      const std::string key(setting.key);
      // So that any min_instances fits.
      const std::pair<std::string, std::string> room = {
          setting.key == "max_instances" ? "min_instances" : "max_instances",
          setting.key == "max_instances" ? "0" : "2000"};
      std::istringstream shown(
          showConfiguration(load({.flags = {room, {key, std::to_string(value)}}})));
      for (std::string line; std::getline(shown, line);) {
        std::istringstream words(line);
        std::string name;
        std::string text;
        words >> name >> text;
        if (name != key) continue;
        EXPECT_EQ(setting.get(load({.flags = {room, {key, text}}})), value) << line;
      }
    }
  }
}

TEST_F(ConfigurationTest, AsJson) {
  const std::string text = toJson(load({.flags = {{"timeout_ms", "2s"}}}));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto shown = ordered_json::parse(text);
  ASSERT_EQ(shown.size(), settings().size());
  size_t i = 0;
  for (const auto& [key, value] : shown.items()) EXPECT_EQ(key, settings()[i++].key);
  EXPECT_EQ(shown["timeout_ms"],
            (ordered_json{{"value", 2000}, {"source", "flag"}, {"where", "the command line"}}));
  EXPECT_EQ(shown["max_events"], (ordered_json{{"value", 100}, {"source", "default"}}));
}

TEST_F(ConfigurationTest, SourcesHaveWords) {
  EXPECT_EQ(toString(SettingSource::kDefault), "default");
  EXPECT_EQ(toString(SettingSource::kFile), "file");
  EXPECT_EQ(toString(SettingSource::kEnvironment), "environment");
  EXPECT_EQ(toString(SettingSource::kFlag), "flag");
}

}  // namespace
}  // namespace nexus::app
