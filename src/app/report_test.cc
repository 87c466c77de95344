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
