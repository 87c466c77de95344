// What a runtime tells its observer, and what it counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "base/testing/temp_folder.h"
#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus {
namespace {

using nexus::testing::TempFolder;
using runtime::testing::codeOf;
using runtime::testing::eventually;
using runtime::testing::makeRuntime;
using runtime::testing::take;
using runtime::testing::TestObserver;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::unique_ptr<Runtime> observed(const std::shared_ptr<TestObserver>& observer,
                                  const RuntimeConfig& config = {}) {
  RuntimeDependencies outside;
  outside.observer = observer;
  return makeRuntime(config, std::move(outside));
}

TEST(RuntimeReportTest, EveryStepIsToldInOrder) {
  const TempFolder folder;
  const auto observer = std::make_shared<TestObserver>();
  const auto runtime = observed(observer, {.cacheDir = folder / "cache"});
  EXPECT_THAT(observer->take(), IsEmpty());
  (void)runtime->execute("return 7", {});
  EXPECT_THAT(observer->take(),
              ElementsAre("memory: miss", "disk: miss", "compile: ok", "call: success"));
  const Handler handler = take(runtime->precompile("return 7"));
  EXPECT_THAT(observer->take(), ElementsAre("memory: hit"));
  (void)runtime->execute(handler);
  EXPECT_THAT(observer->take(), ElementsAre("memory: hit", "call: success"));
  (void)runtime->execute("await $ext.a.b()", {{"ext:a"}});
  EXPECT_THAT(observer->take(), ElementsAre("memory: miss", "disk: miss", "compile: ok",
                                            "suspension: suspended", "call: suspended"));
}

// Every call that was made, whatever it came to.
TEST(RuntimeReportTest, EveryCallIsToldOnceAndCounted) {
  const auto observer = std::make_shared<TestObserver>();
  const auto runtime = observed(observer);
  const Handler handler = take(runtime->precompile("return 7"));
  std::stop_source stopped;
  stopped.request_stop();
  const struct {
    const char* name;
    std::function<ExecutionResult()> call;
    const char* told;
  } rows[] = {
      {"success", [&] { return runtime->execute(handler); }, "call: success"},
      {"thrown", [&] { return runtime->execute("throw 1", {}); }, "call: EXECUTION_ERROR"},
      {"broken", [&] { return runtime->execute("return (", {}); }, "call: COMPILATION_ERROR"},
      {"no handler", [&] { return runtime->execute("", {}); }, "call: INVALID_HANDLER"},
      {"no right", [&] { return runtime->execute("return 1", {{"fly"}}); }, "call: INVALID_INPUT"},
      {"empty", [&] { return runtime->execute(Handler()); }, "call: INVALID_INPUT"},
      {"timeout of nothing",
       [&] { return runtime->execute(handler, {.timeout = milliseconds(0)}); },
       "call: INVALID_INPUT"},
      {"stopped", [&] { return runtime->execute(handler, {.stop = stopped.get_token()}); },
       "call: CANCELLED"},
  };
  uint64_t calls = 0;
  for (const auto& row : rows) {
    observer->take();
    (void)row.call();
    EXPECT_EQ(observer->count("call:"), 1U) << row.name;
    EXPECT_EQ(observer->count(row.told), 1U) << row.name;
    EXPECT_EQ(runtime->stats().calls, ++calls) << row.name;
  }
}

TEST(RuntimeReportTest, ACallIsCountedWhenItHasFinished) {
  const auto runtime = makeRuntime();
  const Handler endless = take(runtime->precompile("for (;;);"));
  std::stop_source stop;
  std::thread call([&] { (void)runtime->execute(endless, {.stop = stop.get_token()}); });
  EXPECT_TRUE(eventually([&] { return runtime->stats().instancesActive == 1; }));
  EXPECT_EQ(runtime->stats().calls, 0U);
  stop.request_stop();
  call.join();
  EXPECT_EQ(runtime->stats().calls, 1U);
}

// Keeps what one call reported.
class CallKeeper final : public Observer {
 public:
  void onCall(const CallReport& report) noexcept override {
    wait = report.wait;
    instanceId = report.instanceId;
    metrics = *report.metrics;
    message = report.error == nullptr ? "" : report.error->message;
  }

  std::chrono::microseconds wait{-1};
  uint64_t instanceId = 0;
  ExecutionMetrics metrics;
  std::string message;
};

TEST(RuntimeReportTest, AReportSaysWhatTheResultSays) {
  const auto keeper = std::make_shared<CallKeeper>();
  const auto runtime = take(Runtime::make({}, {.observer = keeper}));
  const ExecutionResult result = runtime->execute("$log('x'); throw new Error('no')", {});
  EXPECT_EQ(keeper->message, "Error: no");
  EXPECT_GE(keeper->wait.count(), 0);
  EXPECT_EQ(keeper->instanceId, 1U);
  EXPECT_EQ(keeper->metrics.duration, result.metrics.duration);
  EXPECT_EQ(keeper->metrics.hostCalls.log, 1U);
  EXPECT_EQ(toString(keeper->metrics.cacheTier), "none");
  (void)runtime->execute("return (", {});
  EXPECT_EQ(keeper->instanceId, 0U);  // the call itself got none
}

TEST(RuntimeReportTest, AnInstanceThatIsLostIsToldAndCounted) {
  const auto observer = std::make_shared<TestObserver>();
  const auto runtime = observed(observer, {.maxInstances = 1});
  RuntimeAccess::parts(*runtime).pool->acquire({})->operator->()->terminate();
  EXPECT_THAT(observer->take(), ElementsAre("discarded 1"));
  EXPECT_EQ(runtime->stats().instancesDiscarded, 1U);
  EXPECT_EQ(codeOf(runtime->execute("return 7", {})), "ok");
  EXPECT_EQ(runtime->stats().instancesCreated, 2U);
}

TEST(RuntimeReportTest, EvictionsAreToldAndCounted) {
  const auto observer = std::make_shared<TestObserver>();
  const auto runtime = observed(observer, {.maxCacheSize = 10'000});
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(codeOf(runtime->execute("return " + std::to_string(i), {})), "ok");
  }
  const RuntimeStats stats = runtime->stats();
  EXPECT_GT(stats.memoryCache.evictions, 0U);
  EXPECT_LE(stats.memoryCache.bytes, 10'000U);
  EXPECT_LT(stats.memoryCache.entries, 40U);
  EXPECT_GT(observer->count("memory: evicted"), 0U);
}

TEST(RuntimeReportTest, StatisticsAddUp) {
  const TempFolder folder;
  const auto observer = std::make_shared<TestObserver>();
  const auto runtime = observed(observer, {.minInstances = 2, .cacheDir = folder / "cache"});
  for (int turn = 0; turn < 3; ++turn) {
    for (const char* source : {"return 1", "return 2", "return ("}) {
      (void)runtime->execute(source, {});
    }
  }
  const RuntimeStats stats = runtime->stats();
  EXPECT_EQ(stats.calls, 9U);
  EXPECT_EQ(stats.compilations, 5U);
  EXPECT_EQ(stats.compilationsFailed, 3U);
  EXPECT_EQ(stats.imagesReloaded, 0U);
  EXPECT_EQ(stats.compilations, RuntimeAccess::parts(*runtime).engines.js->compilations());
  EXPECT_GT(stats.compileTime.count(), 0);
  EXPECT_EQ(stats.memoryCache.requests, 9U);
  EXPECT_EQ(stats.memoryCache.hits, 4U);
  EXPECT_DOUBLE_EQ(stats.memoryCache.hitRate(), 4.0 / 9);
  EXPECT_EQ(stats.memoryCache.entries, 2U);
  EXPECT_GT(stats.memoryCache.bytes, 0U);
  EXPECT_EQ(stats.diskCache.requests, 5U);
  EXPECT_EQ(stats.diskCache.hits, 0U);
  EXPECT_EQ(stats.diskCache.hitRate(), 0);
  EXPECT_EQ(stats.instancesActive, 0U);
  EXPECT_EQ(stats.instancesAvailable, 2U);
  EXPECT_EQ(stats.instancesCreated, 2U);
  EXPECT_EQ(stats.callsWaiting, 0U);
  EXPECT_EQ(observer->count("memory: hit"), stats.memoryCache.hits);
  EXPECT_EQ(observer->count("memory:"), stats.memoryCache.requests);
  EXPECT_EQ(observer->count("disk:"), stats.diskCache.requests);
  EXPECT_EQ(observer->count("compile:"), stats.compilations);
  EXPECT_EQ(observer->count("call:"), stats.calls);
}

}  // namespace
}  // namespace nexus
