// Leases, and which instance one gets. Waiting: instance_pool_wait_test.cc; growing smaller and
// closing: instance_pool_close_test.cc.
#include "runtime/instance_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime {
namespace {

using testing::codeOf;
using ::testing::ElementsAre;
using testing::outcomeOf;
using testing::PoolRig;

// Makes so many instances, and gives them back so that the later made ones lie on top.
std::vector<uint64_t> fill(PoolRig& rig, size_t count) {
  std::vector<std::optional<PooledInstance>> leases;
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < count; ++i) leases.emplace_back(rig.lease());
  for (auto& lease : leases) {
    ids.push_back((*lease)->id());
    lease.reset();
  }
  return ids;
}

TEST(InstancePoolTest, WarmUpMakesTheLeastAndNoMore) {
  for (const uint64_t least : {0, 1, 3}) {
    PoolRig rig({.maxInstances = 4, .minInstances = least});
    EXPECT_EQ(rig.pool.stats().created, 0U);
    for (int turn = 0; turn < 2; ++turn) {
      EXPECT_EQ(codeOf(rig.pool.warmUp()), "ok");
      EXPECT_EQ(rig.pool.stats().created, least);
      EXPECT_EQ(rig.pool.availableCount(), least);
      EXPECT_EQ(rig.pool.activeCount(), 0U);
    }
  }
}

TEST(InstancePoolTest, WarmUpSaysWhatTheSystemRefuses) {
  PoolRig rig({.maxInstances = 4, .minInstances = 3});
  rig.engine.onCreate([left = 1]() mutable { return left-- > 0; });
  const Status warm = rig.pool.warmUp();
  ASSERT_EQ(codeOf(warm), "UNAVAILABLE");
  EXPECT_EQ(warm.error().message, "the test refuses a sandbox");
  EXPECT_EQ(rig.pool.stats().created, 1U);
  rig.engine.reset();
  EXPECT_EQ(codeOf(rig.pool.warmUp()), "ok");
  EXPECT_EQ(rig.pool.availableCount(), 3U);
}

TEST(InstancePoolTest, TheOneReleasedLastIsTakenFirst) {
  PoolRig rig({.maxInstances = 3, .minInstances = 0});
  const auto ids = fill(rig, 3);
  {
    const auto first = rig.lease();
    const auto second = rig.lease();
    const auto third = rig.lease();
    EXPECT_THAT((std::vector{first->id(), second->id(), third->id()}),
                ElementsAre(ids[2], ids[1], ids[0]));
  }
  EXPECT_EQ(rig.lease()->id(), ids[2]);  // destroyed last, as the first of the three
  EXPECT_EQ(rig.pool.stats().created, 3U);
}

TEST(InstancePoolTest, PrefersTheHoldersOfTheImageAmongTheFewOnTop) {
  const struct {
    size_t depth;  // of the one that holds it; 0: on top
    bool isFound;
  } rows[] = {{0, true}, {1, true}, {3, true}, {4, false}, {5, false}};
  for (const auto& row : rows) {
    PoolRig rig({.maxInstances = 6, .minInstances = 0});
    const auto handler = rig.compile("return 7");
    std::vector<PooledInstance> leases;
    for (int i = 0; i < 6; ++i) leases.push_back(rig.lease());
    const size_t holder = leases.size() - 1 - row.depth;
    const uint64_t id = leases[holder]->id();
    const uint64_t top = leases.back()->id();
    EXPECT_EQ(outcomeOf(leases[holder]->execute(*handler, {})), "7");
    for (auto& lease : leases) (void)PooledInstance(std::move(lease));
    EXPECT_EQ(rig.lease(handler->image.get())->id(), row.isFound ? id : top) << row.depth;
    EXPECT_EQ(rig.lease()->id(), row.isFound ? id : top);  // whoever asks for none gets the top
  }
}

TEST(InstancePoolTest, AnImageThatNobodyHoldsIsNoReasonToWait) {
  PoolRig rig({.maxInstances = 2, .minInstances = 0});
  const auto handler = rig.compile("return 7");
  const auto ids = fill(rig, 2);
  EXPECT_EQ(rig.lease(handler->image.get())->id(), ids[1]);
}

TEST(InstancePoolTest, OneIsMadeOnlyWhenNoneIsIdle) {
  PoolRig rig({.maxInstances = 2, .minInstances = 0});
  const uint64_t id = rig.lease()->id();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(rig.lease()->id(), id);
  EXPECT_EQ(rig.pool.stats().created, 1U);
  const auto one = rig.lease();
  const auto two = rig.lease();
  EXPECT_EQ(rig.pool.stats().created, 2U);
  EXPECT_EQ(codeOf(rig.pool.acquire({})), "UNAVAILABLE");
  EXPECT_EQ(rig.pool.stats().created, 2U);
}

TEST(InstancePoolTest, ALeaseGivesBackOnce) {
  PoolRig rig({.maxInstances = 1, .minInstances = 0});
  {
    auto lease = rig.lease();
    const PooledInstance moved = std::move(lease);
    EXPECT_EQ(rig.pool.activeCount(), 1U);
  }
  EXPECT_EQ(rig.pool.activeCount(), 0U);
  EXPECT_EQ(rig.pool.availableCount(), 1U);
}

TEST(InstancePoolTest, WhatIsGivenBackIsClean) {
  PoolRig rig({.maxInstances = 1, .minInstances = 0});
  const auto writes = rig.compile("globalThis.leaked = 1; throw 1");
  const auto reads = rig.compile("return typeof leaked");
  EXPECT_EQ(codeOf(rig.lease()->execute(*writes, {})), "EXECUTION_ERROR");
  EXPECT_EQ(outcomeOf(rig.lease()->execute(*reads, {})), R"("undefined")");
}

TEST(InstancePoolTest, CountsAddUp) {
  PoolRig rig({.maxInstances = 3, .minInstances = 1});
  const auto expect = [&](uint64_t active, uint64_t available, uint64_t created) {
    const PoolStats stats = rig.pool.stats();
    EXPECT_EQ(stats.active, active);
    EXPECT_EQ(stats.available, available);
    EXPECT_EQ(stats.created, created);
    EXPECT_EQ(stats.waiting, 0U);
    EXPECT_EQ(rig.pool.activeCount(), active);
    EXPECT_EQ(rig.pool.availableCount(), available);
  };
  expect(0, 0, 0);
  ASSERT_TRUE(rig.pool.warmUp().ok());
  expect(0, 1, 1);
  std::optional one(rig.lease());
  expect(1, 0, 1);
  std::optional two(rig.lease());
  expect(2, 0, 2);
  one.reset();
  expect(1, 1, 2);
  two.reset();
  expect(0, 2, 2);
}

TEST(InstancePoolTest, NeverMoreThanTheMostUnderManyThreads) {
  constexpr uint64_t kMost = 3;
  PoolRig rig({.maxInstances = kMost, .minInstances = 0});
  std::atomic<uint64_t> held{0};
  const auto work = [&] {
    for (int i = 0; i < 300; ++i) {
      auto lease = rig.pool.acquire({.until = Clock::Time::max()});
      ASSERT_TRUE(lease.ok());
      EXPECT_LE(held.fetch_add(1) + 1, kMost);
      const PoolStats stats = rig.pool.stats();
      EXPECT_LE(stats.active + stats.available, kMost);
      EXPECT_GE(stats.active, 1U);
      held.fetch_sub(1);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(rig.pool.activeCount(), 0U);
  EXPECT_LE(rig.pool.stats().created, kMost);
  EXPECT_EQ(rig.pool.stats().created, rig.pool.availableCount());
}

TEST(InstancePoolTest, OneThatCannotBeRestoredIsReplacedCountedAndTold) {
  PoolRig rig({.maxInstances = 1, .minInstances = 1});
  ASSERT_TRUE(rig.pool.warmUp().ok());
  const auto bad = rig.makeUnrestorable();
  uint64_t lost = 0;
  {
    const auto lease = rig.lease();
    lost = lease->id();
    EXPECT_EQ(codeOf(lease->execute(*bad, {})), "UNAVAILABLE");
  }
  EXPECT_THAT(rig.observer.take(), ElementsAre("discarded " + std::to_string(lost)));
  EXPECT_EQ(rig.pool.stats().discarded, 1U);
  EXPECT_EQ(rig.pool.availableCount(), 0U);
  const auto next = rig.lease();
  EXPECT_NE(next->id(), lost);
  EXPECT_EQ(rig.pool.stats().created, 2U);
  EXPECT_EQ(outcomeOf(next->execute(*rig.compile("return 7"), {})), "7");
}

TEST(InstancePoolTest, ATerminatedOneIsReplaced) {
  PoolRig rig({.maxInstances = 1, .minInstances = 0});
  rig.lease()->terminate();
  EXPECT_EQ(rig.pool.stats().discarded, 1U);
  EXPECT_EQ(toString(rig.lease()->state()), "idle");
}

TEST(InstancePoolTest, ARefusedInstanceIsAnErrorWhenThereIsNoOther) {
  PoolRig rig({.maxInstances = 2, .minInstances = 0});
  rig.engine.onCreate([] { return false; });
  const auto refused = rig.pool.acquire({.until = Clock::Time::max()});
  ASSERT_EQ(codeOf(refused), "UNAVAILABLE");
  EXPECT_EQ(refused.error().message, "the test refuses a sandbox");
  EXPECT_EQ(rig.pool.stats().created, 0U);
  rig.engine.reset();
  EXPECT_EQ(codeOf(rig.pool.acquire({})), "ok");
}

TEST(InstancePoolTest, NoTwoInstancesHaveOneId) {
  PoolRig rig({.maxInstances = 4, .minInstances = 0});
  std::set<uint64_t> ids;
  std::vector<PooledInstance> leases;
  // The second is refused, after the third was made.
  rig.engine.onCreate([&, turn = 0]() mutable {
    if (++turn != 2) return true;
    leases.push_back(rig.lease());
    return false;
  });
  leases.push_back(rig.lease());
  EXPECT_EQ(codeOf(rig.pool.acquire({})), "UNAVAILABLE");
  leases.push_back(rig.lease());
  for (const PooledInstance& lease : leases) ids.insert(lease->id());
  EXPECT_EQ(ids.size(), 3U);
}

TEST(InstancePoolTest, MakingOneMayRunOutOfMemoryAndCostsNoRoom) {
  PoolRig rig({.maxInstances = 1, .minInstances = 1});
  rig.engine.onCreate([]() -> bool { throw std::bad_alloc(); });
  EXPECT_EQ(codeOf(rig.pool.acquire({})), "UNAVAILABLE");
  EXPECT_EQ(codeOf(rig.pool.warmUp()), "UNAVAILABLE");
  rig.engine.reset();
  EXPECT_EQ(codeOf(rig.pool.acquire({})), "ok");
}

}  // namespace
}  // namespace nexus::runtime
