// Extensions that answer from a file, so that a handler can be tried without the world:
//
//   {"http": {"get": {"result": {"ok": true}}, "post": {"error": "connection refused"}}}
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "nexus/extension.h"
#include "nexus/result.h"

namespace nexus::app {

class ExtStub final : public Extension {
 public:
  struct Answer {
    bool isResult = true;
    std::string text;  // JSON text of a result, or an error's message
  };

  // By alias. kInvalidInput names the alias and the method whose answer is not one.
  using ByAlias = std::map<std::string, std::shared_ptr<Extension>, std::less<>>;
  static Result<ByAlias> parse(std::string_view json, std::string_view what);

  explicit ExtStub(std::map<std::string, Answer, std::less<>> answers)
      : answers_(std::move(answers)) {}

  bool answers(std::string_view method) const noexcept override {
    return answers_.find(method) != answers_.end();
  }
  // At once.
  void call(ExtensionCall call, ExtensionReply reply) noexcept override;

 private:
  const std::map<std::string, Answer, std::less<>> answers_;  // by method
};

}  // namespace nexus::app
