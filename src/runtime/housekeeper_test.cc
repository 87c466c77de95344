#include "runtime/housekeeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <string>
#include <vector>

#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime {
namespace {

using std::chrono::milliseconds;
using testing::CompilerRig;
using testing::eventually;
using ::testing::IsEmpty;
using testing::makeRuntime;

class FakePressure final : public MemoryPressure {
 public:
  bool isHigh() override {
    ++asked;
    if (fails) throw std::bad_alloc();
    return high;
  }

  std::atomic<bool> high{false};
  std::atomic<bool> fails{false};
  std::atomic<int> asked{0};
};

constexpr std::chrono::hours kNever{1};

void compileSome(CompilerRig& rig, int count) {
  for (int i = 0; i < count; ++i) EXPECT_EQ(rig.find("return " + std::to_string(i)), "none");
}

// So many idle instances.
void fillPool(CompilerRig& rig, int count) {
  std::vector<PooledInstance> leases;
  for (int i = 0; i < count; ++i) leases.push_back(rig.lease());
}

TEST(HousekeeperTest, PressureShrinksTheCacheAndThePool) {
  CompilerRig rig({.pool = {.maxInstances = 4, .minInstances = 1}});
  FakePressure pressure;
  Housekeeper housekeeper(rig.pool, rig.memory, rig.suspensions, pressure, rig.observer, kNever);
  compileSome(rig, 10);
  fillPool(rig, 4);
  rig.observer.take();
  pressure.high = true;
  uint64_t before = rig.memory.stats().bytes;
  while (before > 0) {
    housekeeper.tidyUp();
    const uint64_t now = rig.memory.stats().bytes;
    EXPECT_LE(now, before / 2);
    before = now;
  }
  EXPECT_EQ(rig.pool.availableCount(), 1U);
  EXPECT_GT(rig.observer.count("memory: evicted"), 0U);
  rig.observer.take();
  housekeeper.tidyUp();  // nothing left to do
  EXPECT_THAT(rig.observer.take(), IsEmpty());
  EXPECT_EQ(rig.find("return 1"), "none");  // and it goes on
}

TEST(HousekeeperTest, WithoutPressureOnlyWhatIsIdleForLongGivesBack) {
  CompilerRig rig({.pool = {.maxInstances = 4, .minInstances = 1}});
  FakePressure pressure;
  Housekeeper housekeeper(rig.pool, rig.memory, rig.suspensions, pressure, rig.observer, kNever);
  compileSome(rig, 10);
  fillPool(rig, 4);
  std::atomic<int> trims{0};
  rig.engine.onTrim([&] {
    ++trims;
    return true;
  });
  const uint64_t bytes = rig.memory.stats().bytes;
  housekeeper.tidyUp();
  EXPECT_EQ(trims, 0);
  housekeeper.tidyUp();
  EXPECT_EQ(trims, 4);
  EXPECT_EQ(rig.memory.stats().bytes, bytes);
  EXPECT_EQ(rig.pool.availableCount(), 4U);
}

TEST(HousekeeperTest, ComesByItself) {
  CompilerRig rig({});
  FakePressure pressure;
  const Housekeeper housekeeper(rig.pool, rig.memory, rig.suspensions, pressure, rig.observer,
                                milliseconds(1));
  EXPECT_TRUE(eventually([&] { return pressure.asked >= 3; }));
}

// Memory is short when it is needed most.
TEST(HousekeeperTest, RunningOutOfMemoryCostsARound) {
  CompilerRig rig({});
  FakePressure pressure;
  pressure.fails = true;
  const Housekeeper housekeeper(rig.pool, rig.memory, rig.suspensions, pressure, rig.observer,
                                milliseconds(1));
  EXPECT_TRUE(eventually([&] { return pressure.asked >= 3; }));
  compileSome(rig, 3);
  pressure.high = true;
  pressure.fails = false;
  EXPECT_TRUE(eventually([&] { return rig.memory.stats().bytes == 0; }));
}

TEST(HousekeeperTest, EndsWhileItWaits) {
  CompilerRig rig({});
  FakePressure pressure;
  const auto start = std::chrono::steady_clock::now();
  {
    const Housekeeper housekeeper(rig.pool, rig.memory, rig.suspensions, pressure, rig.observer,
                                  kNever);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, kNever);
}

TEST(HousekeeperTest, ARuntimeHasOne) {
  RuntimeDependencies outside;
  auto owned = std::make_unique<FakePressure>();
  FakePressure& pressure = *owned;
  pressure.high = true;
  outside.pressure = std::move(owned);
  const auto runtime = makeRuntime({}, std::move(outside));
  const auto handler = runtime->precompile("return 7");
  ASSERT_TRUE(handler.ok());
  EXPECT_TRUE(eventually([&] { return runtime->stats().memoryCache.bytes == 0; }));
  EXPECT_EQ(testing::outcomeOf(runtime->execute(*handler)), "7");
  EXPECT_EQ(runtime->stats().compilations, 1U);
}

}  // namespace
}  // namespace nexus::runtime
