#include "runtime/memory_pressure.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/testing/temp_folder.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime {
namespace {

namespace fs = std::filesystem;
using nexus::testing::TempFolder;

// A system made of files.
class MemoryPressureTest : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) const {
    const fs::path whole = folder_.path() / path;
    fs::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  void writeGroup(const std::string& group, const std::string& most,
                  const std::string& used) const {
    write("groups/" + group + "/memory.max", most + "\n");
    write("groups/" + group + "/memory.current", used + "\n");
  }
  void writeMachine(uint64_t totalKb, uint64_t availableKb) const {
    write("meminfo", "MemTotal:       " + std::to_string(totalKb) +
                         " kB\nMemFree: 1 kB\nMemAvailable:   " + std::to_string(availableKb) +
                         " kB\n");
  }
  bool isHigh() const {
    return makeSystemMemoryPressure({.groups = folder_ / "groups",
                                     .ownGroup = folder_ / "cgroup",
                                     .machine = folder_ / "meminfo"})
        ->isHigh();
  }

  TempFolder folder_;
};

TEST_F(MemoryPressureTest, AGroupNearItsLimit) {
  write("cgroup", "0::/app.slice/nexus\n");
  writeMachine(1000, 900);
  const struct {
    const char* most;
    const char* used;
    bool isHigh;
  } rows[] = {{"1000", "899", false}, {"1000", "900", true}, {"1000", "2000", true},
              {"max", "900", false},  {"0", "0", true},      {"", "", false},
              {"1000", "x", false},   {"-1", "900", false}};
  for (const auto& row : rows) {
    writeGroup("app.slice/nexus", row.most, row.used);
    EXPECT_EQ(isHigh(), row.isHigh) << row.most << ' ' << row.used;
  }
}

TEST_F(MemoryPressureTest, EveryGroupAboveCounts) {
  write("cgroup", "12:memory:/old\n0::/a/b/c\n");
  for (const char* tight : {"a/b/c", "a/b", "a", ""}) {
    for (const char* group : {"a/b/c", "a/b", "a", ""}) {
      writeGroup(group, "1000", group == std::string(tight) ? "950" : "10");
    }
    EXPECT_TRUE(isHigh()) << tight;
  }
  writeGroup("", "1000", "10");
  writeGroup("old", "1000", "1000");
  EXPECT_FALSE(isHigh());
}

TEST_F(MemoryPressureTest, FilesThatTheSystemMayDropAreNoPressure) {
  write("cgroup", "0::/a\n");
  writeGroup("a", "1000", "990");
  EXPECT_TRUE(isHigh());
  write("groups/a/memory.stat", "anon 500\nfile 400\ninactive_file 300\nactive_file 100\n");
  EXPECT_FALSE(isHigh());
  write("groups/a/memory.stat", "anon 500\ninactive_file 10\n");
  EXPECT_TRUE(isHigh());
  write("groups/a/memory.stat", "inactive_file 5000\n");  // read at another moment
  EXPECT_FALSE(isHigh());
}

TEST_F(MemoryPressureTest, TheMachineWhereNoGroupHasALimit) {
  write("cgroup", "0::/a\n");
  writeGroup("a", "max", "900");
  const struct {
    uint64_t total;
    uint64_t available;
    bool isHigh;
  } rows[] = {{1000, 900, false}, {1000, 50, false}, {1000, 49, true}, {1000, 0, true}};
  for (const auto& row : rows) {
    writeMachine(row.total, row.available);
    EXPECT_EQ(isHigh(), row.isHigh) << row.available;
  }
}

TEST_F(MemoryPressureTest, WithoutFilesThereIsNone) {
  EXPECT_FALSE(isHigh());
  write("cgroup", "no such format\n0::\n0::a\n");
  write("meminfo", "MemTotal: lots\nMemAvailable:\n");
  EXPECT_FALSE(isHigh());
}

// Whatever this machine is like, it answers, and again.
TEST(SystemMemoryPressureTest, Answers) {
  const auto pressure = makeSystemMemoryPressure();
  for (int i = 0; i < 3; ++i) (void)pressure->isHigh();
}

}  // namespace
}  // namespace nexus::runtime
