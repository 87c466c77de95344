// Limits, time, cancelling and restoring of calls that wait: what is counted goes on counting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "js/testing/waiting_call.h"

namespace nexus::js {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::changesOf;
using testing::EngineTest;
using testing::kCountDivisor;
using testing::logOf;
using testing::outcomeOf;
using testing::pendingOf;
using testing::Rig;
using testing::sameContent;
using testing::WaitingCall;

class SuspensionLimitsTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SuspensionLimitsTest, testing::kEveryEngine, testing::engineName);

struct Counted {
  const char* why;
  RuntimeConfig config;
  const char* source;  // asks for x.y once in each of its runs
  int waits;           // how often it may wait before the limit ends it
  LimitReport limit;
  const char* state = "{}";
};

// Answers until the call ends, as often as it waits.
ExecutionResult answerAll(WaitingCall& call, int& waits) {
  constexpr int kMany = 100;
  ExecutionResult result = call.start();
  while (result.status() == CallStatus::kSuspended && waits < kMany) {
    ++waits;
    call.keep(result);
    result = call.answer(result.pending.front().id, "\"12345678\"");  // ten bytes
  }
  return result;
}

TEST_P(SuspensionLimitsTest, LimitsAreThoseOfTheWholeCall) {
  const Counted rows[] = {
      {"host calls: two in each run",
       {.maxHostCalls = 6},
       "for (;;) { $log('x'); await $ext.x.y() }",
       3,
       {"max_host_calls", 6, 7}},
      {"refused ones are counted, too",
       {.maxHostCalls = 6},
       "for (;;) { try { $emit({}) } catch {} $emit('e'); await $ext.x.y() }",
       3,
       {"max_host_calls", 6, 7}},
      {"events",
       {.maxEvents = 3},
       "for (;;) { $emit('e'); await $ext.x.y() }",
       3,
       {"max_events", 3, 4}},
      {"distinct keys",
       {.maxStateMutations = 3},
       "for (let i = 0;; i++) { $state['k' + i] = i; await $ext.x.y() }",
       3,
       {"max_state_mutations", 3, 4}},
      {"the same key again is no new one",
       {.maxHostCalls = 20, .maxStateMutations = 1},
       "for (let i = 0;; i++) { $state.k = i; await $ext.x.y() }",
       10,
       {"max_host_calls", 20, 21}},
      {"deleted keys are written ones",
       {.maxStateMutations = 2},
       "for (let i = 0;; i++) { delete $state['k' + i]; await $ext.x.y() }",
       2,
       {"max_state_mutations", 2, 3}},
      {"output: a request holds x, y and [], four bytes, an event ten",
       {.maxOutputBytes = 42},
       "for (;;) { $emit('1234567890'); await $ext.x.y() }",
       3,
       {"max_output_bytes", 42, 52}},
      {"output: the state is held in each run",
       {.maxOutputBytes = 45},
       "for (;;) { $state.k = '1234567'; await $ext.x.y() }",
       3,
       {"max_output_bytes", 45, 46}},
      {"log",
       {.maxLogBytes = 30},
       "for (;;) { $log('1234567890'); await $ext.x.y() }",
       3,
       {"max_log_bytes", 30, 40}},
      {"input: the arguments, two bytes, and ten of each answer",
       {.maxInputBytes = 32},
       "for (;;) { await $ext.x.y() }",
       4,
       {"max_input_bytes", 32, 42}},
      {"input: a key is taken in again after each wait",
       {.maxInputBytes = 42},
       "for (;;) { $state.k; await $ext.x.y() }",
       2,
       {"max_input_bytes", 42, 52},
       R"({"k":"12345678"})"},
  };
  for (const Counted& row : rows) {
    SCOPED_TRACE(row.why);
    Rig rig(GetParam(), row.config);
    WaitingCall call(rig, row.source, row.state);
    int waits = 0;
    const ExecutionResult last = answerAll(call, waits);
    ASSERT_TRUE(last.error) << outcomeOf(last);
    EXPECT_EQ(last.error->code, ErrorCode::kResourceLimit) << last.error->message;
    ASSERT_TRUE(last.error->limit);
    EXPECT_EQ(last.error->limit->name, row.limit.name);
    EXPECT_EQ(last.error->limit->value, row.limit.value);
    EXPECT_EQ(last.error->limit->observed, row.limit.observed);
    EXPECT_EQ(waits, row.waits);
    EXPECT_EQ(call.refusal({}).code, ErrorCode::kNotFound) << "it is over";
    EXPECT_TRUE(rig.sandbox().restore());
    WaitingCall again(rig, row.source, row.state);
    int sameWaits = 0;
    answerAll(again, sameWaits);
    EXPECT_EQ(sameWaits, row.waits) << "a new call counts from the start";
  }
}

TEST_P(SuspensionLimitsTest, AValueThatIsTooLongWithWhatWasHeldBefore) {
  Rig rig(GetParam(), {.maxOutputBytes = 100});
  for (const auto& [length, fits] : {std::pair(44, true), std::pair(45, false)}) {
    WaitingCall call(rig, "$emit('e'.repeat(50)); await $ext.x.y(); return 'v'.repeat(" +
                              std::to_string(length) + ")");
    call.start();  // 50 and 4 bytes
    const ExecutionResult last = call.answer(1, "null");
    EXPECT_EQ(last.ok(), fits) << length;
    EXPECT_EQ(last.ok() ? "" : last.error->limit->name, fits ? "" : "max_output_bytes");
  }
}

TEST_P(SuspensionLimitsTest, AnAnswerMakesRoomForARequest) {
  Rig rig(GetParam(), {.maxPendingRequests = 2});
  WaitingCall call(rig, R"(
    const slow = $ext.a.slow();
    for (let i = 0; i < 5; i++) await $ext.x.y(i);
    await Promise.all([slow, $ext.x.y(), $ext.x.z()]);
  )");
  ExecutionResult result = call.start();
  for (uint64_t id = 2; id < 6; ++id) result = call.answer(id, "null");
  EXPECT_EQ(pendingOf(result), "1 a.slow []; 6 x.y [4]");
  const ExecutionResult beyond = call.answer(6, "null");
  ASSERT_TRUE(beyond.error && beyond.error->limit);
  EXPECT_EQ(beyond.error->code, ErrorCode::kResourceLimit);
  EXPECT_EQ(beyond.error->limit->name, "max_pending_requests");
  EXPECT_EQ(beyond.error->limit->observed, 3u);
}

TEST_P(SuspensionLimitsTest, MemoryIsHeldOverAWait) {
  Rig rig(GetParam(), {.memoryLimitBytes = 8u << 20});
  WaitingCall call(rig,
                   "const a = new Uint8Array(4e6); await $ext.x.y();"
                   "const b = new Uint8Array(4e6); return a.length + b.length");
  const ExecutionResult first = call.start();
  EXPECT_EQ(first.status(), CallStatus::kSuspended);
  const ExecutionResult failed = call.answer(1, "null");
  ASSERT_TRUE(failed.error);
  EXPECT_EQ(failed.error->code, ErrorCode::kMemoryLimit) << failed.error->message;
  EXPECT_TRUE(rig.sandbox().restore());
  rig.expectNextCallRight();
}

TEST_P(SuspensionLimitsTest, AnAnswerBeyondTheMemoryIsAMemoryLimit) {
  Rig rig(GetParam(), {.memoryLimitBytes = 4u << 20});
  for (const bool isResult : {true, false}) {
    WaitingCall call(rig, "return (await $ext.x.y()).length");
    call.start();
    const std::string text = '"' + std::string(5u << 20, 'x') + '"';
    const ExecutionResult failed = isResult ? call.answer(1, text) : call.fail(1, text);
    ASSERT_TRUE(failed.error) << isResult;
    EXPECT_EQ(failed.error->code, ErrorCode::kMemoryLimit) << failed.error->message;
    EXPECT_TRUE(rig.sandbox().restore());
    rig.expectNextCallRight();
  }
}

TEST_P(SuspensionLimitsTest, TheTimeOfAllRunsIsLimited) {
  Rig rig(GetParam(), {.timeout = milliseconds(100)});
  WaitingCall call(rig,
                   "for (;;) { const end = Date.now() + 10; while (Date.now() < end);"
                   "await $ext.x.y() }");
  int waits = 0;
  const ExecutionResult last = answerAll(call, waits);
  ASSERT_TRUE(last.error) << "each run is far below the limit";
  EXPECT_EQ(last.error->code, ErrorCode::kTimeout);
  EXPECT_LE(waits, 15);
  EXPECT_GE(last.metrics.duration, milliseconds(100));
  EXPECT_TRUE(rig.sandbox().restore());
  rig.expectNextCallRight();
}

TEST_P(SuspensionLimitsTest, ALoopAfterAWaitTimesOut) {
  Rig rig(GetParam(), {.timeout = milliseconds(200)});
  WaitingCall call(rig, "$state.a = 1; await $ext.x.y(); $state.b = 2; for (;;);");
  EXPECT_EQ(changesOf(call.start()), "a=1");
  const ExecutionResult last = call.answer(1, "null");
  ASSERT_TRUE(last.error);
  EXPECT_EQ(last.error->code, ErrorCode::kTimeout);
  EXPECT_EQ(changesOf(last), "");
}

TEST_P(SuspensionLimitsTest, WaitingIsNoExecution) {
  Rig rig(GetParam());
  WaitingCall call(rig, "return await $ext.x.y()");
  const auto began = steady_clock::now();
  call.start();
  const auto waits = steady_clock::now();
  const Rig other(GetParam());  // takes time
  const auto goesOn = steady_clock::now();
  const ExecutionResult last = call.answer(1, "null");
  const auto ended = steady_clock::now();
  EXPECT_LE(last.metrics.duration, (waits - began) + (ended - goesOn));
}

TEST_P(SuspensionLimitsTest, MetricsAreThoseOfTheWholeCall) {
  Rig rig(GetParam());
  WaitingCall call(rig, R"(
    const work = () => { let n = 0; for (let i = 0; i < 50000; i++) n += i; return n };
    work(); $log('a'); $emit('b'); $state.c = 1; $view.focus('d');
    await $ext.x.y();
    work(); $log('e');
  )");
  const ExecutionMetrics first = call.start().metrics;
  const ExecutionMetrics last = call.answer(1, "null").metrics;
  EXPECT_GE(first.instructionCount, 50'000u);
  EXPECT_GE(last.instructionCount, first.instructionCount + 50'000);
  EXPECT_GT(last.duration, first.duration);
  EXPECT_EQ(first.hostCalls.total(), 5u);
  EXPECT_EQ(last.hostCalls.log, 2u);
  EXPECT_EQ(last.hostCalls.emit, 1u);
  EXPECT_EQ(last.hostCalls.state, 1u);
  EXPECT_EQ(last.hostCalls.view, 1u);
  EXPECT_EQ(last.hostCalls.ext, 1u);
}

// Cancels from another thread until that has hit.
class Canceller {
 public:
  explicit Canceller(JsSandbox& sandbox)
      : thread_([this, &sandbox] {
          while (!isOver_.load() && !sandbox.cancel()) std::this_thread::yield();
        }) {}
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;
  ~Canceller() {
    isOver_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> isOver_{false};
  std::thread thread_;
};

TEST_P(SuspensionLimitsTest, CancelledWhileItRunsAfterAWait) {
  Rig rig(GetParam());
  WaitingCall call(rig, "await $ext.x.y(); $state.a = 1; $log('on'); for (;;);");
  call.start();
  const ExecutionResult cancelled = [&] {
    const Canceller canceller(rig.sandbox());
    return call.answer(1, "null");
  }();
  ASSERT_TRUE(cancelled.error);
  EXPECT_EQ(cancelled.error->code, ErrorCode::kCancelled);
  EXPECT_EQ(changesOf(cancelled), "");
  EXPECT_EQ(call.refusal({}).code, ErrorCode::kNotFound);
  EXPECT_TRUE(rig.sandbox().restore());
  rig.expectNextCallRight();
}

// Whoever drops a call that waits has its request's answer nowhere to go.
TEST_P(SuspensionLimitsTest, WhatWaitsDoesNotExecuteAndCannotBeCancelled) {
  Rig rig(GetParam());
  WaitingCall call(rig, "return await $ext.x.y()");
  call.start();
  EXPECT_FALSE(rig.sandbox().cancel());
  EXPECT_EQ(outcomeOf(call.answer(1, "1")), "1");
}

TEST_P(SuspensionLimitsTest, AThousandWaitsLeaveTheSandboxAsItWas) {
  Rig rig(GetParam());
  const int waits = 1000 / kCountDivisor;
  WaitingCall call(rig, R"(
    let sum = 0;
    for (;;) {
      const next = await $ext.x.next(sum);
      if (next === null) return [sum, $state.n];
      sum += next;
      $state.n = sum;
      globalThis['left' + sum] = [next];
    }
  )");
  ExecutionResult result = call.start();
  for (int i = 1; i <= waits; ++i) {
    call.keep(result);
    ASSERT_EQ(pendingOf(result), std::to_string(i) + " x.next [" + std::to_string(i - 1) + "]");
    result = call.answer(static_cast<uint64_t>(i), "1");
    ASSERT_EQ(changesOf(result), "n=" + std::to_string(i));
  }
  call.keep(result);
  const std::string sum = std::to_string(waits);
  EXPECT_EQ(outcomeOf(call.answer(static_cast<uint64_t>(waits) + 1, "null")),
            "[" + sum + "," + sum + "]");
  EXPECT_TRUE(rig.sandbox().restore());
  EXPECT_TRUE(sameContent(rig.contentOf(*call.handler().image), rig.contentOf(rig.sandbox())));
}

TEST_P(SuspensionLimitsTest, AThousandCallsThatAreDroppedLeaveTheSandboxAsItWas) {
  Rig rig(GetParam());
  WaitingCall call(rig, "globalThis.left = [await $ext.x.y(1), await $ext.x.y(2)]");
  const auto expected = rig.contentOf(*call.handler().image);
  for (int i = 0; i < 1000 / kCountDivisor; ++i) {
    ASSERT_EQ(pendingOf(call.start()), "1 x.y [1]");
    if (i % 2 == 0) {
      ASSERT_EQ(pendingOf(call.answer(1, "[]")), "2 x.y [2]");
    }
    ASSERT_TRUE(rig.sandbox().restore());
  }
  EXPECT_TRUE(sameContent(expected, rig.contentOf(rig.sandbox())));
  rig.expectNextCallRight();
}

}  // namespace
}  // namespace nexus::js
