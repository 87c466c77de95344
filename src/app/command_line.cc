#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "app/bench_command.h"
#include "app/report.h"
#include "app/run_command.h"
#include "app/run_flags.h"
#include "sandbox/native/native_engine.h"
#include "sandbox/native/quickjs_modules.h"

namespace nexus::app {
namespace {

std::string describeVersion() {
  const auto engine = sandbox::makeNativeEngine(sandbox::nativeQuickJs());
  return fmt::format("nexus {}\nengine {}, guest {}", NEXUS_VERSION, engine->name(),
                     engine->guestIdentity());
}

int refuse(const Error& error, RunOptions::Output output) {
  if (output == RunOptions::Output::kJson) {
    fmt::print("{}\n", toJson(error));
  } else {
    fmt::print(stderr, "nexus: {}\n", error.message);
  }
  return kUsage;
}

int doRun(const RunFlags& flags) {
  const auto options = flags.options();
  return options ? runHandler(*options) : refuse(options.error(), flags.output());
}

void addBench(CLI::App& app, BenchOptions& options) {
  CLI::App* bench = app.add_subcommand("bench", "Measure this build on this machine");
  bench->add_flag("--json", options.json, "Print one JSON object on standard output");
  bench->add_option("NAME", options.only, "Only these measurements");
}

struct ConfigFlags {
  SettingFlags settings;
  bool json = false;
};

void addConfig(CLI::App& app, ConfigFlags& flags) {
  CLI::App* config =
      app.add_subcommand("config", "Settings: what they are and where they come from");
  config->require_subcommand(1);
  CLI::App* show = config->add_subcommand("show", "Print every setting, its value and its source");
  flags.settings.addTo(*show);
  show->add_flag("--json", flags.json, "Print one JSON object on standard output");
  show->footer(
      "A flag goes before the environment (NEXUS_TIMEOUT_MS), that before the file (nexus.toml),\n"
      "that before the default. Sizes and times take units: 64MiB, 250ms.");
}

int showConfig(const ConfigFlags& flags) {
  const auto configuration = flags.settings.load();
  if (!configuration) {
    return refuse(configuration.error(),
                  flags.json ? RunOptions::Output::kJson : RunOptions::Output::kPeople);
  }
  if (flags.json) {
    fmt::print("{}\n", toJson(*configuration));
  } else {
    fmt::print("{}", showConfiguration(*configuration));
  }
  if (std::fflush(stdout) == 0) return kSuccess;
  fmt::print(stderr, "nexus: the settings could not be written to standard output\n");
  return kFailed;
}

}  // namespace

int runCommandLine(int argc, char** argv) {
  CLI::App app("Runs JavaScript that nobody trusts, each call in a fresh WebAssembly sandbox.",
               "nexus");
  app.set_version_flag("--version", describeVersion);
  RunFlags run;
  BenchOptions bench;
  ConfigFlags config;
  run.addTo(*app.add_subcommand("run", "Run one handler and print its result"));
  addBench(app, bench);
  addConfig(app, config);
  // After the subcommands, which would inherit it: only so that an unknown one can be named.
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kSuccess : kUsage;
  }
  if (!app.remaining().empty()) {
    fmt::print(stderr, "nexus: there is no '{}' here; see nexus --help\n", app.remaining().front());
    return kUsage;
  }
  if (app.get_subcommands().empty()) {
    fmt::print(stderr, "{}", app.help());
    return kUsage;
  }
  if (app.got_subcommand("run")) return doRun(run);
  return app.got_subcommand("config") ? showConfig(config) : runBench(bench);
}

}  // namespace nexus::app
