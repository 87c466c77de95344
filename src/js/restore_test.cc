// However a call ends, memory and globals are afterwards what the handler's image says; and ending
// a call from another thread.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using testing::EngineTest;
using testing::outcomeOf;
using testing::Rig;
using testing::sameContent;

class RestoreTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, RestoreTest, testing::kEveryEngine, testing::engineName);

// Cancels the one call that its life spans.
class Canceller {
 public:
  explicit Canceller(JsSandbox& sandbox)
      : thread_([this, &sandbox] {
          while (!over_.load() && !sandbox.cancel()) std::this_thread::yield();
        }) {}
  ~Canceller() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

TEST_P(RestoreTest, EveryEndLeavesTheImage) {
  Rig rig(GetParam(), {.memoryLimitBytes = 8ull << 20,
                       .timeout = std::chrono::milliseconds(120),
                       .maxHostCalls = 3});
  const struct {
    const char* source;
    std::optional<ErrorCode> code;
    bool cancel = false;
  } rows[] = {
      {"return 1", std::nullopt},
      {"globalThis.x = 'y'.repeat(1e5); return await x.length", std::nullopt},
      {"globalThis.a = []; for (let i = 0; i < 5e4; i++) a.push({ i }); return a.length",
       std::nullopt},
      {"throw new Error('e')", ErrorCode::kExecutionError},
      {"await 1; throw null", ErrorCode::kExecutionError},
      {"return new Promise(() => {})", ErrorCode::kExecutionError},
      {"for (;;) globalThis.n = (globalThis.n ?? 0) + 1", ErrorCode::kTimeout},
      {"[].reverse.call({ length: 2 ** 53 - 1 })", ErrorCode::kTimeout},
      {"const s = new Set(); for (let i = 0; ; i++) s.add(i % 1e4 + 'k')", ErrorCode::kTimeout},
      {"for (;;) $log('x')", ErrorCode::kResourceLimit},
      {"const a = []; for (;;) a.push('x'.repeat(1e5) + a.length)", ErrorCode::kMemoryLimit},
      {"const a = []; try { for (;;) a.push(new Uint8Array(1e6)) } catch {} return 1",
       std::nullopt},
      {"const f = () => f() + 1; return f()", ErrorCode::kStackOverflow},
      {"const f = { toJSON: () => JSON.stringify(f) }; return f", ErrorCode::kStackOverflow},
      {"for (;;);", ErrorCode::kCancelled, true},
      {"[].reverse.call({ length: 2 ** 53 - 1 })", ErrorCode::kCancelled, true},
  };
  for (const auto& row : rows) {
    const auto handler = rig.compile(row.source);
    ASSERT_TRUE(handler);
    const auto expected = rig.contentOf(*handler->image);
    for (int turn = 0; turn < 2; ++turn) {
      ExecutionResult result;
      if (row.cancel) {
        const Canceller canceller(rig.sandbox());
        result = rig.invoke(*handler);
      } else {
        result = rig.invoke(*handler);
      }
      if (row.code) {
        ASSERT_TRUE(result.error) << row.source;
        EXPECT_EQ(result.error->code, *row.code) << row.source << ": " << result.error->message;
      } else {
        EXPECT_TRUE(result.ok()) << row.source << ": " << outcomeOf(result);
      }
      ASSERT_TRUE(sameContent(expected, rig.contentOf(rig.sandbox()))) << row.source;
    }
  }
  rig.expectNextCallRight();
}

TEST_P(RestoreTest, EveryCompilationLeavesTheBase) {
  Rig rig(GetParam(), {.memoryLimitBytes = 8ull << 20, .timeout = std::chrono::milliseconds(120)});
  const auto& base = *rig.engine().base().image;
  const auto expected = rig.contentOf(base);
  std::string nested;
  for (int i = 0; i < 2000; ++i) nested += "function f(){";
  for (const std::string& source :
       {std::string("return 1"), std::string("return ("),
        std::string("}); globalThis.x = 1; (function(){"),
        std::string("}); for (;;); (function(){"), nested, std::string(900'000, '('),
        std::string("}); throw new Error('x'); (function(){"),
        std::string("}); 'x'.repeat(2 ** 29); (function(){")}) {
    (void)rig.sandbox().compile(source);
    ASSERT_TRUE(sameContent(expected, rig.contentOf(rig.sandbox()))) << source.substr(0, 60);
  }
  rig.expectNextCallRight();
}

TEST_P(RestoreTest, TrimChangesNothing) {
  Rig rig(GetParam());
  const auto handler = rig.compile("globalThis.a = new Array(3e5).fill(1); return a.length");
  ASSERT_TRUE(handler);
  const auto expected = rig.contentOf(*handler->image);
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT_EQ(outcomeOf(rig.invoke(*handler)), "300000");
    rig.sandbox().trim();
    EXPECT_TRUE(sameContent(expected, rig.contentOf(rig.sandbox())));
  }
}

TEST_P(RestoreTest, ANewSandboxIsTheBase) {
  Rig rig(GetParam());
  const auto other = rig.makeSandbox();
  ASSERT_TRUE(other);
  const auto& base = *rig.engine().base().image;
  EXPECT_TRUE(sameContent(rig.contentOf(base), rig.contentOf(*other)));
}

TEST(RestoreTwinTest, BootingTwiceGivesTheSameBytes) {
  Rig first(testing::EngineKind::kNative);
  Rig second(testing::EngineKind::kNative);
  EXPECT_TRUE(sameContent(first.contentOf(*first.engine().base().image),
                          second.contentOf(*second.engine().base().image)));
}

// The checked engine is the oracle for the native one.
TEST(RestoreTwinTest, BothEnginesHoldTheSameBytes) {
  Rig native(testing::EngineKind::kNative);
  Rig checked(testing::EngineKind::kChecked);
  EXPECT_TRUE(sameContent(native.contentOf(*native.engine().base().image),
                          checked.contentOf(*checked.engine().base().image)));
  constexpr char kSource[] = "const f = (n) => n < 2 ? n : f(n - 1) + f(n - 2); return f($args)";
  const auto one = native.compile(kSource);
  const auto two = checked.compile(kSource);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->code->bytecode, two->code->bytecode);
  EXPECT_TRUE(sameContent(native.contentOf(*one->image), checked.contentOf(*two->image)));
}

TEST_P(RestoreTest, CancellingEndsTheCallWhereverItIs) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(0)});
  for (const char* source : {"for (;;);", "try { for (;;); } catch { return 1 }",
                             "[].reverse.call({ length: 2 ** 53 - 1 })",
                             "const f = () => Promise.resolve().then(f); return f()",
                             "for (;;) await null", "return /(a+)+$/.test('a'.repeat(40) + 'b')"}) {
    const auto handler = rig.compile(source);
    ASSERT_TRUE(handler);
    const Canceller canceller(rig.sandbox());
    const ExecutionResult result = rig.invoke(*handler);
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->code, ErrorCode::kCancelled) << source;
    EXPECT_FALSE(result.value);
  }
  rig.expectNextCallRight();
}

TEST_P(RestoreTest, CancellingEndsACompilation) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(0)});
  {
    const Canceller canceller(rig.sandbox());
    EXPECT_EQ(rig.compileError("}); for (;;); (function () {").code, ErrorCode::kCancelled);
  }
  rig.expectNextCallRight();
}

TEST_P(RestoreTest, CancellingNothingIsNothing) {
  Rig rig(GetParam());
  EXPECT_FALSE(rig.sandbox().cancel());
  rig.expectNextCallRight();
  EXPECT_FALSE(rig.sandbox().cancel());
  rig.expectNextCallRight();
}

// Cancelling at any moment gives the value or CANCELLED, and spoils no later call.
TEST_P(RestoreTest, CancellingAtAnyMoment) {
  Rig rig(GetParam());
  const auto handler = rig.compile("let n = 0; for (let i = 0; i < $args; i++) n++; return n");
  ASSERT_TRUE(handler);
  std::atomic<bool> over{false};
  std::thread canceller([&] {
    while (!over) {
      rig.sandbox().cancel();
      for (int i = 0; i < 200 && !over; ++i) std::this_thread::yield();
    }
  });
  int cancelled = 0;
  for (int i = 0; i < 2000 / testing::kCountDivisor; ++i) {
    const ExecutionResult result = rig.invoke(*handler, std::to_string(i));
    if (result.error) {
      EXPECT_EQ(result.error->code, ErrorCode::kCancelled);
      ++cancelled;
    } else {
      EXPECT_EQ(result.value, std::to_string(i));
    }
  }
  over = true;
  canceller.join();
  RecordProperty("cancelled", cancelled);
  rig.expectNextCallRight();
}

}  // namespace
}  // namespace nexus::js
