#include "cli_fixture.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

namespace nexus::tests {

namespace fs = std::filesystem;

std::string readFile(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

CliTest::CliTest() {
  std::string pattern = (fs::temp_directory_path() / "nexus-cli-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
}

CliTest::~CliTest() { fs::remove_all(folder_); }

fs::path CliTest::write(const std::string& name, const std::string& text) {
  std::ofstream(folder_ / name, std::ios::binary) << text;
  return folder_ / name;
}

Outcome CliTest::nexus(const std::string& command, const std::string& input,
                       const std::string& before) {
  write("stdin", input);
  const std::string line = "cd " + folder_.string() + " && " + before + " " NEXUS_BINARY " " +
                           command + " <stdin >stdout 2>stderr";
  const int status = std::system(line.c_str());  // NOLINT(concurrency-mt-unsafe)
  return {WEXITSTATUS(status), readFile(folder_ / "stdout"), readFile(folder_ / "stderr")};
}

}  // namespace nexus::tests
