#include "app/ext_stub.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace nexus::app {
namespace {

Result<ExtStub::Answer> parseAnswer(std::string_view json, const std::string& what) {
  auto members = splitJsonObject(json, what);
  if (!members) return std::move(members).error();
  const bool isOne = members->size() == 1;
  if (isOne && members->front().name == "result") {
    return ExtStub::Answer{true, std::string(members->front().value)};
  }
  if (isOne && members->front().name == "error" && members->front().value.starts_with('"')) {
    return ExtStub::Answer{false, nlohmann::json::parse(members->front().value).get<std::string>()};
  }
  return Error{.code = ErrorCode::kInvalidInput,
               .message = fmt::format(
                   "{} must be {{\"result\": VALUE}} or {{\"error\": \"MESSAGE\"}}", what)};
}

}  // namespace

Result<ExtStub::ByAlias> ExtStub::parse(std::string_view json, std::string_view what) {
  ByAlias extensions;
  auto aliases = splitJsonObject(json, what);
  if (!aliases) return std::move(aliases).error();
  for (const JsonMember& alias : *aliases) {
    std::map<std::string, Answer, std::less<>> answers;
    auto methods = splitJsonObject(alias.value, fmt::format("{}: {}", what, alias.name));
    if (!methods) return std::move(methods).error();
    for (const JsonMember& method : *methods) {
      auto answer =
          parseAnswer(method.value, fmt::format("{}: {}.{}", what, alias.name, method.name));
      if (!answer) return std::move(answer).error();
      answers.emplace(method.name, std::move(*answer));
    }
    extensions.emplace(alias.name, std::make_shared<ExtStub>(std::move(answers)));
  }
  return extensions;
}

void ExtStub::call(ExtensionCall call, ExtensionReply reply) noexcept {
  const auto found = answers_.find(call.method);
  if (found == answers_.end()) return;  // answers() said so
  if (found->second.isResult) {
    reply.result(found->second.text);
  } else {
    reply.error(found->second.text);
  }
}

}  // namespace nexus::app
