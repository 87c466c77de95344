// The configuration file: TOML, one key a setting, no tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nexus/result.h"

namespace nexus::app {

struct ConfigFileEntry {
  std::string key;
  std::string value;  // a number's digits, a string's text, or those of a list, with commas between
  uint32_t line = 0;
  uint32_t column = 0;
  bool isList = false;
};

// In the order of the file. kInvalidInput names the place of what is no TOML, or no setting's
// value.
Result<std::vector<ConfigFileEntry>> readConfigFile(const std::string& path);

}  // namespace nexus::app
