// Calls whose requests extensions answer: at once, later, from other threads, wrongly, or never.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"
#include "runtime/testing/test_extension.h"
#include "runtime/testing/waiting_runtime.h"

namespace nexus {
namespace {

using runtime::testing::codeOf;
using runtime::testing::eventually;
using runtime::testing::kAll;
using runtime::testing::makeRuntime;
using runtime::testing::outcomeOf;
using runtime::testing::take;
using runtime::testing::TestClock;
using runtime::testing::TestExtension;
using runtime::testing::TestObserver;
using runtime::testing::TimedRuntime;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct OneExtension {
  const std::shared_ptr<TestExtension> x;
};

// A runtime with the extension x.
struct Rig : OneExtension, TimedRuntime {
  explicit Rig(TestExtension::Act act = nullptr, const RuntimeConfig& config = {})
      : OneExtension{std::make_shared<TestExtension>(std::move(act))},
        TimedRuntime(config, {{"x", x}}) {}

  ExecutionResult execute(std::string_view source, const CallContext& context = {}) {
    return runtime->execute(source, kAll, context);
  }
  std::string outcome(std::string_view source) { return outcomeOf(execute(source)); }
  // On a thread of its own, since it waits.
  std::future<ExecutionResult> start(std::string source, CallContext context = {}) {
    return std::async(std::launch::async,
                      [this, source = std::move(source), context = std::move(context)] {
                        return runtime->execute(source, kAll, context);
                      });
  }
};

void echo(const ExtensionCall& call, ExtensionReply reply) { reply.result(call.args); }

TEST(RuntimeExtensionTest, AnsweredAtOnceItGoesOnInPlace) {
  Rig rig(echo);
  EXPECT_EQ(rig.outcome("return [await $ext.x.a(1), await $ext.x.b(2, 'x')]"), R"([[1],[2,"x"]])");
  EXPECT_EQ(rig.x->calls(), 2U);
  EXPECT_EQ(rig.observer->count("suspension:"), 0U) << "it was never put away";
  EXPECT_EQ(rig.observer->count("call:"), 1U);
}

TEST(RuntimeExtensionTest, AnsweredLaterItHoldsNoInstance) {
  Rig rig(nullptr, {.maxInstances = 1});
  auto call = rig.start("return await $ext.x.get('/a')");
  TestExtension::Request request = rig.x->take();
  EXPECT_EQ(request.call.method, "get");
  EXPECT_EQ(request.call.args, R"(["/a"])");
  EXPECT_FALSE(request.call.stop.stop_requested());
  ASSERT_TRUE(rig.eventuallyWaits(1));
  EXPECT_EQ(rig.outcome("return 1"), "1");  // on the only one
  request.reply.result("{\"n\":7}");
  EXPECT_EQ(outcomeOf(call.get()), R"({"n":7})");
  EXPECT_TRUE(request.call.stop.stop_requested());
  EXPECT_EQ(rig.runtime->stats().suspensionsResumed, 1U);
  EXPECT_EQ(rig.runtime->stats().suspendedBytes, 0U);
}

TEST(RuntimeExtensionTest, AnsweredFromAnotherThread) {
  std::vector<std::thread> threads;
  Rig rig([&](const ExtensionCall& call, ExtensionReply reply) {
    threads.emplace_back(
        [args = call.args, reply = std::move(reply)]() mutable { reply.result(args); });
  });
  EXPECT_EQ(rig.outcome("let n = 0; for (let i = 0; i < 20; i++) n += (await $ext.x.f(i))[0];"
                        "return n"),
            "190");
  for (std::thread& thread : threads) thread.join();
}

TEST(RuntimeExtensionTest, SeveralAtOnceInAnyOrder) {
  Rig rig;
  auto call = rig.start(
      "const seen = []; const ask = async (n) => seen.push(await $ext.x.get(n));"
      "await Promise.all([1, 2, 3].map(ask)); return seen");
  std::vector<TestExtension::Request> requests;
  for (int i = 0; i < 3; ++i) requests.push_back(rig.x->take());
  uint64_t resumed = 0;
  for (const size_t i : {2U, 0U, 1U}) {
    // Each goes on before the next one is answered.
    ASSERT_TRUE(eventually([&] { return rig.runtime->stats().suspensionsResumed == resumed; }));
    ASSERT_TRUE(rig.eventuallyWaits(1));
    requests[i].reply.result(requests[i].call.args);
    ++resumed;
  }
  EXPECT_EQ(outcomeOf(call.get()), "[[3],[1],[2]]");
  EXPECT_EQ(rig.x->calls(), 3U) << "none is asked twice";
}

TEST(RuntimeExtensionTest, ASecondAnswerDoesNothing) {
  Rig rig([](const ExtensionCall&, ExtensionReply reply) {
    reply.result("1");
    reply.result("2");
    reply.error("three");
  });
  EXPECT_EQ(rig.outcome("return [await $ext.x.a(), await $ext.x.a()]"), "[1,1]");
}

TEST(RuntimeExtensionTest, ALateAnswerDoesNothing) {
  Rig rig;
  auto call = rig.start("return await Promise.race([$ext.x.a(), $ext.x.b()])");
  TestExtension::Request first = rig.x->take();
  TestExtension::Request second = rig.x->take();
  second.reply.result("2");
  EXPECT_EQ(outcomeOf(call.get()), "2");
  EXPECT_TRUE(first.call.stop.stop_requested());
  first.reply.result("1");
  EXPECT_EQ(rig.outcome("return 3"), "3");
  rig.runtime.reset();
  TestExtension::Request never = std::move(first);
  never.reply.result("4");
}

TEST(RuntimeExtensionTest, AnAnswerAfterTheRuntimeDoesNothing) {
  Rig rig;
  auto call = rig.start("return await $ext.x.a()");
  TestExtension::Request request = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  EXPECT_TRUE(rig.runtime->shutdown(milliseconds(0)));
  EXPECT_EQ(outcomeOf(call.get()), "UNAVAILABLE: the runtime is shutting down");
  rig.runtime.reset();
  EXPECT_TRUE(request.call.stop.stop_requested());
  request.reply.result("1");
}

TEST(RuntimeExtensionTest, ADroppedReplyIsAnError) {
  Rig rig([](const ExtensionCall&, const ExtensionReply&) {});
  EXPECT_EQ(rig.outcome("try { await $ext.x.a() } catch (e) { return [e.name, e.message] }"),
            R"(["ExtensionError","the extension gave no answer"])");
  EXPECT_EQ(rig.outcome("await $ext.x.a()"),
            "EXECUTION_ERROR: ExtensionError: the extension gave no answer");
}

TEST(RuntimeExtensionTest, ErrorsAreTheHandlersToCatch) {
  Rig rig([](const ExtensionCall& call, ExtensionReply reply) { reply.error("no " + call.args); });
  EXPECT_EQ(rig.outcome("return await $ext.x.a(1).catch((e) => e.message)"), R"("no [1]")");
  EXPECT_EQ(rig.outcome("await $ext.x.a(1)"), "EXECUTION_ERROR: ExtensionError: no [1]");
}

TEST(RuntimeExtensionTest, WhatIsNoJsonIsAnErrorOfTheExtension) {
  const std::string texts[] = {"",
                               "undefined",
                               "{",
                               "1 2",
                               "\"\xFF\"",
                               R"("\ud800")",
                               std::string("1\0", 2),
                               std::string(10'000, '[')};
  for (const std::string& text : texts) {
    Rig rig([&text](const ExtensionCall&, ExtensionReply reply) { reply.result(text); });
    const std::string outcome =
        rig.outcome("try { await $ext.x.a() } catch (e) { return e.name + ': ' + e.message }");
    EXPECT_THAT(outcome,
                HasSubstr("ExtensionError: the extension's result is not valid JSON at line 1"))
        << text.substr(0, 20);
  }
}

TEST(RuntimeExtensionTest, TooLargeAnAnswerEndsTheCall) {
  Rig rig([](const ExtensionCall&, ExtensionReply reply) { reply.result(std::string(2000, '7')); },
          {.maxInputBytes = 1000});
  EXPECT_EQ(codeOf(rig.execute("try { await $ext.x.a() } catch {} return 1")), "RESOURCE_LIMIT");
}

TEST(RuntimeExtensionTest, WhatIsNeverAnsweredExpires) {
  Rig rig(nullptr, {.suspendTimeout = milliseconds(100)});
  auto call = rig.start("await $ext.x.a()");
  TestExtension::Request request = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  rig.clock->advance(milliseconds(100));
  rig.store().expire();
  const ExecutionResult result = call.get();
  EXPECT_EQ(outcomeOf(result),
            "TIMEOUT: the call was not resumed within suspend_timeout_ms, 100 ms");
  EXPECT_EQ(result.error->limit->name, "suspend_timeout_ms");
  EXPECT_TRUE(request.call.stop.stop_requested());
  EXPECT_EQ(rig.runtime->stats().suspensionsExpired, 1U);
  EXPECT_EQ(rig.runtime->stats().suspensionsResumed, 0U);
}

TEST(RuntimeExtensionTest, AnAnswerThatComesTooLateIsATimeout) {
  Rig rig(nullptr, {.suspendTimeout = milliseconds(100)});
  auto call = rig.start("await $ext.x.a()");
  TestExtension::Request request = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  rig.clock->advance(milliseconds(100));
  request.reply.result("1");
  EXPECT_EQ(codeOf(call.get()), "TIMEOUT");
  EXPECT_EQ(rig.runtime->stats().suspensionsExpired, 1U);
}

// Was "no such suspension" for all but the last thousand.
TEST(RuntimeExtensionTest, ManyThatExpireAtOnceAreAllTimeouts) {
  constexpr int kCalls = 1500;
  Rig rig(nullptr, {.workerThreads = 2, .suspendTimeout = milliseconds(100)});
  const Handler handler = take(rig.runtime->precompile("await $ext.x.a()", kAll));
  std::vector<std::future<ExecutionResult>> calls;
  for (int i = 0; i < kCalls; ++i) calls.push_back(rig.runtime->executeAsync(handler, {}));
  ASSERT_TRUE(rig.eventuallyWaits(kCalls));
  rig.clock->advance(milliseconds(100));
  rig.store().expire();
  for (auto& call : calls) EXPECT_EQ(codeOf(call.get()), "TIMEOUT");
}

TEST(RuntimeExtensionTest, WhatItDoesNotAnswerSuspendsTheCall) {
  Rig rig(echo);
  for (const char* request : {"$ext.x.nobody(1)", "$ext.y.get(1)"}) {
    const ExecutionResult result =
        rig.execute("return [await $ext.x.a(0), await " + std::string(request) + "]");
    ASSERT_EQ(result.status(), CallStatus::kSuspended);
    ASSERT_EQ(result.pending.size(), 1U);
    EXPECT_EQ(result.pending[0].id, 2U);
    const RequestAnswer answer{.id = 2, .result = "7"};
    EXPECT_EQ(outcomeOf(rig.runtime->resume(result.suspensionId, {&answer, 1})), "[[0],7]");
  }
}

// The extension's part is done first; what is left is for somebody outside.
TEST(RuntimeExtensionTest, OneRequestIsAnsweredAndOneIsNot) {
  Rig rig;
  auto call = rig.start(
      "const seen = []; const ask = async (p) => seen.push(await p);"
      "await Promise.all([ask($ext.y.get()), ask($ext.x.get())]); seen.push(await $ext.x.last());"
      "return seen");
  TestExtension::Request request = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  request.reply.result("\"x\"");
  const ExecutionResult result = call.get();
  ASSERT_EQ(result.status(), CallStatus::kSuspended);
  ASSERT_EQ(result.pending.size(), 1U);
  EXPECT_EQ(result.pending[0].extension, "y");
  // Resumed, the extensions answer again.
  auto resumed = std::async(std::launch::async, [&] {
    const RequestAnswer answer{.id = 1, .result = "\"y\""};
    return outcomeOf(rig.runtime->resume(result.suspensionId, {&answer, 1}));
  });
  rig.x->take().reply.result("\"last\"");
  EXPECT_EQ(resumed.get(), R"(["x","y","last"])");
}

// One that changes its mind about what it answers was asked for nothing, and waited for.
class Fickle final : public Extension {
 public:
  bool answers(std::string_view) const noexcept override { return ++asked_ % 2 == 0; }
  void call(ExtensionCall, ExtensionReply reply) noexcept override { reply.result("1"); }

 private:
  mutable std::atomic<int> asked_{0};
};

TEST(RuntimeExtensionTest, WhoAnswersIsDecidedOnce) {
  const auto runtime = take(Runtime::make({}, {.extensions = {{"x", std::make_shared<Fickle>()}}}));
  for (int i = 0; i < 4; ++i) {
    const ExecutionResult result = runtime->execute("return await $ext.x.a()", kAll);
    EXPECT_EQ(toString(result.status()), i % 2 == 0 ? "suspended" : "success");
  }
}

TEST(RuntimeExtensionTest, AStopEndsTheWait) {
  Rig rig;
  std::stop_source stop;
  auto call = rig.start("return await $ext.x.a()", {.stop = stop.get_token()});
  TestExtension::Request request = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  stop.request_stop();
  EXPECT_EQ(outcomeOf(call.get()), "CANCELLED: the call was cancelled");
  EXPECT_TRUE(request.call.stop.stop_requested());
  EXPECT_EQ(rig.runtime->stats().suspended, 0U);
  EXPECT_EQ(rig.runtime->stats().suspensionsDropped, 1U);
  EXPECT_EQ(rig.runtime->stats().suspensionsResumed, 0U);
  request.reply.result("1");
}

TEST(RuntimeExtensionTest, AShutdownEndsTheWaitAtOnce) {
  Rig rig;
  auto call = rig.start("$state.a = 1; return await $ext.x.a()");
  TestExtension::Request request = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  EXPECT_TRUE(rig.runtime->shutdown(std::chrono::hours(1)));
  const ExecutionResult result = call.get();
  EXPECT_EQ(outcomeOf(result), "UNAVAILABLE: the runtime is shutting down");
  EXPECT_THAT(result.stateMutations, ElementsAre(StateMutation{"a", "1"})) << "it was flushed";
}

// When the last wake-up came at the very moment at which it was put back, it waited on.
TEST(RuntimeExtensionTest, AShutdownAmidVainWakeUps) {
  for (int round = 0; round < 30; ++round) {
    Rig rig;
    auto call = rig.start("return await $ext.x.a()");
    const TestExtension::Request request = rig.x->take();
    ASSERT_TRUE(rig.eventuallyWaits(1));
    std::atomic<bool> isOver{false};
    std::thread waking([&] {
      while (!isOver) rig.store().wakeAll();
    });
    EXPECT_TRUE(rig.runtime->shutdown(milliseconds(0)));
    isOver = true;
    waking.join();
    EXPECT_EQ(codeOf(call.get()), "UNAVAILABLE");
  }
}

TEST(RuntimeExtensionTest, ItMayCallTheRuntime) {
  Runtime* runtime = nullptr;
  Rig rig([&](const ExtensionCall& call, ExtensionReply reply) {
    const ExecutionResult inner = runtime->execute("return $args[0] + 1", {}, {.args = call.args});
    inner.ok() ? reply.result(*inner.value) : reply.error(outcomeOf(inner));
  });
  runtime = rig.runtime.get();
  EXPECT_EQ(rig.outcome("return [await $ext.x.a(1), await $ext.x.a(2)]"), "[2,3]");
}

TEST(RuntimeExtensionTest, ACallInsideNeedsAnInstanceOfItsOwn) {
  Runtime* runtime = nullptr;
  Rig rig([&](const ExtensionCall&,
              ExtensionReply reply) { reply.error(outcomeOf(runtime->execute("return 1", {}))); },
          {.maxInstances = 1, .acquireTimeout = milliseconds(0)});
  runtime = rig.runtime.get();
  EXPECT_THAT(rig.outcome("return await $ext.x.a().catch((e) => e.message)"),
              HasSubstr("UNAVAILABLE: no instance in time"));
}

// Destroyed with the runtime, it may end its threads then.
class Threaded final : public Extension {
 public:
  explicit Threaded(std::atomic<bool>& isDestroyed) : isDestroyed_(isDestroyed) {}
  ~Threaded() override {
    for (std::thread& thread : threads_) thread.join();
    isDestroyed_ = true;
  }
  void call(ExtensionCall call, ExtensionReply reply) noexcept override {
    threads_.emplace_back([stop = std::move(call.stop), reply = std::move(reply)]() mutable {
      while (!stop.stop_requested()) std::this_thread::yield();
      reply.result("1");
    });
  }

 private:
  std::atomic<bool>& isDestroyed_;
  std::vector<std::thread> threads_;
};

TEST(RuntimeExtensionTest, ItEndsWithTheRuntime) {
  std::atomic<bool> isDestroyed{false};
  {
    const auto runtime =
        take(Runtime::make({}, {.extensions = {{"x", std::make_shared<Threaded>(isDestroyed)}}}));
    auto call = std::async(std::launch::async,
                           [&] { return codeOf(runtime->execute("await $ext.x.a()", kAll)); });
    ASSERT_TRUE(eventually([&] { return runtime->stats().suspended == 1; }));
    EXPECT_TRUE(runtime->shutdown(std::chrono::minutes(1)));
    EXPECT_EQ(call.get(), "UNAVAILABLE");
    EXPECT_FALSE(isDestroyed);
  }
  EXPECT_TRUE(isDestroyed);
}

TEST(RuntimeExtensionTest, NullIsNone) {
  const auto made = Runtime::make({}, {.extensions = {{"y", nullptr}}});
  ASSERT_EQ(codeOf(made), "INVALID_INPUT");
  EXPECT_EQ(made.error().message, "the extension 'y' is null");
}

TEST(RuntimeExtensionTest, WithoutTheRightItIsNotAsked) {
  Rig rig(echo);
  EXPECT_EQ(codeOf(rig.runtime->execute("await $ext.x.a()", {{"ext:x:b"}})), "PERMISSION_DENIED");
  EXPECT_EQ(rig.x->calls(), 0U);
}

TEST(RuntimeExtensionTest, WhatIsNotAwaitedIsNotAsked) {
  Rig rig(echo);
  EXPECT_EQ(rig.outcome("$ext.x.a(); return 1"), "1");
  EXPECT_EQ(rig.x->calls(), 0U);
}

// Its part of the work is done when the extension hears of it.
TEST(RuntimeExtensionTest, EachWaitIsFlushedBeforeItIsAsked) {
  std::vector<std::string> order;
  Rig rig([&](const ExtensionCall& call, ExtensionReply reply) {
    order.push_back("asked " + call.args);
    reply.result("0");
  });
  const ExecutionResult result = rig.execute(
      "$emit('a'); await $ext.x.f(1); $emit('b'); $log('l'); await $ext.x.f(2); $emit('c');"
      "return $state.n",
      {.onFlush = [&](const ExecutionResult& part) {
        EXPECT_EQ(part.status(), CallStatus::kSuspended);
        order.push_back("flushed " + part.events.at(0).name + " " +
                        std::to_string(part.log.size()));
        return take(StateSnapshot::parse(R"({"n":)" + std::to_string(order.size()) + "}"));
      }});
  EXPECT_THAT(order, ElementsAre("flushed a 0", "asked [1]", "flushed b 1", "asked [2]"));
  EXPECT_EQ(outcomeOf(result), "3") << "it goes on with the state that it was given";
  ASSERT_EQ(result.events.size(), 1U) << "the last part is the result's";
  EXPECT_EQ(result.events[0].name, "c");
  EXPECT_THAT(result.log, IsEmpty());
}

TEST(RuntimeExtensionTest, WhatIsLeftToOthersIsNotFlushed) {
  Rig rig(echo);
  int flushes = 0;
  const ExecutionResult result =
      rig.execute("$emit('a'); await $ext.y.get()", {.onFlush = [&](const ExecutionResult&) {
                    ++flushes;
                    return StateSnapshot();
                  }});
  EXPECT_EQ(flushes, 0);
  EXPECT_EQ(result.status(), CallStatus::kSuspended);
  EXPECT_EQ(result.events.size(), 1U);
}

// Was passed on to a worker's thread, where nobody catches it.
TEST(RuntimeExtensionTest, AFlushThatThrowsEndsTheCall) {
  Rig rig(echo);
  const Handler handler = take(rig.runtime->precompile("await $ext.x.a(); return 1", kAll));
  const struct {
    FlushFunction onFlush;
    const char* outcome;
  } rows[] = {
      {[](const ExecutionResult&) -> StateSnapshot { throw std::runtime_error("full"); },
       "INTERNAL_ERROR: onFlush has thrown: full"},
      {[](const ExecutionResult&) -> StateSnapshot { throw 7; },
       "INTERNAL_ERROR: onFlush has thrown: no std::exception"},
      {[](const ExecutionResult&) -> StateSnapshot { throw std::bad_alloc(); },
       "UNAVAILABLE: the host is out of memory"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(outcomeOf(rig.runtime->execute(handler, {.onFlush = row.onFlush})), row.outcome);
    EXPECT_EQ(outcomeOf(rig.runtime->executeAsync(handler, {.onFlush = row.onFlush}).get()),
              row.outcome);
  }
  EXPECT_EQ(rig.x->calls(), 0U);
  EXPECT_TRUE(eventually([&] { return rig.runtime->stats().instancesActive == 0; }));
}

TEST(RuntimeExtensionTest, WithoutAFlushItIsOneResult) {
  Rig rig(echo);
  const ExecutionResult result = rig.execute(
      "$state.a = 1; $emit('a'); await $ext.x.f(); $state.b = $state.a + 1; $emit('b');"
      "await $ext.x.f(); $state.a = $state.b + 1; return $state.a");
  EXPECT_EQ(outcomeOf(result), "3");
  EXPECT_THAT(result.stateMutations, ElementsAre(StateMutation{"a", "3"}, StateMutation{"b", "2"}));
  EXPECT_EQ(result.events.size(), 2U);
}

TEST(RuntimeExtensionTest, LimitsAreOfTheWholeCall) {
  Rig rig(echo, {.maxHostCalls = 10});
  const ExecutionResult result = rig.execute("for (;;) await $ext.x.f()");
  EXPECT_EQ(codeOf(result), "RESOURCE_LIMIT");
  EXPECT_EQ(result.error->limit->name, "max_host_calls");
  EXPECT_LE(rig.x->calls(), 10U);
}

TEST(RuntimeExtensionTest, TooManyThatWaitAreRefused) {
  Rig rig(nullptr, {.maxSuspended = 1});
  auto call = rig.start("return await $ext.x.a()");
  TestExtension::Request first = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  EXPECT_EQ(codeOf(rig.execute("return await $ext.x.a()")), "RESOURCE_LIMIT");
  const TestExtension::Request second = rig.x->take();
  EXPECT_TRUE(second.call.stop.stop_requested()) << "nobody waits for it";
  first.reply.result("1");
  EXPECT_EQ(outcomeOf(call.get()), "1");
}

TEST(RuntimeExtensionTest, NoInstanceInTimeEndsTheCall) {
  Rig rig(nullptr, {.maxInstances = 1, .acquireTimeout = milliseconds(0)});
  const Handler endless = take(rig.runtime->precompile("for (;;);"));
  auto call = rig.start("return await $ext.x.a()");
  TestExtension::Request request = rig.x->take();
  ASSERT_TRUE(rig.eventuallyWaits(1));
  std::stop_source stop;
  std::thread other([&] { (void)rig.runtime->execute(endless, {.stop = stop.get_token()}); });
  ASSERT_TRUE(eventually([&] { return rig.runtime->stats().instancesActive == 1; }));
  request.reply.result("1");
  EXPECT_EQ(codeOf(call.get()), "UNAVAILABLE");
  EXPECT_EQ(rig.runtime->stats().suspensionsDropped, 1U);
  EXPECT_EQ(rig.runtime->stats().suspensionsResumed, 0U);
  stop.request_stop();
  other.join();
}

}  // namespace
}  // namespace nexus
