#include "base/rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nexus {
namespace {

using std::string_literals::operator""s;

// What may be asked of rights, each by a name.
struct Question {
  const char* kind;
  bool (*ask)(const Rights& rights, std::string_view name);
};

const Question kQuestions[] = {
    {"state:read:", [](const Rights& r, std::string_view name) { return r.mayRead(name); }},
    {"state:write:", [](const Rights& r, std::string_view name) { return r.mayWrite(name); }},
    {"events:emit:", [](const Rights& r, std::string_view name) { return r.mayEmit(name); }},
    {"view:update:", [](const Rights& r, std::string_view name) { return r.mayUpdate(name); }},
    {"ext:", [](const Rights& r, std::string_view name) { return r.mayCall(name, "get"); }},
};

Rights parse(const std::vector<std::string>& tokens) {
  auto rights = Rights::parse(tokens);
  EXPECT_TRUE(rights.ok()) << rights.error().message;
  return rights ? *rights : Rights();
}

TEST(RightsTest, NothingIsGrantedByDefault) {
  for (const Rights& rights : {Rights(), parse({})}) {
    for (const Question& question : kQuestions) {
      for (const auto& name : {"cpu"s, "*"s, ""s, "__proto__"s}) {
        EXPECT_FALSE(question.ask(rights, name)) << question.kind << name;
      }
    }
    EXPECT_FALSE(rights.mayReadEverything());
  }
}

TEST(RightsTest, ATokenGrantsItsKindAndItsNameOnly) {
  for (const Question& granted : kQuestions) {
    const Rights rights = parse({granted.kind + "cpu"s});
    for (const Question& asked : kQuestions) {
      EXPECT_EQ(asked.ask(rights, "cpu"), &asked == &granted) << granted.kind << asked.kind;
      EXPECT_FALSE(asked.ask(rights, "mem")) << granted.kind << asked.kind;
    }
    EXPECT_FALSE(rights.mayReadEverything());
  }
}

TEST(RightsTest, AStarGrantsAllOfItsKindOnly) {
  for (const Question& granted : kQuestions) {
    const Rights rights = parse({granted.kind + "*"s});
    for (const Question& asked : kQuestions) {
      for (const auto& name : {"cpu"s, "*"s, ""s, "a\0b"s}) {
        EXPECT_EQ(asked.ask(rights, name), &asked == &granted) << granted.kind << asked.kind;
      }
    }
  }
  EXPECT_TRUE(parse({"state:read:*"}).mayReadEverything());
  EXPECT_FALSE(
      parse({"state:write:*", "events:emit:*", "view:update:*", "ext:*"}).mayReadEverything());
}

TEST(RightsTest, NamesAreComparedByteByByte) {
  const struct {
    std::string granted;
    std::string asked;
  } rows[] = {
      {"cpu", "CPU"},
      {"cpu", "cpu "},
      {"cpu", " cpu"},
      {"cpu", "cp"},
      {"cpu", "cpu2"},
      {"cpu", ""},
      {"cpu", "cpu\0"s},
      {"cpu\0"s, "cpu"},
      {"a\0b"s, "a"},
      {"a\0b"s, "a\0c"s},
      {"cpu",
       "\xEF\xBB\xBF"
       "cpu"},
      {"\xEF\xBB\xBF"
       "cpu",
       "cpu"},
      {"\u00e9", "e\u0301"},  // é, and é of two characters
      {"e\u0301", "\u00e9"},
      {"ﬁ", "fi"},
      {"cpu", "*"},
      {"**", "*"},
      {"c*", "cpu"},
      {"__proto__", "proto"},
      {"constructor", "__proto__"},
  };
  for (const auto& row : rows) {
    for (const Question& question : kQuestions) {
      const Rights rights = parse({question.kind + row.granted});
      EXPECT_TRUE(question.ask(rights, row.granted)) << question.kind << row.granted;
      EXPECT_FALSE(question.ask(rights, row.asked)) << question.kind << row.granted << row.asked;
    }
  }
}

TEST(RightsTest, MethodsOfAnExtension) {
  const struct {
    std::vector<std::string> tokens;
    const char* alias;
    const char* method;
    bool may;
  } rows[] = {
      {{"ext:http"}, "http", "get", true},
      {{"ext:http"}, "http", "", true},
      {{"ext:http:*"}, "http", "anything", true},
      {{"ext:http:get"}, "http", "get", true},
      {{"ext:http:get"}, "http", "post", false},
      {{"ext:http:get"}, "http", "Get", false},
      {{"ext:http:get"}, "http", "get ", false},
      {{"ext:http:get"}, "http", "*", false},
      {{"ext:http:get"}, "http", "", false},
      {{"ext:http:get"}, "https", "get", false},
      {{"ext:http:get,post"}, "http", "post", true},
      {{"ext:http:get,post"}, "http", "get,post", false},
      {{"ext:http:get", "ext:http:post"}, "http", "get", true},
      {{"ext:http:get", "ext:http:post"}, "http", "post", true},
      {{"ext:http:get", "ext:db:find"}, "http", "find", false},
      {{"ext:http:get", "ext:db:find"}, "db", "get", false},
      // The wider one counts, whichever comes first.
      {{"ext:http:get", "ext:http"}, "http", "post", true},
      {{"ext:http", "ext:http:get"}, "http", "post", true},
      {{"ext:*", "ext:http:get"}, "http", "post", true},
      {{"ext:http:get", "ext:*"}, "db", "find", true},
      {{"ext:__proto__:constructor"}, "__proto__", "constructor", true},
      {{"ext:__proto__:constructor"}, "__proto__", "toString", false},
      {{"state:read:*", "state:write:*"}, "http", "get", false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(parse(row.tokens).mayCall(row.alias, row.method), row.may)
        << row.tokens.front() << " " << row.alias << "." << row.method;
  }
}

TEST(RightsTest, RightsAddUp) {
  Rights rights = parse({"state:read:a", "state:read:b", "state:write:a"});
  EXPECT_TRUE(rights.mayRead("a") && rights.mayRead("b") && rights.mayWrite("a"));
  EXPECT_FALSE(rights.mayWrite("b"));
  rights.add({.kind = Capability::Kind::kStateWrite, .name = "b", .methods = {}});
  EXPECT_TRUE(rights.mayWrite("b") && rights.mayWrite("a"));
  EXPECT_FALSE(rights.mayRead("c"));
}

TEST(RightsTest, OneMalformedTokenRefusesThemAll) {
  const std::vector<std::string> tokens = {"state:read:a", "state:raed:b", "ext:"};
  const auto rights = Rights::parse(tokens);
  ASSERT_FALSE(rights.ok());
  EXPECT_EQ(rights.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(rights.error().message, testing::HasSubstr("'state:raed:b'")) << "the first one";
}

}  // namespace
}  // namespace nexus
