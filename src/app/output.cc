#include "app/output.h"

#include <fmt/format.h>

#include <cstdio>

#include "app/display.h"
#include "app/report.h"

namespace nexus::app {

int printError(const Error& error, Output output, ExitStatus status) {
  if (output == Output::kPeople) {
    fmt::print(stderr, "nexus: {}\n", escapeControls(error.message));
    return status;
  }
  std::puts(toJson(error).c_str());
  return finishOutput(status);
}

int finishOutput(ExitStatus status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  fmt::print(stderr, "nexus: the result could not be written to standard output\n");
  return kFailed;
}

}  // namespace nexus::app
