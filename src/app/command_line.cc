#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "app/bench_command.h"
#include "app/run_command.h"
#include "app/units.h"
#include "sandbox/native/native_engine.h"
#include "sandbox/native/quickjs_modules.h"

namespace nexus::app {
namespace {

// CLI11 wants a message, empty for a good value.
std::string checkBytes(const std::string& text) {
  const auto bytes = parseBytes(text);
  return bytes ? "" : bytes.error().message;
}

std::string describeVersion() {
  const auto engine = sandbox::makeNativeEngine(sandbox::nativeQuickJs());
  return fmt::format("nexus {}\nengine {}, guest {}", NEXUS_VERSION, engine->name(),
                     engine->guestIdentity());
}

struct RunFlags {
  RunOptions options;
  std::string memoryLimit;
  int64_t timeoutMs = 0;
  bool json = false;
};

void addRun(CLI::App& app, RunFlags& flags) {
  flags.timeoutMs = flags.options.config.timeout.count();
  flags.memoryLimit = fmt::format("{}MiB", flags.options.config.memoryLimitBytes >> 20);
  CLI::App* run = app.add_subcommand("run", "Run one handler and print its result");
  run->add_option("FILE", flags.options.file, "The handler's source; - for standard input")
      ->required();
  run->add_option("--args", flags.options.args, "What the handler sees as $args: JSON, or @FILE")
      ->capture_default_str();
  run->add_option("--timeout-ms", flags.timeoutMs, "Time it may execute; 0 for no limit")
      ->check(CLI::Range(int64_t{0}, int64_t{86'400'000}))
      ->capture_default_str();
  run->add_option("--memory-limit", flags.memoryLimit,
                  "WebAssembly memory it may use, such as 64MiB; at least 2MiB")
      ->check(checkBytes)
      ->capture_default_str();
  run->add_flag("--json", flags.json, "Print one JSON object and nothing else on standard output");
  run->footer(
      "The file holds the body of a function; `return` gives the result.\n"
      "Exit status: 0 success, 1 the handler failed, 2 wrong usage.\n\n"
      "  echo 'return $args.a + 1' | nexus run - --args '{\"a\": 41}'");
}

int doRun(RunFlags& flags) {
  flags.options.config.timeout = std::chrono::milliseconds(flags.timeoutMs);
  flags.options.config.memoryLimitBytes = parseBytes(flags.memoryLimit).value();
  if (flags.json) flags.options.output = RunOptions::Output::kJson;
  return runHandler(flags.options);
}

void addBench(CLI::App& app, BenchOptions& options) {
  CLI::App* bench = app.add_subcommand("bench", "Measure this build on this machine");
  bench->add_flag("--json", options.json, "Print one JSON object on standard output");
  bench->add_option("NAME", options.only, "Only these measurements");
}

}  // namespace

int runCommandLine(int argc, char** argv) {
  CLI::App app("Runs JavaScript that nobody trusts, each call in a fresh WebAssembly sandbox.",
               "nexus");
  app.set_version_flag("--version", describeVersion);
  RunFlags run;
  BenchOptions bench;
  addRun(app, run);
  addBench(app, bench);
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
  return app.got_subcommand("run") ? doRun(run) : runBench(bench);
}

}  // namespace nexus::app
