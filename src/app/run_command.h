// `nexus run`: one handler, once.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/ext_stub.h"
#include "app/output.h"
#include "nexus/config.h"
#include "nexus/execution.h"
#include "nexus/extensions.h"
#include "nexus/runtime.h"
#include "nexus/state.h"

namespace nexus::app {

struct RunOptions {
  std::string file;         // or "-"
  std::string args = "{}";  // JSON or @FILE, like the next two
  std::string state = "{}";
  std::string scope = "{}";
  std::vector<std::string> allow;  // capabilities
  std::vector<std::string> ext;    // extensions that are built in
  std::string extStub;             // a file, or JSON; empty for none
  std::optional<uint64_t> seed;
  std::optional<std::chrono::milliseconds> clock;
  RuntimeConfig config;
  HttpOptions http;
  Output output = Output::kPeople;
};

// The options with everything read and checked.
struct RunInputs {
  std::string source;
  std::string args;
  std::string scope;
  StateSnapshot state;
  ExtStub::ByAlias extensions;
};

// kInvalidInput names the option or the file; kInvalidHandler is about the handler's own text.
Result<RunInputs> readInputs(const RunOptions& options);

// The context of the one call; it points into the inputs.
CallContext contextOf(const RunOptions& options, const RunInputs& inputs);

// Returns the exit status; prints the result on standard output; for people, what it did, the
// handler's log and errors on standard error.
int runHandler(const RunOptions& options);

}  // namespace nexus::app
