#include "app/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace nexus::app {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ConfigFileTest : public testing::Test {
 protected:
  ConfigFileTest() {
    std::string pattern = (fs::temp_directory_path() / "nexus-file-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~ConfigFileTest() override { fs::remove_all(folder_); }

  Result<std::vector<ConfigFileEntry>> read(const std::string& text) {
    std::ofstream(path(), std::ios::binary) << text;
    return readConfigFile(path());
  }

  std::string refusal(const std::string& text) {
    const auto entries = read(text);
    if (entries) return "(it is taken)";
    EXPECT_EQ(entries.error().code, ErrorCode::kInvalidInput);
    const std::string& message = entries.error().message;
    const std::string file = path() + ":";
    return message.starts_with(file) ? message.substr(file.size()) : message;
  }

  std::string path() const { return (folder_ / "a.toml").string(); }

  fs::path folder_;
};

TEST_F(ConfigFileTest, EntriesInTheOrderOfTheFile) {
  const auto entries = read(
      "# a comment\n"
      "zeta = 1_000   # another\n"
      "alpha = \"64MiB\"\r\n"
      "\n"
      "  \"quoted\" = 'text'\n"
      "hex = 0x10\n"
      "yes = true\n"
      "no = false\n"
      "negative = -5\n");
  ASSERT_TRUE(entries.ok()) << entries.error().message;
  const struct {
    const char* key;
    const char* value;
    uint32_t line;
    uint32_t column;
  } rows[] = {{"zeta", "1000", 2, 1},  {"alpha", "64MiB", 3, 1}, {"quoted", "text", 5, 3},
              {"hex", "16", 6, 1},     {"yes", "true", 7, 1},    {"no", "false", 8, 1},
              {"negative", "-5", 9, 1}};
  ASSERT_EQ(entries->size(), std::size(rows));
  for (size_t i = 0; i < std::size(rows); ++i) {
    EXPECT_EQ((*entries)[i].key, rows[i].key);
    EXPECT_EQ((*entries)[i].value, rows[i].value);
    EXPECT_EQ((*entries)[i].line, rows[i].line) << rows[i].key;
    EXPECT_EQ((*entries)[i].column, rows[i].column) << rows[i].key;
  }
}

TEST_F(ConfigFileTest, AnEmptyFileIsOne) {
  for (const char* text : {"", "\n\n", "# nothing"}) {
    const auto entries = read(text);
    ASSERT_TRUE(entries.ok()) << entries.error().message;
    EXPECT_TRUE(entries->empty());
  }
}

TEST_F(ConfigFileTest, ValuesThatNoSettingHasAreNamedWithTheirPlace) {
  const struct {
    const char* text;
    const char* message;
  } rows[] = {
      {"a = 1.5",
       "1:5: a is a number with a fraction; expected a whole number, a text, true or false"},
      {"a = inf", "1:5: a is a number with a fraction; expected "},
      {"a = [1]", "1:5: a is a list; expected "},
      {"\na = {b = 1}", "2:5: a is a table; expected "},
      {"\n\n[server]\nport = 1", "3:1: server is a table; expected "},
      {"[[server]]\nport = 1", "1:1: server is a list; expected "},
      {"max.events = 1", "max is a table; expected "},
      {"a = 1979-05-27", "1:5: a is a date or a time; expected "},
      {"a = 07:32:00", "1:5: a is a date or a time; expected "},
      {"a = 1979-05-27T07:32:00Z", "1:5: a is a date or a time; expected "},
  };
  for (const auto& row : rows) EXPECT_THAT(refusal(row.text), HasSubstr(row.message)) << row.text;
}

TEST_F(ConfigFileTest, WhatIsNoTomlIsNamedWithItsPlace) {
  const struct {
    std::string text;
    const char* place;
  } rows[] = {
      {"a", "1:"},
      {"a = ", "1:"},
      {"a = [1\n", ""},
      {"ok = 1\na = \"open\n", "2:"},
      {"ok = 1\nok = 2\n", "2:"},
      {"a = soon", "1:5"},
      {"a = 1 b = 2", "1:7"},
      {"= 1", "1:1"},
      {"{\"a\": 1}", "1:1"},
      {"a = 99999999999999999999", "1:"},
      {"a = 018", "1:"},
      {"a = \"\xFF\"", "1:"},
      {std::string("a = \"\0\"", 8), "1:"},
      {"a = " + std::string(100'000, '['), "1:"},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(refusal(row.text), StartsWith(row.place)) << row.text.substr(0, 40);
  }
}

TEST_F(ConfigFileTest, FilesHaveALongestLength) {
  EXPECT_TRUE(read(std::string(1 << 20, '\n')).ok());
  EXPECT_THAT(refusal(std::string((1 << 20) + 1, '\n')),
              HasSubstr("has 1048577 bytes; a configuration file's limit is 1048576"));
}

TEST_F(ConfigFileTest, AFileThatIsNotThere) {
  const auto entries = readConfigFile((folder_ / "missing.toml").string());
  ASSERT_FALSE(entries.ok());
  EXPECT_THAT(entries.error().message, StartsWith("cannot read /"));
}

}  // namespace
}  // namespace nexus::app
