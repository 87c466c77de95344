#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "app/bench_command.h"
#include "app/cache_command.h"
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

RunOptions::Output outputOf(bool json) {
  return json ? RunOptions::Output::kJson : RunOptions::Output::kPeople;
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
  if (!configuration) return refuse(configuration.error(), outputOf(flags.json));
  if (flags.json) {
    fmt::print("{}\n", toJson(*configuration));
  } else {
    fmt::print("{}", showConfiguration(*configuration));
  }
  if (std::fflush(stdout) == 0) return kSuccess;
  fmt::print(stderr, "nexus: the settings could not be written to standard output\n");
  return kFailed;
}

struct CacheFlags {
  SettingFlags settings;
  std::vector<std::string> files;
  bool json = false;
};

void addCompile(CLI::App& app, CacheFlags& flags) {
  CLI::App* compile = app.add_subcommand("compile", "Compile handlers into the cache");
  compile->add_option("FILE", flags.files, "Sources of handlers")->required();
  flags.settings.addTo(*compile);
  compile->add_flag("--json", flags.json, "Print one JSON object on standard output");
  compile->footer(
      "Exit status: 0 success, 1 one does not compile or cannot be kept, 2 wrong usage.");
}

int doCompile(const CacheFlags& flags) {
  const auto configuration = flags.settings.load();
  if (!configuration) return refuse(configuration.error(), outputOf(flags.json));
  return compileFiles(flags.files, configuration->runtime, outputOf(flags.json));
}

constexpr std::pair<const char*, CacheAction> kCacheActions[] = {{"stats", CacheAction::kStats},
                                                                 {"verify", CacheAction::kVerify},
                                                                 {"clear", CacheAction::kClear}};

void addCache(CLI::App& app, CacheFlags& flags) {
  CLI::App* cache = app.add_subcommand("cache", "The compile cache on disk (cache_dir)");
  cache->require_subcommand(1);
  const char* descriptions[] = {"Print how many entries there are, and how large they are",
                                "List damaged entries, changing nothing; status 1 if there are any",
                                "Remove all entries"};
  for (size_t i = 0; i < std::size(kCacheActions); ++i) {
    CLI::App* action = cache->add_subcommand(kCacheActions[i].first, descriptions[i]);
    flags.settings.addTo(*action);
    action->add_flag("--json", flags.json, "Print one JSON object on standard output");
  }
}

int doCache(const CLI::App& app, const CacheFlags& flags) {
  const auto configuration = flags.settings.load();
  if (!configuration) return refuse(configuration.error(), outputOf(flags.json));
  const CLI::App* cache = app.get_subcommand("cache");
  for (const auto& [name, action] : kCacheActions) {
    if (!cache->got_subcommand(name)) continue;
    return runCacheAction(action, configuration->runtime, outputOf(flags.json));
  }
  return kUsage;
}

}  // namespace

int runCommandLine(int argc, char** argv) {
  CLI::App app("Runs JavaScript that nobody trusts, each call in a fresh WebAssembly sandbox.",
               "nexus");
  app.set_version_flag("--version", describeVersion);
  // One: so that what follows it is its own, also when it is called like another one
  // (`nexus bench compile`).
  app.require_subcommand(0, 1);
  RunFlags run;
  BenchOptions bench;
  ConfigFlags config;
  CacheFlags compile;
  CacheFlags cache;
  run.addTo(*app.add_subcommand("run", "Run one handler and print its result"));
  addBench(app, bench);
  addConfig(app, config);
  addCompile(app, compile);
  addCache(app, cache);
  // What follows a subcommand is its own: `bench compile` measures.
  app.require_subcommand(0, 1);
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
  if (app.got_subcommand("config")) return showConfig(config);
  if (app.got_subcommand("compile")) return doCompile(compile);
  return app.got_subcommand("cache") ? doCache(app, cache) : runBench(bench);
}

}  // namespace nexus::app
