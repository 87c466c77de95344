#include "app/display.h"

#include <gtest/gtest.h>

namespace nexus::app {
namespace {

TEST(ShowErrorTest, PointsIntoTheSource) {
  const Error error{.code = ErrorCode::kExecutionError,
                    .message = "TypeError: no",
                    .stack = "    at handler (handler.js:12:8)",
                    .location = SourceLocation{12, 8},
                    .snippet = "return x.y.z;"};
  EXPECT_EQ(showError(error, "a.js", Colour::kOff),
            "EXECUTION_ERROR: TypeError: no\n"
            "  --> a.js:12:8\n"
            "   |\n"
            "12 | return x.y.z;\n"
            "   |        ^\n"
            "    at handler (handler.js:12:8)\n");
}

TEST(ShowErrorTest, CaretStandsBelowTabsAndWideCharacters) {
  const Error error{.location = SourceLocation{1, 5}, .snippet = "\t\xF0\x9F\x98\x80x = y"};
  const std::string text = showError(error, "a.js", Colour::kOff);
  EXPECT_NE(text.find("  | \t  ^\n"), std::string::npos) << text;
}

TEST(ShowErrorTest, ColumnBehindTheLineIsAtItsEnd) {
  const Error error{.location = SourceLocation{1, 999}, .snippet = "ab"};
  EXPECT_NE(showError(error, "a.js", Colour::kOff).find("  |   ^\n"), std::string::npos);
}

TEST(ShowErrorTest, WithoutAPlaceThereIsOneLine) {
  EXPECT_EQ(showError(Error{.code = ErrorCode::kTimeout, .message = "slow"}, "a.js", Colour::kOff),
            "TIMEOUT: slow\n");
}

TEST(EscapeTest, HandlersCannotControlTheTerminal) {
  EXPECT_EQ(escapeControls("a\x1b[2Jb\rc\x7f"), "a\\x1b[2Jb\\x0dc\\x7f");
  EXPECT_EQ(escapeControls("tab\tline\nüber"), "tab\tline\nüber");
  EXPECT_EQ(escapeControls("\u009b2J \u202e \u2066"),
            "\\xc2\\x9b2J \\xe2\\x80\\xae \\xe2\\x81\\xa6");
  EXPECT_EQ(showLog({LogLevel::kInfo, "a\nerror b"}, Colour::kOff), "info  a\\nerror b\n");
  EXPECT_EQ(showLog({LogLevel::kWarn, "x\x1b]0;t"}, Colour::kOff), "warn  x\\x1b]0;t\n");
  const Error error{.code = ErrorCode::kExecutionError, .message = "\x1b[31m"};
  EXPECT_EQ(showError(error, "a.js", Colour::kOff), "EXECUTION_ERROR: \\x1b[31m\n");
}

TEST(ShowValueTest, IsIndentedAndEscaped) {
  ExecutionResult result;
  EXPECT_EQ(showValue(result), "(no value)\n");
  result.value = R"({"a":[1]})";
  EXPECT_EQ(showValue(result), "{\n  \"a\": [\n    1\n  ]\n}\n");
  result.value = R"("\u001b[2J")";
  EXPECT_EQ(showValue(result), "\"\\u001b[2J\"\n");
}

TEST(ColourTest, IsOnlyUsedWhenAsked) {
  const LogRecord record{LogLevel::kError, "m"};
  EXPECT_EQ(showLog(record, Colour::kOff).find('\x1b'), std::string::npos);
  EXPECT_NE(showLog(record, Colour::kOn).find("\x1b[31m"), std::string::npos);
}

}  // namespace
}  // namespace nexus::app
