// Objects taken apart, and strings put together.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "base/text.h"

namespace nexus {
namespace {

using std::string_literals::operator""s;

using Member = std::pair<std::string, std::string>;

std::vector<Member> split(std::string_view text) {
  auto members = splitJsonObject(text, "input");
  EXPECT_TRUE(members.ok()) << members.error().message;
  std::vector<Member> pairs;
  if (!members) return pairs;
  for (const JsonMember& member : *members) pairs.emplace_back(member.name, member.value);
  return pairs;
}

TEST(SplitJsonObject, MembersInTheirOrder) {
  const struct {
    std::string text;
    std::vector<Member> members;
  } rows[] = {
      {"{}", {}},
      {" \r\n{\t} \n", {}},
      {R"({"a":1})", {{"a", "1"}}},
      {R"({"b":1,"a":2})", {{"b", "1"}, {"a", "2"}}},
      {R"({"":null})", {{"", "null"}}},
      {R"({"A":1,"a":2})", {{"A", "1"}, {"a", "2"}}},
      {R"({"__proto__":1,"constructor":2})", {{"__proto__", "1"}, {"constructor", "2"}}},
  };
  for (const auto& row : rows) EXPECT_EQ(split(row.text), row.members) << row.text;
}

TEST(SplitJsonObject, ValuesAreExactlyTheirText) {
  const std::string values[] = {"0",
                                "-1.50e+3",
                                "true",
                                "false",
                                "null",
                                R"("")",
                                R"("a\"}b\\")",
                                R"("é😀\u0000")",
                                "[]",
                                "{}",
                                "[ ]",
                                "{ }",
                                "[1, [2, {\"x\" : 3}] ]",
                                R"({"a":1,"b":{"c":[{}]}})",
                                R"("a:b,c")",
                                R"({"x":1})"};
  for (const std::string& value : values) {
    for (const char* space : {"", " ", "\t\r\n "}) {
      const std::string s = space;
      const std::string member = s + "\"a\"" + s + ":" + s + value + s;
      EXPECT_EQ(split("{" + member + "}"), (std::vector<Member>{{"a", value}})) << member;
      EXPECT_EQ(split(s + "{" + member + "," + s + "\"b\"" + s + ":" + s + value + "}" + s),
                (std::vector<Member>{{"a", value}, {"b", value}}))
          << member;
    }
  }
}

TEST(SplitJsonObject, ValuesArePartsOfTheText) {
  const std::string text = R"( {"a": [1], "b":"x"} )";
  const auto members = splitJsonObject(text, "input");
  ASSERT_TRUE(members.ok());
  EXPECT_EQ((*members)[0].value.data() - text.data(), 7);
  EXPECT_EQ((*members)[1].value.data() - text.data(), 16);
}

TEST(SplitJsonObject, NamesInsideValuesAreNobodysMembers) {
  EXPECT_EQ(split(R"({"a":{"a":{"a":1},"b":[{"a":2}]},"b":[{"c":3}]})"),
            (std::vector<Member>{{"a", R"({"a":{"a":1},"b":[{"a":2}]})"}, {"b", R"([{"c":3}])"}}));
}

TEST(SplitJsonObject, EscapesInNamesAreResolved) {
  const struct {
    std::string name;  // as in the text
    std::string meaning;
  } rows[] = {
      {R"(a\"b)", "a\"b"},
      {R"(\\)", "\\"},
      {R"(\/)", "/"},
      {R"(\b\f\n\r\t)", "\b\f\n\r\t"},
      {R"(\u0041)", "A"},
      {R"(\u0000)", "\0"s},
      {R"(x\u0000y)", "x\0y"s},
      {R"(\u00e9\u00E9)", "éé"},
      {R"(\u20ac)", "€"},
      {R"(\uffff)", "\uFFFF"},
      {R"(\ufeff)", "\uFEFF"},
      {R"(\ud83d\ude00)", "😀"},
      {R"(\ud800\udc00)", "\U00010000"},
      {R"(\uDBFF\uDFFF)", "\U0010FFFF"},
      {R"(a\ud83d\ude00\ud83d\ude00b)", "a😀😀b"},
      {R"(\ud7ff\ue000)", "\uD7FF\uE000"},
      {R"(\\u0041)", "\\u0041"},
      {R"(\\\u0041)", "\\A"},
      {"é😀", "é😀"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(split("{\"" + row.name + "\":1}"), (std::vector<Member>{{row.meaning, "1"}}));
  }
}

TEST(SplitJsonObject, EscapesInValuesStay) {
  EXPECT_EQ(split(R"({"a":"\u0041\n"})"), (std::vector<Member>{{"a", R"("\u0041\n")"}}));
}

TEST(SplitJsonObject, WhatIsNoObjectIsRefused) {
  for (const char* text : {"[]", R"([{"a":1}])", "null", "1", R"("{}")", " true "}) {
    const auto members = splitJsonObject(text, "--state");
    ASSERT_FALSE(members.ok()) << text;
    EXPECT_EQ(members.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(members.error().message, "--state must be a JSON object");
  }
}

TEST(SplitJsonObject, MistakesHaveAPlace) {
  const struct {
    std::string text;
    SourceLocation place;
    const char* why;
  } rows[] = {
      {"", {1, 1}, "it is empty"},
      {"{", {1, 2}, "expected a property name in double quotes"},
      {"{\"a\"}", {1, 5}, "expected ':' behind the property name"},
      {"{\"a\":}", {1, 6}, "expected a value"},
      {"{\"a\":1", {1, 7}, "expected ',' or '}'"},
      {"{\"a\":1,\n}", {2, 1}, "expected a property name in double quotes"},
      {"{\"a\":1}\n{}", {2, 1}, "expected the end behind the value"},
      {"{\"a\":[1,\n2}}", {2, 2}, "expected ',' or ']'"},
      {"{\"😀\":\nnul}", {2, 1}, "expected a value"},
      {"{\"\\ud800\":1}", {1, 3}, "a lone surrogate is not Unicode text"},
      {"{\"a\":\"\xFF\"}", {1, 7}, "it is not UTF-8"},
      {"{\"\xFF\":1}", {1, 3}, "it is not UTF-8"},
      {"\xEF\xBB\xBF{}", {1, 1}, "a byte order mark is not part of JSON"},
  };
  for (const auto& row : rows) {
    const auto members = splitJsonObject(row.text, "input");
    ASSERT_FALSE(members.ok()) << row.text;
    EXPECT_EQ(members.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(members.error().location, row.place) << row.text << members.error().message;
    EXPECT_EQ(members.error().message, "input is not valid JSON at line " +
                                           std::to_string(row.place.line) + ", column " +
                                           std::to_string(row.place.column) + ": " + row.why);
  }
}

TEST(SplitJsonObject, ANameThatIsThereTwiceIsRefusedAtTheSecond) {
  const struct {
    const char* text;
    SourceLocation place;
    const char* name;
  } rows[] = {
      {R"({"a":1,"a":1})", {1, 8}, R"("a")"},
      {"{\"a\":1,\n\"b\":2,\n  \"a\":3}", {3, 3}, R"("a")"},
      // The same name, written differently.
      {R"({"a":1,"\u0061":2})", {1, 8}, R"("a")"},
      {R"({"\n":1,"\u000a":2})", {1, 9}, R"("\u000a")"},
      {R"({"😀":1,"\ud83d\ude00":2})", {1, 9}, R"("😀")"},
      {R"({"":1,"":2})", {1, 7}, R"("")"},
  };
  for (const auto& row : rows) {
    const auto members = splitJsonObject(row.text, "input");
    ASSERT_FALSE(members.ok()) << row.text;
    EXPECT_EQ(members.error().location, row.place) << row.text;
    const std::string end = "the name "s + row.name + " is there twice";
    EXPECT_TRUE(members.error().message.ends_with(end)) << members.error().message;
  }
}

TEST(SplitJsonObject, NestingHasAnEnd) {
  const auto nested = [](size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + ",\"b\":1}";
  };
  const std::string value = std::string(255, '[') + std::string(255, ']');
  EXPECT_EQ(split(nested(255)), (std::vector<Member>{{"a", value}, {"b", "1"}}));
  const auto tooDeep = splitJsonObject(nested(256), "input");
  ASSERT_FALSE(tooDeep.ok());
  EXPECT_TRUE(tooDeep.error().message.ends_with("it is nested deeper than 256 levels"));
  EXPECT_FALSE(splitJsonObject("{\"a\":" + std::string(1'000'000, '{'), "input").ok());
}

TEST(QuoteJson, WhatMustBeEscapedIs) {
  const struct {
    std::string text;
    std::string quoted;
  } rows[] = {
      {"", R"("")"},
      {"plain", R"("plain")"},
      {"a\"b\\c/", R"("a\"b\\c/")"},
      {"\n\r\t\b\f", R"("\u000a\u000d\u0009\u0008\u000c")"},
      {"\0"s, R"("\u0000")"},
      {"\x1F\x20", "\"\\u001f \""},
      {"\x7F", "\"\x7F\""},
      {"é€😀\uFEFF", "\"é€😀\uFEFF\""},
  };
  for (const auto& row : rows) EXPECT_EQ(quoteJson(row.text), row.quoted);
}

TEST(QuoteJson, EveryCharacterComesBack) {
  std::string all;
  for (uint32_t c = 0; c < 0x3000; ++c) appendUtf8(all, c);
  const std::string quoted = quoteJson(all);
  EXPECT_TRUE(isJson(quoted));
  EXPECT_EQ(split("{" + quoted + ":1}"), (std::vector<Member>{{all, "1"}}));
}

}  // namespace
}  // namespace nexus
