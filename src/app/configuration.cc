#include "app/configuration.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "app/config_file.h"
#include "app/display.h"
#include "app/units.h"
#include "base/suggest.h"

namespace nexus::app {
namespace {

constexpr char kDefaultFile[] = "nexus.toml";
// A library writes nothing that it was not told to; a command may.
constexpr char kDefaultCacheDir[] = ".nexus-cache";
constexpr std::string_view kPrefix = "NEXUS_";

std::string environmentName(std::string_view key) {
  std::string name(kPrefix);
  for (const char c : key) {
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

Result<uint64_t> parseValue(const Setting& setting, std::string_view text) {
  switch (setting.unit) {
    case Setting::Unit::kBytes:
      return parseBytes(text);
    case Setting::Unit::kMilliseconds:
      return parseMilliseconds(text);
    case Setting::Unit::kCount:
    case Setting::Unit::kPath:
    case Setting::Unit::kList:
      break;
  }
  return parseCount(text);
}

Status applyValue(SettingValues& values, const Setting& setting, std::string_view text) {
  if (!setting.isNumber()) {
    setting.setText(values, std::string(text));
    // At once, so that an entry which is none is reported with its place.
    return setting.unit == Setting::Unit::kList ? validate(values.http) : Done{};
  }
  const auto value = parseValue(setting, text);
  if (!value) {
    Error error = value.error();
    error.message = fmt::format("{}: {}", setting.key, error.message);
    return error;
  }
  auto checked = checkRange(setting, *value);
  if (checked) setting.set(values, *value);
  return checked;
}

Error unknownKey(std::string_view key, const std::string& where) {
  std::vector<std::string_view> known;
  for (const Setting& setting : settings()) known.push_back(setting.key);
  return Error{
      .code = ErrorCode::kInvalidInput,
      .message = fmt::format("{}: there is no setting '{}'{}", where, key, didYouMean(key, known))};
}

// Puts one value into the configuration; `where` is for people.
Status apply(Configuration& configuration, std::string_view key, std::string_view text,
             SettingSource source, const std::string& where) {
  const Setting* setting = findSetting(key);
  if (setting == nullptr) return unknownKey(key, where);
  auto applied = applyValue(configuration, *setting, text);
  if (!applied) {
    Error error = std::move(applied).error();
    error.message = fmt::format("{}: {}", where, error.message);
    return error;
  }
  configuration.origins[static_cast<size_t>(setting - settings().data())] = {source, where};
  return Done{};
}

Error noList(const ConfigFileEntry& entry, const std::string& where) {
  return Error{.code = ErrorCode::kInvalidInput,
               .message = fmt::format("{}: {} is a list; expected a whole number, a text, true or "
                                      "false",
                                      where, entry.key)};
}

Status applyFile(Configuration& configuration, const std::string& path) {
  auto entries = readConfigFile(path);
  if (!entries) return std::move(entries).error();
  for (const ConfigFileEntry& entry : *entries) {
    const std::string where = fmt::format("{}:{}:{}", path, entry.line, entry.column);
    if (entry.isList) {
      const Setting* setting = findSetting(entry.key);
      if (setting != nullptr && setting->unit != Setting::Unit::kList) return noList(entry, where);
    }
    auto applied = apply(configuration, entry.key, entry.value, SettingSource::kFile, where);
    if (!applied) return applied;
  }
  return Done{};
}

Status applyEnvironment(Configuration& configuration, const std::string& variable) {
  if (!variable.starts_with(kPrefix)) return Done{};
  const size_t equals = variable.find('=');
  const std::string name = variable.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : variable.substr(equals + 1);
  for (const Setting& setting : settings()) {
    if (environmentName(setting.key) != name) continue;
    return apply(configuration, setting.key, value, SettingSource::kEnvironment, name);
  }
  std::vector<std::string> names;
  for (const Setting& setting : settings()) names.push_back(environmentName(setting.key));
  const std::vector<std::string_view> known(names.begin(), names.end());
  return Error{.code = ErrorCode::kInvalidInput,
               .message = fmt::format("the environment has {}, which is no setting{}", name,
                                      didYouMean(name, known))};
}

// As people write it in a file.
std::string showSetting(const Setting& setting, const SettingValues& values) {
  if (!setting.isNumber()) {
    const std::string text = setting.text(values);
    return text.empty() ? "\"\"" : text;
  }
  uint64_t value = setting.get(values);
  if (setting.unit == Setting::Unit::kMilliseconds) return fmt::format("{}ms", value);
  if (setting.unit == Setting::Unit::kCount || value == 0) return fmt::format("{}", value);
  constexpr uint64_t kKiB = 1024;
  constexpr std::string_view kUnits[] = {"", "KiB", "MiB", "GiB"};
  size_t unit = 0;
  while (value % kKiB == 0 && unit + 1 < std::size(kUnits)) {
    value /= kKiB;
    ++unit;
  }
  return fmt::format("{}{}", value, kUnits[unit]);
}

}  // namespace

std::string_view toString(SettingSource source) {
  switch (source) {
    case SettingSource::kDefault:
      return "default";
    case SettingSource::kFile:
      return "file";
    case SettingSource::kEnvironment:
      return "environment";
    case SettingSource::kFlag:
      return "flag";
  }
  return "default";
}

Result<Configuration> loadConfiguration(const ConfigurationInput& input) {
  Configuration configuration;
  configuration.runtime.cacheDir = kDefaultCacheDir;
  configuration.origins.resize(settings().size());
  const bool isDefaultFile = input.file.empty();
  if (!isDefaultFile || access(kDefaultFile, F_OK) == 0) {
    auto applied = applyFile(configuration, isDefaultFile ? kDefaultFile : input.file);
    if (!applied) return std::move(applied).error();
  }
  for (const std::string& variable : input.environment) {
    auto applied = applyEnvironment(configuration, variable);
    if (!applied) return std::move(applied).error();
  }
  for (const auto& [key, value] : input.flags) {
    auto applied = apply(configuration, key, value, SettingSource::kFlag, "the command line");
    if (!applied) return std::move(applied).error();
  }
  auto valid = validate(configuration.runtime);
  if (!valid) return std::move(valid).error();
  return configuration;
}

std::vector<std::string> processEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  return variables;
}

std::string showConfiguration(const Configuration& configuration) {
  std::string text;
  for (size_t i = 0; i < settings().size(); ++i) {
    const Setting& setting = settings()[i];
    const Configuration::Origin& origin = configuration.origins[i];
    const std::string from = origin.where.empty() ? "default" : origin.where;
    text += fmt::format("{:<22} {:>12}  {:<24}  {}\n", setting.key,
                        escapeControls(showSetting(setting, configuration)), escapeControls(from),
                        setting.meaning);
  }
  return text;
}

std::string toJson(const Configuration& configuration) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (size_t i = 0; i < settings().size(); ++i) {
    const Setting& setting = settings()[i];
    const Configuration::Origin& origin = configuration.origins[i];
    auto& shown = json[std::string(setting.key)];
    if (setting.isNumber()) {
      shown["value"] = setting.get(configuration);
    } else {
      shown["value"] = setting.text(configuration);
    }
    shown["source"] = toString(origin.source);
    if (!origin.where.empty()) shown["where"] = origin.where;
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace nexus::app
