#include "app/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace nexus::app {
namespace {

using nlohmann::json;

TEST(ReportTest, SuccessHoldsTheValueAsTheHandlerWroteIt) {
  ExecutionResult result;
  result.value = R"({"big":12345678901234567890123,"x":1.0})";
  const std::string text = toJson(result);
  EXPECT_NE(text.find(*result.value), std::string::npos);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(json::parse(text)["status"], "success");
  EXPECT_FALSE(json::parse(text).contains("error"));
}

TEST(ReportTest, UndefinedIsAbsent) {
  EXPECT_FALSE(json::parse(toJson(ExecutionResult{})).contains("value"));
}

TEST(ReportTest, ErrorHasEverythingThatIsKnown) {
  ExecutionResult result;
  result.error = Error{.code = ErrorCode::kTimeout,
                       .message = "too \"slow\"\x01",
                       .stack = "    at handler (handler.js:2:3)",
                       .location = SourceLocation{2, 3},
                       .snippet = "  for(;;);",
                       .limit = LimitReport{"timeout_ms", 50, 51}};
  const json error = json::parse(toJson(result))["error"];
  EXPECT_EQ(error["code"], "TIMEOUT");
  EXPECT_EQ(error["message"], "too \"slow\"\x01");
  EXPECT_EQ(error["location"], (json{{"line", 2}, {"column", 3}}));
  EXPECT_EQ(error["snippet"], "  for(;;);");
  EXPECT_EQ(error["limit"], (json{{"name", "timeout_ms"}, {"value", 50}, {"observed", 51}}));
  EXPECT_EQ(json::parse(toJson(result))["status"], "error");
}

TEST(ReportTest, WhatIsUnknownIsAbsent) {
  const json error = json::parse(toJson(Error{.code = ErrorCode::kInvalidInput, .message = "m"}));
  EXPECT_EQ(error["error"], (json{{"code", "INVALID_INPUT"}, {"message", "m"}}));
  EXPECT_FALSE(error.contains("metrics"));
}

TEST(ReportTest, NotUtf8BecomesReplacementCharacters) {
  const std::string text = toJson(Error{.message = "file \xff.js"});
  EXPECT_EQ(json::parse(text)["error"]["message"], "file \xEF\xBF\xBD.js");
}

// In the words of the documentation, every member there is.
TEST(ReportTest, ASuspendedCallWithEverything) {
  ExecutionResult result;
  result.suspensionId = "0123";
  result.stateMutations = {{"total", "21"}, {"gone", std::nullopt}, {"big", "1.0e400"}};
  result.events = {{"toast", R"({"a":[1]})"}, {"silent", std::nullopt}};
  result.viewCommands = {{"setFilter", "logs", R"({"value":"error"})"}, {"focus", "t", "{}"}};
  result.log = {{LogLevel::kInfo, "not here"}};
  result.pending = {{1, "http", "get", R"(["/a"])"}, {3, "db", "find", "[]"}};
  result.metrics.duration = std::chrono::microseconds(12);
  result.metrics.memoryUsedBytes = 13;
  result.metrics.memoryPeakBytes = 14;
  result.metrics.compilationTime = std::chrono::microseconds(15);
  result.metrics.instructionCount = 16;
  result.metrics.hostCalls = {.log = 1, .emit = 2, .view = 3, .ext = 4, .state = 5};
  EXPECT_EQ(
      toJson(result),
      R"({"status":"suspended","stateMutations":[)"
      R"({"key":"total","operation":"set","value":21},{"key":"gone","operation":"delete"},)"
      R"({"key":"big","operation":"set","value":1.0e400}],)"
      R"("events":[{"name":"toast","payload":{"a":[1]}},{"name":"silent"}],)"
      R"("viewCommands":[{"type":"setFilter","componentId":"logs","args":{"value":"error"}},)"
      R"({"type":"focus","componentId":"t","args":{}}],)"
      R"("suspension":{"suspensionId":"0123","pending":[{"id":1,"extension":"http","method":"get","args":["/a"]},)"
      R"({"id":3,"extension":"db","method":"find","args":[]}]},)"
      R"("metrics":{"durationUs":12,"memoryUsedBytes":13,"memoryPeakBytes":14,)"
      R"("hostCalls":{"log":1,"emit":2,"view":3,"ext":4,"state":5},"cacheHit":false,)"
      R"("cacheTier":"none","compilationTimeUs":15,"instructionCount":16}})");
}

TEST(ReportTest, ListsAreThereWhenTheyAreEmpty) {
  EXPECT_EQ(toJson(ExecutionResult{}),
            R"({"status":"success","stateMutations":[],"events":[],"viewCommands":[],)"
            R"("metrics":{"durationUs":0,"memoryUsedBytes":0,"memoryPeakBytes":0,"hostCalls":{},)"
            R"("cacheHit":false,"cacheTier":"none","compilationTimeUs":0,"instructionCount":0}})");
}

TEST(ReportTest, MembersHaveAnOrder) {
  ExecutionResult result;
  result.value = "1";
  result.error = Error{.code = ErrorCode::kTimeout,
                       .message = "m",
                       .stack = "s",
                       .location = SourceLocation{2, 3},
                       .snippet = "n",
                       .limit = LimitReport{"timeout_ms", 50, 51}};
  const auto report = nlohmann::ordered_json::parse(toJson(result));
  const auto keys = [](const auto& object) {
    std::string text;
    for (const auto& [key, value] : object.items()) text += key + " ";
    return text;
  };
  EXPECT_EQ(keys(report), "status value stateMutations events viewCommands error metrics ");
  EXPECT_EQ(keys(report["error"]), "code message stack location snippet limit ");
  EXPECT_EQ(keys(report["error"]["location"]), "line column ");
  EXPECT_EQ(keys(report["error"]["limit"]), "name value observed ");
}

// An error after a wait keeps what was handed over before.
TEST(ReportTest, AnErrorHasNoSuspensionAndKeepsTheEffects) {
  ExecutionResult result;
  result.error = Error{.code = ErrorCode::kCancelled, .message = "m"};
  result.pending = {{1, "http", "get", "[]"}};
  result.stateMutations = {{"a", "1"}};
  const json report = json::parse(toJson(result));
  EXPECT_EQ(report["status"], "error");
  EXPECT_FALSE(report.contains("suspension"));
  EXPECT_EQ(report["stateMutations"].size(), 1u);
}

TEST(ReportTest, NamesAreQuoted) {
  const std::string name = "a\"b\\c\n\x01é😀";
  ExecutionResult result;
  result.stateMutations = {{name, "1"}, {name, std::nullopt}};
  result.events = {{name, std::nullopt}};
  result.viewCommands = {{"focus", name, "{}"}};
  result.pending = {{1, name, name, "[]"}};
  const json report = json::parse(toJson(result));
  EXPECT_EQ(report["stateMutations"][0]["key"], name);
  EXPECT_EQ(report["stateMutations"][1]["key"], name);
  EXPECT_EQ(report["events"][0]["name"], name);
  EXPECT_EQ(report["viewCommands"][0]["componentId"], name);
  EXPECT_EQ(report["suspension"]["pending"][0]["extension"], name);
  EXPECT_EQ(report["suspension"]["pending"][0]["method"], name);
}

TEST(ReportTest, MetricsHaveTheirNames) {
  ExecutionResult result;
  result.metrics.duration = std::chrono::microseconds(12);
  result.metrics.hostCalls.log = 3;
  result.metrics.cacheTier = CacheTier::kDisk;
  const json metrics = json::parse(toJson(result))["metrics"];
  EXPECT_EQ(metrics["durationUs"], 12);
  EXPECT_EQ(metrics["hostCalls"], (json{{"log", 3}}));
  EXPECT_EQ(metrics["cacheHit"], true);
  EXPECT_EQ(metrics["cacheTier"], "disk");
}

}  // namespace
}  // namespace nexus::app
