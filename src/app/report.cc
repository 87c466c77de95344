#include "app/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/json.h"

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
  for (const auto& [name, count] :
       {std::pair("log", metrics.hostCalls.log), std::pair("emit", metrics.hostCalls.emit),
        std::pair("view", metrics.hostCalls.view), std::pair("ext", metrics.hostCalls.ext),
        std::pair("state", metrics.hostCalls.state)}) {
    if (count > 0) hostCalls[name] = count;
  }
  return Json{{"durationUs", metrics.duration.count()},
              {"memoryUsedBytes", metrics.memoryUsedBytes},
              {"memoryPeakBytes", metrics.memoryPeakBytes},
              {"hostCalls", hostCalls},
              {"cacheHit", metrics.cacheTier != CacheTier::kNone},
              {"cacheTier", toString(metrics.cacheTier)},
              {"compilationTimeUs", metrics.compilationTime.count()},
              {"instructionCount", metrics.instructionCount}};
}

// The objects below are put together as text: values are JSON text already, and stay as the handler
// wrote them.
std::string describe(const StateMutation& mutation) {
  const std::string key = R"({"key":)" + quoteJson(mutation.key);
  if (!mutation.value) return key + R"(,"operation":"delete"})";
  return key + R"(,"operation":"set","value":)" + *mutation.value + "}";
}

std::string describe(const Event& event) {
  const std::string payload = event.payload ? R"(,"payload":)" + *event.payload : "";
  return R"({"name":)" + quoteJson(event.name) + payload + "}";
}

std::string describe(const ViewCommand& command) {
  return R"({"type":)" + quoteJson(command.type) + R"(,"componentId":)" +
         quoteJson(command.componentId) + R"(,"args":)" + command.args + "}";
}

std::string describe(const ExtensionRequest& request) {
  return R"({"id":)" + std::to_string(request.id) + R"(,"extension":)" +
         quoteJson(request.extension) + R"(,"method":)" + quoteJson(request.method) +
         R"(,"args":)" + request.args + "}";
}

template <typename T>
std::string list(const std::vector<T>& members) {
  std::string text = "[";
  for (const T& member : members) {
    if (text.size() > 1) text += ',';
    text += describe(member);
  }
  return text + "]";
}

}  // namespace

std::string toJson(const ExecutionResult& result) {
  std::string text = fmt::format(R"({{"status":"{}")", toString(result.status()));
  if (result.value) text += R"(,"value":)" + *result.value;
  text += R"(,"stateMutations":)" + list(result.stateMutations);
  text += R"(,"events":)" + list(result.events);
  text += R"(,"viewCommands":)" + list(result.viewCommands);
  if (result.status() == CallStatus::kSuspended) {
    text += R"(,"suspension":{"suspensionId":)" + quoteJson(result.suspensionId) +
            R"(,"pending":)" + list(result.pending) + "}";
  }
  if (result.error) text += R"(,"error":)" + dump(describe(*result.error));
  return text + R"(,"metrics":)" + dump(describe(result.metrics)) + "}";
}

std::string toJson(const Error& error) {
  return fmt::format(R"({{"status":"error","error":{}}})", dump(describe(error)));
}

}  // namespace nexus::app
