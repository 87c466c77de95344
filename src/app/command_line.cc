#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/bench_command.h"
#include "app/cache_command.h"
#include "app/output.h"
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

Output outputOf(bool json) { return json ? Output::kJson : Output::kPeople; }

int refuse(std::string message, Output output) {
  return printError(Error{.code = ErrorCode::kInvalidInput, .message = std::move(message)}, output,
                    kUsage);
}

// What a group of subcommands was given instead of one of them.
int refuseChoice(const CLI::App& group) {
  std::string known;
  for (const CLI::App* choice : group.get_subcommands([](const CLI::App*) { return true; })) {
    known += (known.empty() ? "" : ", ") + choice->get_name();
  }
  const auto extra = group.remaining();
  const bool wantsJson = std::find(extra.begin(), extra.end(), "--json") != extra.end();
  return refuse(
      fmt::format("nexus {} {}; there are {}", group.get_name(),
                  extra.empty() ? "needs a subcommand" : "has no '" + extra.front() + "'", known),
      outputOf(wantsJson));
}

// After its subcommands were added, which would inherit it: so that an unknown one can be named.
void acceptUnknown(CLI::App& group) {
  group.require_subcommand(0, 1);
  group.allow_extras();
}

int doRun(const RunFlags& flags) {
  const auto options = flags.options();
  return options ? runHandler(*options) : printError(options.error(), flags.output(), kUsage);
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
  CLI::App* show = config->add_subcommand("show", "Print every setting, its value and its source");
  flags.settings.addTo(*show);
  show->add_flag("--json", flags.json, "Print one JSON object on standard output");
  show->footer(
      "A flag goes before the environment (NEXUS_TIMEOUT_MS), that before the file (nexus.toml),\n"
      "that before the default. Sizes and times take units: 64MiB, 250ms.");
  acceptUnknown(*config);
}

int showConfig(const CLI::App& app, const ConfigFlags& flags) {
  const CLI::App* config = app.get_subcommand("config");
  if (!config->got_subcommand("show")) return refuseChoice(*config);
  const auto configuration = flags.settings.load();
  if (!configuration) return printError(configuration.error(), outputOf(flags.json), kUsage);
  if (flags.json) {
    fmt::print("{}\n", toJson(*configuration));
  } else {
    fmt::print("{}", showConfiguration(*configuration));
  }
  return finishOutput(kSuccess);
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
  if (!configuration) return printError(configuration.error(), outputOf(flags.json), kUsage);
  return compileFiles(flags.files, configuration->runtime, outputOf(flags.json));
}

constexpr std::pair<const char*, CacheAction> kCacheActions[] = {{"stats", CacheAction::kStats},
                                                                 {"verify", CacheAction::kVerify},
                                                                 {"clear", CacheAction::kClear}};

void addCache(CLI::App& app, CacheFlags& flags) {
  CLI::App* cache = app.add_subcommand("cache", "The compile cache on disk (cache_dir)");
  const char* descriptions[] = {"Print how many entries there are, and how large they are",
                                "List damaged entries, changing nothing; status 1 if there are any",
                                "Remove all entries"};
  for (size_t i = 0; i < std::size(kCacheActions); ++i) {
    CLI::App* action = cache->add_subcommand(kCacheActions[i].first, descriptions[i]);
    flags.settings.addTo(*action);
    action->add_flag("--json", flags.json, "Print one JSON object on standard output");
  }
  acceptUnknown(*cache);
}

int doCache(const CLI::App& app, const CacheFlags& flags) {
  const CLI::App* cache = app.get_subcommand("cache");
  if (cache->get_subcommands().empty()) return refuseChoice(*cache);
  const auto configuration = flags.settings.load();
  if (!configuration) return printError(configuration.error(), outputOf(flags.json), kUsage);
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
  // One: so that what follows it is its own, also when it is called like another one
  // (`nexus bench compile`).
  acceptUnknown(app);
  const bool wantsJson = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);  // --help, --version
  } catch (const CLI::ParseError& wrong) {
    return refuse(wrong.what() + std::string(" (see --help)"), outputOf(wantsJson));
  }
  if (!app.remaining().empty()) {
    return refuse("there is no '" + app.remaining().front() + "' here; see nexus --help",
                  outputOf(wantsJson));
  }
  if (app.get_subcommands().empty()) {
    fmt::print(stderr, "{}", app.help());
    return kUsage;
  }
  if (app.got_subcommand("run")) return doRun(run);
  if (app.got_subcommand("config")) return showConfig(app, config);
  if (app.got_subcommand("compile")) return doCompile(compile);
  return app.got_subcommand("cache") ? doCache(app, cache) : runBench(bench);
}

}  // namespace nexus::app
