#include "app/extensions.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "base/suggest.h"

namespace nexus::app {
namespace {

constexpr std::string_view kBuiltIn[] = {"timer", "http"};

// Two extensions under one alias.
class StubFirst final : public Extension {
 public:
  StubFirst(std::shared_ptr<Extension> stub, std::shared_ptr<Extension> other)
      : stub_(std::move(stub)), other_(std::move(other)) {}

  bool answers(std::string_view method) const noexcept override {
    return stub_->answers(method) || other_->answers(method);
  }
  void call(ExtensionCall call, ExtensionReply reply) noexcept override {
    Extension& answering = stub_->answers(call.method) ? *stub_ : *other_;
    answering.call(std::move(call), std::move(reply));
  }

 private:
  const std::shared_ptr<Extension> stub_;
  const std::shared_ptr<Extension> other_;
};

Result<std::shared_ptr<Extension>> makeOne(const std::string& name, const HttpOptions& http) {
  if (name == "timer") return makeTimer();
  if (name == "http") return makeHttp(http);
  return Error{.code = ErrorCode::kInvalidInput,
               .message = fmt::format("--ext: no extension '{}' is built in; there are: {}{}", name,
                                      fmt::join(kBuiltIn, ", "), didYouMean(name, kBuiltIn))};
}

}  // namespace

Result<ExtStub::ByAlias> makeBuiltIn(std::span<const std::string> names, const HttpOptions& http) {
  ExtStub::ByAlias extensions;
  for (const std::string& name : names) {
    auto made = makeOne(name, http);
    if (!made) return std::move(made).error();
    extensions.insert_or_assign(name, std::move(*made));
  }
  return extensions;
}

ExtStub::ByAlias stubsFirst(const ExtStub::ByAlias& stubs, const ExtStub::ByAlias& others) {
  ExtStub::ByAlias all = others;
  for (const auto& [alias, stub] : stubs) {
    std::shared_ptr<Extension>& extension = all[alias];
    extension = extension ? std::make_shared<StubFirst>(stub, extension) : stub;
  }
  return all;
}

std::string describeRemedy(std::span<const ExtensionRequest> pending) {
  std::string flags;
  for (const std::string_view name : kBuiltIn) {
    const bool isAsked = std::any_of(pending.begin(), pending.end(), [&](const auto& request) {
      return request.extension == name;
    });
    if (isAsked) flags += fmt::format("--ext {}, ", name);
  }
  return fmt::format("nothing here answers what it waits for (see {}--ext-stub)", flags);
}

}  // namespace nexus::app
