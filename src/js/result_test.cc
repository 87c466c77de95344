// Results that JSON cannot carry: an error that names the place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Rig;

class ResultTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, ResultTest, testing::kEveryEngine, testing::engineName);

TEST_P(ResultTest, UnfitValuesAreNamedWithTheirPlace) {
  Rig rig(GetParam());
  const struct {
    const char* source;
    const char* place;
  } rows[] = {
      {"return () => {}", "value is a function"},
      {"return class {}", "value is a function"},
      {"return Symbol('s')", "value is a symbol"},
      {"return 1n", "value is a bigint"},
      {"return Object(1n)", "BigInt"},
      {"return [1, 2n]", "value[1] is a bigint"},
      {"return { items: [0, 1, 2, { callback() {} }] }", "value.items[3].callback is a function"},
      {"return { a: Symbol.iterator }", "value.a is a symbol"},
      {"const o = {}; o.self = o; return o", "value.self contains itself"},
      {"const a = [[]]; a[0].push({ up: a }); return a", "value[0][0].up contains itself"},
      {"return await { f: Math.max }", "value.f is a function"},
      {"return { then: () => {} , x: 1 } ", "nothing can settle"},
  };
  for (const auto& row : rows) {
    const Error error = rig.failure(row.source);
    EXPECT_EQ(error.code, ErrorCode::kExecutionError) << row.source;
    EXPECT_THAT(error.message, HasSubstr(row.place)) << row.source;
  }
  rig.expectNextCallRight();
}

TEST_P(ResultTest, SharedValuesAreNoCycle) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value("const s = { x: 1 }; return [s, s, { s }]"),
            R"([{"x":1},{"x":1},{"s":{"x":1}}])");
}

TEST_P(ResultTest, NestingEndsAt256) {
  Rig rig(GetParam());
  const auto handler = rig.compile(
      "let v = $args.leaf; for (let i = 0; i < $args.depth; i++) v = $args.object ? { v } : [v];"
      "return v");
  ASSERT_TRUE(handler);
  for (const char* object : {"true", "false"}) {
    const auto args = [&](int depth) {
      return R"({"leaf":7,"depth":)" + std::to_string(depth) + R"(,"object":)" + object + "}";
    };
    EXPECT_TRUE(rig.invoke(*handler, args(256)).ok());
    for (const int depth : {257, 1000}) {
      const ExecutionResult result = rig.invoke(*handler, args(depth));
      ASSERT_TRUE(result.error);
      EXPECT_EQ(result.error->code, ErrorCode::kExecutionError);
      EXPECT_THAT(result.error->message, HasSubstr("256"));
      EXPECT_FALSE(result.value);
    }
    const ExecutionResult endless = rig.invoke(*handler, args(20'000));
    ASSERT_TRUE(endless.error);
    EXPECT_EQ(endless.error->code, ErrorCode::kStackOverflow) << endless.error->message;
  }
  rig.expectNextCallRight();
}

// JSON.stringify writes an escape for them, which no strict reader takes for text.
TEST_P(ResultTest, LoneSurrogatesAreRefused) {
  Rig rig(GetParam());
  for (const char* source : {"return '\\uD83D'", "return ['ok', '\\uDE00x']",
                             "return { a: { '\\uDC00': 1 } }", "return '\\uDE00\\uD83D'"}) {
    const Error error = rig.failure(source);
    EXPECT_EQ(error.code, ErrorCode::kExecutionError) << source;
    EXPECT_THAT(error.message, HasSubstr("lone surrogate")) << source;
  }
  EXPECT_EQ(rig.value("return '\\uD83D\\uDE00'"), R"("😀")");
}

TEST_P(ResultTest, WhatToJsonThrowsIsTheHandlersError) {
  Rig rig(GetParam());
  const Error error = rig.failure("return {\n  toJSON() { throw new RangeError('mine') }\n}");
  EXPECT_EQ(error.code, ErrorCode::kExecutionError);
  EXPECT_EQ(error.message, "RangeError: mine");
  ASSERT_TRUE(error.location);
  EXPECT_EQ(error.location->line, 2u);
}

TEST_P(ResultTest, HostileObjectsEndAsErrors) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(100)});
  const struct {
    const char* source;
    ErrorCode code;
  } rows[] = {
      {"return { get x() { throw new Error('g') } }", ErrorCode::kExecutionError},
      {"return { get x() { for (;;); } }", ErrorCode::kTimeout},
      {"return { get then() { throw new Error('t') } }", ErrorCode::kExecutionError},
      {"return new Proxy({}, { ownKeys() { throw new Error('p') } })", ErrorCode::kExecutionError},
      {"return new Proxy({}, { get() { for (;;); } })", ErrorCode::kTimeout},
      {"const r = Proxy.revocable({}, {}); r.revoke(); return r.proxy", ErrorCode::kExecutionError},
      {"return { then(resolve, reject) { reject(new Error('r')) } }", ErrorCode::kExecutionError},
      {"return { toJSON() { return 1n } }", ErrorCode::kExecutionError},
      {"return { toJSON() { return { toJSON: 1, f() {} } } }", ErrorCode::kExecutionError},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(rig.failure(row.source).code, row.code) << row.source;
    rig.expectNextCallRight();
  }
}

}  // namespace
}  // namespace nexus::js
