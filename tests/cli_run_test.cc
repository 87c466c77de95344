// `nexus run` with all of its flags: what goes in, what a handler may do, what is printed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cli_fixture.h"

namespace nexus::tests {
namespace {

using nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CliRunTest : public CliTest {
 protected:
  // The report of `nexus run h.js FLAGS --json`.
  json run(const std::string& source, const std::string& flags, const std::string& input = "") {
    write("h.js", source);
    const Outcome outcome = nexus("run h.js " + flags + " --json", input);
    json report = json::parse(outcome.out, nullptr, false);
    EXPECT_TRUE(report.is_object()) << outcome.out << outcome.err;
    report["exit"] = outcome.status;
    return report;
  }
};

TEST_F(CliRunTest, InputsComeFromTextFileOrStandardInput) {
  const std::string text = R"({"n": [1]})";
  write("n.json", text);
  for (const char* flag : {"args", "state", "scope"}) {
    const std::string source = std::string("return $") + flag + ".n[0] + 1";
    const std::string allowed = std::string("--allow 'state:read:*' --") + flag;
    EXPECT_EQ(run(source, allowed + " '" + text + "'")["value"], 2) << flag;
    EXPECT_EQ(run(source, allowed + " @n.json")["value"], 2) << flag;
    EXPECT_EQ(run(source, allowed + " @-", text)["value"], 2) << flag;
    EXPECT_EQ(nexus("run - " + allowed + " @n.json", source).out, "2\n") << flag;
  }
}

TEST_F(CliRunTest, ArgumentsAndScopeMayBeAnyJson) {
  for (const char* text : {"null", "-1", "[]", "[1,[2]]", R"("a b")", R"("")", "{}", "1e400"}) {
    const json report = run("return [$args, $scope].map((v) => JSON.stringify(v))",
                            std::string("--args '") + text + "' --scope '" + text + "'");
    const std::string expected = std::string(text) == "1e400" ? "null" : text;
    EXPECT_EQ(report["value"], (json{expected, expected})) << report;
  }
}

struct Right {
  const char* source;
  const char* token;
  const char* member;  // of the report, where its effect is
  const char* refusal;
};

TEST_F(CliRunTest, WithoutItsCapabilityNothingHappens) {
  const Right rights[] = {
      {"return $state.a", "state:read:a", "value", "reading the state key \"a\""},
      {"$state.a = 2", "state:write:a", "stateMutations", "writing the state key \"a\""},
      {"$emit('saved', 1)", "events:emit:saved", "events", "emitting the event \"saved\""},
      {"$view.focus('table')", "view:update:table", "viewCommands",
       "updating the component \"table\""},
      {"await $ext.http.get(1)", "ext:http", "suspension", "calling $ext.http.get"},
  };
  for (const Right& right : rights) {
    SCOPED_TRACE(right.token);
    for (const char* other : {"", "--allow 'state:read:b'", "--allow 'ext:db'"}) {
      const json refused = run(right.source, std::string("--state '{\"a\": 1}' ") + other);
      EXPECT_EQ(refused["exit"], 1);
      EXPECT_EQ(refused["error"]["code"], "PERMISSION_DENIED");
      EXPECT_EQ(refused["error"]["message"],
                std::string(right.refusal) + " needs the capability " + right.token);
    }
    const json done = run(right.source, std::string("--state '{\"a\": 1}' --allow ") + right.token);
    EXPECT_NE(done["exit"], 1) << done;
    EXPECT_TRUE(done.contains(right.member) && !done[right.member].empty()) << done;
  }
}

constexpr char kBusy[] = R"(
  $log.warn('hello');
  $state.total = { n: [1] };
  delete $state.old;
  $emit('toast', 'done');
  $emit('silent');
  $view.setFilter('logs', 'error');
  const page = await $ext.http.get('/a', { q: 1 });
  $state.page = page;
  await $ext.db.find();
)";
constexpr char kBusyFlags[] =
    "--state '{\"old\": 1}' --allow 'state:write:*' --allow 'events:emit:*' "
    "--allow view:update:logs --allow ext:http:get --allow 'ext:db' ";

TEST_F(CliRunTest, SuspendedIsStatusThree) {
  const json report = run(kBusy, kBusyFlags);
  EXPECT_EQ(report["exit"], 3);
  EXPECT_EQ(report["status"], "suspended");
  EXPECT_EQ(report["stateMutations"],
            json::parse(R"([{"key": "total", "operation": "set", "value": {"n": [1]}},
                            {"key": "old", "operation": "delete"}])"));
  EXPECT_EQ(report["events"],
            json::parse(R"([{"name": "toast", "payload": "done"}, {"name": "silent"}])"));
  EXPECT_EQ(report["viewCommands"], json::parse(R"([{"type": "setFilter", "componentId": "logs",
                             "args": {"value": "error"}}])"));
  EXPECT_EQ(report["suspension"]["pending"],
            json::parse(R"([{"id": 1, "extension": "http", "method": "get",
                             "args": ["/a", {"q": 1}]}])"));
  EXPECT_FALSE(report.contains("value"));
  EXPECT_FALSE(report.contains("error"));
  EXPECT_EQ(report["metrics"]["hostCalls"],
            (json{{"log", 1}, {"emit", 2}, {"view", 1}, {"ext", 1}, {"state", 2}}));
}

TEST_F(CliRunTest, PeopleSeeWhatASuspendedCallDidAndWaitsFor) {
  write("h.js", kBusy);
  const Outcome outcome = nexus(std::string("run h.js ") + kBusyFlags);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("warn  hello\n"
                                      "state total = {\"n\":[1]}\n"
                                      "state old deleted\n"
                                      "event toast \"done\"\n"
                                      "event silent\n"
                                      "view  logs setFilter {\"value\":\"error\"}\n"
                                      "waits #1 http.get(\"/a\",{\"q\":1})\n"
                                      "suspended: nothing here answers what it waits for (see "
                                      "--ext http, --ext-stub)\n"
                                      "executed in "));
  EXPECT_THAT(outcome.err, EndsWith("; 7 host calls\n"));
}

TEST_F(CliRunTest, AStubAnswersFromAFileFromTextOrStandardInput) {
  const std::string stub = R"({"http": {"get": {"result": {"ok": true}}, "put": {"error": "no"}}})";
  write("stub.json", stub);
  const std::string source =
      "return [await $ext.http.get(), await $ext.http.put().catch((e) => e.message)]";
  const json expected = json::parse(R"([{"ok": true}, "no"])");
  EXPECT_EQ(run(source, "--allow ext:http --ext-stub stub.json")["value"], expected);
  EXPECT_EQ(run(source, "--allow ext:http --ext-stub '" + stub + "'")["value"], expected);
  EXPECT_EQ(run(source, "--allow ext:http --ext-stub -", stub)["value"], expected);
}

TEST_F(CliRunTest, PartlyAnsweredItWaitsForWhatIsLeft) {
  const json report =
      run(kBusy, std::string(kBusyFlags) + R"(--ext-stub '{"http": {"get": {"result": 5}}}')");
  EXPECT_EQ(report["exit"], 3);
  EXPECT_EQ(report["suspension"]["pending"],
            json::parse(R"([{"id": 2, "extension": "db", "method": "find", "args": []}])"));
  EXPECT_EQ(report["stateMutations"].back(),
            json::parse(R"({"key": "page", "operation": "set", "value": 5})"));
}

TEST_F(CliRunTest, BuiltInExtensionsAnswerWhenTheyAreNamed) {
  const json slept = run("return await $ext.timer.sleep(1)", "--allow ext:timer --ext timer");
  EXPECT_EQ(slept["status"], "success");
  EXPECT_EQ(slept["value"], nullptr);
  const std::string get =
      "return await $ext.http.get('http://a.example/').catch((e) => e.name + ': ' + e.message)";
  EXPECT_EQ(run(get, "--allow ext:http --ext timer --ext http")["value"],
            "ExtensionError: http: the host 'a.example' is not in http_allow, which is empty");
  EXPECT_EQ(run(get, "--allow ext:http --ext http --set http_allow=b.example,c.example")["value"],
            "ExtensionError: http: the host 'a.example' is not in http_allow");
  EXPECT_EQ(run(get, "--allow ext:http --ext timer")["status"], "suspended");
}

TEST_F(CliRunTest, AStubGoesBeforeABuiltInExtension) {
  EXPECT_EQ(
      run("return [await $ext.http.get('x'), await $ext.http.put('x').catch((e) => 'real')]",
          R"(--allow ext:http --ext http --ext-stub '{"http": {"get": {"result": 5}}}')")["value"],
      (json{5, "real"}));
}

TEST_F(CliRunTest, AnErrorAfterAWaitKeepsWhatWasHandedOver) {
  const json report = run(
      kBusy, std::string(kBusyFlags) + R"(--ext-stub '{"http": {"get": {"error": "refused"}}}')");
  EXPECT_EQ(report["exit"], 1);
  EXPECT_EQ(report["error"]["code"], "EXECUTION_ERROR");
  EXPECT_EQ(report["error"]["message"], "ExtensionError: refused");
  EXPECT_EQ(report["stateMutations"].size(), 2u);
  EXPECT_EQ(report["events"].size(), 2u);
  EXPECT_FALSE(report.contains("suspension"));

  const Outcome people = nexus(std::string("run h.js ") + kBusyFlags +
                               R"(--ext-stub '{"http": {"get": {"error": "x"}}}')");
  EXPECT_THAT(people.err, HasSubstr("state old deleted\n"));
  EXPECT_THAT(people.err, HasSubstr("EXECUTION_ERROR: ExtensionError: x\n"));
}

TEST_F(CliRunTest, ASeedRepeatsChance) {
  const std::string source = "return [Math.random(), Math.random()]";
  const json first = run(source, "--seed 1")["value"];
  EXPECT_EQ(run(source, "--seed 1")["value"], first);
  EXPECT_NE(run(source, "--seed 2")["value"], first);
  EXPECT_NE(run(source, "--seed 0")["value"], run(source, "")["value"]);
  EXPECT_NE(run(source, "")["value"], run(source, "")["value"]);
  EXPECT_NE(first[0], first[1]);
}

TEST_F(CliRunTest, AClockStandsStill) {
  const std::string source =
      "const start = Date.now(); let n = 0; for (let i = 0; i < 3e6; i++) n += i;"
      "await $ext.x.y(); return [start, Date.now(), new Date().toISOString()]";
  const std::string flags = R"(--allow ext:x --ext-stub '{"x": {"y": {"result": 1}}}' --clock )";
  EXPECT_EQ(run(source, flags + "1700000000000")["value"],
            (json{1700000000000, 1700000000000, "2023-11-14T22:13:20.000Z"}));
  EXPECT_EQ(run(source, flags + "0")["value"], (json{0, 0, "1970-01-01T00:00:00.000Z"}));
  EXPECT_EQ(run(source, flags + "18446744073709")["value"][2], "2554-07-21T23:34:33.709Z");
  EXPECT_GT(run("return Date.now()", "")["value"], 1.7e12);
}

TEST_F(CliRunTest, LimitsAreSet) {
  const struct {
    const char* source;
    const char* flags;
    const char* code;
    const char* limit;
  } rows[] = {
      {"$emit('a'); $emit('b')", "--allow 'events:emit:*' --set max_events=1", "RESOURCE_LIMIT",
       "max_events"},
      {"$log('123456789')", "--set max_log_bytes=8B", "RESOURCE_LIMIT", "max_log_bytes"},
      {"for (;;);", "--set timeout_ms=20ms", "TIMEOUT", "timeout_ms"},
      {"for (;;);", "--timeout-ms 20ms", "TIMEOUT", "timeout_ms"},
      {"return [new Uint8Array(5e6)]", "--set memory_limit_bytes=2MiB", "MEMORY_LIMIT",
       "memory_limit_bytes"},
      {"return 1", "--set max_input_bytes=3 --args '[12]'", "RESOURCE_LIMIT", "max_input_bytes"},
      {"return $state.a", "--set max_input_bytes=8 --allow 'state:read:a' --state '{\"a\":12}'",
       "(none)", ""},
      {"return $state.a", "--set max_input_bytes=8 --allow 'state:read:a' --state @long.json",
       "RESOURCE_LIMIT", "max_input_bytes"},
  };
  write("long.json", R"({"a": 123456789})");
  for (const auto& row : rows) {
    const json report = run(row.source, row.flags);
    if (!report.contains("error")) {
      EXPECT_STREQ("(none)", row.code) << row.flags << report;
      continue;
    }
    EXPECT_EQ(report["error"]["code"], row.code) << row.flags;
    EXPECT_EQ(report["error"]["limit"]["name"], row.limit) << row.flags;
  }
}

struct Refused {
  const char* flags;
  const char* words;
  const char* input = "";
};

TEST_F(CliRunTest, WrongInputIsNamedWithItsPlace) {
  write("h.js", "return 1");
  write("state.json", "{\"a\": 1,\n  \"b\": ,\n}");
  write("latin1.json", "{\"a\": \"\xe9\"}");
  write("stub.json", R"({"http": {"get": {"reslut": 1}}})");
  const Refused rows[] = {
      {"--state '{\"a\": 1,, \"b\": 2}'",
       "--state is not valid JSON at line 1, column 9: expected a property name in double quotes"},
      {"--state @state.json", "--state is not valid JSON at line 2, column 8: expected a value"},
      {"--state @latin1.json", "--state is not valid JSON at line 1, column 8: it is not UTF-8"},
      {"--state '{\"a\": 1, \"a\": 2}'",
       "--state is not valid JSON at line 1, column 10: the name \"a\" is there twice"},
      {"--state '[1]'", "--state must be a JSON object"},
      {"--state ''", "--state is not valid JSON at line 1, column 1: it is empty"},
      {"--state @missing.json", "cannot read missing.json: No such file"},
      {"--scope nul", "--scope is not valid JSON at line 1, column 1: expected a value"},
      {"--args '[1'", "--args is not valid JSON at line 1, column 3: expected ',' or ']'"},
      {"--allow state:raed:x", "the capability 'state:raed:x' is of no known kind; expected "},
      {"--allow state:raed:x", "Did you mean 'state:read:'?"},
      {"--allow state:read:a --allow ext:", "'ext:' lacks the alias of an extension"},
      {"--allow ''", "the capability '' is of no known kind"},
      {"--ext-stub missing.json", "cannot read missing.json: No such file"},
      {"--ext-stub stub.json", "stub.json: http.get must be {\"result\": VALUE} or "},
      {"--ext-stub '{\"http\": 1}'", "--ext-stub: http must be a JSON object"},
      {"--ext-stub -", "--ext-stub: x must be a JSON object", "{\"x\": 1}"},
      {"--state @- --args @-", "--args and --state cannot both come from standard input"},
      {"--scope @- --ext-stub -", "--scope and --ext-stub cannot both come from standard input"},
      {"--ext htpp", "--ext: no extension 'htpp' is built in; there are: timer, http. Did you "},
      {"--ext http --set http_allow=http://a/", "the command line: http_allow: 'http://a/' is no"},
      {"--seed -1", "--seed: '-1' is not a whole number"},
  };
  for (const Refused& row : rows) {
    SCOPED_TRACE(row.flags);
    const Outcome asJson = nexus(std::string("run h.js --json ") + row.flags, row.input);
    EXPECT_EQ(asJson.status, 2);
    const json report = json::parse(asJson.out, nullptr, false);
    ASSERT_TRUE(report.is_object()) << asJson.out << asJson.err;
    EXPECT_EQ(report["error"]["code"], "INVALID_INPUT");
    EXPECT_THAT(report["error"]["message"].get<std::string>(), HasSubstr(row.words));
    EXPECT_FALSE(report["error"].contains("location")) << "it is not the handler's";
    const Outcome people = nexus(std::string("run h.js ") + row.flags, row.input);
    EXPECT_EQ(people.status, 2);
    EXPECT_EQ(people.out, "");
    EXPECT_THAT(people.err, HasSubstr(row.words));
  }
}

// Both read it, the handler first: the stub was empty.
TEST_F(CliRunTest, AHandlerAndAStubCannotBothComeFromStandardInput) {
  const Outcome outcome = nexus("run - --ext-stub -", "return 1");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err,
              HasSubstr("the handler and --ext-stub cannot both come from standard input"));
}

TEST_F(CliRunTest, HelpNamesEveryFlag) {
  const Outcome help = nexus("run --help");
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.err, "");
  for (const char* flag :
       {"FILE ", "--args ", "--state ", "--scope ", "--allow CAPABILITY", "--ext NAME",
        "--ext-stub FILE|JSON", "--timeout-ms MS", "--memory-limit BYTES", "--seed N",
        "--clock MS ", "--config FILE", "--set KEY=VALUE", "--json ",
        "Exit status: 0 success, 1 the handler failed, 2 wrong usage, "
        "3 it waits"}) {
    EXPECT_THAT(help.out, HasSubstr(flag));
  }
  for (const char* noise : {"INT", "UINT", " in ["}) EXPECT_THAT(help.out, Not(HasSubstr(noise)));
}

class CliColourTest : public CliTest {
 protected:
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  static bool hasTerminal() {
    return std::system("script -qec true /dev/null >/dev/null 2>&1") == 0;
  }

  // What a terminal shows; `script` gives the command one.
  std::string shown(const std::string& environment, const std::string& flags) {
    write("h.js", "$log('hello'); $emit('saved'); return [1]");
    nexus("", "",
          "env -u NO_COLOR -u TERM " + environment +
              " script -qefc '" NEXUS_BINARY " run h.js --allow events:emit:saved " + flags +
              "' typescript >/dev/null; true");
    return readFile(folder_ / "typescript");
  }
};

TEST_F(CliColourTest, OnATerminalUnlessItIsRefused) {
  if (!hasTerminal()) GTEST_SKIP() << "no terminal can be made here (/dev/pts)";
  const struct {
    const char* environment;
    bool hasColour;
  } rows[] = {{"TERM=xterm", true},
              {"", true},
              {"TERM=xterm NO_COLOR=", true},  // only a value refuses, says no-color.org
              {"TERM=xterm NO_COLOR=1", false},
              {"TERM=xterm NO_COLOR=0", false},
              {"TERM=dumb", false}};
  for (const auto& row : rows) {
    const std::string text = shown(row.environment, "");
    EXPECT_THAT(text, HasSubstr("hello")) << row.environment;
    EXPECT_EQ(text.find("\x1b[34mevent\x1b[0m saved") != std::string::npos, row.hasColour)
        << row.environment << text;
    EXPECT_EQ(text.find("\x1b[") != std::string::npos, row.hasColour) << row.environment << text;
  }
}

TEST_F(CliColourTest, ValueAndEffectsKeepTheirOrderOnOneTerminal) {
  if (!hasTerminal()) GTEST_SKIP() << "no terminal can be made here (/dev/pts)";
  EXPECT_THAT(shown("TERM=dumb", ""),
              HasSubstr("info  hello\r\n[\r\n  1\r\n]\r\nevent saved\r\nexecuted in "));
}

TEST_F(CliColourTest, NotElsewhere) {
  write("h.js", "$log('hello'); throw new Error('no')");
  const Outcome outcome = nexus("run h.js", "", "env -u NO_COLOR TERM=xterm");
  EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace nexus::tests
