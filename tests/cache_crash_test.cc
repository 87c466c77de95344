// Processes that share a cache folder and are killed at any moment: whatever is left there is
// whole, and every result is right.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <vector>

#include "base/testing/temp_folder.h"
#include "child_process.h"

namespace {

namespace fs = std::filesystem;
using nexus::testing::ChildProcess;
using nexus::testing::readFile;
using nexus::testing::TempFolder;
using nexus::testing::writeFile;
using nlohmann::json;
using std::chrono::microseconds;

constexpr int kHandlers = 50;
constexpr int kProcesses = 4;

class Sharers {
 public:
  Sharers() {
    for (int i = 0; i < kHandlers; ++i) writeFile(handler(i), sourceOf(i));
    const auto start = std::chrono::steady_clock::now();
    ChildProcess all(compileAll(), folder_ / "output");
    EXPECT_EQ(all.finish(), 0);
    longest_ = std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - start);
  }

  // Until so many were killed.
  void killSome(int kills) {
    killsLeft_ = kills;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kProcesses; ++i) threads.emplace_back([this, i] { goOn(i); });
    for (std::thread& thread : threads) thread.join();
  }

  void expectAllSound() {
    const std::string output = folder_ / "verified";
    ChildProcess verify(command({"cache", "verify", "--json"}), output);
    EXPECT_EQ(verify.finish(), 0) << readFile(output);
    const json report = json::parse(readFile(output), nullptr, false);
    ASSERT_TRUE(report.is_object()) << readFile(output);
    EXPECT_TRUE(report["damaged"].empty()) << report;
  }

  void expectAllRight() {
    for (int i = 0; i < kHandlers; ++i) runToItsEnd(i, folder_ / "output");
  }

  // Half of an entry that nobody goes on with; they are removed in time.
  int unfinished() const {
    int count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(cache())) {
      count += entry.path().filename().string().starts_with(".unfinished-") ? 1 : 0;
    }
    return count;
  }

 private:
  // Every tenth is large, so that writing it takes a while.
  static std::string sourceOf(int i) {
    std::string text = "const f = [];\n";
    for (int line = 0; line < (i % 10 == 0 ? 2000 : 3); ++line) {
      text += "f.push((x) => x + " + std::to_string(line) + ");\n";
    }
    return text + "return [f.length, f[2]($args.a) + " + std::to_string(i) + "]";
  }
  static json valueOf(int i) { return {i % 10 == 0 ? 2000 : 3, 1002 + i}; }

  std::string handler(int i) const { return folder_ / ("h" + std::to_string(i) + ".js"); }
  fs::path cache() const { return folder_.path() / "cache"; }

  std::vector<std::string> command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), NEXUS_BINARY);
    arguments.insert(arguments.end(), {"--set", "cache_dir=" + cache().string()});
    return arguments;
  }

  std::vector<std::string> compileAll(uint32_t seed = 0) const {
    std::vector<std::string> files;
    for (int i = 0; i < kHandlers; ++i) files.push_back(handler(i));
    std::shuffle(files.begin(), files.end(), std::mt19937(seed));
    files.insert(files.begin(), "compile");
    return command(std::move(files));
  }

  std::vector<std::string> runOne(int i) const {
    return command({"run", handler(i), "--json", "--args", R"({"a": 1000})"});
  }

  static void expectRight(int i, const std::string& output) {
    const json report = json::parse(readFile(output), nullptr, false);
    ASSERT_TRUE(report.is_object()) << readFile(output);
    EXPECT_EQ(report.value("status", ""), "success") << report;
    EXPECT_EQ(report.value("value", json()), valueOf(i)) << report;
  }

  void runToItsEnd(int i, const std::string& output) const {
    ChildProcess run(runOne(i), output);
    EXPECT_EQ(run.finish(), 0);
    expectRight(i, output);
  }

  // One that starts processes and kills them; another one takes entries away, so that there is
  // always something to write.
  void goOn(uint32_t seed) {
    std::mt19937 random(seed);
    const std::string output = folder_ / ("output-" + std::to_string(seed));
    while (killsLeft_ > 0 && !::testing::Test::HasFailure()) {
      if (seed == 0) {
        ChildProcess clear(command({"cache", "clear"}), output);
        EXPECT_EQ(clear.finish(), 0) << readFile(output);
      }
      const int i = static_cast<int>(random() % kHandlers);
      const bool compiles = random() % 4 != 0;
      ChildProcess child(compiles ? compileAll(static_cast<uint32_t>(random())) : runOne(i),
                         output);
      if (child.waitFor(microseconds(random() % longest_.count()))) {
        EXPECT_EQ(child.finish(), 0) << readFile(output);
        if (!compiles) expectRight(i, output);
        continue;
      }
      child.kill();
      // It may have ended by itself meanwhile.
      if (child.finish() == -1) {
        --killsLeft_;
        const std::lock_guard lock(verifying_);
        expectAllSound();
      }
    }
  }

  TempFolder folder_;
  microseconds longest_{0};
  std::atomic<int> killsLeft_{0};
  std::mutex verifying_;
};

void killAndLook(int kills) {
  Sharers sharers;
  sharers.killSome(kills);
  sharers.expectAllSound();
  sharers.expectAllRight();
  sharers.expectAllSound();
  ::testing::Test::RecordProperty("unfinished", sharers.unfinished());
}

TEST(CacheCrash, AFewKilledProcessesLeaveWholeEntries) { killAndLook(8); }

TEST(CacheCrashSoak, TwoHundredKilledProcessesLeaveWholeEntries) { killAndLook(200); }

}  // namespace
