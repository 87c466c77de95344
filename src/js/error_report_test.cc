#include "js/error_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace nexus::js {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kSource = "const a = 1;\nreturn a.b.c;\nfin";

TEST(ReadReportTest, TakesWhatIsThere) {
  const auto thrown =
      readReport(R"({"isNull":false,"name":"TypeError","message":"m","stack":"s","more":[1]})");
  ASSERT_TRUE(thrown);
  EXPECT_EQ(thrown->name, "TypeError");
  EXPECT_EQ(thrown->message, "m");
  EXPECT_EQ(thrown->stack, "s");
  EXPECT_FALSE(thrown->isNull);
}

TEST(ReadReportTest, RefusesWhatIsNoReport) {
  for (const char* text : {"", " ", "null", "1", "\"x\"", "[]", "[{}]", "{", "{}}", "{\"a\":}",
                           "\xFF", "{\"a\":\"\xC0\x80\"}", "nan"}) {
    EXPECT_FALSE(readReport(text)) << text;
  }
  EXPECT_FALSE(readReport(std::string(1'000'000, '[')));
}

TEST(ReadReportTest, FieldsOfTheWrongTypeAreEmpty) {
  const auto thrown = readReport(R"({"isNull":1,"name":5,"message":["m"],"stack":{"s":1}})");
  ASSERT_TRUE(thrown);
  EXPECT_EQ(thrown->name + thrown->message + thrown->stack, "");
  EXPECT_FALSE(thrown->isNull);
}

TEST(ReadReportTest, CutsLongFieldsBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "😀";
  const auto thrown = readReport(R"({"name":")" + text + R"(","message":"x)" + text +
                                 R"(","stack":")" + text + "\"}");
  ASSERT_TRUE(thrown);
  EXPECT_EQ(thrown->name.size() % 4, 0u);
  EXPECT_EQ(thrown->message.size() % 4, 1u);
  EXPECT_LE(thrown->name.size(), 4096u);
  EXPECT_LE(thrown->message.size(), 4096u);
  EXPECT_LE(thrown->stack.size(), 8192u);
}

TEST(ThrownValueTest, KnowsTheEnginesOwnErrors) {
  const struct {
    ThrownValue thrown;
    bool outOfMemory;
    bool stackOverflow;
  } rows[] = {
      {{.name = "InternalError", .message = "out of memory"}, true, false},
      {{.name = "InternalError", .message = "Invalid error message"}, true, false},
      {{.message = "null", .isNull = true}, true, false},
      {{.name = "RangeError", .message = "Maximum call stack size exceeded"}, false, true},
      {{.name = "InternalError", .message = "stack overflow"}, false, true},
      {{.name = "Error", .message = "out of memory"}, false, false},
      {{.name = "Error", .message = "stack overflow"}, false, false},
      {{.name = "RangeError", .message = "invalid array length"}, false, false},
      {{.message = "null"}, false, false},
      {{}, false, false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(row.thrown.isOutOfMemory(), row.outOfMemory) << row.thrown.name;
    EXPECT_EQ(row.thrown.isStackOverflow(), row.stackOverflow) << row.thrown.name;
  }
}

TEST(MakeErrorTest, PutsNameBeforeMessage) {
  const struct {
    const char* name;
    const char* message;
    const char* expected;
  } rows[] = {{"A", "b", "A: b"}, {"A", "", "A"}, {"", "b", "b"}, {"", "", ""}};
  for (const auto& row : rows) {
    const Error error =
        makeError(ErrorCode::kExecutionError, {.name = row.name, .message = row.message}, kSource);
    EXPECT_EQ(error.message, row.expected);
    EXPECT_EQ(error.code, ErrorCode::kExecutionError);
    EXPECT_FALSE(error.location);
    EXPECT_EQ(error.snippet, "");
    EXPECT_EQ(error.stack, "");
  }
}

Error withStack(std::string stack) {
  return makeError(ErrorCode::kExecutionError, {.stack = std::move(stack)}, kSource);
}

TEST(MakeErrorTest, CountsWithoutTheWrapper) {
  const Error error = withStack(
      "    at f (handler.js:3:8)\n    at native\n    at handler.js:2:1\n    at run "
      "(nexus.js:80:9)\n");
  ASSERT_TRUE(error.location);
  EXPECT_EQ(*error.location, (SourceLocation{2, 8}));
  EXPECT_EQ(error.snippet, "return a.b.c;");
  EXPECT_EQ(error.stack, "    at f (handler.js:2:8)\n    at handler.js:1:1");
}

TEST(MakeErrorTest, ATextThatEndsTooEarlyFailsInItsLastLine) {
  const Error error = withStack("    at handler.js:5:2");
  ASSERT_TRUE(error.location);
  EXPECT_EQ(error.location->line, 3u);
  EXPECT_EQ(error.snippet, "fin");
}

TEST(MakeErrorTest, IgnoresWhatIsNoFrameOfTheHandler) {
  for (const char* stack : {"",
                            "\n\n",
                            "garbage",
                            "at",
                            "at f",
                            "at f (handler.js)",
                            "at f (handler.js:)",
                            "at f (handler.js:x:y)",
                            "at f (handler.js:2)",
                            "at f (handler.js:2:)",
                            "handler.js:2:1",
                            "handler.js:2:1 at",
                            "at f (other.js:2:1)",
                            "at f (handler.js:-2:1)",
                            "at f (handler.js:1:1)",
                            "at f (handler.js:0:1)",
                            "at f (handler.js:4294967296:1)",
                            "at f (handler.js: 2:1)",
                            "at f (handler.js:2:99999999999)",
                            "at f (HANDLER.JS:2:1)"}) {
    const Error error = withStack(stack);
    EXPECT_FALSE(error.location) << stack;
    EXPECT_EQ(error.stack, "") << stack;
  }
}

// Lines have 12, 13 and 3 characters.
TEST(MakeErrorTest, ForgedPlacesStayInsideTheSource) {
  const size_t lengths[] = {12, 13, 3};
  for (const char* numbers : {"2:0", "2:13", "2:14", "2:4294967295", "3:4294967295", "4:100", "5:1",
                              "999:999", "4294967295:4294967295", "4294967295:0", "2:1:5:5"}) {
    const Error error = withStack("at f (handler.js:" + std::string(numbers) + ")");
    ASSERT_TRUE(error.location) << numbers;
    ASSERT_GE(error.location->line, 1u) << numbers;
    ASSERT_LE(error.location->line, 3u) << numbers;
    EXPECT_GE(error.location->column, 1u) << numbers;
    EXPECT_LE(error.location->column, lengths[error.location->line - 1] + 1) << numbers;
  }
}

TEST(MakeErrorTest, AFrameNameIsOneLine) {
  const Error error = withStack("at a\r\x1b[2Jb (handler.js:2:1)");
  EXPECT_THAT(error.stack, Not(HasSubstr("\n")));
}

TEST(MakeErrorTest, AnEmptySourceHasOneLine) {
  const Error error = makeError(ErrorCode::kExecutionError, {.stack = "at f (handler.js:7:7)"}, "");
  ASSERT_TRUE(error.location);
  EXPECT_EQ(*error.location, (SourceLocation{1, 1}));
  EXPECT_EQ(error.snippet, "");
}

TEST(PointAtTest, TakesTheLine) {
  Error error;
  pointAt(error, {2, 8}, kSource);
  EXPECT_EQ(*error.location, (SourceLocation{2, 8}));
  EXPECT_EQ(error.snippet, "return a.b.c;");
  pointAt(error, {9, 1}, kSource);
  EXPECT_EQ(error.snippet, "");
}

TEST(PointAtTest, ShortensLongLines) {
  Error error;
  pointAt(error, {1, 5000}, std::string(100'000, 'x'));
  EXPECT_LT(error.snippet.size(), 1000u);
}

}  // namespace
}  // namespace nexus::js
