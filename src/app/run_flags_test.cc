// The flags of `nexus run`, parsed here: what becomes of them.
#include "app/run_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nexus::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<RunOptions> parse(const std::vector<std::string>& words) {
  RunFlags flags;
  CLI::App command;
  flags.addTo(command);
  // CLI11 takes them from the back.
  command.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  return flags.options();
}

RunOptions options(const std::vector<std::string>& words) {
  auto parsed = parse(words);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return parsed ? *parsed : RunOptions{};
}

TEST(RunFlagsTest, Defaults) {
  const RunOptions run = options({"h.js"});
  EXPECT_EQ(run.file, "h.js");
  EXPECT_EQ(run.args, "{}");
  EXPECT_EQ(run.state, "{}");
  EXPECT_EQ(run.scope, "{}");
  EXPECT_TRUE(run.allow.empty());
  EXPECT_TRUE(run.ext.empty());
  EXPECT_TRUE(run.extStub.empty());
  EXPECT_FALSE(run.seed);
  EXPECT_FALSE(run.clock);
  EXPECT_EQ(run.output, Output::kPeople);
}

TEST(RunFlagsTest, EveryFlagArrives) {
  const RunOptions run =
      options({"--args",  "[1]",        "--state",        "{\"a\":1}", "--scope",
               "-2",      "--allow",    "state:read:a,b", "--allow",   "ext:http",
               "h.js",    "--ext-stub", "s.json",         "--seed",    "18446744073709551615",
               "--clock", "0",          "--timeout-ms",   "2s",        "--memory-limit",
               "64MiB",   "--set",      "max_events=5",   "--json",    "--ext",
               "timer",   "--ext",      "http",           "--set",     "http_allow=a.example"});
  EXPECT_EQ(run.file, "h.js");
  EXPECT_EQ(run.args, "[1]");
  EXPECT_EQ(run.state, "{\"a\":1}");
  EXPECT_EQ(run.scope, "-2");
  EXPECT_THAT(run.allow, ElementsAre("state:read:a,b", "ext:http"));
  EXPECT_THAT(run.ext, ElementsAre("timer", "http"));
  EXPECT_THAT(run.http.allow, ElementsAre("a.example"));
  EXPECT_EQ(run.extStub, "s.json");
  EXPECT_EQ(run.seed, UINT64_MAX);
  EXPECT_EQ(run.clock, std::chrono::milliseconds(0));
  EXPECT_EQ(run.config.timeout, std::chrono::seconds(2));
  EXPECT_EQ(run.config.memoryLimitBytes, 64u << 20);
  EXPECT_EQ(run.config.maxEvents, 5u);
  EXPECT_EQ(run.output, Output::kJson);
}

// --set stood behind --timeout-ms and --memory-limit whatever their order.
TEST(RunFlagsTest, TheLastFlagOfASettingCounts) {
  const struct {
    std::vector<std::string> words;
    int timeoutMs;
  } rows[] = {
      {{"--timeout-ms", "5", "--set", "timeout_ms=7"}, 7},
      {{"--set", "timeout_ms=7", "--timeout-ms", "5"}, 5},
      {{"--set", "timeout_ms=7", "--set", "timeout_ms=8"}, 8},
      {{"--timeout-ms", "5", "--timeout-ms=6"}, 6},
      {{"--timeout-ms=5", "--set=timeout_ms=7", "--timeout-ms", "6", "--set", "max_events=1"}, 6},
  };
  for (const auto& row : rows) {
    std::vector<std::string> words = row.words;
    words.emplace_back("h.js");
    EXPECT_EQ(options(words).config.timeout, std::chrono::milliseconds(row.timeoutMs));
  }
}

// -1 became a large number, and so did what is too large for any.
TEST(RunFlagsTest, ASeedIsAWholeNumber) {
  EXPECT_EQ(options({"h.js", "--seed", "0"}).seed, 0u);
  EXPECT_EQ(options({"h.js", "--seed", "010"}).seed, 10u);
  for (const char* seed : {"-1", "1.5", "0x10", "18446744073709551616", "x"}) {
    const auto parsed = parse({"h.js", std::string("--seed=") + seed});
    ASSERT_FALSE(parsed.ok()) << seed;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(parsed.error().message, std::string("--seed: '") + seed + "' is not a whole number");
  }
}

// Later ones wrapped around, in the guest.
TEST(RunFlagsTest, AClockIsATimeThatTheGuestCanTell) {
  EXPECT_EQ(options({"h.js", "--clock", "18446744073709"}).clock,
            std::chrono::milliseconds(18'446'744'073'709));
  for (const char* clock : {"-1", "18446744073710", "8640000000000000", "now", "1.5"}) {
    EXPECT_THROW((void)parse({"h.js", "--clock", clock}), CLI::ValidationError) << clock;
  }
}

TEST(RunFlagsTest, WrongSettingsAreNamed) {
  const struct {
    std::vector<std::string> words;
    const char* message;
  } rows[] = {
      {{"--set", "max_events"}, "--set max_events: expected KEY=VALUE"},
      {{"--set", ""}, "--set : expected KEY=VALUE"},
      {{"--set", "=5"}, "the command line: there is no setting ''"},
      {{"--set", "max_events="}, "max_events: '' is not a whole number"},
      {{"--set", "max_events=5=6"}, "max_events: '5=6' is not a whole number"},
      {{"--set", "max_event=5"}, "there is no setting 'max_event'. Did you mean 'max_events'?"},
      {{"--timeout-ms", "soon"}, "timeout_ms: 'soon' is not a time"},
      {{"--memory-limit", "1MiB"}, "memory_limit_bytes is 1048576; expected 2097152"},
      {{"--config", "missing.toml"}, "cannot read missing.toml"},
  };
  for (const auto& row : rows) {
    std::vector<std::string> words = row.words;
    words.emplace_back("h.js");
    const auto parsed = parse(words);
    ASSERT_FALSE(parsed.ok()) << row.message;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(parsed.error().message, HasSubstr(row.message));
  }
}

TEST(RunFlagsTest, OneWordBelongsToAFlag) {
  for (const char* flag : {"--allow", "--set", "--ext"}) {
    EXPECT_THROW((void)parse({"h.js", flag, "ext:a", "ext:b"}), CLI::ExtrasError) << flag;
  }
  EXPECT_THROW((void)parse({"h.js", "i.js"}), CLI::ExtrasError);
  EXPECT_THROW((void)parse({}), CLI::RequiredError);
}

}  // namespace
}  // namespace nexus::app
