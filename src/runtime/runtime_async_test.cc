// Calls that nobody waits for: on the runtime's own threads, and on none while they wait.
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"
#include "runtime/testing/test_extension.h"
#include "runtime/testing/waiting_runtime.h"

namespace nexus {
namespace {

using runtime::testing::codeOf;
using runtime::testing::eventually;
using runtime::testing::Gate;
using runtime::testing::kAll;
using runtime::testing::makeRuntime;
using runtime::testing::outcomeOf;
using runtime::testing::take;
using runtime::testing::TestClock;
using runtime::testing::TestExtension;
using runtime::testing::TestObserver;
using std::chrono::milliseconds;
using ::testing::ElementsAre;

struct Rig {
  explicit Rig(const RuntimeConfig& config = {}) {
    RuntimeDependencies outside;
    outside.observer = observer;
    outside.extensions = {{"x", x}};
    runtime = makeRuntime(config, std::move(outside));
  }

  Handler compile(std::string_view source) { return take(runtime->precompile(source, kAll)); }
  std::future<ExecutionResult> start(const Handler& handler, AsyncContext context = {}) {
    return runtime->executeAsync(handler, std::move(context));
  }
  bool eventuallyWaits(uint64_t count) {
    return runtime::testing::eventuallyWaits(*runtime, count);
  }

  const std::shared_ptr<TestExtension> x = std::make_shared<TestExtension>();
  const std::shared_ptr<TestObserver> observer = std::make_shared<TestObserver>();
  std::unique_ptr<Runtime> runtime;
};

// One that runs until it is stopped, and keeps a worker's thread.
struct Busy {
  explicit Busy(Rig& rig, int count = 1) {
    const Handler endless = rig.compile("for (;;);");
    for (int i = 0; i < count; ++i) {
      calls.push_back(rig.start(endless, {.timeout = {}, .stop = stop.get_token()}));
    }
    EXPECT_TRUE(eventually(
        [&] { return rig.runtime->stats().instancesActive == static_cast<uint64_t>(count); }));
  }
  ~Busy() { end(); }
  void end() {
    stop.request_stop();
    for (auto& call : calls) EXPECT_EQ(codeOf(call.get()), "CANCELLED");
    calls.clear();
  }

  std::stop_source stop;
  std::vector<std::future<ExecutionResult>> calls;
};

TEST(RuntimeAsyncTest, ACompletionGetsTheResult) {
  Rig rig;
  const Handler handler = rig.compile("$emit('e'); return $args.a + $scope.b + $state.c");
  std::promise<ExecutionResult> promise;
  EXPECT_TRUE(
      rig.runtime
          ->executeAsync(handler,
                         {.args = R"({"a":1})",
                          .scope = R"({"b":2})",
                          .state = take(StateSnapshot::parse(R"({"c":3})"))},
                         [&](ExecutionResult result) { promise.set_value(std::move(result)); })
          .ok());
  const ExecutionResult result = promise.get_future().get();
  EXPECT_EQ(outcomeOf(result), "6");
  EXPECT_EQ(result.events.size(), 1U);
}

TEST(RuntimeAsyncTest, AFutureGetsTheResult) {
  Rig rig;
  EXPECT_EQ(outcomeOf(rig.start(rig.compile("return $args.a"), {.args = R"({"a":[1]})"}).get()),
            "[1]");
  EXPECT_EQ(outcomeOf(rig.start(rig.compile("throw 'no'")).get()), "EXECUTION_ERROR: no");
  EXPECT_EQ(codeOf(rig.start(rig.compile("return 1"), {.args = "{"}).get()), "INVALID_INPUT");
  EXPECT_EQ(outcomeOf(rig.start(rig.compile("return [Math.random(), Date.now()].length"),
                                {.seed = 1, .clock = milliseconds(5)})
                          .get()),
            "2");
}

TEST(RuntimeAsyncTest, OneThreadKeepsTheOrder) {
  Rig rig({.workerThreads = 1});
  const Handler handler = rig.compile("return $args.n");
  std::vector<std::string> order;
  std::promise<void> done;
  for (int n = 0; n < 100; ++n) {
    EXPECT_TRUE(rig.runtime
                    ->executeAsync(handler, {.args = R"({"n":)" + std::to_string(n) + "}"},
                                   [&, n](const ExecutionResult& result) {
                                     order.push_back(outcomeOf(result));
                                     if (n == 99) done.set_value();
                                   })
                    .ok());
  }
  done.get_future().get();
  for (size_t n = 0; n < 100; ++n) EXPECT_EQ(order[n], std::to_string(n));
}

TEST(RuntimeAsyncTest, SoManyThreadsExecute) {
  Rig rig({.maxInstances = 10, .workerThreads = 3});
  const Handler quick = rig.compile("return 1");
  Busy busy(rig, 3);
  auto fourth = rig.start(quick);
  EXPECT_TRUE(eventually([&] { return rig.runtime->stats().callsQueued == 1; }));
  EXPECT_EQ(rig.runtime->stats().instancesActive, 3U);
  busy.end();
  EXPECT_EQ(outcomeOf(fourth.get()), "1");
}

TEST(RuntimeAsyncTest, AFullQueueRefuses) {
  Rig rig({.workerThreads = 1, .maxQueue = 2});
  const Handler quick = rig.compile("return 1");
  Busy busy(rig);
  std::vector<std::future<ExecutionResult>> queued;
  for (int i = 0; i < 2; ++i) queued.push_back(rig.start(quick));
  const char* refusal = "UNAVAILABLE: the queue is full: max_queue, 2, calls wait already";
  EXPECT_EQ(outcomeOf(rig.start(quick).get()), refusal);
  bool isCalled = false;
  const auto refused =
      rig.runtime->executeAsync(quick, {}, [&](const ExecutionResult&) { isCalled = true; });
  EXPECT_EQ(codeOf(refused), "UNAVAILABLE");
  const std::string id = rig.runtime->execute("return await $ext.y.a()", kAll).suspensionId;
  EXPECT_EQ(codeOf(rig.runtime->resumeAsync(id, {{.id = 1, .result = "1"}}, {},
                                            [&](const ExecutionResult&) { isCalled = true; })),
            "UNAVAILABLE");
  EXPECT_TRUE(rig.runtime->getSuspended(id)) << "a refused resume leaves it";
  busy.end();
  for (auto& call : queued) EXPECT_EQ(outcomeOf(call.get()), "1");
  EXPECT_FALSE(isCalled);
}

// What has begun and is answered goes on, however full the queue.
TEST(RuntimeAsyncTest, AFullQueueKeepsNobodyFromGoingOn) {
  Rig rig({.workerThreads = 1, .maxQueue = 1});
  auto waiting = rig.start(rig.compile("return await $ext.x.a()"));
  TestExtension::Request request = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  Busy busy(rig);
  const Handler quick = rig.compile("return 1");
  auto queued = rig.start(quick);
  request.reply.result("7");
  EXPECT_EQ(codeOf(rig.start(quick).get()), "UNAVAILABLE");
  busy.end();
  EXPECT_EQ(outcomeOf(waiting.get()), "7");
  EXPECT_EQ(outcomeOf(queued.get()), "1");
}

TEST(RuntimeAsyncTest, WhatIsRefusedAtOnce) {
  Rig rig;
  const auto other = makeRuntime();
  std::stop_source stopped;
  stopped.request_stop();
  const Handler good = rig.compile("return 1");
  const struct {
    const char* name;
    Handler handler;
    AsyncContext context;
    const char* code;
  } rows[] = {
      {"no handler", {}, {}, "INVALID_INPUT"},
      {"another's handler", take(other->precompile("return 1")), {}, "INVALID_INPUT"},
      {"no time", good, {.timeout = milliseconds(0)}, "INVALID_INPUT"},
      {"less than no time", good, {.timeout = milliseconds(-5)}, "INVALID_INPUT"},
      {"stopped", good, {.stop = stopped.get_token()}, "CANCELLED"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(codeOf(rig.runtime->executeAsync(row.handler, row.context,
                                               [](const ExecutionResult&) { FAIL(); })),
              row.code)
        << row.name;
    EXPECT_EQ(codeOf(rig.start(row.handler, row.context).get()), row.code) << row.name;
  }
  for (const char* id : {"", "x", "0123456789abcdef0123456789abcdeg"}) {
    EXPECT_EQ(codeOf(rig.runtime->resumeAsync(id, {}, {}, [](const ExecutionResult&) { FAIL(); })),
              "NOT_FOUND");
  }
}

TEST(RuntimeAsyncTest, WithoutACompletionItRunsAllTheSame) {
  Rig rig;
  EXPECT_TRUE(rig.runtime->executeAsync(rig.compile("return 1"), {}, nullptr).ok());
  EXPECT_TRUE(eventually([&] { return rig.observer->count("call: success") == 1; }));
}

TEST(RuntimeAsyncTest, AStopBeforeItsTurnEndsIt) {
  Rig rig({.workerThreads = 1});
  const Handler handler = rig.compile("$emit('never'); return 1");
  Busy busy(rig);
  std::stop_source stop;
  auto call = rig.start(handler, {.stop = stop.get_token()});
  stop.request_stop();
  busy.end();
  const ExecutionResult result = call.get();
  EXPECT_EQ(codeOf(result), "CANCELLED");
  EXPECT_TRUE(result.events.empty());
}

TEST(RuntimeAsyncTest, AStopWhileItExecutesEndsIt) {
  Rig rig;
  std::stop_source stop;
  auto call = rig.start(rig.compile("for (;;);"), {.stop = stop.get_token()});
  ASSERT_TRUE(eventually([&] { return rig.runtime->stats().instancesActive == 1; }));
  stop.request_stop();
  EXPECT_EQ(codeOf(call.get()), "CANCELLED");
}

TEST(RuntimeAsyncTest, AStopWhileItWaitsEndsIt) {
  Rig rig;
  std::stop_source stop;
  auto call = rig.start(rig.compile("return await $ext.x.a()"), {.stop = stop.get_token()});
  TestExtension::Request request = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  stop.request_stop();
  EXPECT_EQ(codeOf(call.get()), "CANCELLED");
  EXPECT_TRUE(eventually([&] { return request.call.stop.stop_requested(); }));
  EXPECT_EQ(rig.runtime->stats().suspended, 0U);
  request.reply.result("1");
}

TEST(RuntimeAsyncTest, ItsTimeIsLimited) {
  Rig rig;
  EXPECT_EQ(codeOf(rig.start(rig.compile("for (;;);"), {.timeout = milliseconds(10)}).get()),
            "TIMEOUT");
  // Waiting is not executing.
  auto call = rig.start(rig.compile("return await $ext.x.a()"), {.timeout = milliseconds(2000)});
  rig.x->take().reply.result("1");
  EXPECT_EQ(outcomeOf(call.get()), "1");
}

TEST(RuntimeAsyncTest, AnsweredLaterItGoesOn) {
  Rig rig({.workerThreads = 1});
  auto call =
      rig.start(rig.compile("$state.a = 1; const b = await $ext.x.a(); $state.b = b;"
                            "return [$state.a, await $ext.x.b()]"));
  rig.x->take().reply.result("2");
  rig.x->take().reply.result("3");
  const ExecutionResult result = call.get();
  EXPECT_EQ(outcomeOf(result), "[1,3]");
  EXPECT_THAT(result.stateMutations, ElementsAre(StateMutation{"a", "1"}, StateMutation{"b", "2"}));
}

TEST(RuntimeAsyncTest, EachWaitIsFlushedOnce) {
  Rig rig;
  std::vector<std::string> flushed;
  auto call = rig.start(rig.compile("$state.a = 1; await $ext.x.a(); $state.a += 1;"
                                    "await $ext.x.a(); $state.a += 1; return $state.a"),
                        {.onFlush = [&](const ExecutionResult& part) {
                          flushed.push_back(*part.stateMutations.at(0).value);
                          return take(StateSnapshot::parse(R"({"a":10})"));
                        }});
  rig.x->take().reply.result("0");
  rig.x->take().reply.result("0");
  const ExecutionResult result = call.get();
  EXPECT_THAT(flushed, ElementsAre("1", "11"));
  EXPECT_EQ(outcomeOf(result), "11");
  EXPECT_THAT(result.stateMutations, ElementsAre(StateMutation{"a", "11"}));
}

TEST(RuntimeAsyncTest, WhatNobodyAnswersIsSuspendedAndResumed) {
  Rig rig;
  const ExecutionResult first = rig.start(rig.compile("return [await $ext.y.a()]")).get();
  ASSERT_EQ(first.status(), CallStatus::kSuspended);
  std::promise<std::string> promise;
  EXPECT_TRUE(rig.runtime
                  ->resumeAsync(
                      first.suspensionId, {{.id = 1, .result = "7"}}, {},
                      [&](const ExecutionResult& result) { promise.set_value(outcomeOf(result)); })
                  .ok());
  EXPECT_EQ(promise.get_future().get(), "[7]");
}

TEST(RuntimeAsyncTest, OfManyResumesOneGoesOn) {
  Rig rig({.workerThreads = 4});
  for (int round = 0; round < 20; ++round) {
    const std::string id = rig.runtime->execute("return await $ext.y.a()", kAll).suspensionId;
    std::atomic<int> won{0};
    std::atomic<int> ended{0};
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(rig.runtime
                      ->resumeAsync(id, {{.id = 1, .result = "7"}}, {},
                                    [&](const ExecutionResult& result) {
                                      if (result.ok()) ++won;
                                      ++ended;
                                    })
                      .ok());
    }
    ASSERT_TRUE(eventually([&] { return ended == 8; }));
    EXPECT_EQ(won, 1);
  }
}

// The instance is still leased when the result is there.
TEST(RuntimeAsyncTest, TheResultComesBeforeTheRestore) {
  Rig rig({.maxInstances = 1});
  Gate gate;
  std::atomic<uint64_t> active{99};
  EXPECT_TRUE(rig.runtime
                  ->executeAsync(rig.compile("return 1"), {},
                                 [&](const ExecutionResult& result) {
                                   EXPECT_EQ(outcomeOf(result), "1");
                                   active = rig.runtime->stats().instancesActive;
                                   gate.pass();
                                 })
                  .ok());
  ASSERT_TRUE(eventually([&] { return gate.visitors() == 1; }));
  EXPECT_EQ(active, 1U);
  EXPECT_EQ(rig.observer->count("call: success"), 1U);
  gate.open();
  EXPECT_TRUE(eventually([&] { return rig.runtime->stats().instancesActive == 0; }));
}

TEST(RuntimeAsyncTest, ACompletionMayCallTheRuntime) {
  Rig rig({.maxInstances = 2, .workerThreads = 1});
  const Handler handler = rig.compile("return $args.n");
  const std::string id = rig.runtime->execute("return await $ext.y.a()", kAll).suspensionId;
  std::promise<void> done;
  std::vector<std::string> outcomes;
  EXPECT_TRUE(
      rig.runtime
          ->executeAsync(handler, {.args = R"({"n":1})"},
                         [&](const ExecutionResult& result) {
                           outcomes.push_back(outcomeOf(result));
                           outcomes.push_back(outcomeOf(rig.runtime->execute("return 2", {})));
                           const RequestAnswer answer{.id = 1, .result = "3"};
                           outcomes.push_back(outcomeOf(rig.runtime->resume(id, {&answer, 1})));
                           EXPECT_TRUE(rig.runtime
                                           ->executeAsync(handler, {.args = R"({"n":4})"},
                                                          [&](const ExecutionResult& last) {
                                                            outcomes.push_back(outcomeOf(last));
                                                            done.set_value();
                                                          })
                                           .ok());
                         })
          .ok());
  done.get_future().get();
  EXPECT_THAT(outcomes, ElementsAre("1", "2", "3", "4"));
}

TEST(RuntimeAsyncTest, ACompletionIsLetGoOf) {
  Rig rig;
  const auto held = std::make_shared<int>(1);
  EXPECT_TRUE(
      rig.runtime
          ->executeAsync(rig.compile("await $ext.x.a()"), {}, [held](const ExecutionResult&) {})
          .ok());
  TestExtension::Request request = rig.x->take();  // is out as long as it likes
  ASSERT_TRUE(rig.eventuallyWaits(1));
  EXPECT_TRUE(rig.runtime->shutdown(milliseconds(0)));
  EXPECT_EQ(held.use_count(), 1);
  request.reply.result("1");
}

size_t threadCount() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/task");
  while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(folder);
  return count;
}

TEST(RuntimeAsyncTest, ThousandsWaitOnNoThread) {
  constexpr int kCalls = 3000;
  Rig rig({.workerThreads = 2});
  const Handler handler = rig.compile("return [$args.n, await $ext.x.a()]");
  const size_t before = threadCount();
  std::atomic<int> right{0};
  std::atomic<int> ended{0};
  for (int n = 0; n < kCalls; ++n) {
    EXPECT_TRUE(rig.runtime
                    ->executeAsync(handler, {.args = R"({"n":)" + std::to_string(n) + "}"},
                                   [&, n](const ExecutionResult& result) {
                                     if (outcomeOf(result) == "[" + std::to_string(n) + ",7]") {
                                       ++right;
                                     }
                                     ++ended;
                                   })
                    .ok());
  }
  ASSERT_TRUE(rig.eventuallyWaits(kCalls));
  EXPECT_EQ(threadCount(), before);
  EXPECT_TRUE(eventually([&] { return rig.runtime->stats().instancesActive == 0; }));
  EXPECT_EQ(ended, 0);
  while (rig.x->kept() > 0) rig.x->take().reply.result("7");
  EXPECT_TRUE(eventually([&] { return ended == kCalls; }));
  EXPECT_EQ(right, kCalls);
  EXPECT_EQ(rig.runtime->stats().suspendedBytes, 0U);
  EXPECT_EQ(rig.observer->count("call:"), static_cast<uint64_t>(kCalls)) << "once each";
}

TEST(RuntimeAsyncTest, AShutdownEndsWhatIsQueuedExecutesOrWaits) {
  Rig rig({.workerThreads = 1});
  std::vector<std::future<ExecutionResult>> waiting;
  const Handler waits = rig.compile("await $ext.x.a()");
  for (int i = 0; i < 5; ++i) waiting.push_back(rig.start(waits));
  ASSERT_TRUE(rig.eventuallyWaits(5));
  auto executing = rig.start(rig.compile("for (;;);"));
  ASSERT_TRUE(eventually([&] { return rig.runtime->stats().instancesActive == 1; }));
  std::vector<std::future<ExecutionResult>> queued;
  const Handler quick = rig.compile("return 1");
  for (int i = 0; i < 5; ++i) queued.push_back(rig.start(quick));
  EXPECT_FALSE(rig.runtime->shutdown(milliseconds(1)));
  EXPECT_EQ(codeOf(executing.get()), "CANCELLED");
  for (auto& call : waiting) EXPECT_EQ(codeOf(call.get()), "UNAVAILABLE");
  for (auto& call : queued) EXPECT_EQ(codeOf(call.get()), "UNAVAILABLE");
  EXPECT_EQ(codeOf(rig.start(quick).get()), "UNAVAILABLE");
  EXPECT_EQ(codeOf(rig.runtime->executeAsync(quick, {}, [](const ExecutionResult&) { FAIL(); })),
            "UNAVAILABLE");
  EXPECT_EQ(rig.runtime->stats().callsQueued, 0U);
  EXPECT_EQ(rig.runtime->stats().suspended, 0U);
}

// When the runtime was shut down just as an answer, a stop or the end of its time woke a call, that
// call could be left in the line of workers that had ended.
TEST(RuntimeAsyncTest, AShutdownAmidAnswersLosesNoCall) {
  for (int round = 0; round < 60; ++round) {
    Rig rig({.workerThreads = 2, .suspendTimeout = milliseconds(1)});
    const Handler handler = rig.compile("return await $ext.x.a()");
    std::stop_source stop;
    std::vector<std::future<ExecutionResult>> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(rig.start(handler, {.stop = stop.get_token()}));
    ASSERT_TRUE(eventually([&] { return rig.x->calls() == 20; }));
    std::thread answering([&] {
      for (int i = 0; i < 10; ++i) rig.x->take().reply.result("1");
    });
    std::thread stopping([&] { stop.request_stop(); });
    std::thread expiring([&] { RuntimeAccess::parts(*rig.runtime).suspensions->expire(); });
    (void)rig.runtime->shutdown(milliseconds(0));
    for (auto& call : calls) {
      ASSERT_EQ(call.wait_for(std::chrono::seconds(0)), std::future_status::ready) << round;
      const std::string code = codeOf(call.get());
      EXPECT_TRUE(code == "ok" || code == "UNAVAILABLE" || code == "CANCELLED" || code == "TIMEOUT")
          << code;
    }
    answering.join();
    stopping.join();
    expiring.join();
  }
}

}  // namespace
}  // namespace nexus
