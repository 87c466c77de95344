#include "app/ext_stub.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace nexus::app {
namespace {

using Kind = js::Settlement::Kind;

const ExtStub::Answer* find(const ExtStub& stub, std::string alias, std::string method) {
  return stub.find({.id = 1, .extension = std::move(alias), .method = std::move(method)});
}

ExtStub parse(std::string_view json) {
  auto stub = ExtStub::parse(json, "stub.json");
  EXPECT_TRUE(stub.ok()) << stub.error().message;
  return stub ? *stub : ExtStub();
}

TEST(ExtStubTest, NoneAnswersNothing) {
  EXPECT_EQ(find(ExtStub(), "http", "get"), nullptr);
  for (const char* text : {"{}", R"({"http": {}})"}) {
    EXPECT_EQ(find(parse(text), "http", "get"), nullptr) << text;
  }
}

TEST(ExtStubTest, ResultsAreJsonTextAsItStands) {
  for (const char* value : {"null", "1.0", R"("\u0041")", "[1, 2]", R"({"error": "x"})", "{}"}) {
    const ExtStub stub = parse(std::string(R"({"http": {"get": {"result": )") + value + "}}}");
    const ExtStub::Answer* answer = find(stub, "http", "get");
    ASSERT_NE(answer, nullptr) << value;
    EXPECT_EQ(answer->kind, Kind::kResult);
    EXPECT_EQ(answer->text, value);
  }
}

TEST(ExtStubTest, ErrorsAreTheTextThatIsMeant) {
  const ExtStub stub = parse(R"({"http": {"get": {"error": "no\n\"\u00e9\ud83d\ude00\u0000"}}})");
  const ExtStub::Answer* answer = find(stub, "http", "get");
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer->kind, Kind::kError);
  EXPECT_EQ(answer->text, std::string("no\n\"é😀\0", 11));
}

TEST(ExtStubTest, AnswersAreFoundByAliasAndMethod) {
  const ExtStub stub = parse(
      R"({"a": {"get": {"result": 1}, "put": {"result": 2}}, "b": {"get": {"result": 3}},
          "": {"": {"result": 4}}, "__proto__": {"x\u0000": {"result": 5}}})");
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
    const ExtStub::Answer* answer = find(stub, row.alias, row.method);
    ASSERT_EQ(answer != nullptr, row.text != nullptr) << row.alias << "." << row.method;
    if (answer == nullptr) continue;
    EXPECT_EQ(answer->text, row.text);
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
