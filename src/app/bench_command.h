// `nexus bench`: what this build costs on this machine, by names that stay.
#pragma once

#include <string>
#include <vector>

namespace nexus::app {

struct BenchOptions {
  bool json = false;
  std::vector<std::string> only;  // names; all when empty
};

int runBench(const BenchOptions& options);

}  // namespace nexus::app
