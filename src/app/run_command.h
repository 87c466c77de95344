// `nexus run`: one handler, once.
#pragma once

#include <string>

#include "nexus/config.h"

namespace nexus::app {

struct RunOptions {
  std::string file;         // or "-"
  std::string args = "{}";  // JSON or @FILE
  RuntimeConfig config;
  enum class Output { kPeople, kJson } output = Output::kPeople;
};

// Returns the exit status; prints the result on standard output, the handler's log and errors for
// people on standard error.
int runHandler(const RunOptions& options);

}  // namespace nexus::app
