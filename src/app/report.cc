#include "app/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace nexus::app {
namespace {

using Json = nlohmann::ordered_json;

// What comes from a guest was made well-formed before; what comes from files may not be.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json describe(const Error& error) {
  Json json{{"code", toString(error.code)}, {"message", error.message}};
  if (!error.stack.empty()) json["stack"] = error.stack;
  if (error.location) {
    json["location"] = {{"line", error.location->line}, {"column", error.location->column}};
  }
  if (!error.snippet.empty()) json["snippet"] = error.snippet;
  if (error.limit) {
    json["limit"] = {{"name", error.limit->name},
                     {"value", error.limit->value},
                     {"observed", error.limit->observed}};
  }
  return json;
}

Json describe(const ExecutionMetrics& metrics) {
  Json hostCalls = Json::object();
  if (metrics.logCalls > 0) hostCalls["log"] = metrics.logCalls;
  return Json{{"durationUs", metrics.duration.count()},
              {"memoryUsedBytes", metrics.memoryUsedBytes},
              {"memoryPeakBytes", metrics.memoryPeakBytes},
              {"hostCalls", hostCalls},
              {"cacheHit", metrics.cacheTier != CacheTier::kNone},
              {"cacheTier", toString(metrics.cacheTier)},
              {"compilationTimeUs", metrics.compilationTime.count()},
              {"instructionCount", metrics.instructionCount}};
}

}  // namespace

std::string toJson(const ExecutionResult& result) {
  std::string text = result.ok() ? R"({"status":"success")" : R"({"status":"error")";
  // The value is JSON text already, and stays as the handler wrote it.
  if (result.value) text += R"(,"value":)" + *result.value;
  if (result.error) text += R"(,"error":)" + dump(describe(*result.error));
  return text + R"(,"metrics":)" + dump(describe(result.metrics)) + "}";
}

std::string toJson(const Error& error) {
  return fmt::format(R"({{"status":"error","error":{}}})", dump(describe(error)));
}

}  // namespace nexus::app
