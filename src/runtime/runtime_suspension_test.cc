// Calls that wait for somebody outside: suspended, found, resumed, dropped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "nexus/runtime.h"
#include "runtime/testing/waiting_runtime.h"

namespace nexus {
namespace {

using runtime::testing::codeOf;
using runtime::testing::errorOf;
using runtime::testing::eventually;
using runtime::testing::kAll;
using runtime::testing::makeRuntime;
using runtime::testing::outcomeOf;
using runtime::testing::resultOf;
using runtime::testing::resume;
using runtime::testing::state;
using runtime::testing::suspend;
using runtime::testing::take;
using runtime::testing::TimedRuntime;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RuntimeSuspensionTest, ItIsResumedWithTheAnswer) {
  const auto runtime = makeRuntime();
  const ExecutionResult first =
      runtime->execute("return [$args.n, await $ext.http.get('/a')]", kAll, {.args = R"({"n":1})"});
  EXPECT_EQ(first.suspensionId.size(), 32U);
  ASSERT_EQ(first.pending.size(), 1U);
  EXPECT_EQ(runtime->stats().suspended, 1U);
  EXPECT_EQ(runtime->stats().instancesActive, 0U);
  const auto info = runtime->getSuspended(first.suspensionId);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->id, first.suspensionId);
  EXPECT_EQ(info->pending[0].extension, "http");
  EXPECT_EQ(info->pending[0].args, R"(["/a"])");
  const ExecutionResult done = resume(*runtime, first.suspensionId, {resultOf(1, "\"page\"")});
  EXPECT_EQ(outcomeOf(done), R"([1,"page"])");
  EXPECT_EQ(done.suspensionId, "");
  EXPECT_EQ(runtime->stats().suspended, 0U);
  EXPECT_EQ(runtime->stats().suspendedBytes, 0U);
  EXPECT_EQ(runtime->stats().suspensionsResumed, 1U);
}

TEST(RuntimeSuspensionTest, OnAnotherInstanceAndThread) {
  const auto runtime = makeRuntime({.maxInstances = 2});
  const Handler endless = take(runtime->precompile("for (;;);"));
  const std::string id = suspend(*runtime);
  std::stop_source stop;
  // Takes the instance that the call ran on: the last one used.
  std::thread other([&] { (void)runtime->execute(endless, {.stop = stop.get_token()}); });
  ASSERT_TRUE(eventually([&] { return runtime->stats().instancesActive == 1; }));
  std::string outcome;
  std::thread([&] { outcome = outcomeOf(resume(*runtime, id, {resultOf(1, "7")})); }).join();
  EXPECT_EQ(outcome, "[7]");
  EXPECT_EQ(runtime->stats().instancesCreated, 2U);
  stop.request_stop();
  other.join();
}

TEST(RuntimeSuspensionTest, TheStateIsWhatItIsByThen) {
  const auto runtime = makeRuntime();
  const ExecutionResult first = runtime->execute(
      "const before = [$state.a, $state.b]; $state.c = 1; await $ext.x.get();"
      "return [before, $state.a, $state.b, $state.c, Object.keys($state)]",
      kAll, {.state = state(R"({"a":1,"b":[1]})")});
  EXPECT_THAT(first.stateMutations, ElementsAre(StateMutation{"c", "1"}));
  const ExecutionResult done = resume(*runtime, first.suspensionId, {resultOf(1, "0")},
                                      {.state = state(R"({"a":2,"d":{"x":3}})")});
  EXPECT_EQ(outcomeOf(done), R"([[1,[1]],2,null,null,["a","d"]])");
}

TEST(RuntimeSuspensionTest, WhatWasDoneIsGivenOnce) {
  const auto runtime = makeRuntime();
  const ExecutionResult first = runtime->execute(
      "$state.a = 1; $emit('one'); $view.focus('v'); $log('l1');"
      "await $ext.x.get(); $state.b = 2; $emit('two'); $log('l2'); await $ext.x.get();"
      "$state.a = 3; return 4",
      kAll);
  EXPECT_THAT(first.stateMutations, ElementsAre(StateMutation{"a", "1"}));
  EXPECT_EQ(first.events.size(), 1U);
  EXPECT_EQ(first.viewCommands.size(), 1U);
  const ExecutionResult second = resume(*runtime, first.suspensionId, {resultOf(1, "0")});
  EXPECT_THAT(second.stateMutations, ElementsAre(StateMutation{"b", "2"}));
  ASSERT_EQ(second.events.size(), 1U);
  EXPECT_EQ(second.events[0].name, "two");
  EXPECT_THAT(second.viewCommands, IsEmpty());
  ASSERT_EQ(second.log.size(), 1U);
  EXPECT_NE(second.suspensionId, first.suspensionId);
  const ExecutionResult last = resume(*runtime, second.suspensionId, {resultOf(2, "0")});
  EXPECT_EQ(outcomeOf(last), "4");
  EXPECT_THAT(last.stateMutations, ElementsAre(StateMutation{"a", "3"}));
  EXPECT_THAT(last.events, IsEmpty());
  EXPECT_EQ(last.metrics.hostCalls.emit, 2U) << "of the whole call";
}

// What fails after a wait takes nothing back of what was given before.
TEST(RuntimeSuspensionTest, AnErrorDropsWhatCameSince) {
  const auto runtime = makeRuntime();
  const ExecutionResult first =
      runtime->execute("$state.a = 1; await $ext.x.get(); $state.b = 2; throw 'no'", kAll);
  EXPECT_EQ(first.stateMutations.size(), 1U);
  const ExecutionResult done = resume(*runtime, first.suspensionId, {resultOf(1, "0")});
  EXPECT_EQ(codeOf(done), "EXECUTION_ERROR");
  EXPECT_THAT(done.stateMutations, IsEmpty());
  EXPECT_EQ(runtime->stats().suspended, 0U);
}

// Four requests in all 24 orders; every second one fails.
TEST(RuntimeSuspensionTest, ManyAnswersOneByOneInAnyOrder) {
  const auto runtime = makeRuntime();
  const Handler handler = take(runtime->precompile(
      "const seen = []; const ask = async (n) => {"
      "  try { seen.push(n + ':' + await $ext.x.get(n)) } catch (e) { seen.push(n + e.message) } };"
      "await Promise.all([1, 2, 3, 4].map(ask)); return seen.join(' ')",
      kAll));
  std::vector<uint64_t> order = {1, 2, 3, 4};
  do {
    ExecutionResult result = runtime->execute(handler);
    std::string expected;
    for (const uint64_t id : order) {
      ASSERT_EQ(result.status(), CallStatus::kSuspended) << outcomeOf(result);
      const bool isResult = id % 2 == 1;
      const std::string n = std::to_string(id);
      expected += (expected.empty() ? "" : " ") + n + (isResult ? ":" + n + "0" : "-no");
      const RequestAnswer answer = isResult ? resultOf(id, n + "0") : errorOf(id, "-no");
      result = resume(*runtime, result.suspensionId, {answer});
    }
    EXPECT_EQ(outcomeOf(result), '"' + expected + '"');
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(runtime->stats().suspendedBytes, 0U);
}

TEST(RuntimeSuspensionTest, WithoutAnAnswerItWaitsOn) {
  const auto runtime = makeRuntime();
  const std::string id = suspend(*runtime);
  const ExecutionResult still = resume(*runtime, id, {});
  EXPECT_EQ(still.status(), CallStatus::kSuspended);
  ASSERT_EQ(still.pending.size(), 1U);
  EXPECT_EQ(outcomeOf(resume(*runtime, still.suspensionId, {resultOf(1, "7")})), "[7]");
}

TEST(RuntimeSuspensionTest, TheSecondResumeFindsNothing) {
  const auto runtime = makeRuntime();
  const std::string id = suspend(*runtime);
  EXPECT_EQ(outcomeOf(resume(*runtime, id, {resultOf(1, "7")})), "[7]");
  for (int i = 0; i < 2; ++i) {
    const ExecutionResult again = resume(*runtime, id, {resultOf(1, "7")});
    EXPECT_EQ(codeOf(again), "NOT_FOUND");
    EXPECT_EQ(again.suspensionId, "");
  }
  EXPECT_FALSE(runtime->getSuspended(id));
  EXPECT_FALSE(runtime->dropSuspended(id));
}

TEST(RuntimeSuspensionTest, OfTwoAtOnceExactlyOneGoesOn) {
  const auto runtime = makeRuntime({.maxInstances = 4});
  for (int round = 0; round < 50; ++round) {
    const std::string id = suspend(*runtime);
    std::atomic<int> won{0};
    std::atomic<int> lost{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const std::string outcome = outcomeOf(resume(*runtime, id, {resultOf(1, "7")}));
        ++(outcome == "[7]" ? won : lost);
        EXPECT_TRUE(outcome == "[7]" || outcome.starts_with("NOT_FOUND")) << outcome;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lost, 3);
  }
}

TEST(RuntimeSuspensionTest, TextsThatAreNoIds) {
  const auto runtime = makeRuntime();
  const std::string id = suspend(*runtime);
  const std::string texts[] = {"",
                               "x",
                               id.substr(1),
                               id + "0",
                               std::string(32, '\0'),
                               "0x" + id.substr(2),
                               std::string(1 << 20, 'a'),
                               std::string(32, '0'),
                               "' OR 1=1 --"};
  for (const std::string& text : texts) {
    const ExecutionResult refused = resume(*runtime, text, {resultOf(1, "7")});
    EXPECT_EQ(codeOf(refused), "NOT_FOUND") << text.substr(0, 40);
    EXPECT_LE(refused.error->message.size(), 200U);
    EXPECT_FALSE(runtime->getSuspended(text));
    EXPECT_FALSE(runtime->dropSuspended(text));
  }
  EXPECT_EQ(outcomeOf(resume(*runtime, id, {resultOf(1, "7")})), "[7]");
}

// Of a runtime, not of the process.
TEST(RuntimeSuspensionTest, AnIdIsItsRuntimes) {
  const auto runtime = makeRuntime();
  const auto other = makeRuntime();
  const std::string id = suspend(*runtime);
  EXPECT_EQ(codeOf(resume(*other, id, {resultOf(1, "7")})), "NOT_FOUND");
  EXPECT_EQ(outcomeOf(resume(*runtime, id, {resultOf(1, "7")})), "[7]");
}

TEST(RuntimeSuspensionTest, AnAnswerThatDoesNotFitChangesNothing) {
  const auto runtime = makeRuntime();
  const ExecutionResult first =
      runtime->execute("return await Promise.all([$ext.x.get(1), $ext.x.get(2)])", kAll);
  const std::string id = first.suspensionId;
  const struct {
    const char* name;
    std::vector<RequestAnswer> answers;
    const char* code;
  } rows[] = {
      {"never made", {resultOf(3, "1")}, "NOT_FOUND"},
      {"no id", {resultOf(0, "1")}, "NOT_FOUND"},
      {"beyond 32 bits", {resultOf((uint64_t{1} << 32) + 1, "1")}, "NOT_FOUND"},
      {"twice", {resultOf(1, "1"), resultOf(1, "1")}, "NOT_FOUND"},
      {"a result and an error", {resultOf(1, "1"), errorOf(1, "1")}, "NOT_FOUND"},
      {"very many", std::vector<RequestAnswer>(10'000, resultOf(1, "1")), "NOT_FOUND"},
      {"nothing", {resultOf(1, "")}, "INVALID_INPUT"},
      {"no JSON", {resultOf(1, "undefined")}, "INVALID_INPUT"},
      {"JavaScript", {resultOf(1, "(() => 1)()")}, "INVALID_INPUT"},
      {"two texts", {resultOf(1, "1 2")}, "INVALID_INPUT"},
      {"a NUL behind it", {resultOf(1, std::string("1\0", 2))}, "INVALID_INPUT"},
      {"no UTF-8", {resultOf(1, "\"\xFF\"")}, "INVALID_INPUT"},
      {"half a character", {resultOf(1, R"("\ud800")")}, "INVALID_INPUT"},
      {"too deep", {resultOf(1, std::string(100'000, '['))}, "INVALID_INPUT"},
      {"a good one and a bad one", {resultOf(1, "1"), resultOf(2, "{")}, "INVALID_INPUT"},
  };
  for (const auto& row : rows) {
    const ExecutionResult refused = resume(*runtime, id, row.answers);
    EXPECT_EQ(codeOf(refused), row.code) << row.name;
    EXPECT_EQ(refused.suspensionId, id) << row.name;
    EXPECT_EQ(runtime->getSuspended(id)->pending.size(), 2U) << row.name;
  }
  EXPECT_EQ(runtime->stats().suspensionsResumed, 0U) << "none of them went on";
  EXPECT_EQ(outcomeOf(resume(*runtime, id, {resultOf(2, "2"), resultOf(1, "1")})), "[1,2]");
}

TEST(RuntimeSuspensionTest, AnswersArriveAsTheyAre) {
  const auto runtime = makeRuntime();
  const struct {
    std::string json;
    const char* outcome;
  } rows[] = {
      {"null", "[null]"},
      {R"({"__proto__":{"polluted":1},"constructor":1})",
       R"([{"__proto__":{"polluted":1},"constructor":1}])"},
      {R"("\u0000")", R"(["\u0000"])"},
      {R"({"then":1})", R"([{"then":1}])"},
      {std::string(100, '[') + std::string(100, ']'), nullptr},
  };
  for (const auto& row : rows) {
    const ExecutionResult done = resume(*runtime, suspend(*runtime), {resultOf(1, row.json)});
    ASSERT_TRUE(done.ok()) << outcomeOf(done);
    EXPECT_EQ(*done.value, row.outcome == nullptr ? "[" + row.json + "]" : row.outcome);
  }
  const std::string id =
      suspend(*runtime, "await $ext.x.get(); return [{}.polluted, Object.keys(Object.prototype)]");
  EXPECT_EQ(outcomeOf(resume(*runtime, id, {resultOf(1, R"({"__proto__":{"polluted":1}})")})),
            "[null,[]]");
}

TEST(RuntimeSuspensionTest, ErrorsOfAnyTextCanBeCaught) {
  const auto runtime = makeRuntime();
  const struct {
    std::string message;
    const char* shown;
  } rows[] = {{"no", "no"},
              {"", ""},
              {std::string("a\0b", 3), R"(a\u0000b)"},
              {"\xFF", "\uFFFD"},
              {R"({"not":"JSON)", R"({\"not\":\"JSON)"}};
  for (const auto& row : rows) {
    const std::string id =
        suspend(*runtime, "try { await $ext.x.get() } catch (e) { return e.message }");
    EXPECT_EQ(outcomeOf(resume(*runtime, id, {errorOf(1, row.message)})),
              '"' + std::string(row.shown) + '"');
  }
  EXPECT_EQ(outcomeOf(resume(*runtime, suspend(*runtime), {errorOf(1, "no")})),
            "EXECUTION_ERROR: ExtensionError: no");
}

// Whoever resumes it gives it no rights, and takes none.
TEST(RuntimeSuspensionTest, RightsAreThoseOfTheStart) {
  const auto runtime = makeRuntime();
  const char* source = "await $ext.x.get(); $emit('done'); $emit('denied')";
  std::string id;
  {
    const Handler handler = take(runtime->precompile(source, {{"ext:x", "events:emit:done"}}));
    id = runtime->execute(handler).suspensionId;
  }  // it needs the handler, which nobody else has any more
  EXPECT_EQ(outcomeOf(runtime->execute("return 1", {})), "1");
  const ExecutionResult done = resume(*runtime, id, {resultOf(1, "0")});
  EXPECT_EQ(codeOf(done), "PERMISSION_DENIED");
  EXPECT_THAT(done.error->message, HasSubstr("events:emit:denied"));
}

TEST(RuntimeSuspensionTest, ItsHandlersImageMayBeEvicted) {
  const auto runtime = makeRuntime();
  const std::string id = suspend(*runtime);
  RuntimeAccess::parts(*runtime).memory->shrinkTo(0);
  EXPECT_EQ(runtime->stats().memoryCache.entries, 0U);
  for (int i = 0; i < 20; ++i) (void)runtime->execute("return " + std::to_string(i), {});
  RuntimeAccess::parts(*runtime).pool->shrink();
  EXPECT_EQ(outcomeOf(resume(*runtime, id, {resultOf(1, "7")})), "[7]");
}

TEST(RuntimeSuspensionTest, DroppedItIsGone) {
  const auto runtime = makeRuntime();
  const std::string id = suspend(*runtime);
  EXPECT_TRUE(runtime->dropSuspended(id));
  EXPECT_FALSE(runtime->dropSuspended(id));
  EXPECT_EQ(codeOf(resume(*runtime, id, {resultOf(1, "7")})), "NOT_FOUND");
  EXPECT_EQ(runtime->stats().suspendedBytes, 0U);
  EXPECT_EQ(runtime->stats().suspensionsDropped, 1U);
}

TEST(RuntimeSuspensionTest, AStopBeforeTheResumeChangesNothing) {
  const auto runtime = makeRuntime();
  const std::string id = suspend(*runtime);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(codeOf(resume(*runtime, id, {resultOf(1, "7")}, {.stop = stop.get_token()})),
            "CANCELLED");
  EXPECT_EQ(codeOf(resume(*runtime, id, {resultOf(1, "7")}, {.timeout = milliseconds(0)})),
            "INVALID_INPUT");
  EXPECT_EQ(outcomeOf(resume(*runtime, id, {resultOf(1, "7")})), "[7]");
}

TEST(RuntimeSuspensionTest, AStopWhileItGoesOnEndsIt) {
  const auto runtime = makeRuntime();
  const std::string id = suspend(*runtime, "await $ext.x.get(); for (;;);");
  std::stop_source stop;
  auto call = std::async(std::launch::async, [&] {
    return codeOf(resume(*runtime, id, {resultOf(1, "7")}, {.stop = stop.get_token()}));
  });
  ASSERT_TRUE(eventually([&] { return runtime->stats().instancesActive == 1; }));
  stop.request_stop();
  EXPECT_EQ(call.get(), "CANCELLED");
  EXPECT_EQ(runtime->stats().suspended, 0U);
}

// Two that go on from the same moment would draw the same numbers.
TEST(RuntimeSuspensionTest, ItDrawsNewNumbers) {
  const auto runtime = makeRuntime();
  const char* source = "Math.random(); await $ext.x.get(); return Math.random()";
  EXPECT_NE(outcomeOf(resume(*runtime, suspend(*runtime, source), {resultOf(1, "7")})),
            outcomeOf(resume(*runtime, suspend(*runtime, source), {resultOf(1, "7")})));
}

TEST(RuntimeSuspensionTest, WhatCanBeRepeatedIsRepeatedToItsEnd) {
  const auto runtime = makeRuntime();
  const auto run = [&] {
    const ExecutionResult first =
        runtime->execute("await $ext.x.get(); return [Math.random(), Date.now()]", kAll,
                         {.seed = 7, .clock = milliseconds(5000)});
    return outcomeOf(resume(*runtime, first.suspensionId, {resultOf(1, "1")}));
  };
  const std::string once = run();
  EXPECT_THAT(once, HasSubstr(",5000]"));
  EXPECT_EQ(run(), once);
}

TEST(RuntimeSuspensionTest, MemoryThatGrewComesBack) {
  const auto runtime = makeRuntime();
  const std::string id = suspend(*runtime,
                                 "const held = Array.from({length: 5e5}, (_, i) => i * 3);"
                                 "await $ext.x.get();"
                                 "let sum = 0; for (const n of held) sum += n; return sum");
  RuntimeAccess::parts(*runtime).pool->shrink();
  for (int i = 0; i < 3; ++i) RuntimeAccess::parts(*runtime).suspensions->pack();
  EXPECT_EQ(outcomeOf(resume(*runtime, id, {resultOf(1, "7")})), "374999250000");
}

TEST(RuntimeSuspensionTest, ThePoolTellsOfThem) {
  const auto runtime = makeRuntime();
  const auto& pool = *RuntimeAccess::parts(*runtime).pool;
  EXPECT_EQ(pool.suspendedCount(), 0U);
  const std::string id = suspend(*runtime);
  EXPECT_EQ(pool.suspendedCount(), 1U);
  EXPECT_EQ(pool.getSuspended(id)->id, id);
  EXPECT_FALSE(pool.getSuspended("no id"));
  EXPECT_EQ(pool.activeCount(), 0U);
  EXPECT_TRUE(runtime->dropSuspended(id));
  EXPECT_EQ(pool.suspendedCount(), 0U);
  EXPECT_FALSE(pool.getSuspended(id));
}

TEST(RuntimeSuspensionTest, WhatBecomesOfACallIsTold) {
  TimedRuntime timed;
  const std::string id = suspend(*timed.runtime);
  timed.observer->take();
  (void)resume(*timed.runtime, id, {resultOf(1, "{")});
  EXPECT_THAT(timed.observer->take(), ElementsAre("call: INVALID_INPUT"));
  (void)resume(*timed.runtime, id, {resultOf(1, "7")});
  EXPECT_THAT(timed.observer->take(), ElementsAre("suspension: resumed", "call: success"));
}

TEST(RuntimeSuspensionTest, AShutdownRefusesToGoOn) {
  const auto runtime = makeRuntime();
  const std::string id = suspend(*runtime);
  EXPECT_TRUE(runtime->shutdown(milliseconds(0)));
  EXPECT_EQ(codeOf(resume(*runtime, id, {resultOf(1, "7")})), "UNAVAILABLE");
  EXPECT_TRUE(runtime->getSuspended(id));
  EXPECT_TRUE(runtime->dropSuspended(id));
}

TEST(RuntimeSuspensionTest, ARuntimeMayEndWithSome) {
  auto runtime = makeRuntime();
  for (int i = 0; i < 100; ++i)
    suspend(*runtime, "return await $ext.x.get(" + std::to_string(i) + ")");
  runtime.reset();
}

}  // namespace
}  // namespace nexus
