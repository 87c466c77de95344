// Errors of handlers: what they say, and where in the handler's own source they point.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Rig;

class FailureTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, FailureTest, testing::kEveryEngine, testing::engineName);

TEST_P(FailureTest, PointsAtThePlace) {
  Rig rig(GetParam());
  const struct {
    const char* source;
    const char* message;
    SourceLocation place;
    const char* snippet;
  } rows[] = {
      {"throw new Error('a')", "Error: a", {1, 11}, "throw new Error('a')"},
      {"\n\n  throw new Error('b')", "Error: b", {3, 13}, "  throw new Error('b')"},
      {"const x = null;\nreturn x.y",
       "TypeError: cannot read property 'y' of null",
       {2, 8},
       "return x.y"},
      {"return missing", "ReferenceError: missing is not defined", {1, 8}, "return missing"},
      {"function f() {\n  throw new RangeError('c')\n}\nf()",
       "RangeError: c",
       {2, 13},
       "  throw new RangeError('c')"},
      {"const f = () =>\n  [1].map((x) => {\n    throw new Error('d')\n  });\nreturn f()",
       "Error: d",
       {3, 15},
       "    throw new Error('d')"},
      {"await null;\nthrow new Error('e')", "Error: e", {2, 11}, "throw new Error('e')"},
      {"const g = async () => {\n  await null;\n  throw new Error('f')\n};\nawait g()",
       "Error: f",
       {3, 13},
       "  throw new Error('f')"},
      {"return (async () => {\n  throw new Error('g')\n})()",
       "Error: g",
       {2, 13},
       "  throw new Error('g')"},
      {"return Promise.reject(\n  new TypeError('h'))",
       "TypeError: h",
       {2, 7},
       "  new TypeError('h'))"},
      {"class A {\n  get x() { throw new Error('i') }\n}\nreturn new A().x",
       "Error: i",
       {2, 23},
       "  get x() { throw new Error('i') }"},
      {"a: {\r\n  throw new Error('j')\r\n}", "Error: j", {2, 13}, "  throw new Error('j')"},
      {"const s = '😀ü'; throw new Error('k')",
       "Error: k",
       {1, 28},
       "const s = '😀ü'; throw new Error('k')"},
      {"let x; const y = 1; y = 2",
       "TypeError: 'y' is read-only",
       {1, 21},
       "let x; const y = 1; y = 2"},
      {"undeclared = 1", "ReferenceError: undeclared is not defined", {1, 1}, "undeclared = 1"},
      {"return JSON.parse('{')", "SyntaxError", {1, 13}, "return JSON.parse('{')"},
      {"return [3, 1].sort(() => {\n throw new Error('l') })",
       "Error: l",
       {2, 12},
       " throw new Error('l') })"},
  };
  for (const auto& row : rows) {
    const Error error = rig.failure(row.source);
    EXPECT_EQ(error.code, ErrorCode::kExecutionError) << row.source;
    EXPECT_THAT(error.message, HasSubstr(row.message)) << row.source;
    ASSERT_TRUE(error.location) << row.source;
    EXPECT_EQ(*error.location, row.place) << row.source;
    EXPECT_EQ(error.snippet, row.snippet) << row.source;
  }
}

TEST_P(FailureTest, TheStackNamesTheHandlersFunctionsOnly) {
  Rig rig(GetParam());
  const Error error = rig.failure(
      "function inner() {\n  throw new Error('x')\n}\nconst outer = () => inner();\nouter()");
  EXPECT_EQ(error.stack,
            "    at inner (handler.js:2:13)\n"
            "    at outer (handler.js:4:21)\n"
            "    at handler (handler.js:5:1)");
}

TEST_P(FailureTest, AnythingCanBeThrown) {
  Rig rig(GetParam());
  const struct {
    const char* thrown;
    const char* message;
  } rows[] = {
      {"'text'", "text"},
      {"''", ""},
      {"42", "42"},
      {"-0", "0"},
      {"null", "null"},
      {"undefined", "undefined"},
      {"true", "true"},
      {"9n", "9"},
      {"Symbol('s')", "Symbol(s)"},
      {"{ a: 1 }", R"({"a":1})"},
      {"[1, 2]", "[1,2]"},
      {"{ message: 'm' }", "m"},
      {"{ name: 'N', message: 'm' }", "N: m"},
      {"{ message: 5 }", R"({"message":5})"},
      {"Object.create(null)", "{}"},
      {"Object.assign(new Error('m'), { name: '' })", "m"},
      {"Object.assign(new Error(''), { name: 'OnlyName' })", "OnlyName"},
      {"new (class Mine extends Error { name = 'Mine' })('m')", "Mine: m"},
      {"new AggregateError([], 'agg')", "AggregateError: agg"},
      {"new DOMException('m', 'DataError')", "DataError: m"},
      {"new Error('grün 😀')", "Error: grün 😀"},
      {"new Error('\\uD83D')", "Error: \uFFFD"},
      {"new Error('a\\0b')", nullptr},
      {"new Error('two\\nlines')", "Error: two\nlines"},
  };
  for (const auto& row : rows) {
    for (const char* how : {"throw ", "await null; throw "}) {
      const Error error = rig.failure(how + std::string(row.thrown));
      EXPECT_EQ(error.code, ErrorCode::kExecutionError) << row.thrown;
      const std::string expected = row.message ? row.message : std::string("Error: a\0b", 10);
      EXPECT_EQ(error.message, expected) << row.thrown;
      EXPECT_FALSE(error.limit) << row.thrown;
    }
  }
}

TEST_P(FailureTest, HostileErrorObjects) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(50)});
  const struct {
    const char* thrown;
    ErrorCode code;
  } rows[] = {
      {"{ get message() { throw 1 } }", ErrorCode::kExecutionError},
      {"{ message: 'm', get name() { throw 1 } }", ErrorCode::kExecutionError},
      {"{ message: 'm', get stack() { throw 1 } }", ErrorCode::kExecutionError},
      {"{ message: 'm', name: { toString() { throw 1 } } }", ErrorCode::kExecutionError},
      {"{ message: 'm', name: Symbol() }", ErrorCode::kExecutionError},
      {"{ toJSON() { throw 1 }, toString() { throw 1 } }", ErrorCode::kExecutionError},
      {"new Proxy({}, { get() { throw 1 } })", ErrorCode::kExecutionError},
      {"new Proxy(new Error('m'), { getPrototypeOf() { throw 1 } })", ErrorCode::kExecutionError},
      {"{ get message() { for (;;); } }", ErrorCode::kTimeout},
      {"{ message: 'm', get name() { for (;;); } }", ErrorCode::kTimeout},
      {"{ message: 'm', get stack() { for (;;); } }", ErrorCode::kTimeout},
      {"{ message: 'm', stack: { toString() { for (;;); } } }", ErrorCode::kTimeout},
      {"{ get message() { [].reverse.call({ length: 2 ** 53 - 1 }) } }", ErrorCode::kTimeout},
      {"{ toJSON() { for (;;); } }", ErrorCode::kTimeout},
      {"new Proxy({}, { get() { for (;;); } })", ErrorCode::kTimeout},
      {"(() => { const f = () => ({ get message() { throw f().message } }); return f() })()",
       ErrorCode::kExecutionError},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(rig.failure("throw " + std::string(row.thrown)).code, row.code) << row.thrown;
    EXPECT_EQ(rig.failure("await 1; throw " + std::string(row.thrown)).code, row.code)
        << row.thrown;
  }
  rig.expectNextCallRight();
}

TEST_P(FailureTest, HugeErrorsAreCut) {
  Rig rig(GetParam());
  constexpr size_t kLongest = 20'000;
  for (const char* source : {
           "throw new Error('x'.repeat(5000))",
           "throw new Error('x'.repeat(2e6))",
           "throw 'x'.repeat(2e6)",
           "throw 'x' + '\\0'.repeat(1e6)",
           "throw 'x' + '\\u{1F600}'.repeat(1e6)",
           "throw Object.assign(new Error('x'), { name: 'x'.repeat(3e6) })",
           "throw Object.assign(new Error('x'), { stack: 'x'.repeat(3e6) })",
           "throw { message: 'x', name: 'n'.repeat(2e6), stack: '\\n'.repeat(2e6) }",
           "throw { x: ['y'.repeat(3e6)] }",
           "throw Object.assign(new Error('x'), { stack: 'at f (handler.js:2:1)\\n'.repeat(1e5) })",
           "Error.stackTraceLimit = 1e9; const f = (n) => { if (n) f(n - 1); else throw new "
           "Error('x') };"
           "f(600)",
       }) {
    const Error error = rig.failure(source);
    EXPECT_EQ(error.code, ErrorCode::kExecutionError) << source << ": " << error.message;
    EXPECT_THAT(error.message, HasSubstr("x")) << source;
    EXPECT_LT(error.message.size() + error.stack.size() + error.snippet.size(), kLongest) << source;
  }
  rig.expectNextCallRight();
}

// Whatever a stack says, the place is in the source.
TEST_P(FailureTest, ForgedStacksPointIntoTheSource) {
  Rig rig(GetParam());
  for (const char* stack : {
           "at f (handler.js:999:1)",
           "at f (handler.js:4294967295:1)",
           "at f (handler.js:1:99999)",
           "at f (handler.js:3:4294967295)",
           "at f (handler.js:0:0)",
           "at f (handler.js:2:0)",
           "at f (handler.js:-1:5)",
           "at f (handler.js:99999999999999999999:1)",
           "handler.js:",
           "at handler.js:2",
           "at at at (handler.js:handler.js:2:2:2)",
           "\\0at f (handler.js:2:\\0)",
           "at \\x1b[31mred (handler.js:2:1)",
           "at (((((handler.js:2:3",
           "at f (/etc/passwd:1:1)",
       }) {
    const Error error =
        rig.failure("const e = new Error('x');\ne.stack = '" + std::string(stack) + "';\nthrow e");
    EXPECT_EQ(error.code, ErrorCode::kExecutionError);
    if (!error.location) continue;
    const size_t lengths[] = {25, std::string(stack).size() + 14, 7};
    ASSERT_GE(error.location->line, 1u) << stack;
    ASSERT_LE(error.location->line, 3u) << stack;
    EXPECT_GE(error.location->column, 1u) << stack;
    EXPECT_LE(error.location->column, lengths[error.location->line - 1] + 1) << stack;
    EXPECT_THAT(error.stack, ::testing::Not(HasSubstr("passwd"))) << stack;
  }
}

TEST_P(FailureTest, ForgedLimitsAreNotBelieved) {
  Rig rig(GetParam());
  for (const char* source :
       {"const e = new Error('out of memory'); e.name = 'InternalError'; throw e", "throw null",
        "return Promise.reject(null)", "throw { name: 'InternalError', message: 'interrupted' }",
        "throw new InternalError('interrupted')",
        "throw new Error('max_log_bytes is 1, the call reached 2')"}) {
    EXPECT_EQ(rig.failure(source).code, ErrorCode::kExecutionError) << source;
  }
}

TEST_P(FailureTest, CaughtLimitsLeaveOtherErrorsAlone) {
  Rig rig(GetParam());
  const Error afterMemory =
      rig.failure("try { new Uint8Array(2 ** 30) } catch {}\nthrow new Error('mine')");
  EXPECT_EQ(afterMemory.code, ErrorCode::kExecutionError);
  EXPECT_EQ(afterMemory.message, "Error: mine");
  const Error afterStack =
      rig.failure("const f = () => f() + 1; try { f() } catch {}\nthrow new Error('mine')");
  EXPECT_EQ(afterStack.code, ErrorCode::kExecutionError);
  EXPECT_EQ(afterStack.message, "Error: mine");
}

// Where it stopped is known when the engine stops by itself, which it does unless the machine
// leaves it no time between the deadline and the end of the grace period.
TEST_P(FailureTest, ThePlaceOfAnInterruptionIsKnown) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(20)});
  Error error;
  for (int tries = 0; tries < 20 && !error.location; ++tries) {
    error = rig.failure("const f = () => {\n  for (;;) {\n    globalThis.x = 1\n  }\n};\nf()");
    ASSERT_EQ(error.code, ErrorCode::kTimeout);
  }
  ASSERT_TRUE(error.location);
  EXPECT_GE(error.location->line, 2u);
  EXPECT_LE(error.location->line, 4u);
}

}  // namespace
}  // namespace nexus::js
