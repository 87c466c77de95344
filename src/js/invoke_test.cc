// What goes in and what comes out: values, arguments, promises, limits, metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using testing::EngineTest;
using testing::outcomeOf;
using testing::Rig;

class InvokeTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, InvokeTest, testing::kEveryEngine, testing::engineName);

struct Case {
  const char* source;
  std::string value;
  std::string args = "null";
};

void expectAll(Rig& rig, std::initializer_list<Case> cases) {
  for (const Case& row : cases) {
    EXPECT_EQ(rig.value(row.source, row.args), row.value) << row.source;
  }
}

TEST_P(InvokeTest, ValuesBecomeJson) {
  Rig rig(GetParam());
  expectAll(rig,
            {
                {"return null", "null"},
                {"return true", "true"},
                {"return false", "false"},
                {"return 0", "0"},
                {"return -0", "0"},
                {"return [-0]", "[0]"},
                {"return NaN", "null"},
                {"return -Infinity", "null"},
                {"return [NaN, Infinity]", "[null,null]"},
                {"return 1e21", "1e+21"},
                {"return 1e-7", "1e-7"},
                {"return 0.1 + 0.2", "0.30000000000000004"},
                {"return Number.MAX_SAFE_INTEGER", "9007199254740991"},
                {"return Number.MAX_VALUE", "1.7976931348623157e+308"},
                {"return 5e-324", "5e-324"},
                {"return -2147483648", "-2147483648"},
                {"return 4294967295", "4294967295"},
                {"return ''", R"("")"},
                {"return 'a\\0b'", R"("a\u0000b")"},
                {"return '\"\\\\\\n\\u2028'", "\"\\\"\\\\\\n\u2028\""},
                {"return 'grün 😀'", R"("grün 😀")"},
                {"return '\\u{1F600}'", R"("😀")"},
                {"return []", "[]"},
                {"return {}", "{}"},
                {"return { a: [1, { b: null }], 'c d': 'e' }", R"({"a":[1,{"b":null}],"c d":"e"})"},
                {"return [undefined, , 1]", "[null,null,1]"},
                {"return { a: undefined, b: 1 }", R"({"b":1})"},
                {"return new Number(3)", "3"},
                {"return new String('s')", R"("s")"},
                {"return Object(false)", "false"},
                {"return new Map([[1, 2]])", "{}"},
                {"return /x/", "{}"},
                {"return new Error('e')", "{}"},
                {"return new Uint8Array([1, 2])", R"({"0":1,"1":2})"},
                {"return { __proto__: { inherited: 1 }, own: 2 }", R"({"own":2})"},
                {"const o = Object.create(null); o.x = 1; return o", R"({"x":1})"},
                {"return new Proxy([1, 2], {})", "[1,2]"},
                {"return { get x() { return 7 } }", R"({"x":7})"},
            });
}

TEST_P(InvokeTest, UndefinedIsNoValue) {
  Rig rig(GetParam());
  expectAll(rig, {
                     {"return", "(none)"},
                     {";", "(none)"},
                     {"return undefined", "(none)"},
                     {"return void await 1", "(none)"},
                     {"return { toJSON() {} }", "(none)"},
                     {"return Promise.resolve()", "(none)"},
                 });
}

TEST_P(InvokeTest, ToJsonDecides) {
  Rig rig(GetParam());
  expectAll(rig, {
                     {"return new Date(86400000)", R"("1970-01-02T00:00:00.000Z")"},
                     {"return new Date(NaN)", "null"},
                     {"return { toJSON: () => 5 }", "5"},
                     {"return { a: { toJSON: (key) => key + '!' } }", R"({"a":"a!"})"},
                     {"return [{ toJSON: (key) => typeof key + key }]", R"(["string0"])"},
                 });
}

TEST_P(InvokeTest, PromisesAreAwaited) {
  Rig rig(GetParam());
  expectAll(rig,
            {
                {"return Promise.resolve(1)", "1"},
                {"return (async () => 2)()", "2"},
                {"return await 3", "3"},
                {"return await (await Promise.resolve(Promise.resolve(4)))", "4"},
                {"return { then(resolve) { resolve(5) } }", "5"},
                {"return { then: (resolve) => resolve({ then: (again) => again(6) }) }", "6"},
                {"return Object.assign(() => {}, { then: (resolve) => resolve(7) })", "7"},
                {"return { then: 8 }", R"({"then":8})"},
                {"return new Promise((r) => queueMicrotask(() => r(9)))", "9"},
                {"return Promise.allSettled([1, Promise.reject(2)])",
                 R"([{"status":"fulfilled","value":1},{"status":"rejected","reason":2}])"},
                {"class P extends Promise {} return P.resolve(10)", "10"},
                {"let n = 0; for (let i = 0; i < 1000; i++) n += await i; return n", "499500"},
                {"const out = []; for await (const x of (async function* () { yield 1; yield 2 "
                 "})()) out.push(x);"
                 "return out",
                 "[1,2]"},
                {"try { await Promise.reject(new Error('no')) } catch (e) { return e.message }",
                 R"("no")"},
            });
}

TEST_P(InvokeTest, ARejectionNobodyWaitsForIsNoError) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value("Promise.reject(new Error('ignored')); return 1"), "1");
}

TEST_P(InvokeTest, WhatCannotSettleIsAnErrorAtOnce) {
  Rig rig(GetParam());
  for (const char* source :
       {"return new Promise(() => {})", "await new Promise(() => {})", "return { then() {} }",
        "let p; p = (async () => { await null; await p })(); return p",
        "for await (const x of { [Symbol.asyncIterator]: () => "
        "({ next: () => new Promise(() => {}) }) });"}) {
    const Error error = rig.failure(source);
    EXPECT_EQ(error.code, ErrorCode::kExecutionError) << source;
    EXPECT_THAT(error.message, ::testing::HasSubstr("nothing can settle")) << source;
  }
  rig.expectNextCallRight();
}

TEST_P(InvokeTest, ArgumentsArriveAsTheyAre) {
  Rig rig(GetParam());
  for (const char* args :
       {"null", "true", "false", "0", "-1.5", "1e+21", R"("")", R"("a\u0000b")", R"("grün 😀")",
        "[]", "{}", R"([1,"2",[null,{"x":[]}]])", R"({"":0,"a b":{"constructor":1,"toString":2}})",
        R"({"__proto__":{"x":1}})"}) {
    EXPECT_EQ(rig.value("return $args", args), args);
  }
  EXPECT_EQ(rig.value("return Object.is($args, -0)", "-0"), "true");
  EXPECT_EQ(rig.value("return $args", " \n{ \"a\" :\t1 } "), R"({"a":1})");
  EXPECT_EQ(
      rig.value("return $args.x === undefined && ({}).x === undefined", R"({"__proto__":{"x":1}})"),
      "true");
}

TEST_P(InvokeTest, ArgumentsAreFrozenToTheGround) {
  Rig rig(GetParam());
  const std::string args = R"({"a":1,"list":[{"deep":[[0]]}],"o":{"p":{}}})";
  for (const char* write :
       {"$args.a = 2", "$args.b = 2", "delete $args.a", "$args.list.push(1)", "$args.list[0] = 1",
        "$args.list[0].deep[0][0] = 1", "$args.list.length = 0", "$args.o.p.q = 1",
        "$args.list.fill(0)", "Object.setPrototypeOf($args.o, null)",
        "Object.defineProperty($args.o.p, 'q', { value: 1 })"}) {
    const std::string source =
        std::string("try { ") + write + "; return 'written' } catch (e) { return [e.name, $args] }";
    EXPECT_EQ(rig.value(source, args), R"(["TypeError",)" + args + "]") << write;
  }
}

TEST_P(InvokeTest, ArgumentsOfAnySizeArrive) {
  Rig rig(GetParam());
  const auto handler = rig.compile("return $args.length");
  ASSERT_TRUE(handler);
  for (const size_t length : {size_t{0}, size_t{16000}, size_t{16381}, size_t{16382}, size_t{16383},
                              size_t{16384}, size_t{70000}, size_t{1} << 20, size_t{5} << 20}) {
    const std::string args = '"' + std::string(length, 'a') + '"';
    EXPECT_EQ(outcomeOf(rig.invoke(*handler, args)), std::to_string(length));
  }
  std::string list = "[0";
  for (int i = 1; i < 200'000; ++i) list += ",{}";
  EXPECT_EQ(outcomeOf(rig.invoke(*handler, list + "]")), "200000");
}

TEST_P(InvokeTest, InvalidArgumentsAreRefusedWithTheirPlace) {
  Rig rig(GetParam());
  const auto handler = rig.compile("return $args");
  ASSERT_TRUE(handler);
  const struct {
    std::string args;
    std::optional<SourceLocation> place;
  } rows[] = {
      {"", SourceLocation{1, 1}},       {" \n ", SourceLocation{2, 2}},
      {"{", SourceLocation{1, 2}},      {"[1,\n 2,\n ]", SourceLocation{3, 2}},
      {"nul", SourceLocation{1, 1}},    {"{'a':1}", SourceLocation{1, 2}},
      {"1 2", SourceLocation{1, 3}},    {"undefined", SourceLocation{1, 1}},
      {"NaN", SourceLocation{1, 1}},    {"\"\x01\"", SourceLocation{1, 2}},
      {"[1]//c", SourceLocation{1, 4}}, {"globalThis.x = 1", SourceLocation{1, 1}},
  };
  for (const auto& row : rows) {
    const ExecutionResult result = rig.invoke(*handler, row.args);
    ASSERT_TRUE(result.error) << row.args;
    EXPECT_EQ(result.error->code, ErrorCode::kInvalidInput) << row.args;
    EXPECT_EQ(result.error->location, row.place) << row.args << ": " << result.error->message;
  }
  rig.expectNextCallRight();
}

TEST_P(InvokeTest, RandomIsNewInEveryCall) {
  Rig rig(GetParam());
  const auto handler = rig.compile("return Math.random()");
  ASSERT_TRUE(handler);
  std::set<std::string> seen;
  const int calls = 10'000 / testing::kCountDivisor;
  for (int i = 0; i < calls; ++i) seen.insert(outcomeOf(rig.invoke(*handler)));
  EXPECT_EQ(seen.size(), static_cast<size_t>(calls));
}

TEST_P(InvokeTest, TheClockMovesInWholeMilliseconds) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value(R"(
    const moments = new Set();
    while (moments.size < 4) moments.add(Date.now());
    const list = [...moments];
    return [list.every(Number.isInteger), list.every((t, i) => i === 0 || t > list[i - 1]),
            Number.isInteger(+new Date()), list[0] > 1.7e12])"),
            "[true,true,true,true]");
}

TEST_P(InvokeTest, TheTimeZoneIsUtc) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value(R"(return [0, 1e12, 1720000000000].map((t) => {
      const d = new Date(t);
      return [d.getTimezoneOffset(), d.getHours() - d.getUTCHours(), String(d).includes('GMT+0000')];
    }))"),
            "[[0,0,true],[0,0,true],[0,0,true]]");
}

TEST_P(InvokeTest, MetricsGrowWithTheWork) {
  Rig rig(GetParam());
  const auto loop = rig.compile("let n = 0; for (let i = 0; i < $args; i++) n += i; return n");
  const auto hoard = rig.compile(
      "const a = []; for (let i = 0; i < $args; i++) a.push({ i });"
      "$log(a.length); $log('x'); globalThis.kept = a; return 0");
  ASSERT_TRUE(loop && hoard);
  const auto little = rig.invoke(*loop, "10000").metrics;
  const auto much = rig.invoke(*loop, "100000").metrics;
  EXPECT_GE(little.instructionCount, 10'000u);
  EXPECT_LT(little.instructionCount, 100'000u);
  EXPECT_GE(much.instructionCount, 8 * little.instructionCount);
  EXPECT_EQ(much.hostCalls.log, 0u);

  const auto small = rig.invoke(*hoard, "10").metrics;
  const auto big = rig.invoke(*hoard, "100000").metrics;
  EXPECT_EQ(big.hostCalls.log, 2u);
  EXPECT_GT(small.memoryUsedBytes, 0u);
  EXPECT_GT(big.memoryUsedBytes, small.memoryUsedBytes + 1'000'000);
  EXPECT_GT(big.memoryPeakBytes, small.memoryPeakBytes);
  for (const auto& metrics : {little, much, small, big}) {
    EXPECT_LE(metrics.memoryUsedBytes, metrics.memoryPeakBytes);
    EXPECT_LE(metrics.memoryPeakBytes, RuntimeConfig{}.memoryLimitBytes);
    EXPECT_GE(metrics.duration.count(), 0);
  }
  EXPECT_EQ(rig.invoke(*hoard, "10").metrics.memoryPeakBytes, small.memoryPeakBytes);
}

TEST_P(InvokeTest, SandboxesShareHandlers) {
  Rig rig(GetParam());
  const auto handler = rig.compile("globalThis.n = (globalThis.n ?? 0) + $args; return n");
  const auto other = rig.makeSandbox();
  ASSERT_TRUE(handler && other);
  for (int i = 1; i < 5; ++i) {
    for (JsSandbox* sandbox : {&rig.sandbox(), other.get()}) {
      EXPECT_EQ(outcomeOf(sandbox->invoke(*handler, {.args = std::to_string(i)})),
                std::to_string(i));
      EXPECT_TRUE(sandbox->restore());
    }
  }
}

TEST_P(InvokeTest, ACallAfterAnUnrestoredOneStartsFresh) {
  Rig rig(GetParam());
  const auto handler = rig.compile("globalThis.n = (globalThis.n ?? 0) + 1; return n");
  ASSERT_TRUE(handler);
  EXPECT_EQ(outcomeOf(rig.sandbox().invoke(*handler, {.args = "null"})), "1");
  EXPECT_EQ(outcomeOf(rig.sandbox().invoke(*handler, {.args = "null"})), "1");
}

TEST_P(InvokeTest, HandlersTakeTurnsInOneSandbox) {
  Rig rig(GetParam());
  std::vector<testing::HandlerPointer> handlers;
  for (int i = 0; i < 8; ++i) {
    handlers.push_back(rig.compile("const f" + std::to_string(i) + " = () => " + std::to_string(i) +
                                   "; globalThis.mine = globalThis.mine ?? f" + std::to_string(i) +
                                   "(); return mine"));
    ASSERT_TRUE(handlers.back());
  }
  for (int turn = 0; turn < 50; ++turn) {
    const int i = turn * 5 % 8;
    EXPECT_EQ(outcomeOf(rig.invoke(*handlers[i])), std::to_string(i));
  }
}

}  // namespace
}  // namespace nexus::js
