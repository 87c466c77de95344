// Many who ask for one text at once: one of them gets it, the others wait, each in its own way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "base/testing/temp_folder.h"
#include "runtime/handler_compiler.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime {
namespace {

using nexus::testing::TempFolder;
using std::chrono::milliseconds;
using testing::CompilerRig;
using ::testing::Contains;
using ::testing::Each;
using testing::eventually;
using testing::Gate;
using testing::HookedFiles;

constexpr char kSource[] = "return $args.a + 1";
constexpr char kBroken[] = "return (";
constexpr char kInTheMaking[] =
    "the handler is being compiled by another call, and was not ready in time";

using Request = HandlerCompiler::Request;
using Outcome = std::future<std::string>;

Request until(Clock::Time time) {
  Request request;
  request.until = time;
  return request;
}

class HandlerCompilerFlightTest : public ::testing::Test {
 protected:
  ~HandlerCompilerFlightTest() override { gate_.open(); }

  Outcome ask(std::string source, Request request = {}) {
    return std::async(std::launch::async, [this, source = std::move(source), request] {
      return rig_.find(source, request);
    });
  }

  // One that compiles, and is held up as soon as it has its instance.
  Outcome lead(std::string source, Request request = {}) {
    rig_.engine.onRestore([this] {
      gate_.pass();
      return true;
    });
    Outcome leader = ask(std::move(source), std::move(request));
    EXPECT_TRUE(eventually([&] { return gate_.visitors() == 1; }));
    return leader;
  }

  // One that waits for the leader.
  Outcome follow(std::string source, Request request = {}) {
    // A follower asks the clock twice before it sleeps; nobody else does, now.
    const uint64_t before = rig_.clock.asked();
    Outcome follower = ask(std::move(source), std::move(request));
    EXPECT_TRUE(eventually([&] { return rig_.clock.asked() >= before + 2; }));
    return follower;
  }

  CompilerRig rig_{{}};
  Gate gate_;
};

TEST_F(HandlerCompilerFlightTest, ManyWhoAskAtOnceAreServedByOneCompilation) {
  Outcome leader = lead(kSource);
  std::vector<Outcome> followers;
  for (int i = 0; i < 6; ++i) followers.push_back(follow(kSource));
  EXPECT_EQ(rig_.js->compilations(), 0U);
  gate_.open();
  EXPECT_EQ(leader.get(), "none");
  for (Outcome& follower : followers) EXPECT_EQ(follower.get(), "memory");
  EXPECT_EQ(rig_.js->compilations(), 1U);
  EXPECT_EQ(rig_.pool.stats().created, 1U);
}

TEST_F(HandlerCompilerFlightTest, EveryRequestIsCountedAndTold) {
  Outcome leader = lead(kSource);
  Outcome follower = follow(kSource);
  EXPECT_EQ(rig_.find(kSource, until(rig_.clock.now())), "UNAVAILABLE");
  gate_.open();
  EXPECT_EQ(leader.get(), "none");
  EXPECT_EQ(follower.get(), "memory");
  const CompilerStats stats = rig_.compiler.stats();
  EXPECT_EQ(stats.requests, 3U);
  EXPECT_EQ(stats.memoryHits, 1U);
  EXPECT_EQ(rig_.observer.count("memory: hit"), 1U);
  EXPECT_EQ(rig_.observer.count("memory: miss"), 2U);
}

TEST_F(HandlerCompilerFlightTest, OtherTextsAreNotWaitedFor) {
  Outcome leader = lead(kSource);
  rig_.engine.reset();
  EXPECT_EQ(rig_.find("return 2"), "none");
  gate_.open();
  EXPECT_EQ(leader.get(), "none");
}

TEST_F(HandlerCompilerFlightTest, AFollowerWaitsUntilItsOwnDeadline) {
  Outcome leader = lead(kSource);
  const auto now = rig_.clock.now();
  const auto atOnce = rig_.compiler.find(kSource, until(now));
  ASSERT_FALSE(atOnce.ok());
  EXPECT_EQ(atOnce.error().message, kInTheMaking);
  Outcome soon = follow(kSource, until(now + milliseconds(5)));
  Outcome later = follow(kSource);
  rig_.clock.advance(milliseconds(5));
  EXPECT_EQ(soon.get(), "UNAVAILABLE");
  gate_.open();
  EXPECT_EQ(leader.get(), "none");
  EXPECT_EQ(later.get(), "memory");
}

TEST_F(HandlerCompilerFlightTest, AFollowerIsCancelledAlone) {
  Outcome leader = lead(kSource);
  std::stop_source stop;
  Outcome cancelled = follow(kSource, {.limit = {.stop = stop.get_token()}});
  Outcome other = follow(kSource);
  stop.request_stop();
  EXPECT_EQ(cancelled.get(), "CANCELLED");
  EXPECT_EQ(ask(kSource, {.limit = {.stop = stop.get_token()}}).get(), "CANCELLED");
  gate_.open();
  EXPECT_EQ(leader.get(), "none");
  EXPECT_EQ(other.get(), "memory");
}

TEST_F(HandlerCompilerFlightTest, TheLeadersCancellationIsNotItsFollowers) {
  std::stop_source stop;
  Outcome leader = lead(kSource, {.limit = {.stop = stop.get_token()}});
  std::vector<Outcome> followers;
  for (int i = 0; i < 3; ++i) followers.push_back(follow(kSource));
  stop.request_stop();
  gate_.open();
  EXPECT_EQ(leader.get(), "CANCELLED");
  std::vector<std::string> outcomes;
  for (Outcome& follower : followers) outcomes.push_back(follower.get());
  EXPECT_THAT(outcomes, Contains("none").Times(1));  // the next leader
  EXPECT_THAT(outcomes, Contains("memory").Times(2));
}

TEST_F(HandlerCompilerFlightTest, TheLeadersTimeoutIsNotItsFollowers) {
  std::string large = "return [";
  for (int i = 0; i < 20'000; ++i) large += "(x) => x + " + std::to_string(i) + ",\n";
  large += "].length";
  Outcome leader = lead(large, {.limit = {.timeout = milliseconds(1)}});
  Outcome follower = follow(large);
  gate_.open();
  EXPECT_EQ(leader.get(), "TIMEOUT");
  EXPECT_EQ(follower.get(), "none");
}

TEST_F(HandlerCompilerFlightTest, TheLeaderThatGotNoInstanceDoesNotDecide) {
  std::vector<PooledInstance> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(rig_.lease());
  Outcome leader = ask(kSource, until(rig_.clock.now() + milliseconds(5)));
  ASSERT_TRUE(eventually([&] { return rig_.pool.stats().waiting == 1; }));
  Outcome follower = ask(kSource);
  ASSERT_TRUE(eventually([&] { return rig_.compiler.stats().requests == 2; }));
  rig_.clock.advance(milliseconds(5));
  EXPECT_EQ(leader.get(), "UNAVAILABLE");
  ASSERT_TRUE(eventually([&] { return rig_.pool.stats().waiting == 1; }));
  leases.clear();
  EXPECT_EQ(follower.get(), "none");
  EXPECT_EQ(rig_.js->compilations(), 1U);
}

TEST_F(HandlerCompilerFlightTest, TheLeadersBrokenInstanceIsNotItsFollowers) {
  rig_.engine.onRestore([this, turn = 0]() mutable {
    if (++turn > 1) return true;
    gate_.pass();
    return false;
  });
  Outcome leader = ask(kSource);
  ASSERT_TRUE(eventually([&] { return gate_.visitors() == 1; }));
  Outcome follower = follow(kSource);
  gate_.open();
  EXPECT_EQ(leader.get(), "UNAVAILABLE");
  EXPECT_EQ(follower.get(), "none");
}

TEST_F(HandlerCompilerFlightTest, AnErrorOfTheTextIsShared) {
  Outcome leader = lead(kBroken);
  std::vector<Outcome> followers;
  for (int i = 0; i < 3; ++i) followers.push_back(follow(kBroken));
  gate_.open();
  EXPECT_EQ(leader.get(), "COMPILATION_ERROR");
  for (Outcome& follower : followers) EXPECT_EQ(follower.get(), "COMPILATION_ERROR");
  EXPECT_EQ(rig_.js->compilations(), 1U);
  // Whoever asks later asks anew.
  EXPECT_EQ(rig_.find(kBroken), "COMPILATION_ERROR");
  EXPECT_EQ(rig_.js->compilations(), 2U);
}

TEST_F(HandlerCompilerFlightTest, AClosingPoolEndsThemAll) {
  std::vector<PooledInstance> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(rig_.lease());
  Outcome leader = ask(kSource);
  ASSERT_TRUE(eventually([&] { return rig_.pool.stats().waiting == 1; }));
  std::vector<Outcome> followers;
  for (int i = 0; i < 3; ++i) followers.push_back(ask(kSource));
  auto closed = std::async(std::launch::async, [&] { return rig_.pool.close(Clock::Time::max()); });
  EXPECT_EQ(leader.get(), "UNAVAILABLE");
  for (Outcome& follower : followers) EXPECT_EQ(follower.get(), "UNAVAILABLE");
  leases.clear();
  EXPECT_TRUE(closed.get());
}

// A leader that is thrown out in the middle leaves the lead to the next.
TEST(HandlerCompilerMemoryTest, ALeaderThatRunsOutOfMemoryDoesNotDecide) {
  const TempFolder folder;
  Gate gate;
  auto files = std::make_unique<HookedFiles>([&gate, turn = 0]() mutable {
    if (++turn > 1) return true;
    gate.pass();
    throw std::bad_alloc();
  });
  CompilerRig rig({.config = {.cacheDir = folder / "cache"}, .files = std::move(files)});
  auto leader = std::async(std::launch::async, [&] { return rig.find(kSource); });
  ASSERT_TRUE(eventually([&] { return gate.visitors() == 1; }));
  const uint64_t before = rig.clock.asked();
  auto follower = std::async(std::launch::async, [&] { return rig.find(kSource); });
  ASSERT_TRUE(eventually([&] { return rig.clock.asked() >= before + 2; }));
  gate.open();
  EXPECT_THROW((void)leader.get(), std::bad_alloc);
  EXPECT_EQ(follower.get(), "none");
}

TEST(HandlerCompilerThreadsTest, OneCompilationForEachOfManyTexts) {
  CompilerRig rig({});
  constexpr int kTexts = 20;
  const auto work = [&](int first) {
    for (int i = 0; i < kTexts; ++i) {
      const int text = (first + i) % kTexts;
      const auto found = rig.compiler.find("return " + std::to_string(text), {});
      ASSERT_TRUE(found.ok());
      auto lease = rig.pool.acquire({.until = Clock::Time::max()});
      ASSERT_TRUE(lease.ok());
      EXPECT_EQ(testing::outcomeOf((*lease)->execute(*found->loaded, {})), std::to_string(text));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(work, i % 4);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(rig.js->compilations(), uint64_t{kTexts});
  EXPECT_EQ(rig.compiler.stats().requests, uint64_t{8 * kTexts});
  EXPECT_EQ(rig.observer.count("memory:"), uint64_t{8 * kTexts});
}

}  // namespace
}  // namespace nexus::runtime
