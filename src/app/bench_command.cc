#include "app/bench_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "app/output.h"
#include "app/runtime_scenarios.h"
#include "app/scenarios.h"
#include "app/units.h"

namespace nexus::app {
namespace {

using Clock = std::chrono::steady_clock;

struct Measurement {
  std::string name;
  std::optional<double> p50Us;
  std::optional<double> p99Us;
  std::optional<double> perSecond;
  std::optional<uint64_t> bytes;
};

double microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

Measurement measure(const Scenario& scenario) {
  std::vector<double> samples;
  samples.reserve(scenario.repetitions);
  // The first tenth warms caches up, and lets sandboxes learn which pages are written.
  const uint64_t warmUp = scenario.repetitions / 10;
  Clock::duration total{};
  for (uint64_t i = 0; i < scenario.repetitions + warmUp; ++i) {
    const auto start = Clock::now();
    scenario.timed();
    const auto spent = Clock::now() - start;
    if (scenario.untimed) scenario.untimed();
    if (i < warmUp) continue;
    samples.push_back(microseconds(spent));
    total += spent;
  }
  std::sort(samples.begin(), samples.end());
  const auto at = [&samples](double share) {
    return samples[std::min(samples.size() - 1,
                            static_cast<size_t>(share * static_cast<double>(samples.size())))];
  };
  return {.name = scenario.name,
          .p50Us = at(0.50),
          .p99Us = at(0.99),
          .perSecond = static_cast<double>(samples.size()) * 1e6 / microseconds(total)};
}

std::string machine() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (line.starts_with("model name")) {
      return fmt::format("{}, {} cores", line.substr(line.find(':') + 2),
                         std::thread::hardware_concurrency());
    }
  }
  return fmt::format("unknown processor, {} cores", std::thread::hardware_concurrency());
}

nlohmann::ordered_json toJson(const Measurement& m) {
  const auto rounded = [](double value) { return std::round(value * 1000) / 1000; };
  nlohmann::ordered_json json{{"name", m.name}};
  if (m.p50Us) json["p50Us"] = rounded(*m.p50Us);
  if (m.p99Us) json["p99Us"] = rounded(*m.p99Us);
  if (m.perSecond) json["perSecond"] = rounded(*m.perSecond);
  if (m.bytes) json["bytes"] = *m.bytes;
  return json;
}

std::string toLine(const Measurement& m) {
  std::string line = fmt::format("{:<28}", m.name);
  if (m.p50Us) line += fmt::format(" p50 {:>9}", showMicroseconds(*m.p50Us));
  if (m.p99Us) line += fmt::format("  p99 {:>9}", showMicroseconds(*m.p99Us));
  if (m.perSecond)
    line += fmt::format("  {:>11} a second", showCount(static_cast<uint64_t>(*m.perSecond)));
  if (m.bytes) line += fmt::format(" {}", showBytes(*m.bytes));
  return line;
}

// Everything that can be measured, by name, in the order of the report.
std::vector<std::pair<std::string, std::function<Measurement()>>> plan(
    Scenarios& scenarios, RuntimeScenarios& runtimeScenarios) {
  std::vector<std::pair<std::string, std::function<Measurement()>>> steps;
  for (const auto* group : {&scenarios.all(), &runtimeScenarios.all()}) {
    for (const Scenario& scenario : *group) {
      steps.emplace_back(scenario.name, [&scenario] { return measure(scenario); });
    }
  }
  steps.emplace_back("runtime_throughput_sync", [&runtimeScenarios] {
    constexpr unsigned kCallers = 64;
    return Measurement{.name = "runtime_throughput_sync",
                       .perSecond = runtimeScenarios.syncCallsPerSecond(kCallers)};
  });
  steps.emplace_back("runtime_throughput", [&runtimeScenarios] {
    constexpr unsigned kInFlight = 64;
    return Measurement{.name = "runtime_throughput",
                       .perSecond = runtimeScenarios.asyncCallsPerSecond(kInFlight)};
  });
  steps.emplace_back("suspended_bytes", [&runtimeScenarios] {
    return Measurement{.name = "suspended_bytes", .bytes = runtimeScenarios.suspendedBytes()};
  });
  for (const unsigned threads : {1u, 2u}) {
    const std::string name = fmt::format("isolated_call_{}_threads", threads);
    steps.emplace_back(name, [&scenarios, name, threads] {
      return Measurement{.name = name, .perSecond = scenarios.isolatedCallsPerSecond(threads)};
    });
  }
  steps.emplace_back("idle_instance_bytes", [&scenarios] {
    return Measurement{.name = "idle_instance_bytes", .bytes = scenarios.idleInstanceBytes()};
  });
  return steps;
}

int unknownName(const std::string& name,
                const std::vector<std::pair<std::string, std::function<Measurement()>>>& steps) {
  std::string known;
  for (const auto& [step, run] : steps) known += (known.empty() ? "" : ", ") + step;
  fmt::print(stderr, "nexus bench: there is no '{}'; there are {}\n", name, known);
  return kUsage;
}

}  // namespace

int runBench(const BenchOptions& options) {
  auto scenarios = Scenarios::make();
  if (!scenarios) {
    fmt::print(stderr, "nexus bench: {}\n", scenarios.error().message);
    return kFailed;
  }
  auto runtimeScenarios = RuntimeScenarios::make();
  if (!runtimeScenarios) {
    fmt::print(stderr, "nexus bench: {}\n", runtimeScenarios.error().message);
    return kFailed;
  }
  const auto steps = plan(**scenarios, **runtimeScenarios);
  for (const std::string& name : options.only) {
    const auto has = [&name](const auto& step) { return step.first == name; };
    if (std::none_of(steps.begin(), steps.end(), has)) return unknownName(name, steps);
  }
  if (!(*scenarios)->engines().notice.empty()) {
    fmt::print(stderr, "nexus bench: {}\n", (*scenarios)->engines().notice);
  }
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const auto& [name, run] : steps) {
    const auto& only = options.only;
    if (!only.empty() && std::find(only.begin(), only.end(), name) == only.end()) continue;
    if (options.json) fmt::print(stderr, "measuring {}\n", name);
    const Measurement measurement = run();
    if (!options.json) fmt::print("{}\n", toLine(measurement));
    std::fflush(stdout);
    results.push_back(toJson(measurement));
  }
  if (options.json) {
    const nlohmann::ordered_json report{
        {"machine", machine()}, {"version", NEXUS_VERSION}, {"results", results}};
    fmt::print("{}\n", report.dump(2));
  }
  return finishOutput(kSuccess);
}

}  // namespace nexus::app
