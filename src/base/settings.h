// Every setting as data, those of RuntimeConfig and those of what comes with it: what checks,
// reads, shows and documents them goes by this table, so a setting is added in one place.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "nexus/config.h"
#include "nexus/extensions.h"

namespace nexus {

// What the settings set.
struct SettingValues {
  RuntimeConfig runtime;
  HttpOptions http;
};

struct Setting {
  enum class Unit { kBytes, kCount, kMilliseconds, kPath, kList };
  using Field = std::variant<uint64_t RuntimeConfig::*, std::chrono::milliseconds RuntimeConfig::*,
                             std::string RuntimeConfig::*, uint64_t HttpOptions::*,
                             std::chrono::milliseconds HttpOptions::*,
                             std::vector<std::string> HttpOptions::*>;

  std::string_view key;
  Unit unit;
  Field field;
  uint64_t lowest;  // of numbers, like the next two
  uint64_t highest;
  std::string_view why;      // of the range
  std::string_view meaning;  // one line

  bool isNumber() const { return unit != Unit::kPath && unit != Unit::kList; }
  // For numbers only; of times, milliseconds.
  uint64_t get(const SettingValues& values) const;
  void set(SettingValues& values, uint64_t value) const;
  // For texts only; those of a list have commas or spaces between them.
  std::string text(const SettingValues& values) const;
  void setText(SettingValues& values, std::string value) const;
};

// In the order of the documentation.
std::span<const Setting> settings();
// Null when there is none.
const Setting* findSetting(std::string_view key);

// kInvalidInput with key, value and range.
Status checkRange(const Setting& setting, uint64_t value);
// The same for every number.
Status checkRanges(const SettingValues& values);

}  // namespace nexus
