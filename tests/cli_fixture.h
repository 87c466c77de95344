// Runs `nexus` as its users do, each test in a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/testing/temp_folder.h"

namespace nexus::tests {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

using testing::readFile;

class CliTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text);

  // `command` is shell text behind `nexus`, run in the test's folder; `before` is shell text in
  // front of it.
  Outcome nexus(const std::string& command, const std::string& input = "",
                const std::string& before = "");
  // The same, but nobody gets what it prints.
  Outcome nexusIntoFullOutput(const std::string& command, const std::string& input = "");

  const testing::TempFolder temp_;
  const std::filesystem::path& folder_ = temp_.path();

 private:
  int run(const std::string& line) const;
};

}  // namespace nexus::tests
