// A pool that grows smaller, and one that closes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/instance_pool.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime {
namespace {

using std::chrono::milliseconds;
using testing::codeOf;
using ::testing::ElementsAre;
using testing::eventually;
using testing::Gate;
using ::testing::IsEmpty;
using testing::PoolRig;

constexpr char kEndless[] = "for (;;);";
constexpr Clock::Time kForEver = Clock::Time::max();
constexpr Clock::Time kAtOnce = Clock::Time::min();

// A pool with so many idle instances; returns their ids, the one on top last.
std::vector<uint64_t> fill(PoolRig& rig, size_t count) {
  std::vector<PooledInstance> leases;
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < count; ++i) {
    leases.push_back(rig.lease());
    ids.push_back(leases.back()->id());
  }
  for (auto& lease : leases) (void)PooledInstance(std::move(lease));
  return ids;
}

// Counts what is trimmed.
void countTrims(PoolRig& rig, std::atomic<int>& trims) {
  rig.engine.onTrim([&trims] {
    ++trims;
    return true;
  });
}

TEST(InstancePoolShrinkTest, KeepsTheLeastThoseUsedLast) {
  PoolRig rig({.maxInstances = 5, .minInstances = 2});
  const auto ids = fill(rig, 5);
  rig.pool.shrink();
  EXPECT_EQ(rig.pool.availableCount(), 2U);
  std::vector<PooledInstance> leases;
  for (int i = 0; i < 5; ++i) leases.push_back(rig.lease());
  std::vector<uint64_t> kept = {leases[0]->id(), leases[1]->id()};
  EXPECT_THAT(kept, ::testing::UnorderedElementsAre(ids[3], ids[4]));
  EXPECT_EQ(rig.pool.stats().created, 8U);
  EXPECT_EQ(rig.pool.stats().discarded, 0U);
  EXPECT_THAT(rig.observer.take(), IsEmpty());
}

TEST(InstancePoolShrinkTest, LeasedOnesCountAndStay) {
  PoolRig rig({.maxInstances = 4, .minInstances = 2});
  fill(rig, 4);
  const auto one = rig.lease();
  const auto two = rig.lease();
  rig.pool.shrink();
  EXPECT_EQ(rig.pool.activeCount(), 2U);
  EXPECT_EQ(rig.pool.availableCount(), 0U);
  EXPECT_EQ(codeOf(one->execute(*rig.compile("return 7"), {})), "ok");
}

TEST(InstancePoolShrinkTest, WhatStaysGivesMemoryBackOnce) {
  PoolRig rig({.maxInstances = 3, .minInstances = 2});
  fill(rig, 3);
  std::atomic<int> trims{0};
  countTrims(rig, trims);
  rig.pool.shrink();
  EXPECT_EQ(trims, 2);
  rig.pool.shrink();
  EXPECT_EQ(trims, 2);
  (void)rig.lease();
  rig.pool.shrink();
  EXPECT_EQ(trims, 3);
}

TEST(InstancePoolAgeTest, WhatIsNotUsedForTwoRoundsGivesMemoryBack) {
  PoolRig rig({.maxInstances = 3, .minInstances = 0});
  const auto ids = fill(rig, 3);
  std::atomic<int> trims{0};
  countTrims(rig, trims);
  rig.pool.age();
  EXPECT_EQ(trims, 0);
  EXPECT_EQ(rig.lease()->id(), ids[2]);  // used in between
  rig.pool.age();
  EXPECT_EQ(trims, 2);
  rig.pool.age();
  EXPECT_EQ(trims, 3);
  rig.pool.age();
  EXPECT_EQ(trims, 3);
  EXPECT_EQ(rig.pool.availableCount(), 3U);
}

TEST(InstancePoolAgeTest, WhatIsWarmGoesBeforeWhatWasTrimmed) {
  PoolRig rig({.maxInstances = 2, .minInstances = 0});
  const auto ids = fill(rig, 2);
  {
    const auto top = rig.lease();
    rig.pool.age();
    rig.pool.age();  // trims the other one
  }
  EXPECT_EQ(rig.lease()->id(), ids[1]);
}

TEST(InstancePoolAgeTest, OneThatCannotBeTrimmedIsDiscarded) {
  PoolRig rig({.maxInstances = 2, .minInstances = 2});
  const auto ids = fill(rig, 2);
  rig.engine.onRestore([turn = 0]() mutable { return ++turn > 1; });
  rig.pool.shrink();
  EXPECT_THAT(rig.observer.take(), ElementsAre("discarded " + std::to_string(ids[0])));
  EXPECT_EQ(rig.pool.stats().discarded, 1U);
  EXPECT_EQ(rig.pool.availableCount(), 1U);
  const auto one = rig.lease();
  const auto two = rig.lease();
  EXPECT_EQ(codeOf(one->execute(*rig.compile("return 7"), {})), "ok");
}

// While it is trimmed it is nobody's: who finds no other waits, and gets it.
TEST(InstancePoolAgeTest, OneThatIsBeingTrimmedIsWaitedFor) {
  PoolRig rig({.maxInstances = 1, .minInstances = 1});
  fill(rig, 1);
  Gate gate;
  rig.engine.onTrim([&] {
    gate.pass();
    return true;
  });
  std::thread keeper([&] { rig.pool.shrink(); });
  ASSERT_TRUE(eventually([&] { return gate.visitors() == 1; }));
  EXPECT_EQ(rig.pool.activeCount(), 1U);
  auto waiter =
      std::async(std::launch::async, [&] { return rig.pool.acquire({.until = kForEver}); });
  ASSERT_TRUE(eventually([&] { return rig.pool.stats().waiting == 1; }));
  gate.open();
  EXPECT_EQ(codeOf(waiter.get()), "ok");
  keeper.join();
}

TEST(InstancePoolCloseTest, NobodyGetsAnInstanceAnyMore) {
  PoolRig rig({.maxInstances = 2, .minInstances = 0});
  fill(rig, 1);
  EXPECT_TRUE(rig.pool.close(kAtOnce));
  const auto refused = rig.pool.acquire({.until = kForEver});
  ASSERT_EQ(codeOf(refused), "UNAVAILABLE");
  EXPECT_EQ(refused.error().message, "the runtime is shutting down");
  EXPECT_TRUE(rig.pool.close(kAtOnce));
  EXPECT_TRUE(rig.pool.warmUp().ok());
  EXPECT_EQ(rig.pool.stats().created, 1U);
}

// Closes a pool in a thread of its own.
class Closer {
 public:
  Closer(PoolRig& rig, Clock::Time until)
      : closed_(std::async(std::launch::async, [&rig, until] { return rig.pool.close(until); })) {
    EXPECT_TRUE(eventually([&] {
      const auto refused = rig.pool.acquire({});
      return !refused && refused.error().message == "the runtime is shutting down";
    }));
  }

  bool isClosing() const { return closed_.wait_for(milliseconds(0)) != std::future_status::ready; }
  bool wasInTime() { return closed_.get(); }

 private:
  std::future<bool> closed_;
};

TEST(InstancePoolCloseTest, WaitsForEveryLease) {
  PoolRig rig({.maxInstances = 2, .minInstances = 0});
  std::optional one(rig.lease());
  std::optional two(rig.lease());
  Closer closer(rig, kForEver);
  EXPECT_EQ(codeOf((*one)->execute(*rig.compile("return 7"), {})), "ok");
  one.reset();
  EXPECT_TRUE(closer.isClosing());
  two.reset();
  EXPECT_TRUE(closer.wasInTime());
}

TEST(InstancePoolCloseTest, EndsWhatIsOverdueByTheClock) {
  PoolRig rig({.maxInstances = 1, .minInstances = 0});
  const auto endless = rig.compile(kEndless);
  auto call = std::async(std::launch::async, [&] {
    return codeOf(rig.lease()->execute(*endless, {.limit = {.timeout = std::chrono::hours(1)}}));
  });
  ASSERT_TRUE(eventually([&] { return rig.pool.activeCount() == 1; }));
  Closer closer(rig, rig.clock.now() + milliseconds(5));
  EXPECT_TRUE(closer.isClosing());
  rig.clock.advance(milliseconds(5));
  EXPECT_FALSE(closer.wasInTime());
  EXPECT_EQ(call.get(), "CANCELLED");
  EXPECT_EQ(rig.pool.activeCount(), 0U);
}

TEST(InstancePoolCloseTest, EndsWhatIsOverdueByTheRealClock) {
  testing::EngineRig rig;
  const auto endless = rig.compile(kEndless);
  const Clock clock;
  Observer observer;
  const SuspensionStore suspensions({}, clock, observer);
  InstancePool pool(*rig.js, {.maxInstances = 1, .minInstances = 0}, suspensions, clock, observer);
  auto call = std::async(std::launch::async, [&] {
    const auto lease = pool.acquire({});
    return codeOf((*lease)->execute(*endless, {.limit = {.timeout = std::chrono::hours(1)}}));
  });
  ASSERT_TRUE(eventually([&] { return pool.activeCount() == 1; }));
  const auto until = clock.now() + milliseconds(20);
  EXPECT_FALSE(pool.close(until));
  EXPECT_GE(clock.now(), until);
  EXPECT_EQ(call.get(), "CANCELLED");
}

TEST(InstancePoolCloseTest, ALeaseThatHasNotBegunIsOverdueToo) {
  PoolRig rig({.maxInstances = 1, .minInstances = 0});
  const auto endless = rig.compile(kEndless);
  std::optional lease(rig.lease());
  Closer closer(rig, kAtOnce);
  ASSERT_TRUE(eventually([&] { return (*lease)->state() == InstanceState::Terminated; }));
  EXPECT_EQ(codeOf((*lease)->execute(*endless, {})), "CANCELLED");
  lease.reset();
  EXPECT_FALSE(closer.wasInTime());
}

TEST(InstancePoolCloseTest, WaitersAreToldAtOnce) {
  PoolRig rig({.maxInstances = 1, .minInstances = 0});
  std::optional lease(rig.lease());
  std::vector<std::future<Result<PooledInstance>>> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.push_back(
        std::async(std::launch::async, [&] { return rig.pool.acquire({.until = kForEver}); }));
  }
  ASSERT_TRUE(eventually([&] { return rig.pool.stats().waiting == 3; }));
  Closer closer(rig, kForEver);
  for (auto& waiter : waiters) {
    const auto refused = waiter.get();
    ASSERT_EQ(codeOf(refused), "UNAVAILABLE");
    EXPECT_EQ(refused.error().message, "the runtime is shutting down");
  }
  EXPECT_TRUE(closer.isClosing());
  lease.reset();
  EXPECT_TRUE(closer.wasInTime());
}

// An instance that is given back when the pool closes goes to nobody, however long they waited.
TEST(InstancePoolCloseTest, WaitersGetNothingOnceItCloses) {
  for (int round = 0; round < 20; ++round) {
    PoolRig rig({.maxInstances = 1, .minInstances = 0});
    std::optional lease(rig.lease());
    std::atomic<bool> isClosed{false};
    auto waiter = std::async(std::launch::async, [&] {
      const auto got = rig.pool.acquire({.until = kForEver});
      return std::pair(got.ok(), isClosed.load());
    });
    ASSERT_TRUE(eventually([&] { return rig.pool.stats().waiting == 1; }));
    if (round % 2 == 0) rig.clock.advance(InstancePool::kPatience + milliseconds(1));
    Closer closer(rig, kForEver);
    isClosed = true;
    lease.reset();
    const auto [got, afterClose] = waiter.get();
    EXPECT_FALSE(got && afterClose);
    EXPECT_TRUE(closer.wasInTime());
  }
}

TEST(InstancePoolCloseTest, TwoMayCloseAtOnce) {
  PoolRig rig({.maxInstances = 1, .minInstances = 0});
  std::optional lease(rig.lease());
  Closer one(rig, kForEver);
  Closer two(rig, kForEver);
  EXPECT_TRUE(one.isClosing());
  EXPECT_TRUE(two.isClosing());
  lease.reset();
  EXPECT_TRUE(one.wasInTime());
  EXPECT_TRUE(two.wasInTime());
}

TEST(InstancePoolCloseTest, OneThatIsBeingMadeIsWaitedForAndEnded) {
  PoolRig rig({.maxInstances = 1, .minInstances = 0});
  const auto endless = rig.compile(kEndless);
  Gate gate;
  rig.engine.onCreate([&] {
    gate.pass();
    return true;
  });
  auto call = std::async(std::launch::async, [&] {
    const auto lease = rig.pool.acquire({});
    if (!lease) return codeOf(lease);
    return codeOf((*lease)->execute(*endless, {.limit = {.timeout = std::chrono::hours(1)}}));
  });
  ASSERT_TRUE(eventually([&] { return gate.visitors() == 1; }));
  Closer closer(rig, kAtOnce);
  EXPECT_TRUE(closer.isClosing());
  gate.open();
  EXPECT_FALSE(closer.wasInTime());
  EXPECT_EQ(call.get(), "CANCELLED");
}

// Whoever closes may destroy what the pool uses at once: nothing is left of an instance then.
TEST(InstancePoolCloseTest, WaitsForThoseThatAreBeingEnded) {
  PoolRig rig({.maxInstances = 1, .minInstances = 0});
  Gate gate;
  rig.observer.setHook([&](const std::string&) { gate.pass(); });
  auto call = std::async(std::launch::async, [&] { rig.lease()->terminate(); });
  ASSERT_TRUE(eventually([&] { return gate.visitors() == 1; }));
  Closer closer(rig, kForEver);
  EXPECT_EQ(rig.pool.stats().discarded, 1U);
  EXPECT_TRUE(closer.isClosing());
  gate.open();
  EXPECT_TRUE(closer.wasInTime());
}

TEST(InstancePoolCloseTest, ADestroyedPoolHasWaited) {
  std::optional<PoolRig> rig;
  rig.emplace(InstancePool::Options{.maxInstances = 1, .minInstances = 0});
  const auto handler = rig->compile("return 7");
  std::optional lease(rig->lease());
  auto ended = std::async(std::launch::async, [&] { rig.reset(); });
  EXPECT_EQ(codeOf((*lease)->execute(*handler, {})), "ok");
  lease.reset();
  ended.get();
}

}  // namespace
}  // namespace nexus::runtime
