// The public API: what calls give, what they are refused, and what is told of them. Ending a
// runtime: runtime_shutdown_test.cc; its place in the process: runtime_process_test.cc.
#include "nexus/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/testing/temp_folder.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"
#include "runtime/testing/waiting_runtime.h"

namespace nexus {
namespace {

using nexus::testing::TempFolder;
using runtime::testing::codeOf;
using runtime::testing::eventually;
using runtime::testing::makeRuntime;
using runtime::testing::outcomeOf;
using runtime::testing::state;
using runtime::testing::take;
using runtime::testing::TestObserver;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kSum[] = "return $args.a + 1";
constexpr char kEndless[] = "for (;;);";

TEST(RuntimeTest, TheExampleOfTheHeader) {
  auto runtime = Runtime::make({}).value();
  auto handler = runtime->precompile("return $args.a + 1").value();
  auto result = runtime->execute(handler, {.args = R"({"a": 41})"});
  EXPECT_EQ(result.value, "42");
}

TEST(RuntimeTest, BySourceAndByHandlerTheSame) {
  const auto runtime = makeRuntime();
  const struct {
    const char* source;
    const char* args;
    const char* outcome;
  } rows[] = {
      {kSum, R"({"a":1})", "2"},
      {"return await Promise.resolve($args)", R"([1,"x"])", R"([1,"x"])"},
      {"", "{}", "INVALID_HANDLER: the handler is empty"},
      {"return undefined", "{}", "(none)"},
      {"throw new Error('no')", "{}", "EXECUTION_ERROR: Error: no"},
      {"return 1", "{", "INVALID_INPUT"},
      {"return (", "{}", "COMPILATION_ERROR"},
  };
  for (const auto& row : rows) {
    const CallContext context{.args = row.args};
    EXPECT_THAT(outcomeOf(runtime->execute(row.source, {}, context)),
                ::testing::StartsWith(row.outcome));
    const auto handler = runtime->precompile(row.source);
    const std::string outcome = handler ? outcomeOf(runtime->execute(*handler, context))
                                        : codeOf(handler) + ": " + handler.error().message;
    EXPECT_THAT(outcome, ::testing::StartsWith(row.outcome));
  }
}

TEST(RuntimeTest, ErrorsOfEveryKind) {
  const auto runtime =
      makeRuntime({.memoryLimitBytes = 8 << 20, .maxHostCalls = 3, .maxSourceBytes = 200});
  const std::string tooLong(201, ' ');
  const struct {
    std::string source;
    const char* code;
    CallContext context;
  } rows[] = {
      {"return {{", "COMPILATION_ERROR", {}},
      {tooLong, "INVALID_HANDLER", {}},
      {"return 1", "INVALID_INPUT", {.scope = "no JSON"}},
      {"return 1", "INVALID_INPUT", {.timeout = milliseconds(0)}},
      {"return 1", "INVALID_INPUT", {.timeout = milliseconds(-1)}},
      {"return 1n", "EXECUTION_ERROR", {}},
      {"return new Promise(() => {})", "EXECUTION_ERROR", {}},
      {"$emit('done')", "PERMISSION_DENIED", {}},
      {kEndless, "TIMEOUT", {.timeout = milliseconds(10)}},
      {"const a = []; for (;;) a.push('x'.repeat(1e5) + a.length)", "MEMORY_LIMIT", {}},
      {"const f = () => f() + 1; return f()", "STACK_OVERFLOW", {}},
      {"for (;;) $log('x')", "RESOURCE_LIMIT", {}},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(codeOf(runtime->execute(row.source, {}, row.context)), row.code) << row.source;
    EXPECT_EQ(outcomeOf(runtime->execute(kSum, {}, {.args = R"({"a":1})"})), "2") << row.source;
  }
}

TEST(RuntimeTest, CapabilitiesAreEnforced) {
  const auto runtime = makeRuntime();
  const struct {
    const char* source;
    const char* capability;
  } rows[] = {
      {"return $state.a", "state:read:a"},          {"$state.a = 1", "state:write:a"},
      {"$emit('done', 1)", "events:emit:done"},     {"$view.focus('name')", "view:update:name"},
      {"await $ext.http.get('/')", "ext:http:get"},
  };
  for (const auto& row : rows) {
    for (const char* granted : {"", "state:read:b", row.capability}) {
      HandlerOptions options;
      if (*granted != '\0') options.capabilities = {granted};
      const std::string code = granted == row.capability ? "ok" : "PERMISSION_DENIED";
      const CallContext context{.state = state(R"({"a":1})")};
      EXPECT_EQ(codeOf(runtime->execute(row.source, options, context)), code) << row.source;
      const Handler handler = take(runtime->precompile(row.source, options));
      EXPECT_EQ(codeOf(runtime->execute(handler, context)), code) << row.source;
    }
  }
}

// The text is shared by all who use it, the rights are not.
TEST(RuntimeTest, OneTextWithDifferentRights) {
  const auto runtime = makeRuntime();
  const Handler may = take(runtime->precompile("$emit('done')", {{"events:emit:done"}}));
  const Handler mayNot = take(runtime->precompile("$emit('done')"));
  EXPECT_EQ(codeOf(runtime->execute(mayNot)), "PERMISSION_DENIED");
  const ExecutionResult result = runtime->execute(may);
  ASSERT_EQ(result.events.size(), 1U);
  EXPECT_EQ(result.events[0].name, "done");
  EXPECT_EQ(codeOf(runtime->execute(mayNot)), "PERMISSION_DENIED");
  EXPECT_EQ(runtime->stats().compilations, 1U);
}

TEST(RuntimeTest, WhatIsNoCapabilityIsRefused) {
  const auto runtime = makeRuntime();
  for (const char* token : {"", "state", "state:fly:x", "events:emit:"}) {
    const HandlerOptions options{.capabilities = {"state:read:a", token}};
    EXPECT_EQ(codeOf(runtime->precompile("return 1", options)), "INVALID_INPUT") << token;
    EXPECT_EQ(codeOf(runtime->execute("return 1", options)), "INVALID_INPUT") << token;
  }
  EXPECT_EQ(runtime->stats().compilations, 0U);
}

TEST(RuntimeTest, ACallGetsItsContext) {
  const auto runtime = makeRuntime();
  const HandlerOptions all{.capabilities = {"state:read:*", "state:write:*"}};
  const struct {
    const char* source;
    CallContext context;
    const char* outcome;
  } rows[] = {
      {"return $args", {}, "{}"},
      {"return $args", {.args = "[1,2]"}, "[1,2]"},
      {"return $scope.item", {.scope = R"({"item":{"id":7}})"}, R"({"id":7})"},
      {"return [$state.a, Object.keys($state)]",
       {.state = state(R"({"a":1,"b":2})")},
       R"([1,["a","b"]])"},
      {"return Date.now()", {.clock = milliseconds(1234)}, "1234"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(outcomeOf(runtime->execute(row.source, all, row.context)), row.outcome);
  }
}

TEST(RuntimeTest, ACallGivesWhatItDid) {
  const auto runtime = makeRuntime();
  const HandlerOptions all{
      .capabilities = {"state:read:*", "state:write:*", "events:emit:*", "view:update:*"}};
  const ExecutionResult result = runtime->execute(
      "$state.n += 1; delete $state.old; $emit('e', [1]); $view.focus('id'); $log.warn('w')", all,
      {.state = state(R"({"n":1,"old":0})")});
  ASSERT_TRUE(result.ok()) << outcomeOf(result);
  EXPECT_THAT(result.stateMutations,
              ElementsAre(StateMutation{"n", "2"}, StateMutation{"old", std::nullopt}));
  ASSERT_EQ(result.events.size(), 1U);
  EXPECT_EQ(result.events[0].payload, "[1]");
  ASSERT_EQ(result.viewCommands.size(), 1U);
  EXPECT_EQ(result.viewCommands[0].componentId, "id");
  ASSERT_EQ(result.log.size(), 1U);
  EXPECT_EQ(result.log[0].level, LogLevel::kWarn);
}

TEST(RuntimeTest, ASeedMakesCallsThatCanBeRepeated) {
  const auto runtime = makeRuntime();
  const auto random = [&](std::optional<uint64_t> seed) {
    return outcomeOf(runtime->execute("return Math.random()", {}, {.seed = seed}));
  };
  EXPECT_EQ(random(7), random(7));
  EXPECT_NE(random(7), random(8));
  EXPECT_NE(random(std::nullopt), random(std::nullopt));
}

TEST(RuntimeTest, ACallThatWaitsForTheHostIsSuspended) {
  const auto runtime = makeRuntime();
  const ExecutionResult result =
      runtime->execute("return await $ext.http.get('/a')", {{"ext:http"}});
  EXPECT_EQ(toString(result.status()), "suspended");
  ASSERT_EQ(result.pending.size(), 1U);
  EXPECT_EQ(result.pending[0].args, R"(["/a"])");
  EXPECT_EQ(runtime->stats().instancesActive, 0U);
  EXPECT_EQ(outcomeOf(runtime->execute(kSum, {}, {.args = R"({"a":1})"})), "2");
}

TEST(RuntimeTest, TheShorterTimeoutCounts) {
  const struct {
    int configuredMs;
    std::optional<milliseconds> ofCall;
    uint64_t limitMs;
  } rows[] = {{10, std::nullopt, 10},
              {10, std::chrono::hours(1), 10},
              {60'000, milliseconds(15), 15},
              {0, milliseconds(15), 15}};
  for (const auto& row : rows) {
    const auto runtime = makeRuntime({.timeout = milliseconds(row.configuredMs)});
    const ExecutionResult result = runtime->execute(kEndless, {}, {.timeout = row.ofCall});
    ASSERT_EQ(codeOf(result), "TIMEOUT");
    ASSERT_TRUE(result.error->limit);
    EXPECT_EQ(result.error->limit->value, row.limitMs);
  }
}

TEST(RuntimeTest, ALongTimeoutIsNoShortOne) {
  for (const int configuredMs : {0, 60'000}) {
    const auto runtime = makeRuntime({.timeout = milliseconds(configuredMs)});
    const CallContext context{.args = R"({"a":1})", .timeout = milliseconds::max()};
    EXPECT_EQ(outcomeOf(runtime->execute(kSum, {}, context)), "2");
  }
}

TEST(RuntimeTest, AStopBeforeCostsNothing) {
  const auto runtime = makeRuntime();
  const Handler handler = take(runtime->precompile(kEndless));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(codeOf(runtime->execute(handler, {.stop = stop.get_token()})), "CANCELLED");
  EXPECT_EQ(codeOf(runtime->execute("return 7", {}, {.stop = stop.get_token()})), "CANCELLED");
  EXPECT_EQ(runtime->stats().compilations, 1U);
}

TEST(RuntimeTest, AStopMeanwhileEndsTheCallAndNoOther) {
  const auto runtime = makeRuntime();
  const Handler handler = take(runtime->precompile(kEndless));
  std::stop_source one;
  std::stop_source two;
  std::string first;
  std::string second;
  std::thread callOne([&] {
    first = codeOf(runtime->execute(handler, {.stop = one.get_token()}));
    two.request_stop();  // the other one goes on until then
  });
  std::thread callTwo(
      [&] { second = codeOf(runtime->execute(handler, {.stop = two.get_token()})); });
  EXPECT_TRUE(eventually([&] { return runtime->stats().instancesActive == 2; }));
  one.request_stop();
  callOne.join();
  callTwo.join();
  EXPECT_EQ(first, "CANCELLED");
  EXPECT_EQ(second, "CANCELLED");
}

TEST(RuntimeTest, AStopAfterwardsChangesNothing) {
  const auto runtime = makeRuntime({.maxInstances = 1});
  std::stop_source stop;
  const CallContext context{.args = R"({"a":1})", .stop = stop.get_token()};
  EXPECT_EQ(outcomeOf(runtime->execute(kSum, {}, context)), "2");
  stop.request_stop();
  EXPECT_EQ(outcomeOf(runtime->execute(kSum, {}, {.args = R"({"a":1})"})), "2");
}

TEST(RuntimeTest, AHandlerIsForTheRuntimeThatMadeIt) {
  const auto runtime = makeRuntime();
  Handler handler;
  EXPECT_FALSE(handler);
  const char* refusal = "INVALID_INPUT: the handler was not compiled by this runtime";
  EXPECT_EQ(outcomeOf(runtime->execute(handler)), refusal);
  {
    const auto other = makeRuntime();
    handler = take(other->precompile("return 7"));
    EXPECT_TRUE(handler);
    EXPECT_EQ(outcomeOf(runtime->execute(handler)), refusal);
    EXPECT_EQ(outcomeOf(other->execute(handler)), "7");
  }
  // It may outlive its runtime, and is of no use then.
  EXPECT_EQ(outcomeOf(runtime->execute(handler)), refusal);
  const Handler copy = handler;
  handler = take(runtime->precompile("return 8"));
  EXPECT_EQ(outcomeOf(runtime->execute(handler)), "8");
  EXPECT_EQ(outcomeOf(runtime->execute(copy)), refusal);
}

TEST(RuntimeTest, MetricsSayWhereTheHandlerCameFrom) {
  const TempFolder folder;
  const RuntimeConfig config{.cacheDir = folder / "cache"};
  const CacheTier expected[][2] = {{CacheTier::kNone, CacheTier::kMemory},
                                   {CacheTier::kDisk, CacheTier::kMemory}};
  for (const auto& tiers : expected) {
    const auto runtime = makeRuntime(config);
    for (const CacheTier tier : tiers) {
      const ExecutionMetrics metrics = runtime->execute("return 7", {}).metrics;
      EXPECT_EQ(toString(metrics.cacheTier), toString(tier));
      EXPECT_EQ(metrics.compilationTime.count() > 0, tier == CacheTier::kNone);
      EXPECT_GT(metrics.memoryPeakBytes, 0U);
    }
    const Handler handler = take(runtime->precompile("return 7"));
    EXPECT_EQ(toString(runtime->execute(handler).metrics.cacheTier), "memory");
  }
}

TEST(RuntimeTest, WithoutTimeToWaitACallIsRefusedAtOnce) {
  const auto runtime = makeRuntime({.maxInstances = 1, .acquireTimeout = milliseconds(0)});
  const Handler endless = take(runtime->precompile(kEndless));
  const Handler sum = take(runtime->precompile(kSum));
  std::stop_source stop;
  std::thread call([&] { (void)runtime->execute(endless, {.stop = stop.get_token()}); });
  ASSERT_TRUE(eventually([&] { return runtime->stats().instancesActive == 1; }));
  const std::string refusal =
      "UNAVAILABLE: no instance in time: all 1 (max_instances) are executing";
  EXPECT_EQ(outcomeOf(runtime->execute(sum)), refusal);
  EXPECT_EQ(outcomeOf(runtime->execute("return 'new'", {})), refusal);
  EXPECT_EQ(codeOf(runtime->precompile("return 'new'")), "UNAVAILABLE");
  EXPECT_EQ(codeOf(runtime->precompile(kSum)), "ok");  // needs none
  stop.request_stop();
  call.join();
  EXPECT_EQ(outcomeOf(runtime->execute(sum, {.args = R"({"a":1})"})), "2");
}

TEST(RuntimeTest, ACallWaitsForAnInstanceSoLong) {
  const auto runtime = makeRuntime({.maxInstances = 1, .acquireTimeout = milliseconds(20)});
  const Handler endless = take(runtime->precompile(kEndless));
  std::stop_source stop;
  std::thread call([&] { (void)runtime->execute(endless, {.stop = stop.get_token()}); });
  ASSERT_TRUE(eventually([&] { return runtime->stats().instancesActive == 1; }));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(codeOf(runtime->execute(endless)), "UNAVAILABLE");
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(20));
  stop.request_stop();
  call.join();
}

TEST(RuntimeTest, AStopEndsTheWaitForAnInstance) {
  const auto runtime = makeRuntime({.maxInstances = 1});
  const Handler endless = take(runtime->precompile(kEndless));
  std::stop_source running;
  std::stop_source waiting;
  std::string code;
  std::thread call([&] { (void)runtime->execute(endless, {.stop = running.get_token()}); });
  ASSERT_TRUE(eventually([&] { return runtime->stats().instancesActive == 1; }));
  std::thread waiter(
      [&] { code = codeOf(runtime->execute(endless, {.stop = waiting.get_token()})); });
  EXPECT_TRUE(eventually([&] { return runtime->stats().callsWaiting == 1; }));
  waiting.request_stop();
  waiter.join();
  EXPECT_EQ(code, "CANCELLED");
  running.request_stop();
  call.join();
}

TEST(RuntimeTest, AnImpossibleSettingIsNamed) {
  const struct {
    RuntimeConfig config;
    const char* message;
  } rows[] = {
      {{.maxInstances = 0}, "max_instances is 0"},
      {{.maxInstances = 2, .minInstances = 3}, "min_instances is 3"},
      {{.memoryLimitBytes = 1}, "memory_limit_bytes is 1"},
      {{.stackSizeBytes = 1}, "stack_size_bytes is 1"},
      {{.timeout = milliseconds(-1)}, "timeout_ms is -1"},
      {{.acquireTimeout = milliseconds(-1)}, "acquire_timeout_ms is -1"},
  };
  for (const auto& row : rows) {
    const auto made = Runtime::make(row.config);
    ASSERT_EQ(codeOf(made), "INVALID_INPUT") << row.message;
    EXPECT_THAT(made.error().message, HasSubstr(row.message));
  }
}

TEST(RuntimeTest, BothEnginesServeIt) {
  for (const auto engine : {runtime::EngineChoice::kNative, runtime::EngineChoice::kChecked}) {
    RuntimeDependencies outside;
    outside.engine = engine;
    const auto runtime = makeRuntime({}, std::move(outside));
    EXPECT_EQ(runtime->stats().engine,
              engine == runtime::EngineChoice::kNative ? "native" : "checked");
    EXPECT_THAT(runtime->stats().notice, IsEmpty());
    EXPECT_EQ(outcomeOf(runtime->execute(kSum, {}, {.args = R"({"a":1})"})), "2");
  }
}

TEST(RuntimeTest, ManyThreadsAtOnce) {
  const auto runtime = makeRuntime({.maxInstances = 3});
  const Handler handler = take(runtime->precompile(kSum));
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 50; ++i) {
        const int a = thread * 1000 + i;
        const std::string args = R"({"a":)" + std::to_string(a) + "}";
        EXPECT_EQ(outcomeOf(runtime->execute(handler, {.args = args})), std::to_string(a + 1));
        EXPECT_EQ(outcomeOf(runtime->execute("return " + std::to_string(i % 7), {})),
                  std::to_string(i % 7));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const RuntimeStats stats = runtime->stats();
  EXPECT_EQ(stats.calls, 800U);
  EXPECT_EQ(stats.compilations, 8U);
  EXPECT_LE(stats.instancesCreated, 3U);
}

}  // namespace
}  // namespace nexus
