#include "sandbox/deadline_watch.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <thread>

#include "sandbox/testing/probe.h"

namespace nexus::sandbox {
namespace {

using std::chrono::milliseconds;
using testing::Build;
using testing::eventually;
using testing::kDone;
using testing::Probe;
using testing::returned;

using Clock = DeadlineWatch::Clock;
using Slot = DeadlineWatch::Slot;

constexpr milliseconds kGrace{2};
// Beyond every test's end.
constexpr std::chrono::hours kFar{1};

// A sandbox that only remembers what it was told.
class RecordingSandbox : public Sandbox {
 public:
  CallResult call(FunctionId, std::span<const uint64_t>) override { return {}; }
  bool copyIn(GuestAddress, std::span<const std::byte>) override { return false; }
  bool copyOut(GuestAddress, std::span<std::byte>) const override { return false; }
  uint64_t memoryBytes() const override { return 0; }
  Tainted<uint64_t> global(GlobalId) const override { return {}; }
  uint64_t refusedGrowth() const override { return 0; }
  std::optional<Delta> takeDelta(std::span<const AddressRange>) override { return {}; }
  bool apply(const Delta&) override { return false; }
  Result<std::shared_ptr<const Image>> capture(std::span<const AddressRange>) override {
    return Error{};
  }
  bool restore(const std::shared_ptr<const Image>&) override { return false; }
  void trim() override {}
  void requestStop() noexcept override {
    expiredBeforeStop = slot != nullptr && slot->expired();
    stopAt = Clock::now();
    ++stops;
    stopped = true;
  }
  void clearStop() noexcept override { stopped = false; }

  const Slot* slot = nullptr;
  std::atomic<bool> stopped{false};
  std::atomic<int> stops{0};
  // Of the last stop; read after `stopped` was seen.
  Clock::time_point stopAt;
  bool expiredBeforeStop = false;
};

TEST(DeadlineWatch, StartsAndEndsWithoutSlots) { const DeadlineWatch watch; }

TEST(DeadlineWatch, EndsWhileACallIsArmed) {
  RecordingSandbox sandbox;
  DeadlineWatch watch;
  Slot slot(watch, sandbox);
  slot.arm(Clock::now() + kFar);
}

TEST(DeadlineWatch, ExpiredComesFirstAndTheStopAfterTheGrace) {
  constexpr milliseconds kLongGrace{20};
  RecordingSandbox sandbox;
  DeadlineWatch watch(kLongGrace);
  Slot slot(watch, sandbox);
  sandbox.slot = &slot;
  EXPECT_FALSE(slot.expired());
  const auto deadline = Clock::now() + milliseconds(5);
  slot.arm(deadline);
  ASSERT_TRUE(eventually([&] { return slot.expired(); }));
  EXPECT_GE(Clock::now(), deadline);
  ASSERT_TRUE(eventually([&] { return sandbox.stopped.load(); }));
  EXPECT_TRUE(sandbox.expiredBeforeStop);
  EXPECT_GE(sandbox.stopAt, deadline + kLongGrace);
  EXPECT_EQ(slot.disarm(), CallEnd::kDeadline);
  EXPECT_FALSE(slot.expired());
  EXPECT_FALSE(sandbox.stopped);
  EXPECT_EQ(sandbox.stops, 1);
}

TEST(DeadlineWatch, ACallThatEndsInTheGraceIsNotStopped) {
  RecordingSandbox sandbox;
  DeadlineWatch watch(std::chrono::hours(1));
  Slot slot(watch, sandbox);
  slot.arm(Clock::now());
  ASSERT_TRUE(eventually([&] { return slot.expired(); }));
  EXPECT_EQ(slot.disarm(), CallEnd::kDeadline);
  EXPECT_EQ(sandbox.stops, 0);
}

TEST(DeadlineWatch, ACallInTimeLeavesNothingBehind) {
  RecordingSandbox sandbox;
  DeadlineWatch watch(milliseconds(0));
  Slot slot(watch, sandbox);
  for (int i = 0; i < 1000; ++i) {
    slot.arm(Clock::now() + kFar);
    EXPECT_EQ(slot.disarm(), CallEnd::kInTime);
    EXPECT_FALSE(slot.expired());
  }
  EXPECT_EQ(sandbox.stops, 0);
}

TEST(DeadlineWatch, ARetiredSlotEndsThePresentCallAndEveryLaterOne) {
  RecordingSandbox sandbox;
  DeadlineWatch watch(kGrace);
  Slot slot(watch, sandbox);
  slot.arm(Clock::time_point::max());
  slot.retire();
  ASSERT_TRUE(eventually([&] { return sandbox.stopped.load(); }));
  EXPECT_EQ(slot.disarm(), CallEnd::kCancelled);
  EXPECT_FALSE(sandbox.stopped);
  for (int i = 0; i < 3; ++i) {
    slot.arm(Clock::time_point::max());
    ASSERT_TRUE(eventually([&] { return slot.expired(); }));
    EXPECT_EQ(slot.disarm(), CallEnd::kCancelled);
  }
}

// Whichever comes first, arming or retiring.
TEST(DeadlineWatch, RetiringAtAnyMomentEndsTheCall) {
  for (int i = 0; i < 200; ++i) {
    RecordingSandbox sandbox;
    DeadlineWatch watch(kGrace);
    Slot slot(watch, sandbox);
    std::thread retirer([&] { slot.retire(); });
    slot.arm(Clock::time_point::max());
    EXPECT_TRUE(eventually([&] { return slot.expired(); }));
    EXPECT_EQ(slot.disarm(), CallEnd::kCancelled);
    retirer.join();
  }
}

TEST(DeadlineWatch, DisarmedWithoutACallIsInTime) {
  RecordingSandbox sandbox;
  DeadlineWatch watch;
  Slot slot(watch, sandbox);
  EXPECT_EQ(slot.disarm(), CallEnd::kInTime);
}

TEST(DeadlineWatch, DeadlinesInThePastEndAtOnce) {
  RecordingSandbox sandbox;
  DeadlineWatch watch(milliseconds(0));
  Slot slot(watch, sandbox);
  for (const Clock::time_point deadline :
       {Clock::time_point{}, Clock::time_point::min(), Clock::now() - kFar, Clock::now()}) {
    slot.arm(deadline);
    ASSERT_TRUE(eventually([&] { return sandbox.stopped.load(); }));
    EXPECT_EQ(slot.disarm(), CallEnd::kDeadline);
  }
}

// Cancelling.

TEST(DeadlineWatch, CancelEndsACallLikeItsDeadline) {
  for (const Clock::time_point deadline : {Clock::now() + kFar, Clock::time_point::max()}) {
    RecordingSandbox sandbox;
    DeadlineWatch watch(kGrace);
    Slot slot(watch, sandbox);
    sandbox.slot = &slot;
    slot.arm(deadline);
    EXPECT_TRUE(slot.cancel());
    ASSERT_TRUE(eventually([&] { return sandbox.stopped.load(); }));
    EXPECT_TRUE(sandbox.expiredBeforeStop);
    EXPECT_EQ(slot.disarm(), CallEnd::kCancelled);
    EXPECT_FALSE(sandbox.stopped);
    EXPECT_FALSE(slot.expired());
  }
}

TEST(DeadlineWatch, CancelWithoutACallIsRefused) {
  RecordingSandbox sandbox;
  DeadlineWatch watch;
  Slot slot(watch, sandbox);
  EXPECT_FALSE(slot.cancel());
  slot.arm(Clock::now() + kFar);
  EXPECT_EQ(slot.disarm(), CallEnd::kInTime);
  EXPECT_FALSE(slot.cancel());
}

TEST(DeadlineWatch, CancelOfAnOverdueCallIsRefused) {
  RecordingSandbox sandbox;
  DeadlineWatch watch(std::chrono::hours(1));
  Slot slot(watch, sandbox);
  slot.arm(Clock::now());
  ASSERT_TRUE(eventually([&] { return slot.expired(); }));
  EXPECT_FALSE(slot.cancel());
  EXPECT_EQ(slot.disarm(), CallEnd::kDeadline);
}

TEST(DeadlineWatch, TheSecondCancelIsRefused) {
  RecordingSandbox sandbox;
  DeadlineWatch watch(std::chrono::hours(1));
  Slot slot(watch, sandbox);
  slot.arm(Clock::time_point::max());
  EXPECT_TRUE(slot.cancel());
  EXPECT_FALSE(slot.cancel());
  ASSERT_TRUE(eventually([&] { return slot.expired(); }));
  EXPECT_EQ(slot.disarm(), CallEnd::kCancelled);
}

// A call that cancel() claims to have ended must not report that it was in time.
TEST(DeadlineWatch, ACancelThatWasGrantedIsReported) {
  RecordingSandbox sandbox;
  DeadlineWatch watch(std::chrono::hours(1));
  Slot slot(watch, sandbox);
  for (int i = 0; i < 1000; ++i) {
    slot.arm(Clock::time_point::max());
    const bool granted = slot.cancel();
    ASSERT_TRUE(granted);
    ASSERT_EQ(slot.disarm(), CallEnd::kCancelled) << "call " << i;
  }
}

TEST(DeadlineWatch, NeverMeansNever) {
  RecordingSandbox never;
  RecordingSandbox soon;
  DeadlineWatch watch(milliseconds(0));
  Slot neverSlot(watch, never);
  Slot soonSlot(watch, soon);
  neverSlot.arm(Clock::time_point::max());
  for (int i = 0; i < 20; ++i) {
    soonSlot.arm(Clock::now());
    ASSERT_TRUE(eventually([&] { return soon.stopped.load(); }));
    EXPECT_EQ(soonSlot.disarm(), CallEnd::kDeadline);
  }
  EXPECT_FALSE(neverSlot.expired());
  EXPECT_EQ(neverSlot.disarm(), CallEnd::kInTime);
  EXPECT_EQ(never.stops, 0);
}

TEST(DeadlineWatch, AnEarlierDeadlineWakesTheWatchFromALaterOne) {
  RecordingSandbox late;
  RecordingSandbox early;
  DeadlineWatch watch(kGrace);
  Slot lateSlot(watch, late);
  Slot earlySlot(watch, early);
  lateSlot.arm(Clock::now() + kFar);
  for (int i = 0; i < 20; ++i) {
    earlySlot.arm(Clock::now() + milliseconds(1));
    ASSERT_TRUE(eventually([&] { return early.stopped.load(); }));
    EXPECT_EQ(earlySlot.disarm(), CallEnd::kDeadline);
  }
  EXPECT_EQ(lateSlot.disarm(), CallEnd::kInTime);
  EXPECT_EQ(late.stops, 0);
}

TEST(DeadlineWatch, SlotsComeAndGoWhileOthersAreArmed) {
  RecordingSandbox first;
  DeadlineWatch watch(kGrace);
  Slot slot(watch, first);
  slot.arm(Clock::now() + milliseconds(20));
  for (int i = 0; i < 1000; ++i) {
    RecordingSandbox passing;
    Slot other(watch, passing);
    other.arm(i % 2 == 0 ? Clock::now() : Clock::now() + kFar);
    (void)other.disarm();
    EXPECT_FALSE(passing.stopped);
  }
  ASSERT_TRUE(eventually([&] { return first.stopped.load(); }));
  EXPECT_EQ(slot.disarm(), CallEnd::kDeadline);
}

TEST(DeadlineWatch, ManySlotsOfSeveralThreadsKeepTheirOwnDeadlines) {
  DeadlineWatch watch(milliseconds(0));
  const auto work = [&](uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<std::unique_ptr<RecordingSandbox>> sandboxes;
    std::vector<std::unique_ptr<Slot>> slots;
    for (int i = 0; i < 16; ++i) {
      sandboxes.push_back(std::make_unique<RecordingSandbox>());
      slots.push_back(std::make_unique<Slot>(watch, *sandboxes.back()));
    }
    for (int round = 0; round < 10; ++round) {
      std::vector<std::optional<Clock::time_point>> deadlines;
      for (const auto& slot : slots) {
        deadlines.emplace_back();
        if (random() % 3 != 0) {
          deadlines.back() = Clock::now() + std::chrono::microseconds(random() % 5000);
        }
        slot->arm(deadlines.back().value_or(Clock::now() + kFar));
      }
      for (size_t i = 0; i < slots.size(); ++i) {
        if (deadlines[i]) {
          ASSERT_TRUE(eventually([&] { return sandboxes[i]->stopped.load(); }));
          EXPECT_GE(sandboxes[i]->stopAt, *deadlines[i]);
          EXPECT_EQ(slots[i]->disarm(), CallEnd::kDeadline);
        } else {
          EXPECT_EQ(slots[i]->disarm(), CallEnd::kInTime);
          EXPECT_FALSE(sandboxes[i]->stopped);
        }
      }
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
}

// With guests.

class DeadlineWatchGuest : public ::testing::TestWithParam<Build> {};

INSTANTIATE_TEST_SUITE_P(Builds, DeadlineWatchGuest,
                         ::testing::Values(Build::kNative, Build::kChecked),
                         [](const auto& build) { return testing::toString(build.param); });

TEST_P(DeadlineWatchGuest, ASpinningGuestIsStoppedAndTheNextCallIsRight) {
  Probe probe(GetParam());
  const auto base = probe.capture();
  DeadlineWatch watch(kGrace);
  Slot slot(watch, *probe);
  for (int i = 0; i < 10; ++i) {
    slot.arm(Clock::now() + milliseconds(1));
    EXPECT_EQ(probe.call("spin").trap, Trap::kStopped);
    EXPECT_TRUE(slot.expired());
    EXPECT_EQ(slot.disarm(), CallEnd::kDeadline);
    ASSERT_TRUE(probe->restore(base));
    EXPECT_EQ(probe.call("countTo", {1000}), returned(1000));
  }
}

TEST_P(DeadlineWatchGuest, AGuestThatLooksAtTheFlagEndsByItself) {
  Probe probe(GetParam());
  DeadlineWatch watch(std::chrono::hours(1));
  Slot slot(watch, *probe);
  probe.imports().onNote = [&](std::span<const uint64_t>, Sandbox&) {
    return ImportResult{.trap = slot.expired() ? Trap::kHostRefused : Trap::kNone};
  };
  slot.arm(Clock::now() + milliseconds(1));
  EXPECT_EQ(probe.call("noteForever").trap, Trap::kHostRefused);
  EXPECT_EQ(slot.disarm(), CallEnd::kDeadline);
  EXPECT_EQ(probe.call("countTo", {1000}), returned(1000));
}

TEST_P(DeadlineWatchGuest, AnotherThreadCancelsASpinningGuest) {
  Probe probe(GetParam());
  const auto base = probe.capture();
  DeadlineWatch watch(kGrace);
  Slot slot(watch, *probe);
  for (int i = 0; i < 20; ++i) {
    std::thread canceller([&] { EXPECT_TRUE(eventually([&] { return slot.cancel(); })); });
    slot.arm(Clock::time_point::max());
    EXPECT_EQ(probe.call("spin").trap, Trap::kStopped);
    canceller.join();
    EXPECT_EQ(slot.disarm(), CallEnd::kCancelled);
    ASSERT_TRUE(probe->restore(base));
    EXPECT_EQ(probe.call("countTo", {1000}), returned(1000));
  }
}

// Deadlines that fall before, into and behind a call of a few microseconds. Whatever comes of it,
// the stop of one call is never seen by the next.
TEST_P(DeadlineWatchGuest, ShortDeadlinesNeverLeaveAStop) {
  Probe probe(GetParam());
  const auto base = probe.capture();
  const FunctionId countTo = probe.engine().find("countTo");
  DeadlineWatch watch(milliseconds(0));
  Slot slot(watch, *probe);
  std::mt19937 random(3);
  int stopped = 0;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t steps[] = {random() % 8192 + 1};
    slot.arm(Clock::now() + std::chrono::nanoseconds(random() % 20'000));
    const CallResult result = probe->call(countTo, steps);
    const CallEnd end = slot.disarm();
    if (result.trap == Trap::kStopped) {
      ++stopped;
      ASSERT_EQ(end, CallEnd::kDeadline);
      ASSERT_TRUE(probe->restore(base));
    } else {
      ASSERT_EQ(result, returned(steps[0]));
    }
    ASSERT_FALSE(slot.expired());
    const uint64_t few[] = {100};
    ASSERT_EQ(probe->call(countTo, few), returned(100)) << "a stale stop after call " << i;
  }
  RecordProperty("stopped", stopped);
}

TEST_P(DeadlineWatchGuest, OneWatchEndsCallsOfSeveralThreads) {
  DeadlineWatch watch(kGrace);
  const auto work = [&](uint32_t seed) {
    std::mt19937 random(seed);
    Probe probe(GetParam());
    const auto base = probe.capture();
    Slot slot(watch, *probe);
    for (int i = 0; i < 30; ++i) {
      const bool endless = random() % 2 == 0;
      slot.arm(endless ? Clock::now() + std::chrono::microseconds(random() % 3000)
                       : Clock::now() + kFar);
      const CallResult result = endless ? probe.call("spin") : probe.call("countTo", {1000});
      EXPECT_EQ(result.trap, endless ? Trap::kStopped : Trap::kNone);
      EXPECT_EQ(slot.disarm(), endless ? CallEnd::kDeadline : CallEnd::kInTime);
      ASSERT_TRUE(probe->restore(base));
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
}

class DeadlineWatchTiming : public DeadlineWatchGuest {};

INSTANTIATE_TEST_SUITE_P(Builds, DeadlineWatchTiming,
                         ::testing::Values(Build::kNative, Build::kChecked),
                         [](const auto& build) { return testing::toString(build.param); });

// The median of many: one late wake-up on a busy machine is not the watch's.
TEST_P(DeadlineWatchTiming, AGuestEndsAtMostTenMillisecondsLate) {
  Probe probe(GetParam());
  const auto base = probe.capture();
  DeadlineWatch watch(kGrace);
  Slot slot(watch, *probe);
  std::vector<Clock::duration> late;
  for (int i = 0; i < 21; ++i) {
    const auto deadline = Clock::now() + milliseconds(1 + i % 5);
    slot.arm(deadline);
    EXPECT_EQ(probe.call("spin").trap, Trap::kStopped);
    late.push_back(Clock::now() - deadline);
    EXPECT_EQ(slot.disarm(), CallEnd::kDeadline);
    ASSERT_TRUE(probe->restore(base));
  }
  std::ranges::sort(late);
  EXPECT_GE(late.front(), kGrace);
  EXPECT_LE(late[late.size() / 2], milliseconds(10));
}

// Signals are the embedder's: one that every other thread blocks has to stay pending.
TEST(DeadlineWatchThread, TakesNoSignalThatTheProcessBlocks) {
  sigset_t wanted = {};
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR2);
  {
    // Made while the signal is not blocked, as a thread inherits its maker's mask.
    DeadlineWatch watch;
    sigset_t before = {};
    pthread_sigmask(SIG_BLOCK, &wanted, &before);
    kill(getpid(), SIGUSR2);  // its default action would end the process
    const timespec soon = {.tv_sec = 5, .tv_nsec = 0};
    EXPECT_EQ(sigtimedwait(&wanted, nullptr, &soon), SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
}

}  // namespace
}  // namespace nexus::sandbox
