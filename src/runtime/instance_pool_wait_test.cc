// Callers that wait for an instance: until when, in which order, and how long others go before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <stop_token>
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
using testing::PoolRig;

constexpr InstancePool::Options kOne{.maxInstances = 1, .minInstances = 0};
constexpr Clock::Time kForEver = Clock::Time::max();

// One that waits in a thread of its own; what it got is kept until it is asked for.
class Waiter {
 public:
  explicit Waiter(PoolRig& rig, Clock::Time until = kForEver, std::stop_token stop = {})
      : got_(std::async(std::launch::async, [&rig, until, stop] {
          return rig.pool.acquire({.until = until, .stop = stop});
        })) {}

  bool isWaiting() const { return got_.wait_for(milliseconds(0)) != std::future_status::ready; }
  Result<PooledInstance> take() { return got_.get(); }

 private:
  std::future<Result<PooledInstance>> got_;
};

bool eventuallyWait(const PoolRig& rig, uint64_t count) {
  return eventually([&] { return rig.pool.stats().waiting == count; });
}

TEST(InstancePoolWaitTest, WithoutATimeToWaitNobodyWaits) {
  PoolRig rig({.maxInstances = 2, .minInstances = 0});
  const auto one = rig.lease();
  const auto two = rig.lease();
  const auto refused = rig.pool.acquire({});
  ASSERT_EQ(codeOf(refused), "UNAVAILABLE");
  EXPECT_EQ(refused.error().message, "no instance in time: all 2 (max_instances) are executing");
}

TEST(InstancePoolWaitTest, ADeadlineThatHasPassedIsNotWaitedFor) {
  PoolRig rig(kOne);
  const auto lease = rig.lease();
  const auto now = rig.clock.now();
  rig.clock.advance(std::chrono::hours(1));
  EXPECT_EQ(codeOf(rig.pool.acquire({.until = now + std::chrono::minutes(59)})), "UNAVAILABLE");
  EXPECT_EQ(codeOf(rig.pool.acquire({.until = rig.clock.now()})), "UNAVAILABLE");
}

// The clock that counts is the pool's.
TEST(InstancePoolWaitTest, WaitsUntilTheClockShowsTheDeadline) {
  PoolRig rig(kOne);
  const auto lease = rig.lease();
  Waiter waiter(rig, rig.clock.now() + milliseconds(5));
  ASSERT_TRUE(eventuallyWait(rig, 1));
  // It looks at the clock each time that so much real time is over.
  const uint64_t asked = rig.clock.asked();
  ASSERT_TRUE(eventually([&] { return rig.clock.asked() > asked + 6; }));
  EXPECT_TRUE(waiter.isWaiting());
  rig.clock.advance(milliseconds(5));
  EXPECT_EQ(codeOf(waiter.take()), "UNAVAILABLE");
  EXPECT_EQ(rig.pool.stats().waiting, 0U);
}

TEST(InstancePoolWaitTest, WaitsUntilTheRealClockShowsTheDeadline) {
  const testing::EngineRig rig;
  const Clock clock;
  Observer observer;
  const SuspensionStore suspensions({}, clock, observer);
  InstancePool pool(*rig.js, kOne, suspensions, clock, observer);
  const auto lease = pool.acquire({});
  const auto until = clock.now() + milliseconds(20);
  EXPECT_EQ(codeOf(pool.acquire({.until = until})), "UNAVAILABLE");
  EXPECT_GE(clock.now(), until);
}

TEST(InstancePoolWaitTest, GetsWhatIsGivenBack) {
  PoolRig rig(kOne);
  std::optional lease(rig.lease());
  const uint64_t id = (*lease)->id();
  Waiter waiter(rig);
  ASSERT_TRUE(eventuallyWait(rig, 1));
  EXPECT_EQ(rig.pool.activeCount(), 1U);
  lease.reset();
  const auto got = waiter.take();
  ASSERT_TRUE(got.ok());
  EXPECT_EQ((*got)->id(), id);
  EXPECT_EQ(rig.pool.stats().waiting, 0U);
}

TEST(InstancePoolWaitTest, GetsTheNewOneForOneThatWasDiscarded) {
  PoolRig rig(kOne);
  std::optional lease(rig.lease());
  const uint64_t id = (*lease)->id();
  Waiter waiter(rig);
  ASSERT_TRUE(eventuallyWait(rig, 1));
  (*lease)->terminate();
  lease.reset();
  const auto got = waiter.take();
  ASSERT_TRUE(got.ok());
  EXPECT_NE((*got)->id(), id);
  EXPECT_EQ(rig.pool.stats().created, 2U);
}

TEST(InstancePoolWaitTest, AStopBeforeEndsTheWaitAtOnce) {
  PoolRig rig(kOne);
  std::stop_source stop;
  stop.request_stop();
  {
    const auto lease = rig.lease();
    EXPECT_EQ(codeOf(rig.pool.acquire({.until = kForEver, .stop = stop.get_token()})), "CANCELLED");
  }
  EXPECT_EQ(codeOf(rig.pool.acquire({.stop = stop.get_token()})), "ok");  // no need to wait
}

TEST(InstancePoolWaitTest, AStopMeanwhileEndsTheWaitOfOneAlone) {
  PoolRig rig(kOne);
  std::optional lease(rig.lease());
  std::stop_source stop;
  Waiter cancelled(rig, kForEver, stop.get_token());
  ASSERT_TRUE(eventuallyWait(rig, 1));
  Waiter other(rig);
  ASSERT_TRUE(eventuallyWait(rig, 2));
  stop.request_stop();
  EXPECT_EQ(codeOf(cancelled.take()), "CANCELLED");
  EXPECT_EQ(rig.pool.stats().waiting, 1U);
  EXPECT_TRUE(other.isWaiting());
  lease.reset();
  EXPECT_EQ(codeOf(other.take()), "ok");
}

TEST(InstancePoolWaitTest, AStopAfterwardsChangesNothing) {
  PoolRig rig(kOne);
  const auto handler = rig.compile("return 7");
  std::optional lease(rig.lease());
  std::stop_source stop;
  Waiter waiter(rig, kForEver, stop.get_token());
  ASSERT_TRUE(eventuallyWait(rig, 1));
  lease.reset();
  const auto got = waiter.take();
  stop.request_stop();
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(testing::outcomeOf((*got)->execute(*handler, {})), "7");
}

// An instance that reaches one who leaves goes to the next.
TEST(InstancePoolWaitTest, AStopAtAnyMomentLosesNoInstance) {
  PoolRig rig(kOne);
  for (int i = 0; i < 100; ++i) {
    std::optional lease(rig.lease());
    std::stop_source stop;
    Waiter cancelled(rig, kForEver, stop.get_token());
    ASSERT_TRUE(eventuallyWait(rig, 1));
    Waiter other(rig);
    ASSERT_TRUE(eventuallyWait(rig, 2));
    rig.clock.advance(milliseconds(i % 2));  // beyond patience, every other time
    std::thread stopper([&] { stop.request_stop(); });
    lease.reset();
    const std::string code = codeOf(cancelled.take());
    EXPECT_TRUE(code == "CANCELLED" || code == "ok") << code;
    EXPECT_EQ(codeOf(other.take()), "ok");
    stopper.join();
    EXPECT_EQ(rig.pool.activeCount(), 0U);
    EXPECT_EQ(rig.pool.availableCount(), 1U);
    EXPECT_EQ(rig.pool.stats().waiting, 0U);
  }
}

TEST(InstancePoolWaitTest, WaitersAreServedInOrder) {
  for (const bool isPatienceOver : {false, true}) {
    PoolRig rig(kOne);
    std::optional lease(rig.lease());
    std::vector<int> order;  // written by whoever holds the one instance
    std::vector<std::thread> waiters;
    for (int i = 0; i < 4; ++i) {
      waiters.emplace_back([&, i] {
        const auto got = rig.pool.acquire({.until = kForEver});
        EXPECT_TRUE(got.ok());
        order.push_back(i);
      });
      ASSERT_TRUE(eventuallyWait(rig, static_cast<uint64_t>(i) + 1));
    }
    if (isPatienceOver) rig.clock.advance(InstancePool::kPatience + milliseconds(1));
    lease.reset();
    for (std::thread& waiter : waiters) waiter.join();
    EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
  }
}

TEST(InstancePoolWaitTest, OthersMayGoBeforeOneThatHasToBeWoken) {
  int overtakings = 0;
  for (int round = 0; round < 50 && overtakings == 0; ++round) {
    PoolRig rig(kOne);
    std::optional lease(rig.lease());
    Waiter waiter(rig);
    ASSERT_TRUE(eventuallyWait(rig, 1));
    lease.reset();
    overtakings += rig.pool.acquire({}).ok() ? 1 : 0;
    EXPECT_EQ(codeOf(waiter.take()), "ok");
  }
  EXPECT_GT(overtakings, 0);
}

TEST(InstancePoolWaitTest, OneThatHasWaitedLongEnoughIsGivenTheNext) {
  PoolRig rig(kOne);
  std::optional lease(rig.lease());
  Waiter waiter(rig);
  ASSERT_TRUE(eventuallyWait(rig, 1));
  rig.clock.advance(InstancePool::kPatience + milliseconds(1));
  lease.reset();
  EXPECT_EQ(codeOf(rig.pool.acquire({})), "UNAVAILABLE");
  EXPECT_EQ(rig.pool.availableCount(), 0U);
  EXPECT_EQ(codeOf(waiter.take()), "ok");
}

// Among callers that come back in a loop, one that waits gets its instance as soon as its patience
// is over and the call that executes then has ended.
TEST(InstancePoolWaitTest, NoWaiterStarvesAmongCallersInALoop) {
  PoolRig rig(kOne);
  std::atomic<bool> isOver{false};
  std::atomic<uint64_t> taken{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      while (!isOver) {
        if (const auto lease = rig.pool.acquire({})) ++taken;
      }
    });
  }
  for (int round = 0; round < 30; ++round) {
    std::atomic<uint64_t> after{0};
    std::thread waiter([&] {
      const auto lease = rig.pool.acquire({.until = kForEver});
      after = taken.load();
    });
    // The callers do not wait. A waiter may be lucky, too.
    EXPECT_TRUE(eventually([&] { return rig.pool.stats().waiting == 1 || after.load() != 0; }));
    rig.clock.advance(InstancePool::kPatience + milliseconds(1));
    const uint64_t before = taken.load();
    waiter.join();
    EXPECT_LE(after.load(), before + 1) << "round " << round;
  }
  isOver = true;
  for (std::thread& caller : callers) caller.join();
}

TEST(InstancePoolWaitTest, ManyWaitersGetWhatManyInstancesGiveBack) {
  PoolRig rig({.maxInstances = 3, .minInstances = 0});
  std::vector<PooledInstance> leases;
  for (int i = 0; i < 3; ++i) leases.push_back(rig.lease());
  std::vector<std::unique_ptr<Waiter>> waiters;
  for (uint64_t i = 0; i < 6; ++i) {
    waiters.push_back(std::make_unique<Waiter>(rig));
    ASSERT_TRUE(eventuallyWait(rig, i + 1));
  }
  leases[1]->terminate();  // is replaced
  leases.clear();
  for (auto& waiter : waiters) EXPECT_EQ(codeOf(waiter->take()), "ok");
  EXPECT_EQ(rig.pool.stats().waiting, 0U);
  EXPECT_EQ(rig.pool.activeCount(), 0U);
}

TEST(InstancePoolWaitTest, ARefusedInstanceIsNoErrorWhileOthersExecute) {
  PoolRig rig({.maxInstances = 2, .minInstances = 0});
  std::optional lease(rig.lease());
  const uint64_t id = (*lease)->id();
  rig.engine.onCreate([] { return false; });
  const auto tooLate = rig.pool.acquire({});
  ASSERT_EQ(codeOf(tooLate), "UNAVAILABLE");
  EXPECT_EQ(tooLate.error().message, "no instance in time, and the system refuses a new one");
  Waiter waiter(rig);
  ASSERT_TRUE(eventuallyWait(rig, 1));
  EXPECT_TRUE(waiter.isWaiting());
  lease.reset();
  const auto got = waiter.take();
  ASSERT_EQ(codeOf(got), "ok");
  EXPECT_EQ((*got)->id(), id);
}

TEST(InstancePoolWaitTest, OneThatWasRefusedTriesAgainWhenNobodyElseIsLeft) {
  for (const bool isRefusedAgain : {false, true}) {
    PoolRig rig({.maxInstances = 2, .minInstances = 0});
    std::optional lease(rig.lease());
    rig.engine.onCreate([] { return false; });
    Waiter waiter(rig);
    ASSERT_TRUE(eventuallyWait(rig, 1));
    if (!isRefusedAgain) rig.engine.reset();
    (*lease)->terminate();
    lease.reset();
    EXPECT_EQ(codeOf(waiter.take()), isRefusedAgain ? "UNAVAILABLE" : "ok");
  }
}

}  // namespace
}  // namespace nexus::runtime
