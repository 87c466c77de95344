// One caller: tiers, what is compiled again and what is not, and what is told of it. Many callers:
// handler_compiler_flight_test.cc.
#include "runtime/handler_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <string>
#include <thread>

#include "base/testing/temp_folder.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime {
namespace {

using nexus::testing::TempFolder;
using std::chrono::milliseconds;
using testing::codeOf;
using testing::CompilerRig;
using ::testing::ElementsAre;
using testing::eventually;
using testing::HookedFiles;
using ::testing::IsEmpty;
using testing::outcomeOf;

constexpr char kSource[] = "return $args.a + 1";

RuntimeConfig onDisk(const TempFolder& folder) { return {.cacheDir = folder / "cache"}; }

std::string run(CompilerRig& rig, const js::Handler& handler) {
  return outcomeOf(rig.lease()->execute(handler, {.args = R"({"a":41})"}));
}

TEST(HandlerCompilerTest, EachTierInItsTurn) {
  const TempFolder folder;
  {
    CompilerRig first({.config = onDisk(folder)});
    EXPECT_EQ(first.find(kSource), "none");
    EXPECT_EQ(first.find(kSource), "memory");
    EXPECT_THAT(first.observer.take(),
                ElementsAre("memory: miss", "disk: miss", "compile: ok", "memory: hit"));
    EXPECT_EQ(first.js->compilations(), 1U);
  }
  // As after a restart.
  CompilerRig second({.config = onDisk(folder)});
  EXPECT_EQ(second.find(kSource), "disk");
  EXPECT_EQ(second.find(kSource), "memory");
  EXPECT_THAT(second.observer.take(), ElementsAre("memory: miss", "disk: hit", "memory: hit"));
  EXPECT_EQ(second.js->compilations(), 0U);
  EXPECT_EQ(second.pool.stats().created, 0U);
}

TEST(HandlerCompilerTest, ARestartedProcessCompilesNothing) {
  const TempFolder folder;
  for (const uint64_t expected : {20U, 0U}) {
    CompilerRig rig({.config = onDisk(folder)});
    for (int i = 0; i < 20; ++i) {
      const auto found = rig.compiler.find("return $args.a + " + std::to_string(i), {});
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(run(rig, *found->loaded), std::to_string(41 + i));
    }
    EXPECT_EQ(rig.js->compilations(), expected);
    EXPECT_EQ(rig.compiler.stats().compilations, expected);
  }
}

TEST(HandlerCompilerTest, WithoutAFolderThereIsNoDiskTier) {
  for (int turn = 0; turn < 2; ++turn) {
    CompilerRig rig({});
    EXPECT_EQ(rig.find(kSource), "none");
    EXPECT_THAT(rig.observer.take(), ElementsAre("memory: miss", "compile: ok"));
  }
}

TEST(HandlerCompilerTest, ADiskThatFailsCostsSpeedOnly) {
  const TempFolder folder;
  CompilerRig rig(
      {.config = onDisk(folder), .files = std::make_unique<HookedFiles>([] { return false; })});
  EXPECT_EQ(rig.find(kSource), "none");
  EXPECT_EQ(rig.find(kSource), "memory");
  EXPECT_THAT(rig.observer.take(), ElementsAre("memory: miss", "disk: failed", "compile: ok",
                                               "disk: failed", "memory: hit"));
}

TEST(HandlerCompilerTest, WhatIsNoHandlerIsRefused) {
  CompilerRig rig({.config = {.maxSourceBytes = 100}});
  const struct {
    std::string source;
    const char* code;
    uint64_t compilations;
  } rows[] = {
      {"", "INVALID_HANDLER", 0},
      {" \n\t", "INVALID_HANDLER", 0},
      {"return '\xFF'", "INVALID_HANDLER", 0},
      {std::string(101, ' ') + "1", "INVALID_HANDLER", 0},
      {"return (", "COMPILATION_ERROR", 1},
      {"}); (function () {", "COMPILATION_ERROR", 1},
  };
  for (const auto& row : rows) {
    const uint64_t before = rig.js->compilations();
    EXPECT_EQ(rig.find(row.source), row.code) << row.source;
    EXPECT_EQ(rig.js->compilations() - before, row.compilations) << row.source;
  }
  EXPECT_EQ(rig.memory.stats().entries, 0U);
  EXPECT_EQ(rig.find(kSource), "none");
}

TEST(HandlerCompilerTest, ACompilationErrorSaysWhere) {
  CompilerRig rig({});
  const auto found = rig.compiler.find("const a = 1;\nreturn a +;", {});
  ASSERT_EQ(codeOf(found), "COMPILATION_ERROR");
  ASSERT_TRUE(found.error().location);
  EXPECT_EQ(found.error().location->line, 2U);
}

TEST(HandlerCompilerTest, CompilingIsInsideEveryLimit) {
  CompilerRig rig({.config = {.timeout = milliseconds(0)}});
  const char* endless = "}); for (;;); (function () {";
  EXPECT_EQ(rig.find(endless, {.limit = {.timeout = milliseconds(10)}}), "TIMEOUT");
  std::stop_source stop;
  std::thread stopper([&] {
    EXPECT_TRUE(eventually([&] { return rig.js->compilations() == 2; }));
    stop.request_stop();
  });
  EXPECT_EQ(rig.find(endless, {.limit = {.stop = stop.get_token()}}), "CANCELLED");
  stopper.join();
  EXPECT_THAT(rig.observer.take(), ElementsAre("memory: miss", "compile: TIMEOUT", "memory: miss",
                                               "compile: CANCELLED"));
  EXPECT_EQ(rig.compiler.stats().failures, 2U);
  EXPECT_EQ(rig.find(kSource), "none");
}

TEST(HandlerCompilerTest, WaitsForAnInstanceUntilTheDeadline) {
  CompilerRig rig({.pool = {.maxInstances = 1, .minInstances = 0}});
  const auto lease = rig.lease();
  EXPECT_EQ(rig.find(kSource, {.until = rig.clock.now()}), "UNAVAILABLE");
  EXPECT_EQ(rig.js->compilations(), 0U);
}

// The code stays when the image goes; and whoever holds the handler needs no cache at all.
TEST(HandlerCompilerTest, ImagesThatWereDroppedAreMadeAgainFromTheCode) {
  CompilerRig rig({});
  const auto first = rig.compiler.find(kSource, {});
  ASSERT_TRUE(first.ok());
  const auto dropImage = [&] {
    EXPECT_EQ(rig.memory.shrinkTo(rig.memory.stats().bytes - 1), 1U);
    EXPECT_EQ(first->handler->loaded(), nullptr);
    EXPECT_EQ(rig.memory.stats().entries, 1U);
  };
  dropImage();
  EXPECT_EQ(rig.find(kSource), "memory");
  dropImage();
  const auto held = rig.compiler.find(first->handler, {});
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(held->tier, CacheTier::kMemory);
  EXPECT_NE(held->loaded->image, first->loaded->image);
  EXPECT_EQ(run(rig, *held->loaded), "42");
  EXPECT_EQ(first->handler->loaded(), held->loaded);
  EXPECT_EQ(rig.compiler.stats().reloads, 2U);
  EXPECT_EQ(rig.js->compilations(), 1U);
}

TEST(HandlerCompilerTest, AHandlerThatLeftTheCacheWorksForThoseWhoHoldIt) {
  CompilerRig rig({});
  const auto first = rig.compiler.find(kSource, {});
  ASSERT_TRUE(first.ok());
  EXPECT_GE(rig.memory.shrinkTo(0), 1U);
  EXPECT_EQ(rig.memory.stats().entries, 0U);
  for (int turn = 0; turn < 2; ++turn) {
    const auto held = rig.compiler.find(first->handler, {});
    ASSERT_TRUE(held.ok());
    EXPECT_EQ(run(rig, *held->loaded), "42");
  }
  EXPECT_EQ(rig.compiler.stats().reloads, 1U);
  EXPECT_EQ(rig.js->compilations(), 1U);
  // It is back, and counted.
  EXPECT_EQ(rig.memory.stats().entries, 1U);
  EXPECT_GT(rig.memory.stats().bytes, 0U);
}

TEST(HandlerCompilerTest, MakingAnImageAgainNeedsAnInstance) {
  CompilerRig rig({.pool = {.maxInstances = 1, .minInstances = 0}});
  const auto first = rig.compiler.find(kSource, {});
  ASSERT_TRUE(first.ok());
  (void)rig.memory.shrinkTo(0);
  std::stop_source stop;
  stop.request_stop();
  const auto lease = rig.lease();
  const auto now = rig.clock.now();
  EXPECT_EQ(codeOf(rig.compiler.find(first->handler, {.until = now})), "UNAVAILABLE");
  EXPECT_EQ(codeOf(rig.compiler.find(first->handler, {.limit = {.stop = stop.get_token()}})),
            "CANCELLED");
}

// As a disk might do it that nobody checks.
TEST(HandlerCompilerTest, CodeThatCannotBeLoadedHarmsNobodyElse) {
  CompilerRig rig({});
  const auto good = rig.compiler.find(kSource, {});
  ASSERT_TRUE(good.ok());
  const auto code = std::make_shared<const js::HandlerCode>(
      js::HandlerCode{"return 2", good->handler->code()->bytecode.substr(0, 20)});
  const auto bad = std::make_shared<CompiledHandler>(
      std::make_shared<const js::Handler>(js::Handler{code, good->loaded->image}));
  bad->setLoaded(nullptr);
  EXPECT_EQ(codeOf(rig.compiler.find(bad, {})), "INTERNAL_ERROR");
  EXPECT_EQ(run(rig, *good->loaded), "42");
}

TEST(HandlerCompilerTest, WhatAnotherPutThereMeanwhileIsUsed) {
  CompilerRig rig({});
  const auto handler = rig.compile(kSource);
  rig.observer.setHook([&](const std::string& line) {
    if (line == "memory: miss") (void)rig.memory.put(std::make_shared<CompiledHandler>(handler));
  });
  const uint64_t before = rig.js->compilations();
  EXPECT_EQ(rig.find(kSource), "memory");
  EXPECT_EQ(rig.js->compilations(), before);
}

// The same, and its image is gone already.
TEST(HandlerCompilerTest, WhatAnotherPutThereIsNotCompiledAgainWithoutItsImage) {
  const TempFolder folder;
  CompilerRig rig({.config = onDisk(folder)});
  const auto handler = rig.compile(kSource);
  rig.observer.setHook([&](const std::string& line) {
    if (line != "memory: miss") return;
    (void)rig.memory.put(std::make_shared<CompiledHandler>(handler));
    EXPECT_EQ(rig.memory.shrinkTo(rig.memory.stats().bytes - 1), 1U);
  });
  const uint64_t before = rig.js->compilations();
  EXPECT_EQ(rig.find(kSource), "memory");
  EXPECT_EQ(rig.js->compilations(), before);
  EXPECT_EQ(rig.compiler.stats().reloads, 1U);
}

TEST(HandlerCompilerTest, StatisticsAddUp) {
  const TempFolder folder;
  {
    CompilerRig before({.config = onDisk(folder)});
    EXPECT_EQ(before.find("return 1"), "none");
  }
  CompilerRig rig({.config = onDisk(folder)});
  EXPECT_EQ(rig.find("return 1"), "disk");
  EXPECT_EQ(rig.find("return 2"), "none");
  EXPECT_EQ(rig.find("return ("), "COMPILATION_ERROR");
  EXPECT_EQ(rig.find(""), "INVALID_HANDLER");
  const auto held = rig.compiler.find("return 2", {});
  ASSERT_TRUE(held.ok());
  EXPECT_TRUE(rig.compiler.find(held->handler, {}).ok());
  const CompilerStats stats = rig.compiler.stats();
  EXPECT_EQ(stats.requests, 6U);
  EXPECT_EQ(stats.memoryHits, 2U);
  EXPECT_EQ(stats.diskHits, 1U);
  EXPECT_EQ(stats.compilations, 2U);
  EXPECT_EQ(stats.compilations, rig.js->compilations());
  EXPECT_EQ(stats.failures, 1U);
  EXPECT_EQ(stats.reloads, 0U);
  EXPECT_GT(stats.compileTime.count(), 0);
  EXPECT_EQ(rig.observer.count("memory: hit"), stats.memoryHits);
  EXPECT_EQ(rig.observer.count("memory: miss"), stats.requests - stats.memoryHits);
  EXPECT_EQ(rig.observer.count("disk: hit"), stats.diskHits);
  EXPECT_EQ(rig.observer.count("compile:"), stats.compilations);
}

TEST(HandlerCompilerTest, EvictionsAreTold) {
  constexpr uint64_t kMost = 10'000;
  CompilerRig rig({.config = {.maxCacheSize = kMost}});
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(rig.find("return " + std::to_string(i)), "none");
    EXPECT_LE(rig.memory.stats().bytes, kMost);
  }
  const MemoryCacheStats stats = rig.memory.stats();
  EXPECT_GT(stats.evictedHandlers, 0U);
  uint64_t told = 0;
  for (const std::string& line : rig.observer.take()) {
    constexpr std::string_view kEvicted = "memory: evicted ";
    if (line.starts_with(kEvicted)) told += std::stoull(line.substr(kEvicted.size()));
  }
  EXPECT_EQ(told, stats.evictedHandlers + stats.evictedImages);
}

}  // namespace
}  // namespace nexus::runtime
