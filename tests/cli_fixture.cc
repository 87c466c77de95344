#include "cli_fixture.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <cstdlib>

namespace nexus::tests {

namespace fs = std::filesystem;

fs::path CliTest::write(const std::string& name, const std::string& text) {
  testing::writeFile(folder_ / name, text);
  return folder_ / name;
}

Outcome CliTest::nexus(const std::string& command, const std::string& input,
                       const std::string& before) {
  write("stdin", input);
  const int status = run(before + " " NEXUS_BINARY " " + command + " <stdin >stdout 2>stderr");
  return {status, readFile(folder_ / "stdout"), readFile(folder_ / "stderr")};
}

Outcome CliTest::nexusIntoFullOutput(const std::string& command, const std::string& input) {
  write("stdin", input);
  const int status = run(NEXUS_BINARY " " + command + " <stdin >/dev/full 2>stderr");
  return {status, "", readFile(folder_ / "stderr")};
}

int CliTest::run(const std::string& line) const {
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  return WEXITSTATUS(std::system(("cd " + folder_.string() + " && " + line).c_str()));
}

}  // namespace nexus::tests
