// Extensions that answer from a file, so that a handler can be tried without the world:
//
//   {"http": {"get": {"result": {"ok": true}}, "post": {"error": "connection refused"}}}
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "js/call.h"
#include "nexus/execution.h"
#include "nexus/result.h"

namespace nexus::app {

class ExtStub {
 public:
  // Answers nothing.
  ExtStub() = default;

  // kInvalidInput names the alias and the method whose answer is not one.
  static Result<ExtStub> parse(std::string_view json, std::string_view what);

  // Null when there is none for this request; else valid as long as this.
  struct Answer {
    js::Settlement::Kind kind = js::Settlement::Kind::kResult;
    std::string text;  // JSON text of a result, or an error's message
  };
  const Answer* find(const ExtensionRequest& request) const;

 private:
  std::map<std::pair<std::string, std::string>, Answer> answers_;  // by alias and method
};

}  // namespace nexus::app
