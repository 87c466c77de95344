// What a sandbox's content adds to its image, taken out and put into the same sandbox or another.
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <random>
#include <vector>

#include "sandbox/delta_codec.h"
#include "sandbox/engine.h"
#include "sandbox/image.h"
#include "sandbox/testing/probe.h"

namespace nexus::sandbox {
namespace {

using testing::Build;
using testing::kDone;
using testing::kInitialBytes;
using testing::kInitialCount;
using testing::kProbeOptions;
using testing::Probe;
using testing::returned;

class DeltaTest : public ::testing::TestWithParam<Build> {
 protected:
  void store(Probe& probe, std::initializer_list<uint32_t> addresses, uint32_t add = 1) {
    for (const uint32_t at : addresses) EXPECT_EQ(probe.call("store", {at, at + add}), kDone);
  }

  Probe probe_{GetParam()};
  const std::shared_ptr<const Image> base_ = probe_.capture();
};

INSTANTIATE_TEST_SUITE_P(Builds, DeltaTest, ::testing::Values(Build::kNative, Build::kChecked),
                         [](const auto& build) { return testing::toString(build.param); });

TEST_P(DeltaTest, WithoutChangesItIsEmpty) {
  ASSERT_TRUE(probe_->restore(base_));
  const Delta delta = *probe_->takeDelta({});
  EXPECT_TRUE(delta.difference.runs.empty());
  EXPECT_TRUE(delta.difference.bytes.empty());
  EXPECT_EQ(delta.memoryBytes, kInitialBytes);
  EXPECT_TRUE(probe_->apply(delta));
}

TEST_P(DeltaTest, PutBackTheContentIsWhatItWas) {
  const struct {
    const char* name;
    std::initializer_list<uint32_t> addresses;
    uint32_t pages;  // of growth
  } rows[] = {
      {"nothing but a global", {}, 0},
      {"the first and the last word", {0, kInitialBytes - 4}, 0},
      {"over the end of a page", {4088, 4092, 4096, 4104}, 0},
      {"growth that nobody wrote to", {}, 3},
      {"growth", {8, kInitialBytes, kInitialBytes + 100'000}, 3},
  };
  Probe other(GetParam(), kProbeOptions, base_);
  for (const auto& row : rows) {
    ASSERT_TRUE(probe_->restore(base_)) << row.name;
    EXPECT_TRUE(probe_.call("grow", {row.pages}).ok());
    store(probe_, row.addresses);
    EXPECT_EQ(probe_.call("bump"), returned(kInitialCount + 1));
    const std::vector<std::byte> memory = probe_.memory();
    const Delta delta = *probe_->takeDelta({});

    ASSERT_TRUE(probe_->restore(base_)) << row.name;
    ASSERT_TRUE(probe_->apply(delta)) << row.name;
    EXPECT_TRUE(probe_.holds(memory)) << row.name;
    EXPECT_EQ(probe_.call("bump"), returned(kInitialCount + 2)) << row.name;

    ASSERT_TRUE(other->restore(base_)) << row.name;
    ASSERT_TRUE(other->apply(delta)) << row.name;
    EXPECT_TRUE(other.holds(memory)) << row.name;
    EXPECT_EQ(other.call("pages"), returned(memory.size() / kWasmPageBytes)) << row.name;
    EXPECT_EQ(other.call("bump"), returned(kInitialCount + 2)) << row.name;
  }
}

// However often the image was restored before: its pages are applied run by run, or whole, or the
// set of open pages has just been settled.
TEST_P(DeltaTest, OfAnImageThatIsADifferenceItself) {
  ASSERT_TRUE(probe_->restore(base_));
  store(probe_, {16, 5000, 70'000});
  const auto image = probe_.capture();
  Probe other(GetParam(), kProbeOptions, base_);
  for (int restores = 0; restores < 300; restores = restores < 6 ? restores + 1 : restores * 4) {
    for (int i = 0; i <= restores; ++i) ASSERT_TRUE(probe_->restore(image));
    store(probe_, {5000}, 9);
    EXPECT_EQ(probe_.call("store", {16, 0}), kDone);  // what the base has there
    const std::vector<std::byte> memory = probe_.memory();
    const Delta delta = *probe_->takeDelta({});
    EXPECT_EQ(delta.difference.bytes.size(), 16U) << restores;
    ASSERT_TRUE(other->restore(image));
    ASSERT_TRUE(other->apply(delta));
    EXPECT_TRUE(other.holds(memory)) << restores;
    ASSERT_TRUE(other->restore(base_));
  }
}

TEST_P(DeltaTest, AnImageThatIsLargerThanItsBase) {
  ASSERT_TRUE(probe_->restore(base_));
  EXPECT_TRUE(probe_.call("grow", {2}).ok());
  store(probe_, {kInitialBytes + 8, kInitialBytes + 5000});
  const auto image = probe_.capture();
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(probe_->restore(image));
    store(probe_, {kInitialBytes + 5000}, 3);
    EXPECT_TRUE(probe_.call("grow", {1}).ok());
    const std::vector<std::byte> memory = probe_.memory();
    const Delta delta = *probe_->takeDelta({});
    EXPECT_EQ(delta.difference.bytes.size(), 8U);
    ASSERT_TRUE(probe_->restore(image));
    ASSERT_TRUE(probe_->apply(delta));
    EXPECT_TRUE(probe_.holds(memory));
  }
}

TEST_P(DeltaTest, WhatIsDeadIsNotKept) {
  ASSERT_TRUE(probe_->restore(base_));
  store(probe_, {1000, 4096, 8192});
  const AddressRange dead[] = {{992, 1008}, {4096, 8192}};
  const Delta delta = *probe_->takeDelta(dead);
  EXPECT_EQ(delta.difference.bytes.size(), 8U);
  ASSERT_TRUE(probe_->restore(base_));
  ASSERT_TRUE(probe_->apply(delta));
  EXPECT_EQ(probe_.load(1000), 0U);
  EXPECT_EQ(probe_.load(4096), 0U);
  EXPECT_EQ(probe_.load(8192), 8193U);
}

// One that is refused makes the sandbox useless, and touches nothing outside of its memory.
TEST_P(DeltaTest, WhatDoesNotFitIsRefused) {
  ASSERT_TRUE(probe_->restore(base_));
  const Delta good = *probe_->takeDelta({});
  const auto with = [&good](uint64_t memoryBytes, std::vector<DifferenceRun> runs) {
    Delta delta = good;
    delta.memoryBytes = memoryBytes;
    for (const DifferenceRun& run : runs) delta.difference.bytes.resize(run.bytes);
    delta.difference.runs = std::move(runs);
    return delta;
  };
  Delta fewGlobals = good;
  fewGlobals.globals.pop_back();
  Delta manyGlobals = good;
  manyGlobals.globals.push_back(1);
  const struct {
    const char* name;
    Delta delta;
  } rows[] = {
      {"nothing at all", {}},
      {"smaller than the image", with(kInitialBytes - kWasmPageBytes, {})},
      {"larger than its limit", with(kProbeOptions.memoryLimitBytes + kWasmPageBytes, {})},
      {"a run behind the end", with(kInitialBytes, {{kInitialBytes, 8}})},
      {"a run over the end", with(kInitialBytes, {{kInitialBytes - 8, 16}})},
      {"a run at the last address", with(kInitialBytes, {{0xFFFFFFF8, 8}})},
      {"a global less", fewGlobals},
      {"a global more", manyGlobals},
  };
  for (const auto& row : rows) {
    Probe victim(GetParam(), kProbeOptions, base_);
    ASSERT_TRUE(victim->restore(base_)) << row.name;
    EXPECT_FALSE(victim->apply(row.delta)) << row.name;
    EXPECT_FALSE(victim.call("bump").ok()) << row.name;
    EXPECT_FALSE(victim->restore(base_)) << row.name;
  }
  EXPECT_TRUE(probe_->apply(good));
}

// Of what one call left, nothing is in the next, whichever way it came there.
TEST_P(DeltaTest, RestoringTakesItAwayAgain) {
  ASSERT_TRUE(probe_->restore(base_));
  const std::vector<std::byte> clean = probe_.memory();
  EXPECT_TRUE(probe_.call("grow", {2}).ok());
  store(probe_, {0, 40'000, kInitialBytes + 77'000});
  const Delta delta = *probe_->takeDelta({});
  EXPECT_TRUE(probe_.holds(clean)) << "what is taken is gone";
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(probe_->restore(base_));
    EXPECT_TRUE(probe_.holds(clean)) << round;
    ASSERT_TRUE(probe_->apply(delta));
    EXPECT_EQ(probe_.load(kInitialBytes + 77'000), kInitialBytes + 77'001) << round;
  }
}

TEST_P(DeltaTest, RandomContentsThroughTheCodec) {
  std::mt19937 random(5);
  Probe other(GetParam(), kProbeOptions, base_);
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(probe_->restore(base_));
    const auto pages = static_cast<uint32_t>(random() % 3);
    EXPECT_TRUE(probe_.call("grow", {pages}).ok());
    const auto size = static_cast<uint32_t>(kInitialBytes + pages * kWasmPageBytes);
    for (auto fills = random() % 20; fills > 0; --fills) {
      const auto at = static_cast<uint32_t>(random() % size);
      const uint32_t length = std::min(static_cast<uint32_t>(random() % 300), size - at);
      EXPECT_EQ(probe_.call("fill", {at, random() % 256, length}), kDone);
    }
    const std::vector<std::byte> memory = probe_.memory();
    const auto delta = decodeDelta(encodeDelta(*probe_->takeDelta({})));
    ASSERT_TRUE(delta);
    ASSERT_TRUE(other->restore(base_));
    ASSERT_TRUE(other->apply(*delta));
    EXPECT_TRUE(other.holds(memory)) << round;
  }
}

}  // namespace
}  // namespace nexus::sandbox
