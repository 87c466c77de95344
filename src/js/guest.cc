#include "js/guest.h"

#include <algorithm>
#include <array>

namespace nexus::js {
namespace {

// No function of the guest that the host calls has more.
constexpr size_t kMostParameters = 8;

}  // namespace

std::optional<JsValue> Guest::call(sandbox::FunctionId function,
                                   std::initializer_list<Argument> args) {
  if (!ok()) return std::nullopt;
  std::array<uint64_t, kMostParameters> values{};
  std::transform(args.begin(), args.end(), values.begin(),
                 [](const Argument& argument) { return argument.value(); });
  const sandbox::CallResult result = sandbox_.call(function, {values.data(), args.size()});
  trap_ = result.trap;
  if (!ok()) return std::nullopt;
  return result.value;
}

std::optional<JsValue> Guest::callJs(Argument function, std::initializer_list<Argument> args) {
  std::array<uint64_t, kMostArguments> list{};
  std::transform(args.begin(), args.end(), list.begin(),
                 [](const Argument& argument) { return argument.value(); });
  write(anchors_.scratch, std::as_bytes(std::span(list).first(args.size())));
  return call(api_.call,
              {anchors_.context, function, kUndefinedValue, args.size(), anchors_.scratch});
}

std::optional<TaintedAddress> Guest::allocate(uint64_t bytes) {
  const auto address = call(api_.malloc, {bytes});
  if (!address || address->is(0)) return std::nullopt;
  return address->as<uint32_t>();
}

std::optional<TaintedAddress> Guest::place(std::string_view text) {
  std::optional<TaintedAddress> address = TaintedAddress(anchors_.transfer);
  if (text.size() >= kTransferBytes) address = allocate(text.size() + 1);
  if (!address) return std::nullopt;
  write(*address, std::as_bytes(std::span(text)));
  write(address->backToGuest() + text.size(), char{0});
  if (!ok()) return std::nullopt;
  return address;
}

std::optional<JsValue> Guest::newString(std::string_view text) {
  const auto at = place(text);
  if (!at) return std::nullopt;
  return call(api_.newString, {anchors_.context, *at, text.size()});
}

std::optional<JsValue> Guest::parseJson(std::string_view text) {
  const auto at = place(text);
  if (!at) return std::nullopt;
  // The file name only shows in syntax errors, which the host's own check leaves none of.
  return call(api_.parseJson, {anchors_.context, *at, text.size(),
                               uint64_t{static_cast<uint32_t>(at->backToGuest() + text.size())}});
}

std::optional<JsValue> Guest::property(Argument object, std::string_view name) {
  const auto at = place(name);
  if (!at) return std::nullopt;
  return call(api_.getProperty, {anchors_.context, object, *at});
}

std::optional<TaintedText> Guest::text(const JsValue& value, size_t maxBytes, size_t* lengthOut) {
  const uint32_t lengthAt = anchors_.scratch + kOutParameterAt;
  const auto address = call(api_.toText, {anchors_.context, lengthAt, value, 0});
  if (!address || address->is(0)) return std::nullopt;
  // No text is longer than the memory it is in; nothing is allocated for one that says so.
  const auto length = read<uint32_t>(lengthAt).atMost(
      static_cast<uint32_t>(std::min<uint64_t>(sandbox_.memoryBytes(), UINT32_MAX)));
  check(length.has_value());
  if (!ok()) return std::nullopt;
  if (lengthOut != nullptr) *lengthOut = *length;
  if (*length > maxBytes) return std::nullopt;
  std::string text(*length, '\0');
  readBytes(*address, std::as_writable_bytes(std::span(text)));
  call(api_.freeText, {anchors_.context, *address});
  if (!ok()) return std::nullopt;
  return TaintedText(std::move(text));
}

}  // namespace nexus::js
