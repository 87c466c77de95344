// Ending a runtime, with calls that run, wait, have just begun or are about to report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus {
namespace {

using runtime::testing::codeOf;
using runtime::testing::eventually;
using runtime::testing::Gate;
using runtime::testing::makeRuntime;
using runtime::testing::outcomeOf;
using runtime::testing::take;
using runtime::testing::TestClock;
using runtime::testing::TestObserver;
using std::chrono::milliseconds;

constexpr char kEndless[] = "for (;;);";
constexpr char kRefusal[] = "UNAVAILABLE: the runtime is shutting down";

std::future<std::string> run(Runtime& runtime, const Handler& handler,
                             const CallContext& context = {}) {
  return std::async(std::launch::async, [&runtime, handler, context] {
    return outcomeOf(runtime.execute(handler, context));
  });
}

bool eventuallyRun(const Runtime& runtime, uint64_t count) {
  return eventually([&] { return runtime.stats().instancesActive == count; });
}

TEST(RuntimeShutdownTest, WithoutCallsItIsDoneAtOnce) {
  for (const milliseconds grace : {milliseconds(-1), milliseconds(0), milliseconds(1000),
                                   milliseconds::max(), milliseconds::min()}) {
    const auto runtime = makeRuntime();
    EXPECT_TRUE(runtime->shutdown(grace)) << grace.count();
  }
}

TEST(RuntimeShutdownTest, CallsAfterwardsAreRefused) {
  const auto runtime = makeRuntime();
  const Handler handler = take(runtime->precompile("return 7"));
  EXPECT_TRUE(runtime->shutdown(milliseconds(0)));
  EXPECT_EQ(outcomeOf(runtime->execute(handler)), kRefusal);
  EXPECT_EQ(outcomeOf(runtime->execute("return 7", {})), kRefusal);
  EXPECT_EQ(outcomeOf(runtime->execute("return 'new'", {})), kRefusal);
  for (const char* source : {"return 7", "return 'new'"}) {
    const auto refused = runtime->precompile(source);
    ASSERT_EQ(codeOf(refused), "UNAVAILABLE") << source;
    EXPECT_EQ(refused.error().message, "the runtime is shutting down");
  }
  EXPECT_EQ(runtime->stats().instancesActive, 0U);
  EXPECT_TRUE(runtime->shutdown(milliseconds(0)));  // twice is as good as once
}

TEST(RuntimeShutdownTest, ACallMayEndInTime) {
  const auto runtime = makeRuntime();
  const Handler handler = take(runtime->precompile(kEndless));
  std::stop_source stop;
  auto call = run(*runtime, handler, {.stop = stop.get_token()});
  ASSERT_TRUE(eventuallyRun(*runtime, 1));
  auto ended =
      std::async(std::launch::async, [&] { return runtime->shutdown(milliseconds::max()); });
  ASSERT_TRUE(eventually([&] { return outcomeOf(runtime->execute("return 7", {})) == kRefusal; }));
  EXPECT_EQ(ended.wait_for(milliseconds(0)), std::future_status::timeout);
  stop.request_stop();
  EXPECT_EQ(call.get(), "CANCELLED: the call was cancelled");
  EXPECT_TRUE(ended.get());
}

TEST(RuntimeShutdownTest, CallsThatAreOverdueAreCancelled) {
  for (const milliseconds grace : {milliseconds(0), milliseconds(20), milliseconds::min()}) {
    const auto runtime = makeRuntime({.timeout = milliseconds(0)});
    const Handler handler = take(runtime->precompile(kEndless));
    auto one = run(*runtime, handler);
    auto two = run(*runtime, handler);
    ASSERT_TRUE(eventuallyRun(*runtime, 2));
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(runtime->shutdown(grace));
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_GE(std::chrono::duration_cast<milliseconds>(took), grace);
    EXPECT_EQ(one.get(), "CANCELLED: the call was cancelled");
    EXPECT_EQ(two.get(), "CANCELLED: the call was cancelled");
  }
}

TEST(RuntimeShutdownTest, TheGraceIsTheClocks) {
  RuntimeDependencies outside;
  auto owned = std::make_unique<TestClock>();
  TestClock& clock = *owned;
  outside.clock = std::move(owned);
  const auto runtime = makeRuntime({.timeout = milliseconds(0)}, std::move(outside));
  const Handler handler = take(runtime->precompile(kEndless));
  auto call = run(*runtime, handler);
  ASSERT_TRUE(eventuallyRun(*runtime, 1));
  auto ended = std::async(std::launch::async, [&] { return runtime->shutdown(milliseconds(5)); });
  const uint64_t asked = clock.asked();
  ASSERT_TRUE(eventually([&] { return clock.asked() > asked + 6; }));
  EXPECT_EQ(ended.wait_for(milliseconds(0)), std::future_status::timeout);
  clock.advance(milliseconds(5));
  EXPECT_FALSE(ended.get());
  EXPECT_EQ(call.get(), "CANCELLED: the call was cancelled");
}

TEST(RuntimeShutdownTest, CallsThatWaitAreToldAtOnce) {
  const auto runtime = makeRuntime({.maxInstances = 1, .timeout = milliseconds(0)});
  const Handler handler = take(runtime->precompile(kEndless));
  auto running = run(*runtime, handler);
  ASSERT_TRUE(eventuallyRun(*runtime, 1));
  auto waiting = run(*runtime, handler);
  auto compiling = std::async(std::launch::async,
                              [&] { return outcomeOf(runtime->execute("return 'new'", {})); });
  ASSERT_TRUE(eventually([&] { return runtime->stats().callsWaiting == 2; }));
  auto ended =
      std::async(std::launch::async, [&] { return runtime->shutdown(std::chrono::hours(1)); });
  EXPECT_EQ(waiting.get(), kRefusal);
  EXPECT_EQ(compiling.get(), kRefusal);
  EXPECT_EQ(ended.wait_for(milliseconds(0)), std::future_status::timeout);
  EXPECT_FALSE(runtime->shutdown(milliseconds(0)));  // another one has less patience
  EXPECT_EQ(running.get(), "CANCELLED: the call was cancelled");
  EXPECT_TRUE(ended.get());
}

// Whoever has shut a runtime down may destroy it: no call is inside any more, though all instances
// are back.
TEST(RuntimeShutdownTest, WaitsForACallThatReports) {
  const auto observer = std::make_shared<TestObserver>();
  RuntimeDependencies outside;
  outside.observer = observer;
  const auto runtime = makeRuntime({}, std::move(outside));
  Gate gate;
  observer->setHook([&](const std::string& line) {
    if (line.starts_with("call:")) gate.pass();
  });
  auto call =
      std::async(std::launch::async, [&] { return outcomeOf(runtime->execute("return 7", {})); });
  ASSERT_TRUE(eventually([&] { return gate.visitors() == 1; }));
  auto ended = std::async(std::launch::async, [&] { return runtime->shutdown(milliseconds(0)); });
  ASSERT_TRUE(eventually([&] { return codeOf(runtime->precompile("return 7")) == "UNAVAILABLE"; }));
  EXPECT_EQ(ended.wait_for(milliseconds(20)), std::future_status::timeout);
  gate.open();
  EXPECT_TRUE(ended.get());
  EXPECT_EQ(call.get(), "7");
}

TEST(RuntimeShutdownTest, DestroyingWaitsForEveryCall) {
  auto runtime = makeRuntime();
  const Handler handler = take(runtime->precompile(kEndless));
  std::stop_source stop;
  Runtime& raw = *runtime;
  auto call = run(raw, handler, {.stop = stop.get_token()});
  ASSERT_TRUE(eventuallyRun(raw, 1));
  auto ended = std::async(std::launch::async, [&] { runtime.reset(); });
  EXPECT_EQ(ended.wait_for(milliseconds(20)), std::future_status::timeout);
  stop.request_stop();
  EXPECT_EQ(call.get(), "CANCELLED: the call was cancelled");
  ended.get();
}

TEST(RuntimeShutdownTest, AnObserverOutlivesItsRuntime) {
  const auto observer = std::make_shared<TestObserver>();
  {
    const auto runtime = take(Runtime::make({}, {.observer = observer}));
    (void)runtime->execute("return 7", {});
  }
  EXPECT_EQ(observer.use_count(), 1);
  EXPECT_EQ(observer->count("call: success"), 1U);
}

// Calls at every moment of a shutdown: each ends in one of three ways.
TEST(RuntimeShutdownTest, AmidCallsOfManyThreads) {
  for (int round = 0; round < 5; ++round) {
    auto runtime = makeRuntime({.maxInstances = 2});
    const Handler handler = take(runtime->precompile("let n = 0; for (; n < 2000; n++); return n"));
    std::atomic<int> begun{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        std::string outcome;
        for (int turn = 0; outcome != kRefusal; ++turn) {
          const std::string source = "return " + std::to_string(turn % 10 + i);
          outcome = turn % 3 == 0 ? outcomeOf(runtime->execute(source, {}))
                                  : outcomeOf(runtime->execute(handler));
          const std::string expected = turn % 3 == 0 ? std::to_string(turn % 10 + i) : "2000";
          EXPECT_TRUE(outcome == expected || outcome == kRefusal ||
                      outcome.starts_with("CANCELLED"))
              << outcome;
          ++begun;
        }
      });
    }
    EXPECT_TRUE(eventually([&] { return begun > 20 * round; }));
    (void)runtime->shutdown(milliseconds(round % 2));
    EXPECT_EQ(runtime->stats().instancesActive, 0U);
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace nexus
