// What is measured: each scenario does one thing once, again and again. `nexus bench` and the
// google-benchmark program time the same ones.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engines.h"

namespace nexus::app {

struct Scenario {
  std::string name;
  std::function<void()> timed;
  // Between two of them, outside the time; may be empty.
  std::function<void()> untimed;
  // How often it is to be repeated at least.
  uint64_t repetitions = 1;
};

// One thread. Failures abort: a benchmark of something that fails measures nothing.
class Scenarios {
 public:
  static Result<std::unique_ptr<Scenarios>> make();

  const std::vector<Scenario>& all() const { return scenarios_; }
  runtime::Engines& engines() { return engines_; }

  // Isolated calls of a trivial handler per second, from so many threads with a sandbox each.
  double isolatedCallsPerSecond(unsigned threads);
  // Resident memory of one sandbox that has run a call and was trimmed afterwards.
  uint64_t idleInstanceBytes();

 private:
  struct Prepared;

  explicit Scenarios(runtime::Engines engines) : engines_(std::move(engines)) {}
  std::shared_ptr<Prepared> prepare(const std::string& source);
  void addCalls();
  void addState();
  void addRights();
  void addCompute(const char* name, std::string_view source);

  runtime::Engines engines_;
  std::vector<Scenario> scenarios_;
};

}  // namespace nexus::app
