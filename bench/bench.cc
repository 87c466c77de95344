// The scenarios of `nexus bench` under google-benchmark, for its statistics, filters and formats.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>

#include "app/scenarios.h"

namespace {

void run(benchmark::State& state, const nexus::app::Scenario& scenario) {
  for ([[maybe_unused]] auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    scenario.timed();
    state.SetIterationTime(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (scenario.untimed) scenario.untimed();
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  auto scenarios = nexus::app::Scenarios::make();
  if (!scenarios) {
    std::fprintf(stderr, "nexus_bench: %s\n", scenarios.error().message.c_str());
    return 1;
  }
  for (const nexus::app::Scenario& scenario : (*scenarios)->all()) {
    benchmark::RegisterBenchmark(scenario.name.c_str(),
                                 [&scenario](benchmark::State& state) { run(state, scenario); })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
