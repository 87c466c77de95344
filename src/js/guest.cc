#include "js/guest.h"

#include <algorithm>
#include <array>

namespace nexus::js {

std::optional<uint64_t> Guest::call(sandbox::FunctionId function,
                                    std::initializer_list<uint64_t> args) {
  if (!ok()) return std::nullopt;
  const sandbox::CallResult result = sandbox_.call(function, {args.begin(), args.size()});
  trap_ = result.trap;
  if (!ok()) return std::nullopt;
  return result.value;
}

std::optional<uint64_t> Guest::callJs(uint64_t function, std::initializer_list<uint64_t> args) {
  std::array<uint64_t, kMostArguments> list{};
  std::copy(args.begin(), args.end(), list.begin());
  check(sandbox_.copyIn(anchors_.scratch, std::as_bytes(std::span(list).first(args.size()))));
  return call(api_.call,
              {anchors_.context, function, kUndefinedValue, args.size(), anchors_.scratch});
}

std::optional<uint32_t> Guest::place(std::string_view text) {
  uint64_t address = anchors_.transfer;
  if (text.size() >= kTransferBytes) {
    const auto allocated = call(api_.malloc, {text.size() + 1});
    if (!allocated || *allocated == 0) return std::nullopt;
    address = *allocated;
  }
  const auto at = static_cast<uint32_t>(address);
  check(sandbox_.copyIn(at, std::as_bytes(std::span(text))));
  write(static_cast<uint32_t>(at + text.size()), char{0});
  if (!ok()) return std::nullopt;
  return at;
}

std::optional<uint64_t> Guest::newString(std::string_view text) {
  const auto at = place(text);
  if (!at) return std::nullopt;
  return call(api_.newString, {anchors_.context, *at, text.size()});
}

std::optional<uint64_t> Guest::parseJson(std::string_view text) {
  const auto at = place(text);
  if (!at) return std::nullopt;
  // The file name only shows in syntax errors, which the host's own check leaves none of.
  return call(api_.parseJson,
              {anchors_.context, *at, text.size(), static_cast<uint32_t>(*at + text.size())});
}

std::optional<uint64_t> Guest::property(uint64_t object, std::string_view name) {
  const auto at = place(name);
  if (!at) return std::nullopt;
  return call(api_.getProperty, {anchors_.context, object, *at});
}

std::optional<std::string> Guest::text(uint64_t value, size_t maxBytes, size_t* lengthOut) {
  const uint32_t lengthAt = anchors_.scratch + kOutParameterAt;
  const auto address = call(api_.toText, {anchors_.context, lengthAt, value, 0});
  if (!address || *address == 0) return std::nullopt;
  const size_t length = read<uint32_t>(lengthAt);
  if (lengthOut != nullptr) *lengthOut = length;
  // No text is longer than the memory it is in; nothing is allocated for one that says so.
  check(length <= sandbox_.memoryBytes());
  if (!ok() || length > maxBytes) return std::nullopt;
  std::string text(length, '\0');
  check(sandbox_.copyOut(static_cast<uint32_t>(*address), std::as_writable_bytes(std::span(text))));
  if (!ok()) return std::nullopt;
  return text;
}

}  // namespace nexus::js
