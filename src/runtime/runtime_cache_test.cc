// The two tiers of the compile cache as a Runtime's users see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

#include "base/testing/temp_folder.h"
#include "js/testing/rig.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/faulty_files.h"
#include "runtime/testing/recording_observer.h"

namespace nexus::runtime {
namespace {

using js::testing::outcomeOf;
using nexus::testing::TempFolder;
using ::testing::ElementsAre;
using testing::FaultyFiles;
using testing::RecordingObserver;

class RuntimeCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<Runtime> start(RuntimeConfig config = {}, RuntimeDependencies outside = {}) {
    if (config.cacheDir.empty()) config.cacheDir = temp_ / "cache";
    outside.observer = observer_;
    auto made = RuntimeAccess::make(config, std::move(outside));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }

  TempFolder temp_;
  const std::shared_ptr<RecordingObserver> observer_ = std::make_shared<RecordingObserver>();
};

std::string sumSource(int i) { return "return $args.a + " + std::to_string(i); }

std::string run(Runtime& runtime, std::string_view source) {
  return outcomeOf(runtime.execute(source, {}, {.args = R"({"a": 1000})"}));
}

CacheTier tierOf(Runtime& runtime, std::string_view source) {
  return runtime.execute(source, {}).metrics.cacheTier;
}

TEST_F(RuntimeCacheTest, CompiledOnceThenFromMemoryThenFromDisk) {
  const auto first = start();
  EXPECT_EQ(tierOf(*first, "return 1"), CacheTier::kNone);
  EXPECT_EQ(tierOf(*first, "return 1"), CacheTier::kMemory);
  const auto second = start();
  EXPECT_EQ(tierOf(*second, "return 1"), CacheTier::kDisk);
  EXPECT_EQ(tierOf(*second, "return 1"), CacheTier::kMemory);
  EXPECT_EQ(second->stats().compilations, 0u);
  EXPECT_EQ(second->stats().diskCache.hits, 1u);
  EXPECT_EQ(second->stats().memoryCache.requests, 2u);
  EXPECT_EQ(second->stats().memoryCache.hits, 1u);
  EXPECT_THAT(observer_->take(), ElementsAre("memory miss", "disk miss", "memory hit",  //
                                             "memory miss", "disk hit", "memory hit"));
}

TEST_F(RuntimeCacheTest, WhatIsPrecompiledIsThereForTheNextProcess) {
  ASSERT_TRUE(start()->precompile("return 1"));
  EXPECT_EQ(tierOf(*start(), "return 1"), CacheTier::kDisk);
}

TEST_F(RuntimeCacheTest, WhatDoesNotCompileIsNotKept) {
  ASSERT_FALSE(start()->precompile("return ]"));
  const auto second = start();
  EXPECT_EQ(second->execute("return ]", {}).error->code, ErrorCode::kCompilationError);
  EXPECT_EQ(second->stats().compilations, 1u);
}

TEST_F(RuntimeCacheTest, NoRoomOnDiskMeansNoDiskTier) {
  RuntimeConfig config;
  config.maxDiskCacheBytes = 0;
  EXPECT_EQ(tierOf(*start(config), "return 1"), CacheTier::kNone);
  EXPECT_EQ(tierOf(*start(config), "return 1"), CacheTier::kNone);
  EXPECT_FALSE(std::filesystem::exists(temp_ / "cache"));
}

// An entry of a process that may use more memory: the call ends as if there were no cache, and
// costs no instance.
TEST_F(RuntimeCacheTest, AnEntryBeyondTheMemoryLimitChangesNoOutcome) {
  std::string source = "return [";
  for (int i = 0; i < 40'000; ++i) source += "'text number " + std::to_string(i) + "',";
  source += "].length";
  EXPECT_EQ(run(*start(), source), "40000");
  RuntimeConfig config;
  config.memoryLimitBytes = 2 << 20;
  const auto small = start(config);
  config.maxDiskCacheBytes = 0;
  const auto withoutDisk = start(config);
  EXPECT_EQ(run(*small, source), run(*withoutDisk, source));
  EXPECT_EQ(small->stats().instancesDiscarded, 0u);
}

TEST_F(RuntimeCacheTest, ADiskThatFailsNowAndThenCostsSpeedOnly) {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    const auto disk = makePosixFileSystem();
    auto faulty = std::make_unique<FaultyFiles>(*disk, seed);
    faulty->failPercent(30);
    RuntimeConfig config;
    config.maxCacheSize = 5'000;  // most come from the disk, then
    const auto runtime = start(config, {.files = std::move(faulty)});
    std::mt19937 random(seed);
    for (int call = 0; call < 400; ++call) {
      const int i = static_cast<int>(random() % 30);
      ASSERT_EQ(run(*runtime, sumSource(i)), std::to_string(1000 + i)) << "seed " << seed;
    }
    const RuntimeStats stats = runtime->stats();
    EXPECT_GT(stats.diskCache.failed, 10u);
    EXPECT_GT(stats.diskCache.hits, 5u);
  }
}

TEST_F(RuntimeCacheTest, AFullDiskCostsSpeedOnly) {
  const auto disk = makePosixFileSystem();
  auto faulty = std::make_unique<FaultyFiles>(*disk);
  faulty->setFull(true);
  const auto runtime = start({}, {.files = std::move(faulty)});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(run(*runtime, sumSource(i)), std::to_string(1000 + i));
  EXPECT_EQ(runtime->stats().diskCache.failed, 10u) << "each was looked up, and written";
}

TEST_F(RuntimeCacheTest, TwoRuntimesOfOneProcessShareAFolder) {
  const std::unique_ptr<Runtime> runtimes[] = {start(), start()};
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(thread);
      for (int call = 0; call < 100; ++call) {
        const int i = static_cast<int>(random() % 60);
        ASSERT_EQ(run(*runtimes[thread % 2], sumSource(i)), std::to_string(1000 + i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& runtime : runtimes) {
    EXPECT_EQ(runtime->stats().diskCache.failed, 0u);
    EXPECT_EQ(runtime->stats().diskCache.rejected, 0u);
  }
}

// What a handler takes in memory grows when it gets hot; whoever runs it by its text counts it,
// too.
TEST_F(RuntimeCacheTest, AHotHandlerIsCountedHoweverItIsCalled) {
  const auto runtime = start();
  const auto handler = runtime->precompile("return 1");
  ASSERT_TRUE(handler);
  const uint64_t cold = runtime->stats().memoryCache.bytes;
  for (int call = 0; call < 10; ++call) run(*runtime, "return 1");
  const uint64_t hot = runtime->stats().memoryCache.bytes;
  EXPECT_GT(hot, cold + 4096);
  (void)runtime->execute(*handler);
  EXPECT_EQ(runtime->stats().memoryCache.bytes, hot);
}

}  // namespace
}  // namespace nexus::runtime
