// From source to handler: what is refused, where the refusal points, and that nothing else happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using ::testing::AnyOf;
using testing::EngineTest;
using ::testing::Eq;
using ::testing::HasSubstr;
using testing::Rig;

class CompileTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, CompileTest, testing::kEveryEngine, testing::engineName);

TEST_P(CompileTest, EmptyTextIsNoHandler) {
  Rig rig(GetParam());
  for (const char* source : {"", " ", "\n", " \t\r\n \n"}) {
    EXPECT_EQ(rig.compileError(source).code, ErrorCode::kInvalidHandler);
  }
}

TEST_P(CompileTest, WhateverHasNoStatementReturnsNothing) {
  Rig rig(GetParam());
  for (const char* source : {";", "// only a comment", "/* only\na comment */", "'use strict'",
                             "{}", "\xEF\xBB\xBF ;", "\xC2\xA0"}) {
    EXPECT_EQ(rig.value(source), "(none)") << source;
  }
}

TEST_P(CompileTest, TextThatIsNotUtf8IsRefusedWithItsPlace) {
  Rig rig(GetParam());
  const struct {
    const char* source;
    SourceLocation place;
  } rows[] = {
      {"\xFF", {1, 1}},
      {"return '\x80'", {1, 9}},
      {"// ü😀\nreturn\xC3(1)", {2, 7}},
      {"// ü😀 \xED\xA0\x80", {1, 8}},
      {"a\xC0\x80", {1, 2}},
      {"a\n\n\xF4\x90\x80\x80", {3, 1}},
      {"return 1 // \xE2\x82", {1, 13}},
  };
  for (const auto& row : rows) {
    const Error error = rig.compileError(row.source);
    EXPECT_EQ(error.code, ErrorCode::kInvalidHandler) << row.source;
    ASSERT_TRUE(error.location) << row.source;
    EXPECT_EQ(*error.location, row.place) << row.source;
  }
}

TEST_P(CompileTest, LongTextIsRefusedUnread) {
  Rig rig(GetParam(), {.maxSourceBytes = 100});
  const std::string longest = "return 1 //" + std::string(89, 'x');
  EXPECT_EQ(rig.value(longest), "1");
  for (const size_t length : {size_t{101}, size_t{100} << 20}) {
    const Error error = rig.compileError(std::string(length, '\xFF'));
    EXPECT_EQ(error.code, ErrorCode::kInvalidHandler);
    ASSERT_TRUE(error.limit);
    EXPECT_EQ(*error.limit, (LimitReport{"max_source_bytes", 100, length}));
  }
}

TEST_P(CompileTest, SyntaxErrorsPointAtTheirPlace) {
  Rig rig(GetParam());
  const struct {
    const char* source;
    SourceLocation place;
  } rows[] = {
      {"@", {1, 1}},
      {"return 1 +* 2", {1, 11}},
      {"let a = 1;\nlet b = ;\nreturn a", {2, 9}},
      {"return 1;\nreturn 2;\n  ]", {3, 3}},
      {"// ü😀\n/* 😀 */ ]", {2, 10}},
      {"let x = 1;\r\nlet x = 2;", {2, 5}},
      {"return 'abc", {1, 8}},
      {"return 1;\nreturn 'abc", {2, 8}},
      {"'use strict'; with ({}) {}", {1, 15}},
      {"return 010", {1, 8}},
      {"const [a] = 1, a = 2", {1, 16}},
      {"break", {1, 1}},
  };
  for (const auto& row : rows) {
    const Error error = rig.compileError(row.source);
    EXPECT_EQ(error.code, ErrorCode::kCompilationError) << row.source;
    EXPECT_THAT(error.message, HasSubstr("SyntaxError: ")) << row.source;
    ASSERT_TRUE(error.location) << row.source << ": " << error.message;
    EXPECT_EQ(error.location->line, row.place.line) << row.source << ": " << error.message;
    // Engines differ by a token; the column must be near.
    EXPECT_NEAR(error.location->column, row.place.column, 5) << row.source << ": " << error.message;
    EXPECT_FALSE(error.snippet.empty()) << row.source;
  }
}

TEST_P(CompileTest, TextThatEndsTooEarlyPointsIntoTheSource) {
  Rig rig(GetParam());
  for (const char* source :
       {"return (", "return [1,\n2", "if (1) {", "return `abc", "return `a${", "/* comment",
        "return /regexp", "function f(", "return 1 +", "class A {", "return { a: ", "x = {\n\n\n",
        "for (", "\\", "return \"\\"}) {
    const Error error = rig.compileError(source);
    EXPECT_EQ(error.code, ErrorCode::kCompilationError) << source << ": " << error.message;
    ASSERT_TRUE(error.location) << source << ": " << error.message;
    const auto lines = std::count(source, source + std::strlen(source), '\n') + 1;
    EXPECT_LE(error.location->line, static_cast<uint32_t>(lines)) << source;
    EXPECT_GE(error.location->line, 1u) << source;
  }
}

TEST_P(CompileTest, NoTextClosesItsWrapper) {
  Rig rig(GetParam());
  const auto expected = rig.contentOf(*rig.engine().base().image);
  const std::string evil =
      "globalThis.leaked = 1; Object.prototype.leaked = 2; Array.prototype.push = null;"
      "Function.prototype.toString = () => 'forged'; JSON.stringify = () => '9'; ";
  const std::string texts[] = {
      "}); " + evil + "(function () {",
      "}); " + evil + "(function ($args, $log) {'use strict';\n",
      "})(); " + evil + "(function () {",
      "}), function () { " + evil + "}(), (function () {",
      "}, function () { return 666",
      "}, async function ($args, $log) {'use strict'; return 666",
      "} ['x'] = async function () { return 666",
      "} .x = function () { return 666",
      "} , () => { return 666",
      "} && function () { return 666",
      "} ? function () {} : function () { return 666",
      "} + function () { return 666",
      "} ` ${ function () { return 666 } } ` , function () {",
      "} / 1; " + evil + "(function () {",
      "}) /* */; " + evil + " /* */ (function () {",
      "}) // \n; " + evil + "(function () {",
      "});\n--> comment\n" + evil + "(function () {",
      "});\n<!-- comment\n" + evil + "(function () {",
      "}); class A { static { " + evil + " } } (class {",
      "}, class { static x = 666; static {",
      "}, class { constructor() {} m() {",
      "}, { get x() { return 666 }, m() {",
      "}, new class { #x = () => {",
      "}, new Proxy(function () {}, {}), function () {",
      "}); for (const x of [1]) { " + evil + "} (function () {",
      "}); label: { " + evil + " } (function () {",
      "}); export default function () {",
      "}); await 1; (async function () {",
      "}(" + evil.substr(0, 21) + ")); (function () {",
      "return `${1}`});" + evil + "(function () {`",
      "}); Function.prototype.toString = function () { return candidate };"
      "(function ($args, $log) {",
      "}) => {",
      "}) (",
      "*/ }); /*",
      "});(function () { /*",
      "return 1 });//",
      "}\n}\n{\n{",
      "}",
      "{",
  };
  for (const std::string& source : texts) {
    const auto compiled = rig.sandbox().compile(source);
    ASSERT_FALSE(compiled) << source;
    EXPECT_EQ(compiled.error().code, ErrorCode::kCompilationError)
        << source << ": " << compiled.error().message;
    ASSERT_TRUE(testing::sameContent(expected, rig.contentOf(rig.sandbox()))) << source;
    ASSERT_EQ(
        rig.value("return [typeof leaked, typeof [].push, `${Math.max}`.includes('native code')]"),
        R"(["undefined","function",true])")
        << source;
  }
}

TEST_P(CompileTest, BracesInsideTextAreText) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value("return '}); evil(); (function(){'"), R"("}); evil(); (function(){")");
  EXPECT_EQ(rig.value("// }); evil\nreturn 1"), "1");
  EXPECT_EQ(rig.value("/* } */ return `}${'}'}`"), R"("}}")");
  EXPECT_EQ(rig.value("return /[}]\\}/.test('}}')"), "true");
  EXPECT_EQ(rig.value("return 1 // }"), "1");
}

TEST_P(CompileTest, TheTextIsAStrictFunctionBody) {
  Rig rig(GetParam());
  const struct {
    const char* source;
    const char* value;
  } rows[] = {
      {"return this === undefined", "true"},
      {"return (function () { return this === undefined })()", "true"},
      {"try { undeclared = 1 } catch (e) { return e.name }", R"("ReferenceError")"},
      {"try { Object.freeze([]).push(1) } catch (e) { return e.name }", R"("TypeError")"},
      {"return await 1", "1"},
      {"await null; return 2", "2"},
      {"const f = async () => await 3; return f()", "3"},
      {"return new.target === undefined", "true"},
      {"return arguments.length", "7"},
      {"try { return arguments.callee } catch (e) { return e.name }", R"("TypeError")"},
      {"\xEF\xBB\xBFreturn 4", "4"},
      {"return 5\r\n;\r\n", "5"},
      {"\r\nreturn\r\n5", nullptr},
      {"return 'a\\\r\nb'", R"("ab")"},
      {"var x = 1; var x = 2; return x", "2"},
      {"return f(); function f() { return 6 }", "6"},
      {"const { a = 7, ...rest } = {}; return [a, rest]", "[7,{}]"},
      {"return typeof handler", R"("undefined")"},
      {"return 8\n<!-- html comment", "8"},
      {"#!shebang", "COMPILATION_ERROR"},
      {"yield 1", "COMPILATION_ERROR"},
      {"let $args", "COMPILATION_ERROR"},
      {"super.x", "COMPILATION_ERROR"},
      {"return function () { await 1 }", "COMPILATION_ERROR"},
      {"let await = 1; await", "COMPILATION_ERROR"},
      {"delete $args", "COMPILATION_ERROR"},
  };
  for (const auto& row : rows) {
    const std::string expected = row.value ? row.value : "(none)";
    if (expected == "COMPILATION_ERROR") {
      EXPECT_EQ(rig.failure(row.source).code, ErrorCode::kCompilationError) << row.source;
    } else {
      EXPECT_EQ(rig.value(row.source), expected) << row.source;
    }
  }
}

TEST_P(CompileTest, ZeroBytesAreText) {
  Rig rig(GetParam());
  using namespace std::string_literals;
  EXPECT_EQ(rig.value("return 'a\0b'.length"s), "3");
  EXPECT_EQ(rig.value("// \0\nreturn 1"s), "1");
  EXPECT_EQ(rig.compileError("return 1\0"s).code, ErrorCode::kCompilationError);
  EXPECT_EQ(rig.compileError("\0return 1"s).code, ErrorCode::kCompilationError);
  EXPECT_EQ(rig.compileError("return 1;\0});evil();(function(){"s).code,
            ErrorCode::kCompilationError);
}

TEST_P(CompileTest, TheSameSourceGivesTheSameBytes) {
  Rig rig(GetParam());
  for (const char* source :
       {"return 1", "await 1; class A { #x = 1; static m() { return /a/ } } return A.m()",
        "const f = (n) => n < 2 ? n : f(n - 1) + f(n - 2); return f($args)"}) {
    const auto first = rig.compile(source);
    (void)rig.run("globalThis.noise = 'x'.repeat(1e5); return Math.random()");
    const auto second = rig.compile(source);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->code->bytecode, second->code->bytecode);
    EXPECT_EQ(first->image->difference().bytes, second->image->difference().bytes);
    EXPECT_TRUE(testing::sameContent(rig.contentOf(*first->image), rig.contentOf(*second->image)));
  }
}

TEST_P(CompileTest, AnImageHoldsTheHandlerAndNotItsText) {
  Rig rig(GetParam());
  const auto handler =
      rig.compile("/* kSecretComment */ const kSecretName = 1; return kSecretName");
  ASSERT_TRUE(handler);
  const auto content = rig.contentOf(*handler->image).memory;
  constexpr char kText[] = "kSecretComment";
  EXPECT_EQ(memmem(content.data(), content.size(), kText, sizeof kText - 1), nullptr);
  EXPECT_EQ(rig.value("return (function () { return 1 /* kept? */ }).toString().includes('kept')"),
            "false");
}

std::string repeat(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

// What makes a compiler slow or deep: any honest code will do, as long as it is one and comes in
// time.
TEST_P(CompileTest, CompilerBombsEndWithACode) {
  Rig rig(GetParam(), {.timeout = std::chrono::milliseconds(100)});
  std::string lets;
  for (int i = 0; i < 70'000; ++i) lets += "let v" + std::to_string(i) + ";";
  std::string sum = "const a = 1; return a";
  while (sum.size() < (1u << 20) - 2) sum += "+a";
  std::string manyFunctions = "return [";
  for (int i = 0; i < 20'000; ++i) manyFunctions += "()=>" + std::to_string(i) + ",";
  const struct {
    const char* name;
    std::string source;
    bool mayCompile = false;
  } rows[] = {
      {"lets", lets},
      {"functions", repeat("function f(){", 2000) + repeat("}", 2000)},
      {"functions, unclosed", repeat("function f(){", 2000)},
      {"arrows", "return " + repeat("()=>", 5000) + "1"},
      {"arrows with bodies", repeat("(()=>{", 3000) + repeat("})", 3000)},
      {"parentheses", "return " + repeat("(", 5000) + "1" + repeat(")", 5000)},
      {"brackets", "return " + repeat("[", 5000) + repeat("]", 5000)},
      {"objects", "return " + repeat("{a:", 5000) + "1" + repeat("}", 5000)},
      {"templates", "return " + repeat("`${", 5000) + "1" + repeat("}`", 5000)},
      {"classes", repeat("class A { static {", 3000) + repeat("}}", 3000)},
      {"blocks", repeat("{", 20'000) + repeat("}", 20'000)},
      {"ternaries", "return " + repeat("1?", 20'000) + "1" + repeat(":1", 20'000)},
      {"unary", "return " + repeat("- ", 100'000) + "1"},
      {"powers", "return " + repeat("2**", 50'000) + "1"},
      {"awaits", "return " + repeat("await ", 50'000) + "1"},
      {"patterns", "const " + repeat("[", 5000) + "a" + repeat("]", 5000) + " = 1"},
      {"if else", repeat("if(1){}else ", 20'000) + ";"},
      {"labels",
       [] {
         std::string text;
         for (int i = 0; i < 5000; ++i) text += "l" + std::to_string(i) + ":";
         return text + ";";
       }(),
       true},
      {"regular expression", "return /" + repeat("(", 20'000) + repeat(")", 20'000) + "/"},
      {"sum", sum, true},
      {"many functions", manyFunctions + "].length", true},
      {"closing and looping", "}); for (;;); (function () {"},
      {"closing and hoarding",
       "}); const a = []; for (;;) a.push('x'.repeat(1e6)); (function () {"},
      {"closing and never polling", "}); [].reverse.call({ length: 2 ** 53 - 1 }); (function () {"},
  };
  for (const auto& row : rows) {
    auto compiled = rig.sandbox().compile(row.source);
    if (compiled) {
      // Then it must also run to an end that has a name.
      const ExecutionResult result = rig.invoke(**compiled);
      EXPECT_TRUE(row.mayCompile || result.ok() || result.error->code != ErrorCode::kInternalError)
          << row.name << ": " << testing::outcomeOf(result);
    } else {
      EXPECT_THAT(compiled.error().code,
                  AnyOf(Eq(ErrorCode::kTimeout), Eq(ErrorCode::kStackOverflow),
                        Eq(ErrorCode::kCompilationError), Eq(ErrorCode::kMemoryLimit)))
          << row.name << ": " << compiled.error().message;
    }
    EXPECT_EQ(rig.value("return typeof leaked"), R"("undefined")") << row.name;
  }
  rig.expectNextCallRight();
}

// Short of memory is not the same as closing the wrapper, which the same step finds out.
TEST_P(CompileTest, TextThatLeavesNoMemoryIsAMemoryLimit) {
  Rig rig(GetParam(), {.memoryLimitBytes = 3u << 20});
  for (const size_t bytes : {350u << 10, 600u << 10, 850u << 10}) {
    const Error error = rig.failure("return 1 //" + std::string(bytes, 'x'));
    EXPECT_EQ(error.code, ErrorCode::kMemoryLimit) << bytes << ": " << error.message;
  }
  rig.expectNextCallRight();
}

// Deep enough to compile, too deep to be written as bytecode.
TEST_P(CompileTest, NestingBeyondTheBytecodeWriterIsAStackOverflow) {
  Rig rig(GetParam());
  std::string arrows;
  for (int i = 0; i < 1000; ++i) arrows += "a" + std::to_string(i) + " => ";
  EXPECT_EQ(rig.compileError("return " + arrows + "1").code, ErrorCode::kStackOverflow);
  rig.expectNextCallRight();
}

}  // namespace
}  // namespace nexus::js
