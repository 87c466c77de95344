// Runs handlers, each a line of standard input, as `nexus run` does, all in one sandbox that is
// restored in between, and prints a line of result for each.
//
//   differential_batch native|checked < HANDLERS > RESULTS
//
// A handler is {"source": "…", "args": "…", "scope": "…", "state": "…", "allow": ["…"],
// "stub": "…", "seed": 1, "clock": 0}: args, scope, state and stub are JSON as text, as flags have
// it; seed and clock may be left out. A result is what `nexus run --json` prints, with "log", a
// list of {"level", "message"}.
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/engines.h"
#include "app/report.h"
#include "app/run_command.h"
#include "base/json.h"

namespace nexus::tests {
namespace {

using nlohmann::json;

// So long that no handler is stopped because the machine is busy.
constexpr std::chrono::minutes kTimeout{10};

std::string textOf(const json& handler, const char* name) {
  return handler.at(name).get<std::string>();
}

Result<app::RunInputs> readInputs(const json& handler) {
  auto rights = Rights::parse(handler.at("allow").get<std::vector<std::string>>());
  if (!rights) return std::move(rights).error();
  for (const char* name : {"args", "scope"}) {
    auto checked = checkJson(textOf(handler, name), name);
    if (!checked) return std::move(checked).error();
  }
  auto state = StateSnapshot::parse(textOf(handler, "state"), "state");
  if (!state) return std::move(state).error();
  auto stub = app::ExtStub::parse(textOf(handler, "stub"), "stub");
  if (!stub) return std::move(stub).error();
  return app::RunInputs{textOf(handler, "source"), textOf(handler, "args"),
                        textOf(handler, "scope"),  std::move(*state),
                        std::move(*rights),        std::move(*stub)};
}

app::RunOptions readOptions(const json& handler) {
  app::RunOptions options;
  if (handler.contains("seed")) options.seed = handler["seed"].get<uint64_t>();
  if (handler.contains("clock")) {
    options.clock = std::chrono::milliseconds(handler["clock"].get<int64_t>());
  }
  return options;
}

std::string describeLog(const std::vector<LogRecord>& log) {
  std::string list = "[";
  for (const LogRecord& record : log) {
    if (list.size() > 1) list += ',';
    list += R"({"level":)" + quoteJson(toString(record.level)) + R"(,"message":)" +
            quoteJson(record.message) + "}";
  }
  return list + "]";
}

std::string run(js::JsSandbox& sandbox, const json& handler) {
  const auto inputs = readInputs(handler);
  if (!inputs) return app::toJson(inputs.error());
  const ExecutionResult result = app::execute(sandbox, readOptions(handler), *inputs);
  std::string report = app::toJson(result);
  report.pop_back();  // the brace
  return report + R"(,"log":)" + describeLog(result.log) + "}";
}

int runAll(app::EngineChoice choice) {
  RuntimeConfig config;
  config.timeout = kTimeout;
  auto engines = app::makeEngines(config, choice);
  auto sandbox = engines ? js::JsSandbox::make(*engines->js) : engines.error();
  if (!sandbox) {
    std::cerr << "differential_batch: " << sandbox.error().message << '\n';
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    // Flushed, so that a crash shows whose it was.
    std::cout << run(**sandbox, json::parse(line)) << std::endl;
    if ((*sandbox)->restore()) continue;
    std::cerr << "differential_batch: the sandbox could not be restored\n";
    return 1;
  }
  return 0;
}

std::optional<app::EngineChoice> parseEngine(std::string_view name) {
  if (name == "native") return app::EngineChoice::kNative;
  if (name == "checked") return app::EngineChoice::kChecked;
  return std::nullopt;
}

}  // namespace
}  // namespace nexus::tests

int main(int argc, char** argv) {
  const auto engine = argc == 2 ? nexus::tests::parseEngine(argv[1]) : std::nullopt;
  if (!engine) {
    std::cerr << "usage: differential_batch native|checked < HANDLERS > RESULTS\n";
    return 2;
  }
  try {
    return nexus::tests::runAll(*engine);
  } catch (const nlohmann::json::exception& e) {
    std::cerr << "differential_batch: a handler is not as it has to be: " << e.what() << '\n';
    return 2;
  }
}
