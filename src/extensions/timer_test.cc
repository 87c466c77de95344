#include "extensions/timer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "extensions/testing/asked.h"
#include "nexus/extensions.h"

namespace nexus::extensions {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

TEST(TimerTest, AnswersForSleepAlone) {
  const auto timer = makeTimer();
  EXPECT_TRUE(timer->answers("sleep"));
  for (const char* method : {"", "Sleep", "sleep ", "wake"}) EXPECT_FALSE(timer->answers(method));
}

TEST(TimerTest, ATimeIsANumberOfMilliseconds) {
  const std::string expected =
      "timer.sleep: expected one number, milliseconds from 0 to 86400000; ";
  const struct {
    const char* args;
    std::string answer;
  } rows[] = {
      {"[0]", "null"},
      {"[-0]", "null"},
      {"[0.5]", "null"},
      {"[1]", "null"},
      {"[1e0]", "null"},
      {"[]", expected + "got []"},
      {"[-1]", expected + "got [-1]"},
      {"[-0.1]", expected + "got [-0.1]"},
      {"[86400001]", expected + "got [86400001]"},
      {"[1e300]", expected + "got [1e300]"},
      {"[1e999]", expected + "got [1e999]"},
      {"[null]", expected + "got [null]"},  // what NaN and infinity become
      {"[\"5\"]", expected + "got [\"5\"]"},
      {"[true]", expected + "got [true]"},
      {"[[1]]", expected + "got [[1]]"},
      {"[1,2]", expected + "got [1,2]"},
      {"{}", expected + "got {}"},
      {"5", expected + "got 5"},
  };
  Timer timer;
  for (const auto& row : rows) EXPECT_EQ(ask(timer, "sleep", row.args), row.answer) << row.args;
  EXPECT_EQ(ask(timer, "sleep", "[\"" + std::string(100, 'x') + "\"]"),
            expected + "got [\"" + std::string(58, 'x'));
}

TEST(TimerTest, NobodyIsWokenTooEarly) {
  Timer timer;
  for (const char* time : {"3", "3.2"}) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(ask(timer, "sleep", std::string("[") + time + "]"), "null");
    EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(3));
  }
}

TEST(TimerTest, TheFirstThatIsDueIsTheFirstToWake) {
  std::vector<int> order;
  std::vector<std::unique_ptr<Asked>> sleepers;
  Mutex mutex;
  Timer timer;
  for (const int time : {40, 1, 20, 1}) {
    sleepers.push_back(std::make_unique<Asked>([&, time] {
      const MutexLock lock(mutex);
      order.push_back(time);
    }));
    sleepers.back()->ask(timer, "sleep", "[" + std::to_string(time) + "]");
  }
  for (auto& sleeper : sleepers) EXPECT_EQ(sleeper->wait(), "null");
  EXPECT_THAT(order, ElementsAre(1, 1, 20, 40));
}

TEST(TimerTest, ACancelledCallLetsGoAtOnce) {
  Asked cancelled;
  Asked other;
  Timer timer;
  cancelled.ask(timer, "sleep", "[86400000]");
  other.ask(timer, "sleep", "[86400000]");
  EXPECT_EQ(timer.sleeping(), 2u);
  cancelled.cancel();
  EXPECT_EQ(cancelled.wait(), kDropped);
  EXPECT_EQ(timer.sleeping(), 1u);
  EXPECT_FALSE(other.isAnswered());
}

TEST(TimerTest, WhatIsCancelledBeforehandNeverSleeps) {
  Asked asked;
  Timer timer;
  asked.cancel();
  asked.ask(timer, "sleep", "[86400000]");
  EXPECT_EQ(asked.wait(), kDropped);
  EXPECT_EQ(timer.sleeping(), 0u);
}

TEST(TimerTest, ItsEndIsAnErrorForWhoSleeps) {
  Asked asked;
  {
    Timer timer;
    asked.ask(timer, "sleep", "[86400000]");
    EXPECT_FALSE(asked.isAnswered());
  }
  EXPECT_EQ(asked.wait(), kDropped);
  asked.cancel();
}

// Sleeping, waking and cancelling from many threads at once, and the end in the middle of it.
TEST(TimerTest, ManyAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::vector<std::unique_ptr<Asked>> all;
  for (int i = 0; i < kThreads * kEach; ++i) all.push_back(std::make_unique<Asked>());
  auto timer = std::make_unique<Timer>();
  std::atomic<size_t> woken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Asked& asked = *all[static_cast<size_t>(t * kEach + i)];
        const bool isLong = i % 3 == 0;
        asked.ask(*timer, "sleep", isLong ? "[86400000]" : i % 3 == 1 ? "[0]" : "[2]");
        if (isLong && i % 2 == 0) asked.cancel();
        if (!isLong && asked.wait() == "null") ++woken;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  timer.reset();
  EXPECT_EQ(woken, size_t{kThreads * (kEach - 167)});
  for (auto& asked : all) EXPECT_TRUE(asked->isAnswered());
}

}  // namespace
}  // namespace nexus::extensions
