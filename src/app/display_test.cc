#include "app/display.h"

#include <gtest/gtest.h>

#include <string>

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

TEST(ShowErrorTest, CaretStandsBelowEscapedCharacters) {
  const Error error{.location = SourceLocation{1, 4}, .snippet = "'\x1b'+x.y"};
  EXPECT_NE(showError(error, "a.js", Colour::kOff).find("1 | '\\x1b'+x.y\n  |       ^\n"),
            std::string::npos)
      << showError(error, "a.js", Colour::kOff);
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

TEST(ShowValueTest, EachMemberHasALine) {
  const struct {
    const char* value;
    const char* shown;
  } rows[] = {
      {"1", "1"},
      {R"("a,b:[{\"")", R"("a,b:[{\"")"},
      {"[]", "[]"},
      {"{}", "{}"},
      {"[[],{}]", "[\n  [],\n  {}\n]"},
      {R"([{"a":[1,"x"],"b:":{}},null])",
       "[\n  {\n    \"a\": [\n      1,\n      \"x\"\n    ],\n    \"b:\": {}\n  },\n  null\n]"},
      {R"("\\")", R"("\\")"},
      {R"(["\\","\"]"])", "[\n  \"\\\\\",\n  \"\\\"]\"\n]"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(showValue({.value = row.value}), std::string(row.shown) + "\n");
  }
}

// 1e-7 was shown as 1e-07, and 21 digits as 1e+20.
TEST(ShowValueTest, NumbersKeepTheirSpelling) {
  for (const char* number : {"1e-7", "100000000000000000000", "1e+21", "0.1", "-0", "1.0",
                             "12345678901234567890123", "1e400", "5e-324"}) {
    EXPECT_EQ(showValue({.value = number}), std::string(number) + "\n");
  }
}

TEST(ShowEffectsTest, ALineForEachInTheirOrder) {
  ExecutionResult result;
  EXPECT_EQ(showEffects(result, Colour::kOff), "");
  result.pending = {{3, "http", "get", R"(["/a"])"}};
  result.viewCommands = {{"scrollTo", "list", R"({"position":3})"}, {"focus", "t", "{}"}};
  result.events = {{"toast", R"("done")"}, {"silent", std::nullopt}};
  result.stateMutations = {{"total", "21"}, {"gone", std::nullopt}};
  EXPECT_EQ(showEffects(result, Colour::kOff),
            "state total = 21\n"
            "state gone deleted\n"
            "event toast \"done\"\n"
            "event silent\n"
            "view  list scrollTo {\"position\":3}\n"
            "view  t focus {}\n"
            "waits #3 http.get(\"/a\")\n");
}

TEST(ShowEffectsTest, HandlersCannotControlTheTerminal) {
  const std::string wild = "a\x1b[2Jb\nc\rd\u202e";
  const std::string tame = "a\\x1b[2Jb\\nc\\x0dd\\xe2\\x80\\xae";
  ExecutionResult result;
  result.stateMutations = {{wild, "1"}};
  result.events = {{wild, std::nullopt}};
  result.viewCommands = {{"focus", wild, "{}"}};
  result.pending = {{1, wild, wild, "[]"}};
  EXPECT_EQ(showEffects(result, Colour::kOff), "state " + tame + " = 1\nevent " + tame +
                                                   "\nview  " + tame + " focus {}\nwaits #1 " +
                                                   tame + "." + tame + "()\n");
}

TEST(ShowEffectsTest, LongOnesAreShortened) {
  const auto shown = [](size_t length) {
    ExecutionResult result;
    result.stateMutations = {{"k", '"' + std::string(length, 'x') + '"'}};
    return showEffects(result, Colour::kOff);
  };
  // "k = " and two quotes.
  EXPECT_EQ(shown(114), "state k = \"" + std::string(114, 'x') + "\"\n");
  EXPECT_EQ(shown(115), "state k = \"" + std::string(115, 'x') + "…\n");
  EXPECT_EQ(shown(1 << 20), "state k = \"" + std::string(115, 'x') + "…\n");

  ExecutionResult wide;
  wide.events = {{std::string(119, 'x') + "€€", std::nullopt}};
  EXPECT_EQ(showEffects(wide, Colour::kOff), "event " + std::string(119, 'x') + "…\n")
      << "no character is cut in two";
}

TEST(ShowEffectsTest, TheKindIsColoured) {
  ExecutionResult result;
  result.events = {{"toast", std::nullopt}};
  EXPECT_EQ(showEffects(result, Colour::kOn), "\x1b[34mevent\x1b[0m toast\n");
}

TEST(ShowMetricsTest, OneLine) {
  ExecutionMetrics metrics;
  metrics.duration = std::chrono::microseconds(1234);
  metrics.compilationTime = std::chrono::microseconds(56);
  metrics.memoryUsedBytes = 2048;
  metrics.memoryPeakBytes = 2u << 20;
  metrics.instructionCount = 12345;
  const std::string text =
      "executed in 1.2 ms, compiled in 56 us; 2 KiB of heap, 2.0 MiB of memory; about 12,345 "
      "instructions";
  EXPECT_EQ(showMetrics(metrics, Colour::kOff), text + "\n");
  EXPECT_EQ(showMetrics(metrics, Colour::kOn), "\x1b[2m" + text + "\x1b[0m\n");
  metrics.hostCalls.emit = 1;
  EXPECT_EQ(showMetrics(metrics, Colour::kOff), text + "; 1 host call\n");
  metrics.hostCalls = {.log = 1, .emit = 1, .view = 1, .ext = 1, .state = 996};
  EXPECT_EQ(showMetrics(metrics, Colour::kOff), text + "; 1,000 host calls\n");
}

TEST(ColourTest, IsOnlyUsedWhenAsked) {
  const LogRecord record{LogLevel::kError, "m"};
  EXPECT_EQ(showLog(record, Colour::kOff).find('\x1b'), std::string::npos);
  EXPECT_NE(showLog(record, Colour::kOn).find("\x1b[31m"), std::string::npos);
}

}  // namespace
}  // namespace nexus::app
