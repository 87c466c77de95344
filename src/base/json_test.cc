#include "base/json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"

namespace nexus {
namespace {

using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;

std::string nested(char open, size_t depth, char close, std::string_view inside = "") {
  return std::string(depth, open).append(inside).append(depth, close);
}

struct Text {
  const char* name;
  std::string text;
};

void PrintTo(const Text& text, std::ostream* out) { *out << text.name; }

std::string nameOf(const testing::TestParamInfo<Text>& info) { return info.param.name; }

class ValidJson : public testing::TestWithParam<Text> {};

TEST_P(ValidJson, IsAccepted) {
  EXPECT_TRUE(isJson(GetParam().text));
  EXPECT_TRUE(checkJson(GetParam().text, "--args").ok());
}

INSTANTIATE_TEST_SUITE_P(
    Texts, ValidJson,
    testing::Values(Text{"Null", "null"}, Text{"True", "true"}, Text{"Zero", "0"},
                    Text{"MinusZero", "-0"}, Text{"Exponent", "1e-7"}, Text{"String", R"("a")"},
                    Text{"EmptyString", R"("")"}, Text{"EmptyArray", "[]"},
                    Text{"EmptyObject", "{}"}, Text{"EmptyKey", R"({"":0})"},
                    Text{"SameKeyTwice", R"({"a":1,"a":2})"}, Text{"White", " \t\r\n[ 1 , 2 ]\n "},
                    Text{"Escapes", R"("\"\\\/\b\f\n\r\t\u0000")"},
                    Text{"Pair", R"("\ud83d\ude00")"}, Text{"Raw", R"({"é€😀":"é€😀"})"},
                    Text{"Del", "\"\x7F\""}, Text{"SmallestInt64", "-9223372036854775808"},
                    Text{"LargestUint64", "18446744073709551615"},
                    // What JSON.stringify makes of 1e20.
                    Text{"TwentyOneDigits", "100000000000000000000"},
                    Text{"ManyDigits", std::string(1000, '9')},
                    Text{"ManyDecimals", "0." + std::string(1000, '3')},
                    // JSON.parse reads it as Infinity: the grammar knows no largest number.
                    Text{"BeyondDouble", "1e400"}, Text{"BelowDouble", "1e-400"},
                    Text{"DeepestArray", nested('[', 256, ']')},
                    Text{"DeepestMixed", nested('[', 255, ']', R"({"a":1})")},
                    Text{"LongString", '"' + std::string(3 << 20, 'x') + '"'}),
    nameOf);

class InvalidJson : public testing::TestWithParam<Text> {};

TEST_P(InvalidJson, IsRefused) {
  EXPECT_FALSE(isJson(GetParam().text));
  const Status status = checkJson(GetParam().text, "--args");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidInput);
  EXPECT_TRUE(status.error().message.starts_with("--args is not valid JSON"));
  EXPECT_EQ(findInvalidUtf8(status.error().message), std::nullopt) << "the message itself";
  EXPECT_LT(status.error().message.size(), 1000u);
}

INSTANTIATE_TEST_SUITE_P(
    Texts, InvalidJson,
    testing::Values(
        Text{"Empty", ""}, Text{"OnlyWhite", " \n\t"}, Text{"Word", "nul"}, Text{"Nan", "NaN"},
        Text{"Undefined", "undefined"}, Text{"SingleQuotes", "'a'"}, Text{"Comment", "1 // one"},
        Text{"TwoValues", "1 2"}, Text{"TrailingBrace", "{}}"}, Text{"TrailingComma", "[1,]"},
        Text{"TrailingCommaInObject", R"({"a":1,})"}, Text{"NoKey", "{1:2}"},
        Text{"NoValue", R"({"a":})"}, Text{"OpenString", "\"abc"}, Text{"OpenArray", "[1"},
        Text{"OpenObject", R"({"a")"}, Text{"WrongClose", "[1}"}, Text{"LeadingZero", "01"},
        Text{"Plus", "+1"}, Text{"Dot", "1."}, Text{"NoDigits", "-"}, Text{"Hex", "0x1"},
        Text{"HalfExponent", "1e"}, Text{"BadEscape", R"("\x41")"},
        Text{"ShortEscape", R"("\u12")"}, Text{"Newline", "\"a\nb\""}, Text{"Nul", "\"a\0b\""s},
        Text{"NulAfter", "1\0"s}, Text{"InvalidUtf8", "\"\xFF\""}, Text{"Overlong", "\"\xC0\xAF\""},
        Text{"RawSurrogate", "\"\xED\xA0\x80\""}, Text{"CutCharacter", "\"\xE2\x82\""},
        Text{"InvalidUtf8Outside", "\xFF"},
        // RFC 8259, 8.1: not to be added; JSON.parse refuses it.
        Text{"ByteOrderMark", "\xEF\xBB\xBF{}"}, Text{"OnlyByteOrderMark", "\xEF\xBB\xBF"},
        // RFC 7493, 2.1. JSON.stringify writes half a surrogate pair like this.
        Text{"LoneSurrogate", R"("\ud800")"}, Text{"LoneTrailSurrogate", R"("\udc00x")"},
        Text{"SurrogatesSwapped", R"("\ude00\ud83d")"}, Text{"TwoLeads", R"("\ud83d\ud83d")"},
        Text{"TooDeepArray", nested('[', 257, ']')},
        Text{"TooDeepMixed", nested('[', 256, ']', "{}")},
        Text{"TooDeepAndOpen", std::string(300, '[')},
        Text{"LongOpenString", '"' + std::string(3 << 20, 'x')},
        Text{"LongWord", std::string(3 << 20, 'x')}),
    nameOf);

TEST(CheckJson, NamesLineAndColumn) {
  struct Case {
    std::string_view text;
    SourceLocation place;
  };
  const Case cases[] = {
      {"nul", {1, 1}},        {"[1,]", {1, 4}},
      {"[1,\n2,\n]", {3, 1}}, {"{\"a\":1,\n \"b\" 2}", {2, 6}},
      {"\"é\" x", {1, 5}},    {"\"😀\" x", {1, 6}},
      {"[\"\xFF\"]", {1, 3}}, {"{}\n\n}", {3, 1}},
      {"[1 2]", {1, 4}},
  };
  for (const Case& c : cases) {
    const Status status = checkJson(c.text, "input");
    ASSERT_FALSE(status.ok()) << c.text;
    ASSERT_TRUE(status.error().location.has_value()) << status.error().message;
    const SourceLocation place = *status.error().location;
    EXPECT_EQ(place, c.place) << c.text << ": " << place.line << ":" << place.column;
    const std::string words =
        "at line " + std::to_string(place.line) + ", column " + std::to_string(place.column) + ": ";
    EXPECT_NE(status.error().message.find(words), std::string::npos) << status.error().message;
  }
}

TEST(CheckJson, EveryRefusalHasAReason) {
  struct Case {
    std::string text;
    std::string_view message;
  };
  const Case cases[] = {
      {"", "input is not valid JSON at line 1, column 1: it is empty"},
      {" \r\n", "input is not valid JSON at line 2, column 1: it is empty"},
      {nested('[', 257, ']'),
       "input is not valid JSON at line 1, column 257: it is nested deeper than 256 levels"},
  };
  for (const Case& c : cases) EXPECT_EQ(checkJson(c.text, "input").error().message, c.message);
}

TEST(CheckJson, ByteOrderMarkIsNamedWithItsPlace) {
  const Status status = checkJson("\xEF\xBB\xBF{}", "input");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().location, (SourceLocation{1, 1})) << status.error().message;
}

TEST(CheckJson, HugeNestingIsRefusedQuickly) {
  const auto start = std::chrono::steady_clock::now();
  for (const char open : {'[', '{'}) {
    const Status status = checkJson(std::string(1'000'000, open), "input");
    ASSERT_FALSE(status.ok());
  }
  const Status deep = checkJson(nested('[', 1'000'000, ']'), "input");
  ASSERT_FALSE(deep.ok());
  EXPECT_NE(deep.error().message.find("nested deeper than 256 levels"), std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

// A parser is kept by each thread: what one text did must not show in the next answer.
TEST(IsJson, ManyTextsInTurnOnSeveralThreads) {
  const std::string large = '[' + std::string(100'000, ' ') + ']';
  const std::string deep = nested('[', 257, ']');
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 2; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        EXPECT_TRUE(isJson("1"));
        EXPECT_FALSE(isJson("["));
        EXPECT_TRUE(isJson(large));
        EXPECT_FALSE(isJson(deep));
        EXPECT_TRUE(isJson("{}"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Text that ends exactly where the readable memory does: the parser pads a copy, not the caller's
// bytes.
TEST(IsJson, ReadsNothingBehindTheText) {
  const std::string text = "[1]garbage";
  EXPECT_TRUE(isJson(std::string_view(text).substr(0, 3)));
  EXPECT_FALSE(isJson(std::string_view(text).substr(0, 2)));
}

}  // namespace
}  // namespace nexus
