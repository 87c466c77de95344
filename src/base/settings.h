// Every setting of RuntimeConfig as data: what checks, reads, shows and documents them goes by this
// table, so a setting is added in one place.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "nexus/config.h"

namespace nexus {

struct Setting {
  enum class Unit { kBytes, kCount, kMilliseconds, kPath };
  using Field = std::variant<uint64_t RuntimeConfig::*, std::chrono::milliseconds RuntimeConfig::*,
                             std::string RuntimeConfig::*>;

  std::string_view key;
  Unit unit;
  Field field;
  uint64_t lowest;  // of numbers, like the next two
  uint64_t highest;
  std::string_view why;      // of the range
  std::string_view meaning;  // one line

  bool isNumber() const { return unit != Unit::kPath; }
  // For numbers only; of times, milliseconds.
  uint64_t get(const RuntimeConfig& config) const;
  void set(RuntimeConfig& config, uint64_t value) const;
  // For texts only.
  const std::string& text(const RuntimeConfig& config) const;
  void setText(RuntimeConfig& config, std::string value) const;
};

// In the order of the documentation.
std::span<const Setting> settings();
// Null when there is none.
const Setting* findSetting(std::string_view key);

// kInvalidInput with key, value and range.
Status checkRange(const Setting& setting, uint64_t value);

}  // namespace nexus
