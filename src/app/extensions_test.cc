#include "app/extensions.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nexus::app {
namespace {

std::vector<std::string> aliasesOf(const ExtStub::ByAlias& extensions) {
  std::vector<std::string> aliases;
  for (const auto& [alias, extension] : extensions) {
    EXPECT_NE(extension, nullptr) << alias;
    aliases.push_back(alias);
  }
  return aliases;
}

TEST(BuiltInTest, ThoseThatAreNamedAndNoOthers) {
  const struct {
    std::vector<std::string> names;
    std::vector<std::string> aliases;
  } rows[] = {{{}, {}},
              {{"timer"}, {"timer"}},
              {{"timer", "http"}, {"http", "timer"}},
              {{"http", "http"}, {"http"}}};
  for (const auto& row : rows) {
    const auto extensions = makeBuiltIn(row.names, {});
    ASSERT_TRUE(extensions.ok()) << extensions.error().message;
    EXPECT_EQ(aliasesOf(*extensions), row.aliases);
  }
}

TEST(BuiltInTest, UnknownOnesAreRefused) {
  const struct {
    const char* name;
    const char* message;
  } rows[] = {
      {"htpp",
       "--ext: no extension 'htpp' is built in; there are: timer, http. Did you mean "
       "'http'?"},
      {"db", "--ext: no extension 'db' is built in; there are: timer, http"},
      {"", "--ext: no extension '' is built in; there are: timer, http"},
  };
  for (const auto& row : rows) {
    const std::vector<std::string> names = {"timer", row.name};
    const auto extensions = makeBuiltIn(names, {});
    ASSERT_FALSE(extensions.ok()) << row.name;
    EXPECT_EQ(extensions.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(extensions.error().message, row.message);
  }
  const std::vector<std::string> http = {"http"};
  const auto extensions = makeBuiltIn(http, {.allow = {"/"}});
  ASSERT_FALSE(extensions.ok());
  EXPECT_EQ(extensions.error().code, ErrorCode::kInvalidInput);
}

// Says which one was asked.
std::string ask(const ExtStub::ByAlias& extensions, const char* alias, const char* method) {
  const auto found = extensions.find(alias);
  if (found == extensions.end() || !found->second->answers(method)) return "(nobody)";
  std::string answer;
  found->second->call({method, "[]", {}}, ExtensionReply([&](bool /*isResult*/, std::string text) {
                        answer = std::move(text);
                      }));
  return answer;
}

TEST(StubsFirstTest, AStubGoesBeforeWhatIsBehindIt) {
  const auto stubs = ExtStub::parse(R"({"a": {"get": {"result": "stub"}},
                                        "b": {"get": {"error": "stub"}}})",
                                    "stubs");
  const auto others = ExtStub::parse(R"({"a": {"get": {"result": 1}, "put": {"result": 2}},
                                         "c": {"get": {"result": 3}}})",
                                     "others");
  ASSERT_TRUE(stubs.ok() && others.ok());
  const ExtStub::ByAlias all = stubsFirst(*stubs, *others);
  EXPECT_EQ(ask(all, "a", "get"), "\"stub\"");
  EXPECT_EQ(ask(all, "a", "put"), "2");
  EXPECT_EQ(ask(all, "a", "delete"), "(nobody)");
  EXPECT_EQ(ask(all, "b", "get"), "stub");
  EXPECT_EQ(ask(all, "c", "get"), "3");
  EXPECT_EQ(ask(all, "d", "get"), "(nobody)");
}

TEST(DescribeRemedyTest, NamesTheFlagsThatWouldHelp) {
  const struct {
    std::vector<ExtensionRequest> pending;
    const char* text;
  } rows[] = {
      {{{1, "db", "find", "[]"}}, "nothing here answers what it waits for (see --ext-stub)"},
      {{{1, "http", "get", "[]"}, {2, "http", "put", "[]"}},
       "nothing here answers what it waits for (see --ext http, --ext-stub)"},
      {{{1, "http", "get", "[]"}, {2, "timer", "sleep", "[1]"}, {3, "db", "find", "[]"}},
       "nothing here answers what it waits for (see --ext timer, --ext http, --ext-stub)"},
  };
  for (const auto& row : rows) EXPECT_EQ(describeRemedy(row.pending), row.text);
}

}  // namespace
}  // namespace nexus::app
