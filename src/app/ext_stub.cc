#include "app/ext_stub.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace nexus::app {
namespace {

using Kind = js::Settlement::Kind;

Result<ExtStub::Answer> parseAnswer(std::string_view json, const std::string& what) {
  auto members = splitJsonObject(json, what);
  if (!members) return std::move(members).error();
  const bool isOne = members->size() == 1;
  if (isOne && members->front().name == "result") {
    return ExtStub::Answer{Kind::kResult, std::string(members->front().value)};
  }
  if (isOne && members->front().name == "error" && members->front().value.starts_with('"')) {
    return ExtStub::Answer{Kind::kError,
                           nlohmann::json::parse(members->front().value).get<std::string>()};
  }
  return Error{.code = ErrorCode::kInvalidInput,
               .message = fmt::format(
                   "{} must be {{\"result\": VALUE}} or {{\"error\": \"MESSAGE\"}}", what)};
}

}  // namespace

Result<ExtStub> ExtStub::parse(std::string_view json, std::string_view what) {
  ExtStub stub;
  auto aliases = splitJsonObject(json, what);
  if (!aliases) return std::move(aliases).error();
  for (const JsonMember& alias : *aliases) {
    auto methods = splitJsonObject(alias.value, fmt::format("{}: {}", what, alias.name));
    if (!methods) return std::move(methods).error();
    for (const JsonMember& method : *methods) {
      auto answer =
          parseAnswer(method.value, fmt::format("{}: {}.{}", what, alias.name, method.name));
      if (!answer) return std::move(answer).error();
      stub.answers_[{alias.name, method.name}] = std::move(*answer);
    }
  }
  return stub;
}

const ExtStub::Answer* ExtStub::find(const ExtensionRequest& request) const {
  const auto found = answers_.find({request.extension, request.method});
  return found == answers_.end() ? nullptr : &found->second;
}

}  // namespace nexus::app
