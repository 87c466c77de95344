// The configuration file: TOML, one key a setting, no tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nexus/result.h"

namespace nexus::app {

struct ConfigFileEntry {
  std::string key;
  std::string value;  // a number's digits, or a string's text
  uint32_t line = 0;
  uint32_t column = 0;
};

// In the order of the file. kInvalidInput names the place of what is no TOML, or no setting's
// value.
Result<std::vector<ConfigFileEntry>> readConfigFile(const std::string& path);

}  // namespace nexus::app
