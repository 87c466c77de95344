// The flags of `nexus run`, as they stand on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/configuration.h"
#include "app/run_command.h"

namespace nexus::app {

// --config and --set, of every command that has settings.
class SettingFlags {
 public:
  void addTo(CLI::App& command);
  // A flag that is another word for a setting.
  CLI::Option* addAlias(CLI::App& command, const std::string& flag, const std::string& key,
                        const std::string& description);

  // The environment and the file are looked at here.
  Result<Configuration> load() const;

 private:
  std::string file_;
  // In the order of the command line: a setting's key, or nothing for --set, and what was given.
  std::vector<std::pair<std::string, std::string>> given_;
};

class RunFlags {
 public:
  void addTo(CLI::App& command);

  // After parsing. The configuration's errors, and those of --allow, are kInvalidInput.
  Result<RunOptions> options() const;
  Output output() const { return json_ ? Output::kJson : Output::kPeople; }

 private:
  RunOptions options_;
  SettingFlags settings_;
  int64_t clockMs_ = -1;
  std::string seed_;
  CLI::Option* seedOption_ = nullptr;
  bool json_ = false;
};

}  // namespace nexus::app
