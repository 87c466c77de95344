// `nexus config show`, and where `nexus run` has its settings from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cli_fixture.h"

namespace nexus::tests {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class CliConfigTest : public CliTest {};

TEST_F(CliConfigTest, ShowsEverySettingAndWhereItComesFrom) {
  write("nexus.toml", "max_events = 5\nmax_log_bytes = \"1KiB\"\ntimeout_ms = \"1s\"\n");
  const std::string before = "NEXUS_MAX_LOG_BYTES=2KiB NEXUS_MAX_HOST_CALLS=7";
  const Outcome shown = nexus("config show --set timeout_ms=250ms", "", before);
  EXPECT_EQ(shown.status, 0);
  EXPECT_EQ(shown.err, "");
  for (const char* line :
       {"max_events +5 +nexus.toml:1:1 +events that a call may emit\n",
        "max_log_bytes +2KiB +NEXUS_MAX_LOG_BYTES ", "max_host_calls +7 +NEXUS_MAX_HOST_CALLS ",
        "timeout_ms +250ms +the command line ", "stack_size_bytes +256KiB +default "}) {
    EXPECT_THAT(shown.out, ContainsRegex(line));
  }

  const Outcome asJson = nexus("config show --json --set timeout_ms=250ms", "", before);
  EXPECT_EQ(asJson.status, 0);
  const json settings = json::parse(asJson.out);
  EXPECT_EQ(settings.size(), 26u);
  EXPECT_EQ(settings["max_events"],
            (json{{"value", 5}, {"source", "file"}, {"where", "nexus.toml:1:1"}}));
  EXPECT_EQ(settings["max_log_bytes"],
            (json{{"value", 2048}, {"source", "environment"}, {"where", "NEXUS_MAX_LOG_BYTES"}}));
  EXPECT_EQ(settings["timeout_ms"],
            (json{{"value", 250}, {"source", "flag"}, {"where", "the command line"}}));
  EXPECT_EQ(settings["stack_size_bytes"], (json{{"value", 262144}, {"source", "default"}}));
}

TEST_F(CliConfigTest, AFileMayBeNamed) {
  write("nexus.toml", "max_events = 5\n");
  write("other.toml", "max_events = 6\n");
  EXPECT_THAT(nexus("config show --config other.toml").out,
              ContainsRegex("max_events +6 +other.toml:1:1 "));
}

TEST_F(CliConfigTest, RunsGoByIt) {
  write("h.js", "for (let i = 0; i < 6; i++) $emit('e')");
  const auto limitOf = [&](const std::string& flags, const std::string& before) {
    const Outcome outcome = nexus("run h.js --json --allow events:emit:e " + flags, "", before);
    const json report = json::parse(outcome.out);
    return report.contains("error") ? report["error"]["limit"]["value"].get<int>() : -1;
  };
  EXPECT_EQ(limitOf("", ""), -1);
  EXPECT_EQ(limitOf("--set max_events=2", ""), 2);
  EXPECT_EQ(limitOf("", "NEXUS_MAX_EVENTS=3"), 3);
  write("nexus.toml", "max_events = 4\n");
  EXPECT_EQ(limitOf("", ""), 4);
  EXPECT_EQ(limitOf("", "NEXUS_MAX_EVENTS=3"), 3);
  EXPECT_EQ(limitOf("--set max_events=2", "NEXUS_MAX_EVENTS=3"), 2);
  write("other.toml", "max_events = 5\n");
  EXPECT_EQ(limitOf("--config other.toml", ""), 5);
}

TEST_F(CliConfigTest, WhatIsWrongIsNamedForBothCommands) {
  write("h.js", "return 1");
  write("unknown.toml", "max_events = 1\nmax_event = 1\n");
  write("bad.toml", "timeout_ms = \"soon\"\n");
  write("float.toml", "timeout_ms = 1.5\n");
  write("table.toml", "[server]\nport = 1\n");
  write("syntax.toml", "max_events = 1\nmax_log_bytes =\n");
  const struct {
    const char* flags;
    const char* before;
    const char* words;
  } rows[] = {
      {"--config unknown.toml", "",
       "unknown.toml:2:1: there is no setting 'max_event'. Did you mean 'max_events'?"},
      {"--config bad.toml", "", "bad.toml:1:1: timeout_ms: 'soon' is not a time; expected "},
      {"--config float.toml", "", "float.toml:1:14: timeout_ms is a number with a fraction"},
      {"--config table.toml", "", "table.toml:1:1: server is a table"},
      {"--config syntax.toml", "", "syntax.toml:2:"},
      {"--config missing.toml", "", "cannot read missing.toml: No such file"},
      {"", "NEXUS_MAX_EVENT=1", "NEXUS_MAX_EVENT, which is no setting. Did you mean"},
      {"", "NEXUS_TIMEOUT_MS=-1", "NEXUS_TIMEOUT_MS: timeout_ms: '-1' is not a time"},
      {"", "NEXUS_STACK_SIZE_BYTES=1KiB",
       "NEXUS_STACK_SIZE_BYTES: stack_size_bytes is 1024; expected 65536 to 786432"},
      {"--set max_event=1", "", "the command line: there is no setting 'max_event'. Did you"},
      {"--set max_events", "", "--set max_events: expected KEY=VALUE"},
      {"--set max_events=many", "", "max_events: 'many' is not a whole number"},
      {"--set max_events=2000000000", "", "max_events is 2000000000; expected 0 to 1000000000"},
  };
  for (const auto& row : rows) {
    for (const char* command : {"config show ", "run h.js "}) {
      SCOPED_TRACE(std::string(row.before) + " " + command + row.flags);
      const Outcome people = nexus(std::string(command) + row.flags, "", row.before);
      EXPECT_EQ(people.status, 2);
      EXPECT_EQ(people.out, "");
      EXPECT_THAT(people.err, HasSubstr(row.words));
      const Outcome asJson = nexus(std::string(command) + "--json " + row.flags, "", row.before);
      EXPECT_EQ(asJson.status, 2);
      EXPECT_EQ(asJson.err, "");
      const json report = json::parse(asJson.out, nullptr, false);
      ASSERT_TRUE(report.is_object()) << asJson.out;
      EXPECT_EQ(report["error"]["code"], "INVALID_INPUT");
      EXPECT_THAT(report["error"]["message"].get<std::string>(), HasSubstr(row.words));
    }
  }
}

TEST_F(CliConfigTest, WrongUsageIsStatusTwo) {
  for (const char* command : {"config", "config hide", "config show extra", "config show --all",
                              "config show --set a=1 b=2"}) {
    const Outcome outcome = nexus(command);
    EXPECT_EQ(outcome.status, 2) << command;
    EXPECT_EQ(outcome.out, "") << command;
    EXPECT_NE(outcome.err, "") << command;
  }
}

// It ended with status 1 and without a word.
TEST_F(CliConfigTest, SettingsThatNobodyCanReadAreNoSuccess) {
  const Outcome outcome = nexusIntoFullOutput("config show");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("could not be written"));
}

TEST_F(CliConfigTest, HelpNamesEveryFlag) {
  const struct {
    const char* command;
    std::vector<const char*> words;
  } rows[] = {
      {"--help", {"run ", "bench ", "config ", "--version", "--help"}},
      {"config --help", {"show "}},
      {"config show --help",
       {"--config FILE", "--set KEY=VALUE", "--json", "NEXUS_TIMEOUT_MS", "nexus.toml"}},
      {"bench --help", {"NAME", "--json"}},
  };
  for (const auto& row : rows) {
    const Outcome help = nexus(row.command);
    EXPECT_EQ(help.status, 0) << row.command;
    EXPECT_EQ(help.err, "") << row.command;
    for (const char* word : row.words) EXPECT_THAT(help.out, HasSubstr(word)) << row.command;
  }
}

}  // namespace
}  // namespace nexus::tests
