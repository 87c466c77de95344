#include "app/ext_stub.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

namespace nexus::app {
namespace {

// What a stub answers to a request.
struct Reply {
  bool isResult = false;
  std::string text;
};

// Nothing: it leaves the request to somebody else.
std::optional<Reply> ask(std::string_view json, const std::string& alias, std::string method) {
  auto stubs = ExtStub::parse(json, "stub.json");
  EXPECT_TRUE(stubs.ok()) << stubs.error().message;
  const auto stub = stubs ? stubs->find(alias) : ExtStub::ByAlias::iterator();
  if (!stubs || stub == stubs->end() || !stub->second->answers(method)) return std::nullopt;
  std::optional<Reply> reply;
  stub->second->call({std::move(method), "[]", {}},
                     ExtensionReply([&reply](bool isResult, std::string text) {
                       reply = Reply{isResult, std::move(text)};
                     }));
  return reply;
}

TEST(ExtStubTest, NoneAnswersNothing) {
  for (const char* text : {"{}", R"({"http": {}})"}) {
    EXPECT_FALSE(ask(text, "http", "get")) << text;
  }
}

TEST(ExtStubTest, ResultsAreJsonTextAsItStands) {
  for (const char* value : {"null", "1.0", R"("\u0041")", "[1, 2]", R"({"error": "x"})", "{}"}) {
    const std::string stub = std::string(R"({"http": {"get": {"result": )") + value + "}}}";
    const auto reply = ask(stub, "http", "get");
    ASSERT_TRUE(reply) << value;
    EXPECT_TRUE(reply->isResult);
    EXPECT_EQ(reply->text, value);
  }
}

TEST(ExtStubTest, ErrorsAreTheTextThatIsMeant) {
  const auto reply =
      ask(R"({"http": {"get": {"error": "no\n\"\u00e9\ud83d\ude00\u0000"}}})", "http", "get");
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->isResult);
  EXPECT_EQ(reply->text, std::string("no\n\"é😀\0", 11));
}

TEST(ExtStubTest, AnswersAreFoundByAliasAndMethod) {
  constexpr std::string_view kStub =
      R"({"a": {"get": {"result": 1}, "put": {"result": 2}}, "b": {"get": {"result": 3}},
          "": {"": {"result": 4}}, "__proto__": {"x\u0000": {"result": 5}}})";
  const struct {
    std::string alias;
    std::string method;
    const char* text;  // null: none
  } rows[] = {{"a", "get", "1"},
              {"a", "put", "2"},
              {"b", "get", "3"},
              {"b", "put", nullptr},
              {"c", "get", nullptr},
              {"A", "get", nullptr},
              {"a", "Get", nullptr},
              {"a", "", nullptr},
              {"", "", "4"},
              {"__proto__", "x", nullptr},
              {"__proto__", std::string("x\0", 2), "5"}};
  for (const auto& row : rows) {
    const auto reply = ask(kStub, row.alias, row.method);
    ASSERT_EQ(reply.has_value(), row.text != nullptr) << row.alias << "." << row.method;
    if (reply) {
      EXPECT_EQ(reply->text, row.text);
    }
  }
}

TEST(ExtStubTest, WhatIsNoAnswerIsNamed) {
  constexpr char kShape[] = R"( must be {"result": VALUE} or {"error": "MESSAGE"})";
  const struct {
    const char* text;
    std::string message;
  } rows[] = {
      {"", "stub.json is not valid JSON at line 1, column 1: it is empty"},
      {"[]", "stub.json must be a JSON object"},
      {"{\"http\":\n1}", "stub.json: http must be a JSON object"},
      {R"({"http": {"get": 1}})", "stub.json: http.get must be a JSON object"},
      {R"({"http": {"get": {}}})", std::string("stub.json: http.get") + kShape},
      {R"({"http": {"get": {"Result": 1}}})", std::string("stub.json: http.get") + kShape},
      {R"({"http": {"get": {"error": 1}}})", std::string("stub.json: http.get") + kShape},
      {R"({"http": {"get": {"error": null}}})", std::string("stub.json: http.get") + kShape},
      {R"({"http": {"get": {"result": 1, "error": "x"}}})",
       std::string("stub.json: http.get") + kShape},
      {R"({"a": {"ok": {"result": 1}}, "b": {"no": {"reslut": 1}}})",
       std::string("stub.json: b.no") + kShape},
      {R"({"http": {}, "http": {}})",
       "stub.json is not valid JSON at line 1, column 14: the name \"http\" is there twice"},
  };
  for (const auto& row : rows) {
    const auto stub = ExtStub::parse(row.text, "stub.json");
    ASSERT_FALSE(stub.ok()) << row.text;
    EXPECT_EQ(stub.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(stub.error().message, row.message);
  }
}

}  // namespace
}  // namespace nexus::app
