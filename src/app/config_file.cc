#include "app/config_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "app/input.h"

namespace nexus::app {
namespace {

constexpr uint64_t kLongestFile = uint64_t{1} << 20;

std::string placeOf(const std::string& path, const toml::source_region& source) {
  return fmt::format("{}:{}:{}", path, source.begin.line, source.begin.column);
}

// With its article.
std::string_view describeType(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "a list";
  return node.is_floating_point() ? "a number with a fraction" : "a date or a time";
}

// A list of texts, which are joined.
std::optional<std::string> textsOf(const toml::node& node) {
  const auto* list = node.as_array();
  if (list == nullptr) return std::nullopt;
  std::string texts;
  for (const auto& entry : *list) {
    const auto* text = entry.as_string();
    if (text == nullptr) return std::nullopt;
    texts += (texts.empty() ? "" : ",") + text->get();
  }
  return texts;
}

Result<std::string> valueOf(const toml::node& node, std::string_view key, const std::string& path) {
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* flag = node.as_boolean()) return std::string(flag->get() ? "true" : "false");
  return Error{
      .code = ErrorCode::kInvalidInput,
      .message = fmt::format("{}: {} is {}; expected a whole number, a text, true or false",
                             placeOf(path, node.source()), key, describeType(node))};
}

}  // namespace

Result<std::vector<ConfigFileEntry>> readConfigFile(const std::string& path) {
  auto text =
      readInput(path, {ErrorCode::kInvalidInput, "a configuration file's limit", kLongestFile});
  if (!text) return std::move(text).error();
  toml::table table;
  try {
    table = toml::parse(*text, path);
  } catch (const toml::parse_error& e) {
    return Error{.code = ErrorCode::kInvalidInput,
                 .message = fmt::format("{}: {}", placeOf(path, e.source()), e.description())};
  }
  std::vector<ConfigFileEntry> entries;
  for (const auto& [key, node] : table) {
    const toml::source_position place = key.source().begin;
    ConfigFileEntry entry{std::string(key.str()), {}, place.line, place.column, false};
    if (auto texts = textsOf(node)) {
      entry.value = std::move(*texts);
      entry.isList = true;
    } else {
      auto value = valueOf(node, key.str(), path);
      if (!value) return std::move(value).error();
      entry.value = std::move(*value);
    }
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return entries;
}

}  // namespace nexus::app
