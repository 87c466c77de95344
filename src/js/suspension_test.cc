// Calls that wait for extensions: what they ask for, how they are answered, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "js/testing/waiting_call.h"

namespace nexus::js {
namespace {

using std::string_literals::operator""s;
using testing::answerOf;
using testing::EngineTest;
using testing::errorOf;
using ::testing::HasSubstr;
using testing::logOf;
using testing::outcomeOf;
using testing::pendingOf;
using testing::Rig;
using testing::sameContent;
using testing::WaitingCall;

class SuspensionTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SuspensionTest, testing::kEveryEngine, testing::engineName);

// Each answer goes to a list as it arrives.
constexpr std::string_view kThree = R"(
  const seen = [];
  const ask = async (n) => { seen.push(n, await $ext.x.get(n)); };
  await Promise.all([1, 2, 3].map(ask));
  return seen;
)";

TEST_P(SuspensionTest, ACallWaitsForWhatItAskedFor) {
  Rig rig(GetParam());
  WaitingCall call(rig, "const page = await $ext.http.get('/ü', { q: [1] }); return page.text");
  const ExecutionResult asked = call.start();
  EXPECT_EQ(asked.status(), CallStatus::kSuspended);
  EXPECT_TRUE(asked.ok());
  EXPECT_EQ(asked.value, std::nullopt);
  EXPECT_EQ(pendingOf(asked), R"(1 http.get ["/ü",{"q":[1]}])");
  EXPECT_EQ(asked.metrics.hostCalls.ext, 1u);

  const ExecutionResult done = call.answer(1, R"({"text":"hello"})");
  EXPECT_EQ(done.status(), CallStatus::kSuccess);
  EXPECT_EQ(outcomeOf(done), R"("hello")");
  EXPECT_TRUE(done.pending.empty());
  EXPECT_TRUE(rig.sandbox().restore());
  rig.expectNextCallRight();
}

TEST_P(SuspensionTest, WhatIsAskedFor) {
  Rig rig(GetParam());
  const struct {
    const char* source;
    std::string pending;
  } rows[] = {
      {"await $ext.x.y()", "1 x.y []"},
      {"await $ext.x.y(undefined, () => 1, NaN)", "(refused)"},
      {"await $ext.x.y(undefined, null, NaN)", "1 x.y [null,null,null]"},
      {"await $ext['a b']['ü.😀']('\\0')", "1 a b.ü.😀 [\"\\u0000\"]"},
      {"await $ext.__proto__.constructor(1)", "1 __proto__.constructor [1]"},
      {"const { http } = $ext; const { get } = http; await get(1)", "1 http.get [1]"},
      {"return $ext.x.y(1)", "1 x.y [1]"},
      {"await Promise.all([$ext.a.b(1), $ext.c.d(2)])", "1 a.b [1]; 2 c.d [2]"},
      {"$ext.a.b(1); await null; await $ext.c.d(2)", "1 a.b [1]; 2 c.d [2]"},
      {"for await (const x of [$ext.a.b(1), $ext.c.d(2)]);", "1 a.b [1]; 2 c.d [2]"},
  };
  for (const auto& row : rows) {
    WaitingCall call(rig, row.source);
    const ExecutionResult asked = call.start();
    EXPECT_EQ(asked.ok() ? pendingOf(asked) : "(refused)", row.pending) << outcomeOf(asked);
    EXPECT_TRUE(rig.sandbox().restore());
  }
}

TEST_P(SuspensionTest, AnswersComeOneByOneInAnyOrder) {
  Rig rig(GetParam());
  WaitingCall call(rig, kThree);
  std::vector<uint64_t> order = {1, 2, 3};
  do {
    ExecutionResult result = call.start();
    std::string seen;
    for (const uint64_t id : order) {
      ASSERT_EQ(result.status(), CallStatus::kSuspended) << outcomeOf(result);
      std::vector<uint64_t> waiting;
      for (const ExtensionRequest& request : result.pending) waiting.push_back(request.id);
      EXPECT_THAT(waiting, ::testing::Contains(id));
      EXPECT_TRUE(std::is_sorted(waiting.begin(), waiting.end())) << "the older ones first";
      result = call.answer(id, std::to_string(id * 10));
      seen += (seen.empty() ? "" : ",") + std::to_string(id) + "," + std::to_string(id * 10);
    }
    EXPECT_EQ(outcomeOf(result), "[" + seen + "]");
    EXPECT_TRUE(rig.sandbox().restore());
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(SuspensionTest, SeveralAnswersAtOnceGoOnInTheirOrder) {
  Rig rig(GetParam());
  WaitingCall call(rig, kThree);
  call.start();
  const ExecutionResult all =
      call.resume({answerOf(3, "30"), answerOf(1, "10"), answerOf(2, "20")});
  EXPECT_EQ(outcomeOf(all), "[3,30,1,10,2,20]");

  call.start();
  const ExecutionResult two = call.resume({answerOf(2, "20"), answerOf(1, "10")});
  EXPECT_EQ(pendingOf(two), "3 x.get [3]");
  EXPECT_EQ(outcomeOf(call.answer(3, "30")), "[2,20,1,10,3,30]");
}

TEST_P(SuspensionTest, NewRequestsStandBehindThoseThatStillWait) {
  Rig rig(GetParam());
  WaitingCall call(rig, R"(
    const slow = $ext.a.slow();
    const first = await $ext.b.first();
    const second = await $ext.b.second(first);
    return [await slow, first, second];
  )");
  EXPECT_EQ(pendingOf(call.start()), "1 a.slow []; 2 b.first []");
  EXPECT_EQ(pendingOf(call.answer(2, "\"f\"")), "1 a.slow []; 3 b.second [\"f\"]");
  EXPECT_EQ(pendingOf(call.answer(3, "\"s\"")), "1 a.slow []");
  EXPECT_EQ(outcomeOf(call.answer(1, "null")), R"([null,"f","s"])");
}

TEST_P(SuspensionTest, ResultsArriveAsTheyAre) {
  Rig rig(GetParam());
  WaitingCall call(rig, "return await $ext.x.y()");
  for (const char* result : {"null", "true", "0", "-1.5", "1e+21", R"("")", R"("grün 😀\u0000")",
                             "[]", "{}", R"([1,"2",[null,{"x":[]}]])", R"({"__proto__":{"x":1}})",
                             R"({"then":1,"toJSON":2})", R"({"":0,"constructor":{}})"}) {
    call.start();
    EXPECT_EQ(outcomeOf(call.answer(1, result)), result);
  }
  call.start();
  EXPECT_EQ(outcomeOf(call.answer(1, " \n{ \"a\" :\t1 } ")), R"({"a":1})");
}

TEST_P(SuspensionTest, LargeResultsArrive) {
  Rig rig(GetParam());
  WaitingCall call(rig, "return (await $ext.x.y()).length");
  for (const size_t length : {size_t{16'383}, size_t{16'384}, size_t{5} << 20}) {
    call.start();
    EXPECT_EQ(outcomeOf(call.answer(1, '"' + std::string(length, 'x') + '"')),
              std::to_string(length));
  }
}

TEST_P(SuspensionTest, ErrorsRejectAndCanBeCaught) {
  Rig rig(GetParam());
  WaitingCall call(rig,
                   "try { await $ext.x.y(); return 'no' } catch (e) {"
                   "  return [e instanceof Error, e.name, e.message, e.code, Object.keys(e)] }");
  const struct {
    std::string message;
    std::string shown;  // in JSON
  } rows[] = {
      {"connection refused", "connection refused"},
      {"", ""},
      {"{\"not\": json", "{\\\"not\\\": json"},
      {"größe 😀", "größe 😀"},
      {"a\0b\n"s, "a\\u0000b\\n"},
      {"\xFF", "\uFFFD"},
  };
  for (const auto& row : rows) {
    call.start();
    EXPECT_EQ(outcomeOf(call.fail(1, row.message)),
              "[true,\"ExtensionError\",\"" + row.shown + "\",null,[\"name\"]]");
  }
}

TEST_P(SuspensionTest, AnErrorThatNobodyCatchesFailsTheCall) {
  Rig rig(GetParam());
  WaitingCall call(rig, "$log('before');\nawait $ext.x.y();\n$log('after')");
  call.start();
  const ExecutionResult failed = call.fail(1, "connection refused");
  ASSERT_TRUE(failed.error);
  EXPECT_EQ(failed.error->code, ErrorCode::kExecutionError);
  EXPECT_EQ(failed.error->message, "ExtensionError: connection refused");
  EXPECT_EQ(logOf(failed), "");
  EXPECT_TRUE(rig.sandbox().restore());
  rig.expectNextCallRight();
}

TEST_P(SuspensionTest, OneOfSeveralFails) {
  Rig rig(GetParam());
  WaitingCall call(rig,
                   "const all = await Promise.allSettled([$ext.x.a(), $ext.x.b()]);"
                   "return all.map((one) => one.value ?? one.reason.message)");
  call.start();
  EXPECT_EQ(outcomeOf(call.resume({errorOf(2, "refused"), answerOf(1, "5")})), R"([5,"refused"])");
}

TEST_P(SuspensionTest, IdsThatDoNotWaitAreRefusedWithoutAnEffect) {
  Rig rig(GetParam());
  WaitingCall call(rig, kThree);
  call.start();
  const ExecutionResult before = call.answer(2, "20");
  const auto content = rig.contentOf(rig.sandbox());
  const struct {
    const char* why;
    std::vector<Settlement> settlements;
    const char* id;
  } rows[] = {
      {"never made", {answerOf(4, "1")}, "4"},
      {"no id at all", {answerOf(0, "1")}, "0"},
      {"answered already", {answerOf(2, "1")}, "2"},
      {"answered already, now an error", {errorOf(2, "late")}, "2"},
      {"the same one twice", {answerOf(1, "1"), answerOf(1, "1")}, "1"},
      {"a result and an error", {answerOf(1, "1"), errorOf(1, "no")}, "1"},
      {"a good one and a foreign one", {answerOf(1, "1"), answerOf(99, "1")}, "99"},
      {"beyond 32 bits", {answerOf((uint64_t{1} << 32) + 1, "1")}, "4294967297"},
      {"beyond everything", {answerOf(UINT64_MAX, "1")}, "18446744073709551615"},
  };
  for (const auto& row : rows) {
    const Error refused = call.refusal(row.settlements);
    EXPECT_EQ(refused.code, ErrorCode::kNotFound) << row.why;
    EXPECT_EQ(refused.message,
              "no request "s + row.id + " waits: it was answered already, or never made");
    EXPECT_TRUE(sameContent(content, rig.contentOf(rig.sandbox()))) << row.why;
  }
  EXPECT_EQ(pendingOf(before), "1 x.get [1]; 3 x.get [3]");
  EXPECT_EQ(outcomeOf(call.resume({answerOf(1, "10"), answerOf(3, "30")})), "[2,20,1,10,3,30]");
}

TEST_P(SuspensionTest, ResultsThatAreNotJsonAreRefusedWithoutAnEffect) {
  Rig rig(GetParam());
  WaitingCall call(rig, "return [await $ext.x.a(), await $ext.x.b()]");
  call.start();
  const auto content = rig.contentOf(rig.sandbox());
  for (const std::string& text :
       {""s, "undefined"s, "{"s, "1 2"s, "NaN"s, "'a'"s, "[1,]"s, "\"\xFF\""s, "\"\\ud800\""s,
        "\xEF\xBB\xBF{}"s, "1\0"s, "globalThis.x = 1"s, std::string(300, '[')}) {
    const Error refused = call.refusal({answerOf(1, text)});
    EXPECT_EQ(refused.code, ErrorCode::kInvalidInput) << text;
    EXPECT_THAT(refused.message,
                HasSubstr("the result of a request is not valid JSON at line 1, column "));
    EXPECT_TRUE(sameContent(content, rig.contentOf(rig.sandbox()))) << text;
  }
  EXPECT_EQ(pendingOf(call.answer(1, "1")), "2 x.b []");
  EXPECT_EQ(outcomeOf(call.answer(2, "2")), "[1,2]");
}

TEST_P(SuspensionTest, OneBadResultRefusesTheGoodOnesToo) {
  Rig rig(GetParam());
  WaitingCall call(rig, kThree);
  call.start();
  EXPECT_EQ(call.refusal({answerOf(1, "1"), answerOf(2, "oops")}).code, ErrorCode::kInvalidInput);
  EXPECT_EQ(outcomeOf(call.resume({answerOf(1, "1"), answerOf(2, "2"), answerOf(3, "3")})),
            "[1,1,2,2,3,3]");
}

// With no answer at all, the end of the call before was its result once more.
TEST_P(SuspensionTest, ACallThatIsOverCannotBeResumed) {
  Rig rig(GetParam());
  const struct {
    const char* source;
    std::vector<Settlement> last;
  } rows[] = {
      {"return 1", {}},
      {"return Promise.resolve(1)", {}},
      {"throw 1", {}},
      {"await new Promise(() => {})", {}},
      {"return await $ext.x.y()", {answerOf(1, "1")}},
      {"return await $ext.x.y()", {errorOf(1, "no")}},
      {"return Promise.race([$ext.x.y(), $ext.x.z()])", {answerOf(2, "1")}},
  };
  for (const auto& row : rows) {
    for (const std::vector<Settlement>& late :
         {std::vector<Settlement>{}, std::vector<Settlement>{answerOf(1, "1")}}) {
      WaitingCall call(rig, row.source);
      ExecutionResult last = call.start();
      if (!row.last.empty()) last = call.resume(row.last);
      ASSERT_NE(last.status(), CallStatus::kSuspended) << row.source;
      const Error refused = call.refusal(late);
      EXPECT_EQ(refused.code, ErrorCode::kNotFound) << row.source;
      EXPECT_EQ(refused.message, "no call is suspended here");
    }
  }
}

TEST_P(SuspensionTest, ACallThatWasRestoredOrReplacedCannotBeResumed) {
  Rig rig(GetParam());
  WaitingCall call(rig, "return await $ext.x.y()");
  EXPECT_EQ(call.refusal({answerOf(1, "1")}).code, ErrorCode::kNotFound);
  call.start();
  EXPECT_TRUE(rig.sandbox().restore());
  EXPECT_EQ(call.refusal({answerOf(1, "1")}).code, ErrorCode::kNotFound);
  EXPECT_EQ(call.refusal({}).code, ErrorCode::kNotFound);

  call.start();
  WaitingCall other(rig, "return 1");  // compiling needs the sandbox, too
  EXPECT_EQ(call.refusal({answerOf(1, "1")}).code, ErrorCode::kNotFound);
  EXPECT_EQ(outcomeOf(other.start()), "1");
  EXPECT_EQ(call.refusal({answerOf(1, "1")}).code, ErrorCode::kNotFound);
}

TEST_P(SuspensionTest, AnotherHandlerRunsInBetween) {
  Rig rig(GetParam());
  WaitingCall waits(rig, "globalThis.mine = 1; return [await $ext.x.y(), globalThis.mine]");
  WaitingCall other(rig,
                    "const was = typeof mine; globalThis.mine = 2; return [was, await $ext.z.a()]");
  waits.start();
  EXPECT_TRUE(rig.sandbox().restore());
  EXPECT_EQ(pendingOf(other.start()), "1 z.a []");
  EXPECT_EQ(outcomeOf(other.answer(1, "5")), R"(["undefined",5])");
  EXPECT_TRUE(rig.sandbox().restore());
  rig.expectNextCallRight();
  EXPECT_EQ(pendingOf(waits.start()), "1 x.y []");
  EXPECT_EQ(outcomeOf(waits.answer(1, "7")), "[7,1]");
}

TEST_P(SuspensionTest, InputAndChanceStayTheCallsOwn) {
  Rig rig(GetParam());
  const auto draws = [&](const char* between) {
    WaitingCall call(rig, "const a = Math.random();"s + between +
                              "return [$args, $scope, a, Math.random(), Date.now()]");
    call.input().args = "[1]";
    call.input().scope = "{\"item\":2}";
    call.input().seed = 7;
    call.input().clock = std::chrono::milliseconds(1000);
    ExecutionResult result = call.start();
    if (result.status() != CallStatus::kSuspended) return outcomeOf(result);
    call.input().args = "\"other\"";
    call.input().scope = "not even JSON";
    return outcomeOf(call.answer(1, "null"));
  };
  const std::string straight = draws("");
  EXPECT_THAT(straight,
              ::testing::MatchesRegex(R"(\[\[1\],\{"item":2\},0\.[0-9]+,0\.[0-9]+,1000\])"));
  EXPECT_EQ(draws("await $ext.x.y();"), straight);
}

TEST_P(SuspensionTest, RequestsThatNobodyAwaitedAreNotMade) {
  Rig rig(GetParam());
  WaitingCall call(rig, "$ext.x.y(); $ext.x.z(); return 1");
  const ExecutionResult result = call.start();
  EXPECT_EQ(outcomeOf(result), "1");
  EXPECT_TRUE(result.pending.empty());
  EXPECT_EQ(logOf(result),
            "2 extension request(s) were not awaited: the handler has returned, they are not made");
  EXPECT_EQ(result.log.at(0).level, LogLevel::kWarn);

  // Those of a run before were handed out, and may have been made.
  WaitingCall race(rig, "return Promise.race([$ext.x.y(), $ext.x.z()])");
  race.start();
  const ExecutionResult won = race.answer(2, "5");
  EXPECT_EQ(outcomeOf(won), "5");
  EXPECT_TRUE(won.pending.empty());
  EXPECT_EQ(logOf(won), "");
}

TEST_P(SuspensionTest, WhatNothingCanSettleIsFoundAfterTheLastAnswer) {
  Rig rig(GetParam());
  WaitingCall call(rig, "await $ext.x.y(); await new Promise(() => {})");
  call.start();
  const ExecutionResult stuck = call.answer(1, "1");
  ASSERT_TRUE(stuck.error);
  EXPECT_THAT(stuck.error->message, HasSubstr("nothing can settle"));
}

}  // namespace
}  // namespace nexus::js
