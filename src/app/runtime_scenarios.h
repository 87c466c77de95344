// What is measured of a whole Runtime: calls through the public API, and its compile cache.
#pragma once

#include <memory>
#include <vector>

#include "app/scenarios.h"
#include "nexus/runtime.h"

namespace nexus::app {

class RuntimeScenarios {
 public:
  // Uses a cache folder of its own, which is removed at the end.
  static Result<std::unique_ptr<RuntimeScenarios>> make();
  RuntimeScenarios(const RuntimeScenarios&) = delete;
  RuntimeScenarios& operator=(const RuntimeScenarios&) = delete;
  ~RuntimeScenarios();

  const std::vector<Scenario>& all() const { return scenarios_; }

  // Calls a second of so many threads that each wait for theirs.
  double syncCallsPerSecond(unsigned callers);
  // Asynchronous calls a second, so many in flight.
  double asyncCallsPerSecond(unsigned inFlight);
  // What a suspended call takes, of many: resident memory of the process.
  uint64_t suspendedBytes();

 private:
  RuntimeScenarios() = default;
  void addCalls();
  void addCache();
  void addExtensions();

  std::string folder_;
  std::unique_ptr<Runtime> runtime_;
  std::vector<Scenario> scenarios_;
};

}  // namespace nexus::app
