// The documentation says what the code does, where it says the same thing twice.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "base/settings.h"
#include "nexus/error.h"

namespace nexus {
namespace {

std::string readPage(const char* name) {
  std::ostringstream text;
  text << std::ifstream(std::string(NEXUS_DOCS "/") + name).rdbuf();
  return text.str();
}

std::multiset<std::string> rowsOf(const std::string& page, const std::string& firstCell) {
  std::multiset<std::string> rows;
  std::istringstream lines(page.substr(page.find("| " + firstCell + " |")));
  std::string line;
  std::getline(lines, line);  // the head
  std::getline(lines, line);  // the rule below it
  while (std::getline(lines, line) && line.starts_with('|')) rows.insert(line);
  return rows;
}

TEST(DocsTest, ConfigurationListsEverySettingAndNoOther) {
  std::multiset<std::string> expected;
  for (const Setting& setting : settings()) {
    std::string range = "`.nexus-cache`, in a library none | a path";
    if (setting.unit == Setting::Unit::kList) range = "none | [hosts](extensions.md#hosts)";
    if (setting.isNumber()) {
      range = std::to_string(setting.get({})) + " | " + std::to_string(setting.lowest) + " to " +
              std::to_string(setting.highest);
    }
    expected.insert("| `" + std::string(setting.key) + "` | " + range + " | " +
                    std::string(setting.meaning) + " |");
  }
  EXPECT_EQ(rowsOf(readPage("configuration.md"), "key"), expected);
}

TEST(DocsTest, ExtensionsListsEverySettingOfTheirs) {
  const std::string page = readPage("extensions.md");
  for (const Setting& setting : settings()) {
    if (!setting.key.starts_with("http_")) continue;
    EXPECT_NE(page.find("| `" + std::string(setting.key) + "` |"), std::string::npos)
        << setting.key;
  }
}

// The example is built and run by the consumer test.
TEST(DocsTest, ExtensionsShowsTheExampleAsItIs) {
  constexpr std::string_view kStart = "```cpp\n";
  std::ostringstream example;
  example << std::ifstream(NEXUS_DOCS "/../examples/embed/extension.cc").rdbuf();
  const std::string page = readPage("extensions.md");
  size_t blocks = 0;
  for (size_t at = page.find(kStart); at != std::string::npos; at = page.find(kStart, at)) {
    at += kStart.size();
    const std::string block = page.substr(at, page.find("```", at) - at);
    EXPECT_NE(example.str().find(block), std::string::npos) << block;
    ++blocks;
  }
  EXPECT_EQ(blocks, 2u);
}

TEST(DocsTest, HandlersListsEveryLimitAndErrorCode) {
  const std::string page = readPage("handlers.md");
  for (const Setting& setting : settings()) {
    if (setting.key.starts_with("http_")) continue;
    constexpr std::string_view kOfTheRuntime[] = {
        "max_instances",      "min_instances", "worker_threads", "max_queue",
        "acquire_timeout_ms", "cache_dir",     "max_cache_size", "max_disk_cache_bytes",
    };
    if (std::find(std::begin(kOfTheRuntime), std::end(kOfTheRuntime), setting.key) !=
        std::end(kOfTheRuntime)) {
      continue;
    }
    EXPECT_NE(page.find("| `" + std::string(setting.key) + "` |"), std::string::npos)
        << setting.key;
  }
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternalError); ++code) {
    const std::string word(toString(static_cast<ErrorCode>(code)));
    EXPECT_NE(page.find("| `" + word + "` |"), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace nexus
