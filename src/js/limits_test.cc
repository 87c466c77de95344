// Each limit of a call where it bites and where it does not yet, and the log.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using testing::EngineTest;
using testing::outcomeOf;
using testing::Rig;

class LimitsTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, LimitsTest, testing::kEveryEngine, testing::engineName);

void expectLimit(const ExecutionResult& result, const LimitReport& expected,
                 ErrorCode code = ErrorCode::kResourceLimit) {
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code, code) << result.error->message;
  ASSERT_TRUE(result.error->limit) << result.error->message;
  EXPECT_EQ(result.error->limit->name, expected.name);
  EXPECT_EQ(result.error->limit->value, expected.value);
  EXPECT_EQ(result.error->limit->observed, expected.observed);
  EXPECT_FALSE(result.value);
}

TEST_P(LimitsTest, Input) {
  Rig rig(GetParam(), {.maxInputBytes = 100});
  const auto handler = rig.compile("return $args.length");
  ASSERT_TRUE(handler);
  const auto args = [](size_t bytes) { return '"' + std::string(bytes - 2, 'x') + '"'; };
  EXPECT_EQ(outcomeOf(rig.invoke(*handler, args(100))), "98");
  expectLimit(rig.invoke(*handler, args(101)), {"max_input_bytes", 100, 101});
  EXPECT_EQ(outcomeOf(rig.invoke(*handler, args(100))), "98");
}

TEST_P(LimitsTest, Output) {
  Rig rig(GetParam(), {.maxOutputBytes = 1000});
  const auto handler = rig.compile("return 'x'.repeat($args)");
  ASSERT_TRUE(handler);
  EXPECT_EQ(rig.invoke(*handler, "998").value.value_or("").size(), 1000u);
  expectLimit(rig.invoke(*handler, "999"), {"max_output_bytes", 1000, 1001});
  expectLimit(rig.invoke(*handler, "1000000"), {"max_output_bytes", 1000, 1'000'002});
  // Bytes of UTF-8, not characters.
  expectLimit(rig.run("return 'ü'.repeat(500)"), {"max_output_bytes", 1000, 1002});
}

TEST_P(LimitsTest, OutputCountsValueAndLog) {
  Rig rig(GetParam(), {.maxOutputBytes = 1000});
  const auto handler = rig.compile("$log('y'.repeat(500)); return 'x'.repeat($args)");
  ASSERT_TRUE(handler);
  EXPECT_TRUE(rig.invoke(*handler, "498").ok());
  expectLimit(rig.invoke(*handler, "499"), {"max_output_bytes", 1000, 1001});
}

TEST_P(LimitsTest, LogBytesEndTheCallCaughtOrNot) {
  Rig rig(GetParam(), {.maxLogBytes = 100});
  const auto handler = rig.compile(
      "$log('a'.repeat(60)); try { $log('b'.repeat($args)) } catch { return 'caught' } return 1");
  ASSERT_TRUE(handler);
  const ExecutionResult below = rig.invoke(*handler, "40");
  EXPECT_EQ(outcomeOf(below), "1");
  EXPECT_EQ(below.log.size(), 2u);
  const ExecutionResult beyond = rig.invoke(*handler, "41");
  expectLimit(beyond, {"max_log_bytes", 100, 101});
  ASSERT_EQ(beyond.log.size(), 1u);
  EXPECT_EQ(beyond.log[0].message, std::string(60, 'a'));
  expectLimit(rig.invoke(*handler, "10000000"), {"max_log_bytes", 100, 10'000'060});
  rig.expectNextCallRight();
}

TEST_P(LimitsTest, HostCallsEndTheCallCaughtOrNot) {
  Rig rig(GetParam(), {.maxHostCalls = 5});
  const auto handler = rig.compile(
      "for (let i = 0; i < $args; i++) { try { $log(i) } catch {} finally { globalThis.n = i } }"
      "return 1");
  ASSERT_TRUE(handler);
  const ExecutionResult below = rig.invoke(*handler, "5");
  EXPECT_EQ(outcomeOf(below), "1");
  EXPECT_EQ(below.metrics.hostCalls.log, 5u);
  const ExecutionResult beyond = rig.invoke(*handler, "1e9");
  expectLimit(beyond, {"max_host_calls", 5, 6});
  EXPECT_EQ(beyond.log.size(), 5u);
  rig.expectNextCallRight();
}

TEST_P(LimitsTest, HostCallsMayBeNone) {
  Rig rig(GetParam(), {.maxHostCalls = 0});
  EXPECT_EQ(rig.value("return 1"), "1");
  expectLimit(rig.run("$log('x'); return 1"), {"max_host_calls", 0, 1});
}

TEST_P(LimitsTest, Memory) {
  constexpr uint64_t kLimit = 8ull << 20;
  Rig rig(GetParam(), {.memoryLimitBytes = kLimit});
  const auto handler = rig.compile("return new Uint8Array($args).length");
  ASSERT_TRUE(handler);
  EXPECT_EQ(outcomeOf(rig.invoke(*handler, "5000000")), "5000000");
  const ExecutionResult beyond = rig.invoke(*handler, "8388608");
  ASSERT_TRUE(beyond.error && beyond.error->limit);
  EXPECT_EQ(beyond.error->code, ErrorCode::kMemoryLimit);
  EXPECT_EQ(beyond.error->limit->name, "memory_limit_bytes");
  EXPECT_EQ(beyond.error->limit->value, kLimit);
  EXPECT_LE(beyond.metrics.memoryPeakBytes, kLimit);
  EXPECT_EQ(rig.value("try { new Uint8Array(8388608) } catch (e) { return e.name } return 0"),
            R"("InternalError")");
}

TEST_P(LimitsTest, ArgumentsBeyondTheMemoryAreAMemoryLimit) {
  Rig rig(GetParam(), {.memoryLimitBytes = 4ull << 20});
  const auto handler = rig.compile("return $args.length");
  ASSERT_TRUE(handler);
  for (const size_t megabytes : {size_t{2}, size_t{5}, size_t{12}}) {
    const ExecutionResult result =
        rig.invoke(*handler, '"' + std::string(megabytes << 20, 'x') + '"');
    ASSERT_TRUE(result.error) << megabytes;
    EXPECT_EQ(result.error->code, ErrorCode::kMemoryLimit) << result.error->message;
  }
  rig.expectNextCallRight();
}

TEST_P(LimitsTest, Stack) {
  Rig rig(GetParam());
  const ExecutionResult result = rig.run("const f = () => f() + 1; return f()");
  expectLimit(result, {"stack_size_bytes", 262144, 262144}, ErrorCode::kStackOverflow);
  ASSERT_TRUE(result.error->location);
  EXPECT_EQ(result.error->location->line, 1u);
  EXPECT_EQ(rig.value("const f = (n) => n && 1 + f(n - 1); return f(300)"), "300");
  EXPECT_EQ(rig.value("const f = () => f() + 1; try { f() } catch (e) { return e.name }"),
            R"("RangeError")");
}

TEST_P(LimitsTest, Timeout) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(30)});
  const ExecutionResult result = rig.run("$log('begun');\n  for (;;) {\n  }");
  ASSERT_TRUE(result.error && result.error->limit);
  const uint64_t observed = result.error->limit->observed;
  EXPECT_GE(observed, 30u);
  expectLimit(result, {"timeout_ms", 30, observed}, ErrorCode::kTimeout);
  ASSERT_EQ(result.log.size(), 1u);
  EXPECT_GE(result.metrics.duration, std::chrono::milliseconds(30));
  rig.expectNextCallRight();
}

TEST_P(LimitsTest, TimeoutCannotBeCaught) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(20)});
  for (const char* source :
       {"try { for (;;); } catch { return 1 }", "try { for (;;); } finally { return 1 }",
        "for (;;) { try { for (;;); } catch {} }",
        "try { await (async () => { for (;;); })() } catch { return 1 }",
        "return (async () => { for (;;); })().catch(() => 1)",
        "return Promise.resolve().then(() => { for (;;); }).catch(() => 1).finally(() => 2)",
        "return [...(function* () { try { for (;;); } finally { yield 1 } })()]",
        "return { get then() { for (;;); } }", "return { toJSON() { for (;;); } }",
        "$log({ toString() { for (;;); }, toJSON() { for (;;); } }); return 1"}) {
    EXPECT_EQ(rig.failure(source).code, ErrorCode::kTimeout) << source;
  }
  rig.expectNextCallRight();
}

TEST_P(LimitsTest, NoTimeoutIsNoLimit) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(0)});
  EXPECT_EQ(rig.value("const end = Date.now() + 20; while (Date.now() < end); return 1"), "1");
}

TEST_P(LimitsTest, LogKeepsLevelsAndOrder) {
  Rig rig(GetParam());
  const ExecutionResult result = rig.run(
      "$log('a'); $log.debug('b'); $log.info('c'); $log.warn('d'); await null; $log.error('e')");
  ASSERT_EQ(result.log.size(), 5u);
  const LogLevel levels[] = {LogLevel::kInfo, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn,
                             LogLevel::kError};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(result.log[i].level, levels[i]);
    EXPECT_EQ(result.log[i].message, std::string(1, static_cast<char>('a' + i)));
  }
}

TEST_P(LimitsTest, LogShowsAnything) {
  Rig rig(GetParam());
  const struct {
    const char* values;
    const char* text;
  } rows[] = {
      {"", ""},
      {"'a', 1, true, null, undefined", "a 1 true null undefined"},
      {"{ a: [1] }, [2]", R"({"a":[1]} [2])"},
      {"new TypeError('no')", "TypeError: no"},
      {"1n, Symbol('s'), -0", "1 Symbol(s) 0"},
      {"'grün 😀'", "grün 😀"},
      {"'\\uD83D'", "\uFFFD\uFFFD\uFFFD"},  // one for each byte
      {"'a\\nb'", "a\nb"},
      {"'x'.repeat(600) + 'y'.repeat(600) && 'z'", "z"},
      {"{ get x() { throw 1 } }", "[object]"},
      {"{ toJSON() { return undefined } }", "[object Object]"},
      {"Object.create(null)", "{}"},
      {"(() => { const o = {}; o.o = o; return o })()", "[object]"},
      {"new Proxy({}, { get() { throw 1 } })", "[object]"},
  };
  for (const auto& row : rows) {
    const ExecutionResult result = rig.run("$log(" + std::string(row.values) + ")");
    ASSERT_EQ(result.log.size(), 1u) << row.values << outcomeOf(result);
    EXPECT_EQ(result.log[0].message, row.text) << row.values;
  }
}

TEST_P(LimitsTest, LogTakesLongTextInParts) {
  Rig rig(GetParam());
  const ExecutionResult result = rig.run("$log('a'.repeat(9000), 'b'.repeat(9000)); $log('end')");
  ASSERT_EQ(result.log.size(), 2u);
  EXPECT_EQ(result.log[0].message, std::string(9000, 'a') + ' ' + std::string(9000, 'b'));
}

TEST_P(LimitsTest, LogIsKeptOnError) {
  Rig rig(GetParam());
  const ExecutionResult result = rig.run("$log('before'); throw new Error('x'); $log('after')");
  ASSERT_TRUE(result.error);
  ASSERT_EQ(result.log.size(), 1u);
  EXPECT_EQ(result.log[0].message, "before");
  EXPECT_TRUE(rig.run("return 1").log.empty());
}

TEST_P(LimitsTest, LogIsFrozen) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value("try { $log.info = 1 } catch (e) { return e.name }"), R"("TypeError")");
  EXPECT_EQ(rig.value("try { $log.extra = 1 } catch (e) { return e.name }"), R"("TypeError")");
}

// A stop while the host takes a log's text from the guest is a timeout, not the host's refusal.
TEST_P(LimitsTest, StopDuringLogIsATimeout) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(20), .maxLogBytes = 1u << 30});
  const auto handler =
      rig.compile("const s = '\\u00fc\\u4e00'.repeat(1e6); for (;;) { $log(s); $log.debug(s); }");
  ASSERT_TRUE(handler);
  for (int i = 0; i < 5; ++i) {
    const ExecutionResult result = rig.invoke(*handler);
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->code, ErrorCode::kTimeout) << result.error->message;
  }
  rig.expectNextCallRight();
}

TEST_P(LimitsTest, LogWithoutMemoryIsAMemoryLimit) {
  Rig rig(GetParam(), {.memoryLimitBytes = 4u << 20, .maxLogBytes = 1u << 30});
  const Error error = rig.failure("const s = '\\u00fc'.repeat(9e5); $log(s); return 1");
  EXPECT_EQ(error.code, ErrorCode::kMemoryLimit) << error.message;
  rig.expectNextCallRight();
}

}  // namespace
}  // namespace nexus::js
