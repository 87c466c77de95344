// What calls that wait may take: time, memory, numbers of them, and what is counted over their
// waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

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
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kAsks[] = "return [await $ext.x.get()]";

TEST(RuntimeSuspensionLimitsTest, WhatIsTooMuchEndsTheCall) {
  const auto runtime = makeRuntime({.maxInputBytes = 1000});
  for (const bool isResult : {true, false}) {
    const std::string id = suspend(*runtime);
    const std::string large(2000, '7');
    const ExecutionResult done =
        resume(*runtime, id, {isResult ? resultOf(1, large) : errorOf(1, large)});
    EXPECT_EQ(codeOf(done), "RESOURCE_LIMIT");
    EXPECT_EQ(done.error->limit->name, "max_input_bytes");
    EXPECT_EQ(done.suspensionId, "");
    EXPECT_FALSE(runtime->getSuspended(id));
  }
}

TEST(RuntimeSuspensionLimitsTest, OnlyExecutionCounts) {
  TimedRuntime timed({.timeout = milliseconds(2000), .suspendTimeout = std::chrono::hours(100)});
  const std::string id = suspend(*timed.runtime);
  timed.clock->advance(std::chrono::hours(50));
  EXPECT_EQ(outcomeOf(resume(*timed.runtime, id, {resultOf(1, "7")})), "[7]");
  // What it has used before counts.
  const std::string busy = suspend(*timed.runtime,
                                   "for (const end = Date.now() + 60; Date.now() < end;);"
                                   "await $ext.x.get(); for (;;);");
  const auto start = std::chrono::steady_clock::now();
  const ExecutionResult done =
      resume(*timed.runtime, busy, {resultOf(1, "7")}, {.timeout = milliseconds(50)});
  EXPECT_EQ(codeOf(done), "TIMEOUT");
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(1000));
}

TEST(RuntimeSuspensionLimitsTest, LimitsAreOfTheWholeCall) {
  const struct {
    RuntimeConfig config;
    const char* act;  // done before and after the wait
    const char* limit;
  } rows[] = {
      {{.maxHostCalls = 3}, "$log(1); ", "max_host_calls"},
      {{.maxStateMutations = 1}, "$state['k' + Math.random()] = 1; ", "max_state_mutations"},
      {{.maxEvents = 1}, "$emit('e'); ", "max_events"},
      {{.maxOutputBytes = 3000}, "$emit('e', 'x'.repeat(2000)); ", "max_output_bytes"},
  };
  for (const auto& row : rows) {
    const auto runtime = makeRuntime(row.config);
    const std::string source = std::string(row.act) + "await $ext.x.get(); " + row.act + row.act;
    const ExecutionResult done = resume(*runtime, suspend(*runtime, source), {resultOf(1, "0")});
    EXPECT_EQ(codeOf(done), "RESOURCE_LIMIT") << row.limit;
    ASSERT_TRUE(done.error->limit) << row.limit;
    EXPECT_EQ(done.error->limit->name, row.limit);
  }
}

TEST(RuntimeSuspensionLimitsTest, InputIsCountedOverTheWholeCall) {
  const auto runtime = makeRuntime({.maxInputBytes = 1000});
  const std::string text = '"' + std::string(600, 'x') + '"';
  const ExecutionResult first =
      runtime->execute("await $ext.x.get(); await $ext.x.get(); return 1", kAll);
  const ExecutionResult second = resume(*runtime, first.suspensionId, {resultOf(1, text)});
  ASSERT_EQ(second.status(), CallStatus::kSuspended);
  EXPECT_EQ(codeOf(resume(*runtime, second.suspensionId, {resultOf(2, text)})), "RESOURCE_LIMIT");
}

TEST(RuntimeSuspensionLimitsTest, TooManyAreRefused) {
  TimedRuntime timed({.maxSuspended = 2});
  Runtime& runtime = *timed.runtime;
  const std::string id = suspend(runtime);
  suspend(runtime);
  const ExecutionResult refused = runtime.execute(kAsks, kAll);
  EXPECT_EQ(codeOf(refused), "RESOURCE_LIMIT");
  EXPECT_EQ(refused.error->limit, (LimitReport{"max_suspended", 2, 3}));
  EXPECT_EQ(refused.suspensionId, "");
  EXPECT_THAT(refused.pending, IsEmpty());
  EXPECT_EQ(runtime.stats().suspensionsRefused, 1U);
  EXPECT_EQ(timed.observer->count("suspension: refused"), 1U);
  EXPECT_TRUE(runtime.dropSuspended(id));
  EXPECT_EQ(runtime.stats().suspensionsDropped, 1U);
  suspend(runtime);
}

TEST(RuntimeSuspensionLimitsTest, TooMuchIsRefused) {
  const auto runtime = makeRuntime({.maxSuspendedBytes = 100'000});
  const ExecutionResult refused = runtime->execute(
      "const held = Array.from({length: 1e5}, (_, i) => i); await $ext.x.get(); return held", kAll);
  EXPECT_EQ(codeOf(refused), "RESOURCE_LIMIT");
  EXPECT_EQ(refused.error->limit->name, "max_suspended_bytes");
  EXPECT_EQ(runtime->stats().suspended, 0U);
  EXPECT_EQ(outcomeOf(resume(*runtime, suspend(*runtime), {resultOf(1, "7")})), "[7]");
}

TEST(RuntimeSuspensionLimitsTest, ItExpires) {
  TimedRuntime timed({.suspendTimeout = milliseconds(100)});
  Runtime& runtime = *timed.runtime;
  const std::string swept = suspend(runtime);
  timed.clock->advance(milliseconds(60));
  const std::string unswept = suspend(runtime);
  EXPECT_EQ(runtime.getSuspended(swept)->left, milliseconds(40));
  timed.clock->advance(milliseconds(40));
  timed.store().expire();
  EXPECT_EQ(runtime.stats().suspended, 1U);
  timed.clock->advance(milliseconds(60));
  for (const std::string& id : {swept, unswept}) {
    EXPECT_FALSE(runtime.getSuspended(id));
    const ExecutionResult late = resume(runtime, id, {resultOf(1, "7")});
    EXPECT_EQ(outcomeOf(late),
              "TIMEOUT: the call was not resumed within suspend_timeout_ms, 100 ms");
    EXPECT_EQ(late.suspensionId, "");
  }
  EXPECT_EQ(runtime.stats().suspensionsExpired, 2U);
  EXPECT_EQ(runtime.stats().suspensionsResumed, 0U);
  EXPECT_EQ(runtime.stats().suspendedBytes, 0U);
}

// Nobody has to call for it.
TEST(RuntimeSuspensionLimitsTest, ItExpiresByItself) {
  const auto runtime = makeRuntime({.suspendTimeout = milliseconds(1)});
  suspend(*runtime);
  EXPECT_TRUE(eventually([&] { return runtime->stats().suspended == 0; }));
  EXPECT_EQ(runtime->stats().suspensionsExpired, 1U);
}

TEST(RuntimeSuspensionLimitsTest, WithoutAnInstanceItStillWaits) {
  const auto runtime = makeRuntime({.maxInstances = 1, .acquireTimeout = milliseconds(0)});
  const Handler endless = take(runtime->precompile("for (;;);"));
  const std::string id = suspend(*runtime);
  std::stop_source stop;
  std::thread other([&] { (void)runtime->execute(endless, {.stop = stop.get_token()}); });
  ASSERT_TRUE(eventually([&] { return runtime->stats().instancesActive == 1; }));
  const ExecutionResult refused = resume(*runtime, id, {resultOf(1, "7")});
  EXPECT_EQ(codeOf(refused), "UNAVAILABLE");
  EXPECT_EQ(refused.suspensionId, id);
  EXPECT_TRUE(runtime->getSuspended(id));
  stop.request_stop();
  other.join();
  EXPECT_EQ(outcomeOf(resume(*runtime, id, {resultOf(1, "7")})), "[7]");
}

TEST(RuntimeSuspensionLimitsTest, AClockThatCannotBeIsRefused) {
  const auto runtime = makeRuntime();
  for (const milliseconds clock : {milliseconds(-1), milliseconds::min(), milliseconds::max()}) {
    const ExecutionResult result = runtime->execute("return 1", {}, {.clock = clock});
    EXPECT_THAT(outcomeOf(result), HasSubstr("INVALID_INPUT: the call's clock is"))
        << clock.count();
  }
}

}  // namespace
}  // namespace nexus
