// `nexus` as its users call it: arguments and standard input in, exit status and streams out.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "cli_fixture.h"

namespace nexus::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Refusal {
  const char* command;
  const char* input;
  int status;
  const char* code;
  const char* words;  // of the message
};

TEST_F(CliTest, BadInputHasACodeAStatusAndClearWords) {
  write("latin1.js", "return '\xe9'");
  write("empty.js", "");
  write("ok.js", "return 1");
  std::filesystem::create_directory(folder_ / "folder");
  { std::ofstream(folder_ / "huge.js").seekp(100'000'000).put(' '); }
  const Refusal refusals[] = {
      {"run missing.js", "", 2, "INVALID_INPUT", "cannot read missing.js: No such file"},
      {"run folder", "", 2, "INVALID_INPUT", "it is a folder"},
      {"run latin1.js", "", 1, "INVALID_HANDLER", "byte 8 is not part of a character"},
      {"run empty.js", "", 1, "INVALID_HANDLER", "the handler is empty"},
      {"run huge.js", "", 1, "INVALID_HANDLER",
       "huge.js has 100000001 bytes; max_source_bytes is 1048576"},
      {"run ok.js --args '{\"a\": 1,}'", "", 2, "INVALID_INPUT",
       "--args is not valid JSON at line 1, column 9"},
      {"run ok.js --args @missing.json", "", 2, "INVALID_INPUT", "cannot read missing.json"},
      {"run ok.js --args ''", "", 2, "INVALID_INPUT", "it is empty"},
      {"run - --args @-", "return 1", 2, "INVALID_INPUT", "cannot both come from standard input"},
      {"run -", "let x = ;", 1, "COMPILATION_ERROR", "SyntaxError"},
      {"run -", "return 1 }); (function () {", 1, "COMPILATION_ERROR", "not one function body"},
      {"run -", "null.x", 1, "EXECUTION_ERROR", "TypeError"},
      {"run - --timeout-ms 20", "for (;;);", 1, "TIMEOUT", "timeout_ms, 20 ms"},
      {"run - --memory-limit 2MiB", "return [new Uint8Array(5e6)]", 1, "MEMORY_LIMIT",
       "memory_limit_bytes, 2097152"},
      {"run - --memory-limit 1MiB", "return 1", 2, "INVALID_INPUT",
       "memory_limit_bytes is 1048576; expected 2097152"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.command);
    const Outcome asJson = nexus(std::string(refusal.command) + " --json", refusal.input);
    EXPECT_EQ(asJson.status, refusal.status) << asJson.err;
    const json report = json::parse(asJson.out, nullptr, false);
    ASSERT_TRUE(report.is_object()) << asJson.out;
    EXPECT_EQ(report["status"], "error");
    EXPECT_EQ(report["error"]["code"], refusal.code);
    EXPECT_NE(report["error"]["message"].get<std::string>().find(refusal.words), std::string::npos)
        << report["error"]["message"];
    const Outcome forPeople = nexus(refusal.command, refusal.input);
    EXPECT_EQ(forPeople.status, refusal.status);
    EXPECT_EQ(forPeople.out, "");
    EXPECT_NE(forPeople.err.find(refusal.words), std::string::npos) << forPeople.err;
  }
}

TEST_F(CliTest, WrongUsageIsStatusTwoAndNamesTheMistake) {
  const struct {
    const char* command;
    const char* words;
  } cases[] = {{"", "Subcommands"},
               {"fly", "there is no 'fly'"},
               {"run", "FILE"},
               {"run - --arg 1", "--arg"},
               {"run - --timeout-ms soon", "soon"},
               {"run - --timeout-ms -1", "-1"},
               {"run - --memory-limit 32mb", "expected bytes, such as"},
               {"bench fast", "there is no 'fast'"}};
  for (const auto& c : cases) {
    const Outcome outcome = nexus(c.command, "return 1");
    EXPECT_EQ(outcome.status, 2) << c.command;
    EXPECT_EQ(outcome.out, "") << c.command;
    EXPECT_NE(outcome.err.find(c.words), std::string::npos) << outcome.err;
  }
}

TEST_F(CliTest, JsonIsOneObjectAndTheLogIsElsewhere) {
  const Outcome outcome = nexus("run - --json --args '{\"a\": 41}'",
                                "$log.warn('hello', {b: 1}); return {sum: $args.a + 1}");
  EXPECT_EQ(outcome.status, 0);
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["status"], "success");
  EXPECT_EQ(report["value"], (json{{"sum", 42}}));
  EXPECT_EQ(report["metrics"]["hostCalls"]["log"], 1);
  EXPECT_GT(report["metrics"]["instructionCount"], 0);
  EXPECT_EQ(outcome.err, "warn  hello {\"b\":1}\n");
}

TEST_F(CliTest, PeopleSeeTheValueTheMetricsAndThePlaceOfAnError) {
  const Outcome good = nexus("run -", "return [1]");
  EXPECT_EQ(good.out, "[\n  1\n]\n");
  EXPECT_NE(good.err.find("executed in "), std::string::npos);
  EXPECT_EQ(good.err.find('\x1b'), std::string::npos) << "no terminal, no colour";
  write("h.js", "let x = 1;\nreturn x.y.z;");
  const Outcome bad = nexus("run h.js");
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.err.find("--> h.js:2:8\n  |\n2 | return x.y.z;\n  |        ^\n"), std::string::npos)
      << bad.err;
}

TEST_F(CliTest, ArgumentsComeFromTextFileOrStandardInput) {
  write("args.json", "{\"n\": 2}");
  write("h.js", "return $args.n");
  EXPECT_EQ(nexus("run h.js --args '{\"n\": 1}'").out, "1\n");
  EXPECT_EQ(nexus("run h.js --args @args.json").out, "2\n");
  EXPECT_EQ(nexus("run h.js --args @-", "{\"n\": 3}").out, "3\n");
  EXPECT_EQ(nexus("run h.js").out, "(no value)\n");
}

// `script` gives the command a terminal.
TEST_F(CliTest, WhatTakesLongSaysSoOnATerminal) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  if (std::system("script -qec true /dev/null >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no terminal can be made here (/dev/pts)";
  }
  write("loop.js", "for (;;);");
  const Outcome slow = nexus(
      "", "", "script -qefc '" NEXUS_BINARY " run loop.js --timeout-ms 2200' typescript; true");
  const std::string shown = readFile(folder_ / "typescript");
  EXPECT_NE(
      shown.find("\r\x1b[Krunning for 2 s, of which it may execute 2200 ms (--timeout-ms)\r\x1b[K"),
      std::string::npos)
      << shown;
  EXPECT_NE(shown.find("TIMEOUT"), std::string::npos) << shown;
  EXPECT_EQ(nexus("run loop.js --timeout-ms 2200").err.find("running for"), std::string::npos);
}

// `ulimit -v` leaves no room for guard pages: the checked engine takes over, and says so.
TEST_F(CliTest, RunsWhereGuardPagesCannotBeHad) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers reserve more address space than the test leaves";
#endif
  const Outcome outcome = nexus("run -", "return 6 * 7", "ulimit -v 2000000;");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "42\n");
  EXPECT_NE(outcome.err.find("checked engine"), std::string::npos) << outcome.err;
}

TEST_F(CliTest, AResultThatNobodyCanReadIsNoSuccess) {
  const Outcome outcome = nexusIntoFullOutput("run -", "return 1");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("could not be written"), std::string::npos);
}

TEST_F(CliTest, HelpAndVersionAreOnStandardOutput) {
  const Outcome help = nexus("run --help");
  EXPECT_EQ(help.status, 0);
  for (const char* word : {"--args", "--timeout-ms", "--memory-limit", "--json", "Exit status"}) {
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
  }
  const Outcome version = nexus("--version");
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out.find("nexus 0."), 0u) << version.out;
}

TEST_F(CliTest, BenchPrintsItsJson) {
  const Outcome outcome = nexus("bench --json compile idle_instance_bytes");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  ASSERT_EQ(report["results"].size(), 2u);
  EXPECT_EQ(report["results"][0]["name"], "compile");
  EXPECT_GT(report["results"][0]["p50Us"], 0);
  EXPECT_EQ(report["results"][1]["name"], "idle_instance_bytes");
  EXPECT_GT(report["results"][1]["bytes"], 0);
  EXPECT_TRUE(report["machine"].is_string());
}

}  // namespace
}  // namespace nexus::tests
