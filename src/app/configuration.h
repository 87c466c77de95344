// Settings from their four places: a command-line flag goes before the environment, that before a
// file, that before the default. Unknown names and impossible values are refused by name.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/settings.h"
#include "nexus/config.h"

namespace nexus::app {

enum class SettingSource { kDefault, kFile, kEnvironment, kFlag };

std::string_view toString(SettingSource source);

// Where settings are looked for.
struct ConfigurationInput {
  // Must be there; without one, nexus.toml in the current folder is read if it is there.
  std::string file;
  // "NAME=value" each, as in environ(7).
  std::vector<std::string> environment;
  // Key and value, in the order of the command line: the last one of a key counts.
  std::vector<std::pair<std::string, std::string>> flags;
};

struct Configuration : SettingValues {
  struct Origin {
    SettingSource source = SettingSource::kDefault;
    // "nexus.toml:3:1", "NEXUS_TIMEOUT_MS", "the command line"; empty for a default.
    std::string where;
  };

  std::vector<Origin> origins;  // by settings()
};

// kInvalidInput says which key, where, what it was and what is allowed.
Result<Configuration> loadConfiguration(const ConfigurationInput& input);

// The environment of this process.
std::vector<std::string> processEnvironment();

// One line a setting: key, value, where it is from, what it means.
std::string showConfiguration(const Configuration& configuration);
std::string toJson(const Configuration& configuration);

}  // namespace nexus::app
