#include "base/capability.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/text.h"

namespace nexus {
namespace {

using Kind = Capability::Kind;
using std::string_literals::operator""s;
using testing::HasSubstr;
using testing::Not;

struct Token {
  std::string text;
  Capability capability;
};

const Token kTokens[] = {
    {"state:read:cpu", {Kind::kStateRead, "cpu", {}}},
    {"state:write:cpu", {Kind::kStateWrite, "cpu", {}}},
    {"events:emit:toast", {Kind::kEventsEmit, "toast", {}}},
    {"view:update:logs", {Kind::kViewUpdate, "logs", {}}},
    {"ext:http", {Kind::kExtension, "http", {}}},
    {"ext:http:get", {Kind::kExtension, "http", {"get"}}},
    {"ext:http:get,post", {Kind::kExtension, "http", {"get", "post"}}},
    {"state:read:*", {Kind::kStateRead, "*", {}}},
    {"state:write:*", {Kind::kStateWrite, "*", {}}},
    {"events:emit:*", {Kind::kEventsEmit, "*", {}}},
    {"view:update:*", {Kind::kViewUpdate, "*", {}}},
    {"ext:*", {Kind::kExtension, "*", {}}},
    // Names are taken as they are.
    {"state:read:a:b::", {Kind::kStateRead, "a:b::", {}}},
    {"state:read:state:write:x", {Kind::kStateRead, "state:write:x", {}}},
    {"state:read: ", {Kind::kStateRead, " ", {}}},
    {"state:read:a*", {Kind::kStateRead, "a*", {}}},
    {"state:read:**", {Kind::kStateRead, "**", {}}},
    {"state:read:__proto__", {Kind::kStateRead, "__proto__", {}}},
    {"state:read:\xEF\xBB\xBFx", {Kind::kStateRead, "\xEF\xBB\xBFx", {}}},
    {"state:read:a\0b"s, {Kind::kStateRead, "a\0b"s, {}}},
    {"events:emit:größe 😀", {Kind::kEventsEmit, "größe 😀", {}}},
    {"view:update:a,b", {Kind::kViewUpdate, "a,b", {}}},
    {"ext:http:get: post", {Kind::kExtension, "http", {"get: post"}}},
    {"ext: :x", {Kind::kExtension, " ", {"x"}}},
};

TEST(CapabilityTest, EveryKindIsParsed) {
  for (const Token& token : kTokens) {
    const auto parsed = parseCapability(token.text);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_EQ(parsed->kind, token.capability.kind) << token.text;
    EXPECT_EQ(parsed->name, token.capability.name) << token.text;
    EXPECT_EQ(parsed->methods, token.capability.methods) << token.text;
  }
}

TEST(CapabilityTest, TokensSurviveTheWayBack) {
  for (const Token& token : kTokens) EXPECT_EQ(toToken(token.capability), token.text);
}

TEST(CapabilityTest, EveryMethodMeansTheExtension) {
  const auto parsed = parseCapability("ext:http:*");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, (Capability{Kind::kExtension, "http", {}}));
  EXPECT_EQ(toToken(*parsed), "ext:http");
}

TEST(CapabilityTest, WhatIsMalformedIsRefusedWithAReason) {
  const struct {
    std::string token;
    std::string message;  // a part of it
  } rows[] = {
      {"state:read:", "lacks a key behind 'state:read:' ('*' for all)"},
      {"state:write:", "lacks a key behind 'state:write:' ('*' for all)"},
      {"events:emit:", "lacks the name of an event behind 'events:emit:' ('*' for all)"},
      {"view:update:", "lacks the id of a component behind 'view:update:' ('*' for all)"},
      {"ext:", "lacks the alias of an extension behind 'ext:'"},
      {"ext::get", "lacks the alias of an extension behind 'ext:'"},
      {"ext:http:", "has an empty method; expected ext:ALIAS:METHOD,METHOD"},
      {"ext:http:,", "has an empty method"},
      {"ext:http:get,", "has an empty method"},
      {"ext:http:,get", "has an empty method"},
      {"ext:http:get,,post", "has an empty method"},
      {"ext:http:get,*", "has '*' among methods; alone it stands for all of them"},
      {"ext:http:*,get", "has '*' among methods"},
      {"ext:*:get", "names methods of '*'; ext:* is all there is"},
      {"ext:*:*", "names methods of '*'"},
      {"ext:*:", "names methods of '*'"},
      {"", "the capability '' is of no known kind; expected state:read:KEY, "},
      {"*", "is of no known kind"},
      {":", "is of no known kind"},
      {"state", "is of no known kind"},
      {"state:*", "is of no known kind"},
      {"state:*:x", "is of no known kind"},
      {"view:read:x", "is of no known kind"},
      {"STATE:READ:x", "is of no known kind"},
      {"State:read:x", "is of no known kind"},
      {" state:read:x", "is of no known kind"},
      {"state: read:x", "is of no known kind"},
      {"state.read.x", "is of no known kind"},
      {"state:read\0:x"s, "is of no known kind"},
      {"\xEF\xBB\xBFstate:read:x", "is of no known kind"},
      {"state:read:\xFF", "is not UTF-8"},
      {"state:read:\xED\xA0\x80", "is not UTF-8"},
      {"ext:a:\xC3", "is not UTF-8"},
  };
  for (const auto& row : rows) {
    const auto parsed = parseCapability(row.token);
    ASSERT_FALSE(parsed.ok()) << row.token;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidInput) << row.token;
    EXPECT_THAT(parsed.error().message, HasSubstr(row.message)) << row.token;
    EXPECT_EQ(findInvalidUtf8(parsed.error().message), std::nullopt) << "the message itself";
  }
}

TEST(CapabilityTest, TheMessageNamesTheToken) {
  EXPECT_THAT(parseCapability("ext:http:").error().message,
              testing::StartsWith("the capability 'ext:http:' has"));
  EXPECT_THAT(parseCapability("state:read:\xFF").error().message,
              testing::StartsWith("the capability 'state:read:\uFFFD' is not UTF-8"));
}

TEST(CapabilityTest, ASlipOfThePenIsPutRight) {
  const struct {
    const char* token;
    const char* meant;
  } rows[] = {
      {"state:raed:x", "state:read:"},
      {"sate:read:x", "state:read:"},
      {"state:wirte:x", "state:write:"},
      {"state-write:x", "state:write:"},
      {"states:write:x", "state:write:"},
      {"event:emit:x", "events:emit:"},
      {"events:emitt:x", "events:emit:"},
      {"view:updat:x", "view:update:"},
      {"viwe:update:x", "view:update:"},
      {"exts:http", "ext:"},
      {"etx:http", "ext:"},
      {"ext", "ext:"},
      {"State:read:x", "state:read:"},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(parseCapability(row.token).error().message,
                testing::EndsWith(". Did you mean '"s + row.meant + "'?"))
        << row.token;
  }
}

TEST(CapabilityTest, WhatIsLikeNothingGetsNoGuess) {
  for (const char* token : {"", "*", "filesystem:read:x", "network", "a:b:c", "x"}) {
    EXPECT_THAT(parseCapability(token).error().message, Not(HasSubstr("Did you mean"))) << token;
  }
}

}  // namespace
}  // namespace nexus
