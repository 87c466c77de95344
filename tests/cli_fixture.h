// Runs `nexus` as its users do, each test in a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace nexus::tests {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

std::string readFile(const std::filesystem::path& path);

class CliTest : public testing::Test {
 protected:
  CliTest();
  ~CliTest() override;

  std::filesystem::path write(const std::string& name, const std::string& text);

  // `command` is shell text behind `nexus`, run in the test's folder; `before` is shell text in
  // front of it.
  Outcome nexus(const std::string& command, const std::string& input = "",
                const std::string& before = "");

  std::filesystem::path folder_;
};

}  // namespace nexus::tests
