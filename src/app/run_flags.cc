#include "app/run_flags.h"

#include <fmt/format.h>

#include "app/units.h"
#include "js/call.h"

namespace nexus::app {

void SettingFlags::addTo(CLI::App& command) {
  command
      .add_option("--config", file_,
                  "Settings from this file; without it, nexus.toml if there is one")
      ->type_name("FILE");
  addAlias(command, "--set", "",
           "One setting, such as max_events=5; may be repeated (see nexus config show)")
      ->type_name("KEY=VALUE");
}

CLI::Option* SettingFlags::addAlias(CLI::App& command, const std::string& flag,
                                    const std::string& key, const std::string& description) {
  const auto keep = [this, key](const std::string& text) { given_.emplace_back(key, text); };
  // At once, not flag by flag when all of them were read: the last one of a key counts.
  return command.add_option_function<std::string>(flag, keep, description)->trigger_on_parse();
}

Result<Configuration> SettingFlags::load() const {
  ConfigurationInput input{.file = file_, .environment = processEnvironment(), .flags = {}};
  for (const auto& [key, text] : given_) {
    const size_t equals = text.find('=');
    if (!key.empty()) {
      input.flags.emplace_back(key, text);
    } else if (equals != std::string::npos) {
      input.flags.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    } else {
      return Error{.code = ErrorCode::kInvalidInput,
                   .message = fmt::format("--set {}: expected KEY=VALUE", text)};
    }
  }
  return loadConfiguration(input);
}

void RunFlags::addTo(CLI::App& command) {
  command.add_option("FILE", options_.file, "The handler's source; - for standard input")
      ->required();
  command.add_option("--args", options_.args, "What the handler sees as $args: JSON, or @FILE")
      ->capture_default_str();
  command.add_option("--state", options_.state, "The state, $state: a JSON object, or @FILE")
      ->capture_default_str();
  command.add_option("--scope", options_.scope, "What it sees as $scope: JSON, or @FILE")
      ->capture_default_str();
  command
      .add_option("--allow", options_.allow,
                  "A capability, such as state:read:KEY, state:write:*, events:emit:NAME, "
                  "view:update:ID, ext:ALIAS; may be repeated. Without it nothing is allowed")
      ->type_name("CAPABILITY")
      ->allow_extra_args(false);
  command
      .add_option("--ext", options_.ext,
                  "A built-in extension, timer or http, for $ext.timer or $ext.http; may be "
                  "repeated. What http may reach is the setting http_allow")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command
      .add_option(
          "--ext-stub", options_.extStub,
          "Answers of extensions: {\"ALIAS\": {\"METHOD\": {\"result\": …}}}, or \"error\"; a file "
          "with it, or itself. Goes before --ext")
      ->type_name("FILE|JSON");
  settings_
      .addAlias(command, "--timeout-ms", "timeout_ms",
                "Time it may execute, such as 250 or 2s; 0 for no limit")
      ->type_name("MS");
  settings_
      .addAlias(command, "--memory-limit", "memory_limit_bytes",
                "WebAssembly memory it may use, such as 64MiB; at least 2MiB")
      ->type_name("BYTES");
  seedOption_ = command.add_option("--seed", seed_,
                                   "What Math.random begins with, for runs that can be repeated");
  seedOption_->type_name("N");
  command
      .add_option("--clock", clockMs_,
                  "The time, in milliseconds since 1970, which then stands still")
      ->check(CLI::Range(int64_t{0}, int64_t{js::kLatestClock.count()}).description(""))
      ->type_name("MS");
  settings_.addTo(command);
  command.add_flag("--json", json_, "Print one JSON object and nothing else on standard output");
  command.footer(
      "The file holds the body of a function; `return` gives the result.\n"
      "Exit status: 0 success, 1 the handler failed, 2 wrong usage, 3 it waits for an "
      "extension.\n\n"
      "  nexus run wait.js --ext timer --allow ext:timer\n"
      "  echo 'return $args.a + 1' | nexus run - --args '{\"a\": 41}'\n"
      "  nexus run add.js --state '{\"n\": 1}' --allow state:read:n --allow state:write:n");
}

Result<RunOptions> RunFlags::options() const {
  RunOptions options = options_;
  options.output = output();
  if (seedOption_->count() > 0) {
    auto seed = parseCount(seed_);
    if (!seed) {
      seed.error().message = "--seed: " + seed.error().message;
      return std::move(seed).error();
    }
    options.seed = *seed;
  }
  if (clockMs_ >= 0) options.clock = std::chrono::milliseconds(clockMs_);
  auto configuration = settings_.load();
  if (!configuration) return std::move(configuration).error();
  options.config = configuration->runtime;
  options.http = configuration->http;
  return options;
}

}  // namespace nexus::app
