#include "runtime/inbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace nexus::runtime {
namespace {

using Kind = js::Settlement::Kind;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kLong{30};

Inbox::Answer answer(uint64_t id) { return {id, Kind::kResult, std::to_string(10 * id)}; }

std::string idsOf(const Result<std::vector<Inbox::Answer>>& answers) {
  if (!answers) return std::string(toString(answers.error().code));
  std::string ids;
  for (const Inbox::Answer& answer : *answers) ids += std::to_string(answer.requestId) + " ";
  return ids;
}

auto now() { return std::chrono::steady_clock::now(); }

TEST(InboxTest, KeepsAnswersInTheirOrderUntilTheyAreTaken) {
  Inbox inbox;
  EXPECT_EQ(idsOf(inbox.take()), "");
  for (const uint64_t id : {3U, 1U, 2U}) inbox.deliver(answer(id));
  EXPECT_EQ(idsOf(inbox.take()), "3 1 2 ");
  EXPECT_EQ(idsOf(inbox.take()), "");
}

TEST(InboxTest, WakesOnceForTheFirstAnswer) {
  Inbox inbox;
  int woken = 0;
  inbox.whenSomethingComes([&] { ++woken; });
  EXPECT_EQ(woken, 0);
  inbox.deliver(answer(1));
  EXPECT_EQ(woken, 1);
  inbox.deliver(answer(2));
  inbox.wakeUp();
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(idsOf(inbox.take()), "1 2 ");
}

TEST(InboxTest, WakesAtOnceWhenSomethingCameBefore) {
  Inbox inbox;
  int woken = 0;
  inbox.deliver(answer(1));
  inbox.whenSomethingComes([&] { ++woken; });
  EXPECT_EQ(woken, 1);
  (void)inbox.take();
  inbox.wakeUp();
  inbox.whenSomethingComes([&] { ++woken; });
  EXPECT_EQ(woken, 2);
  inbox.whenSomethingComes([&] { ++woken; });  // all of it is known already
  EXPECT_EQ(woken, 2);
  inbox.wakeUp();
  EXPECT_EQ(woken, 3);
}

// Whoever wakes may be the one that runs the call, to its end.
TEST(InboxTest, WhoeverIsWokenMayUseTheInbox) {
  Inbox inbox;
  std::string seen;
  inbox.whenSomethingComes([&] {
    seen = idsOf(inbox.take());
    inbox.close();
  });
  inbox.deliver(answer(1));
  EXPECT_EQ(seen, "1 ");
}

TEST(InboxTest, WaitsForAnAnswer) {
  Inbox inbox;
  std::thread late([&] { inbox.deliver(answer(1)); });
  inbox.wait(now() + kLong);
  EXPECT_EQ(idsOf(inbox.take()), "1 ");
  late.join();
  inbox.deliver(answer(2));
  inbox.wait(now() + kLong);  // it is there already
  EXPECT_EQ(idsOf(inbox.take()), "2 ");
}

TEST(InboxTest, WaitsForAWakeUp) {
  Inbox inbox;
  std::thread late([&] { inbox.wakeUp(); });
  inbox.wait(now() + kLong);
  late.join();
  EXPECT_EQ(idsOf(inbox.take()), "");
}

TEST(InboxTest, WaitsNoLongerThanItShould) {
  Inbox inbox;
  const auto start = now();
  inbox.wait(start - milliseconds(1));
  inbox.wait(start);
  inbox.wait(start + milliseconds(10));
  EXPECT_GE(now(), start + milliseconds(10));
  EXPECT_LT(now(), start + kLong);
}

TEST(InboxTest, WhenTheCallIsOverNothingIsKept) {
  Inbox inbox;
  int woken = 0;
  inbox.deliver(answer(1));
  const std::stop_token stop = inbox.stopToken();
  EXPECT_FALSE(stop.stop_requested());
  inbox.close();
  EXPECT_TRUE(stop.stop_requested());
  EXPECT_EQ(idsOf(inbox.take()), "");
  inbox.whenSomethingComes([&] { ++woken; });
  inbox.deliver(answer(2));
  EXPECT_EQ(woken, 0);
  EXPECT_EQ(idsOf(inbox.take()), "");
  inbox.close();
}

// It would hold its call, which holds it.
TEST(InboxTest, WhenTheCallIsOverItLetsGoOfIt) {
  Inbox inbox;
  auto held = std::make_shared<int>(1);
  inbox.whenSomethingComes([held] {});
  EXPECT_EQ(held.use_count(), 2);
  inbox.close();
  EXPECT_EQ(held.use_count(), 1);
  inbox.whenSomethingComes([held] {});
  inbox.wakeUp();
  EXPECT_EQ(held.use_count(), 1);
}

// Somebody who works for the call may answer when told to stop.
TEST(InboxTest, AnAnswerInsteadOfStoppingIsDropped) {
  Inbox inbox;
  const std::stop_callback onStop(inbox.stopToken(), [&] { inbox.deliver(answer(1)); });
  inbox.close();
  EXPECT_EQ(idsOf(inbox.take()), "");
}

TEST(InboxTest, AnswersFromManyThreads) {
  constexpr uint64_t kThreads = 8;
  constexpr uint64_t kEach = 500;
  Inbox inbox;
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t i = 0; i < kEach; ++i) {
        inbox.deliver(answer(thread * kEach + i));
        if (i % 7 == 0) inbox.wakeUp();
      }
    });
  }
  std::vector<bool> seen(kThreads * kEach);
  for (size_t count = 0; count < seen.size();) {
    inbox.wait(now() + kLong);
    const auto answers = inbox.take();
    for (const Inbox::Answer& got : answers.value()) {
      EXPECT_FALSE(seen[got.requestId]) << got.requestId;
      seen[got.requestId] = true;
      ++count;
    }
  }
  for (std::thread& thread : threads) thread.join();
}

// None gets lost between looking and waiting.
TEST(InboxTest, EveryAnswerWakes) {
  for (uint64_t round = 0; round < 500; ++round) {
    const auto inbox = std::make_shared<Inbox>();
    std::promise<void> woken;
    std::thread other([inbox, round] { inbox->deliver(answer(round)); });
    inbox->whenSomethingComes([&] { woken.set_value(); });
    ASSERT_EQ(woken.get_future().wait_for(kLong), std::future_status::ready);
    other.join();
    EXPECT_EQ(idsOf(inbox->take()), std::to_string(round) + " ");
  }
}

}  // namespace
}  // namespace nexus::runtime
