#include "runtime/suspension_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "js/testing/host_memory.h"
#include "runtime/testing/waiting_calls.h"

namespace nexus::runtime {
namespace {

using std::chrono::milliseconds;
using testing::codeOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::StoreRig;

std::string outcome(int n) { return "[" + std::to_string(n) + ",7]"; }

// Two rounds: the first only learns what is there.
void packAll(SuspensionStore& store) {
  for (int round = 0; round < 3; ++round) store.pack();
}

TEST(SuspensionStoreTest, WhatIsTakenIsWhatWasPut) {
  StoreRig rig;
  std::vector<SuspensionId> ids;
  for (int n = 0; n < 10; ++n) ids.push_back(rig.put(n));
  EXPECT_EQ(rig.store.stats().suspended, 10U);
  for (const int n : {3, 9, 0, 1, 8, 7, 2, 6, 5, 4}) {
    auto taken = rig.store.take(ids[static_cast<size_t>(n)]);
    ASSERT_TRUE(taken.ok());
    EXPECT_TRUE(taken->rights->mayCall("x", "get"));
    EXPECT_EQ(rig.resume(std::move(*taken)), outcome(n));
  }
  EXPECT_EQ(rig.store.stats().suspended, 0U);
}

TEST(SuspensionStoreTest, OnlyOneTakesIt) {
  StoreRig rig;
  const SuspensionId id = rig.put(1);
  EXPECT_TRUE(rig.store.holds(id));
  EXPECT_EQ(rig.take(id), "ok");
  EXPECT_FALSE(rig.store.holds(id));
  const auto again = rig.store.take(id);
  ASSERT_EQ(codeOf(again), "NOT_FOUND");
  EXPECT_EQ(again.error().message, "there is no suspension " + id.toString() +
                                       ": it is being resumed, has ended, or never was");
}

TEST(SuspensionStoreTest, IdsAreTextsThatNobodyGuesses) {
  StoreRig rig;
  std::set<std::string> texts;
  for (int n = 0; n < 100; ++n) {
    const SuspensionId id = rig.put(n);
    const std::string text = id.toString();
    EXPECT_EQ(text.size(), 32U);
    EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), std::string::npos) << text;
    EXPECT_EQ(SuspensionId::parse(text), id);
    texts.insert(text);
  }
  EXPECT_EQ(texts.size(), 100U);
}

TEST(SuspensionStoreTest, TextsThatAreNoIds) {
  const std::string good = "00112233445566778899aabbccddeeff";
  ASSERT_TRUE(SuspensionId::parse(good));
  std::vector<std::string> texts = {"",
                                    "0",
                                    good.substr(1),
                                    good + "0",
                                    good + good,
                                    " " + good,
                                    "{" + good.substr(2) + "}",
                                    std::string(1 << 20, 'a'),
                                    std::string(32, '\0'),
                                    std::string(32, '\xFF')};
  for (const char* pair : {"0x", "+1", "-1", " 1", "1 ", "g0", "0g", "\n0", "é"}) {
    for (const size_t at : {size_t{0}, size_t{14}, size_t{30}}) {
      std::string text = good;
      text.replace(at, 2, pair);
      texts.push_back(text);
    }
  }
  for (const std::string& text : texts) {
    EXPECT_FALSE(SuspensionId::parse(text)) << text.substr(0, 40);
  }
}

TEST(SuspensionStoreTest, TooManyAreRefused) {
  StoreRig rig({.maxSuspended = 2});
  const SuspensionId first = rig.put(1);
  rig.put(2);
  for (int i = 0; i < 3; ++i) {
    const auto refused = rig.store.put(rig.suspend(rig.asks, 3));
    ASSERT_EQ(codeOf(refused), "RESOURCE_LIMIT");
    EXPECT_EQ(refused.error().message,
              "the call cannot wait: max_suspended is 2, with it there would be 3");
    EXPECT_EQ(refused.error().limit, (LimitReport{"max_suspended", 2, 3}));
  }
  EXPECT_EQ(rig.store.stats().refused, 3U);
  EXPECT_EQ(rig.store.stats().suspended, 2U);
  EXPECT_TRUE(rig.store.drop(first));
  rig.put(3);
}

TEST(SuspensionStoreTest, TooMuchIsRefused) {
  uint64_t ofTwo = 0;
  {
    StoreRig rig;
    rig.put(1);
    rig.put(2);
    ofTwo = rig.store.stats().bytes;
  }
  StoreRig rig({.maxBytes = ofTwo + 100});
  const SuspensionId first = rig.put(1);
  rig.put(2);
  const auto refused = rig.store.put(rig.suspend(rig.asks, 3));
  ASSERT_EQ(codeOf(refused), "RESOURCE_LIMIT");
  ASSERT_TRUE(refused.error().limit);
  EXPECT_EQ(refused.error().limit->name, "max_suspended_bytes");
  EXPECT_EQ(refused.error().limit->value, ofTwo + 100);
  EXPECT_GT(refused.error().limit->observed, ofTwo + 100);
  EXPECT_TRUE(rig.store.drop(first));
  rig.put(3);
  EXPECT_LE(rig.store.stats().bytes, ofTwo + 100);
}

// Was let in by its own bytes alone.
TEST(SuspensionStoreTest, AHandlersBytesCountBeforeItIsIn) {
  StoreRig rig({.maxBytes = 100'000});
  const auto large = rig.compile("const text = '" + std::string(200'000, 'x') +
                                 "'; await $ext.x.get(); return text.length");
  EXPECT_EQ(codeOf(rig.store.put(rig.suspend(large, 1))), "RESOURCE_LIMIT");
  EXPECT_EQ(rig.store.stats().bytes, 0U);
  rig.put(1);
}

TEST(SuspensionStoreTest, AHandlersBytesCountOnce) {
  StoreRig rig;
  rig.put(1);
  const uint64_t ofOne = rig.store.stats().bytes;
  const SuspensionId second = rig.put(2);
  const uint64_t ofSecond = rig.store.stats().bytes - ofOne;
  EXPECT_GE(ofOne, ofSecond + rig.asks->image->ownBytes() + rig.asks->code->source.size() +
                       rig.asks->code->bytecode.size());
  EXPECT_TRUE(rig.store.drop(second));
  EXPECT_EQ(rig.store.stats().bytes, ofOne);
}

// Whichever way they go.
TEST(SuspensionStoreTest, NothingLeftIsNoBytes) {
  StoreRig rig;
  const auto other = rig.compile("await $ext.x.get(); return 1");
  for (int round = 0; round < 3; ++round) {
    std::vector<SuspensionId> ids;
    for (int n = 0; n < 12; ++n) {
      ids.push_back(testing::take(rig.store.put(rig.suspend(n % 2 == 0 ? rig.asks : other, n))));
      if (n % 3 == round) rig.store.pack();
    }
    EXPECT_EQ(rig.take(ids[0]), "ok");
    EXPECT_TRUE(rig.store.drop(ids[1]));
    rig.store.abandon(ids[2]);
    packAll(rig.store);
    EXPECT_EQ(rig.take(ids[3]), "ok");
    EXPECT_TRUE(rig.store.drop(ids[4]));
    auto back = rig.store.take(ids[5]);
    ASSERT_TRUE(back.ok());
    rig.store.putBack(ids[5], std::move(*back));
    packAll(rig.store);
    rig.clock.advance(std::chrono::hours(1));
    EXPECT_EQ(rig.take(ids[5]), "TIMEOUT");
    rig.store.expire();
    EXPECT_EQ(rig.store.stats().suspended, 0U);
    EXPECT_EQ(rig.store.stats().bytes, 0U);
  }
  EXPECT_EQ(rig.asks.use_count(), 1);
  EXPECT_EQ(other.use_count(), 1);
}

TEST(SuspensionStoreTest, ItExpiresInTime) {
  StoreRig rig({.timeout = milliseconds(50)});
  const SuspensionId id = rig.put(1);
  EXPECT_EQ(rig.store.find(id)->left, milliseconds(50));
  rig.clock.advance(milliseconds(49));
  rig.store.expire();
  EXPECT_TRUE(rig.store.holds(id));
  EXPECT_EQ(rig.store.find(id)->left, milliseconds(1));
  rig.clock.advance(milliseconds(1));
  rig.store.expire();
  EXPECT_EQ(rig.store.stats().suspended, 0U);
  EXPECT_EQ(rig.store.stats().expired, 1U);
  for (int i = 0; i < 2; ++i) {
    const auto late = rig.store.take(id);
    ASSERT_EQ(codeOf(late), "TIMEOUT");
    EXPECT_EQ(late.error().message, "the call was not resumed within suspend_timeout_ms, 50 ms");
    EXPECT_EQ(late.error().limit, (LimitReport{"suspend_timeout_ms", 50, 50}));
  }
  EXPECT_FALSE(rig.store.drop(id));
  EXPECT_EQ(rig.take({{1, 2}}), "NOT_FOUND");
}

// Was counted as resumed, found with less than no time left, and unknown at the second attempt.
TEST(SuspensionStoreTest, WhatIsTooOldHasExpiredBeforeAnybodyLooks) {
  StoreRig rig({.timeout = milliseconds(50)});
  const SuspensionId id = rig.put(1);
  rig.clock.advance(milliseconds(50));
  EXPECT_FALSE(rig.store.holds(id));
  EXPECT_FALSE(rig.store.find(id));
  EXPECT_EQ(rig.take(id), "TIMEOUT");
  EXPECT_EQ(rig.take(id), "TIMEOUT");
  rig.store.expire();
  EXPECT_EQ(rig.store.stats().expired, 1U);
  EXPECT_EQ(rig.store.stats().resumed, 0U);
  EXPECT_EQ(rig.store.stats().bytes, 0U);
}

TEST(SuspensionStoreTest, OnlyTheOldOnesExpire) {
  StoreRig rig({.timeout = milliseconds(10)});
  std::vector<SuspensionId> ids;
  for (int n = 0; n < 20; ++n) {
    ids.push_back(rig.put(n));
    rig.clock.advance(milliseconds(1));
    rig.store.expire();
    EXPECT_EQ(rig.store.stats().suspended, static_cast<uint64_t>(std::min(n + 1, 9)));
  }
  EXPECT_EQ(rig.take(ids[10]), "TIMEOUT");
  EXPECT_EQ(rig.take(ids[11]), "ok");
}

TEST(SuspensionStoreTest, WhatIsPutBackKeepsItsTime) {
  StoreRig rig({.timeout = milliseconds(10)});
  const SuspensionId old = rig.put(1);
  rig.clock.advance(milliseconds(5));
  const SuspensionId young = rig.put(2);
  for (int i = 0; i < 3; ++i) {
    auto taken = rig.store.take(old);
    ASSERT_TRUE(taken.ok());
    rig.store.putBack(old, std::move(*taken));
    EXPECT_EQ(rig.store.find(old)->left, milliseconds(5));
  }
  rig.clock.advance(milliseconds(5));
  rig.store.expire();
  EXPECT_FALSE(rig.store.holds(old));
  EXPECT_TRUE(rig.store.holds(young));
  EXPECT_EQ(rig.store.stats().resumed, 0U);
}

// Each put it into the line of what expires once more.
TEST(SuspensionStoreTest, PuttingBackALittleOftenTakesNoMemory) {
  StoreRig rig;
  const SuspensionId id = rig.put(1);
  const auto putBackOften = [&] {
    for (int i = 0; i < 5000; ++i) {
      auto taken = rig.store.take(id);
      ASSERT_TRUE(taken.ok());
      rig.store.putBack(id, std::move(*taken));
    }
    packAll(rig.store);
  };
  putBackOften();
  const uint64_t before = js::testing::hostBytes();
  putBackOften();
  EXPECT_LE(js::testing::hostBytes(), before + 4096);
  EXPECT_EQ(rig.resume(testing::take(rig.store.take(id))), outcome(1));
}

TEST(SuspensionStoreTest, TheLastThatExpiredAreRemembered) {
  StoreRig rig({.timeout = milliseconds(10)});
  const Suspension one = rig.suspend(rig.asks, 1);
  std::vector<SuspensionId> ids;
  for (int n = 0; n < 1500; ++n) {
    ids.push_back(testing::take(rig.store.put({one.call, one.rights, nullptr, {}})));
    rig.clock.advance(std::chrono::nanoseconds(1));
  }
  rig.clock.advance(milliseconds(10));
  rig.store.expire();
  EXPECT_EQ(rig.store.stats().expired, 1500U);
  EXPECT_EQ(rig.take(ids[499]), "NOT_FOUND");
  EXPECT_EQ(rig.take(ids[500]), "TIMEOUT");
  EXPECT_EQ(rig.take(ids[1499]), "TIMEOUT");
}

TEST(SuspensionStoreTest, PackedItIsSmallerAndTheSame) {
  StoreRig rig;
  const SuspensionId id = rig.put(5);
  const uint64_t raw = rig.store.stats().bytes;
  rig.store.pack();
  EXPECT_EQ(rig.store.stats().bytes, raw) << "it may wait for a moment only";
  rig.store.pack();
  rig.store.pack();
  EXPECT_LT(rig.store.stats().bytes, raw);
  EXPECT_EQ(rig.store.find(id)->pending.size(), 1U);
  EXPECT_EQ(rig.resume(testing::take(rig.store.take(id))), outcome(5));
}

TEST(SuspensionStoreTest, ManyAreNotKeptRaw) {
  StoreRig rig;
  const auto large = rig.compile(
      "const text = 'ab'.repeat(1 << 19); $args.n;"
      "return [$args.n, await $ext.x.get(), text.length][0]");
  std::vector<SuspensionId> ids;
  for (int n = 0; n < 40; ++n) ids.push_back(testing::take(rig.store.put(rig.suspend(large, n))));
  EXPECT_LE(rig.store.stats().bytes, SuspensionStore::kRawBytes + 1'000'000);
  // Put back they are not, either.
  for (const SuspensionId& id : ids) {
    rig.store.putBack(id, testing::take(rig.store.take(id)));
  }
  EXPECT_LE(rig.store.stats().bytes, SuspensionStore::kRawBytes + 1'000'000);
  for (int n = 0; n < 40; ++n) {
    EXPECT_EQ(rig.resume(testing::take(rig.store.take(ids[static_cast<size_t>(n)]))),
              std::to_string(n));
  }
  EXPECT_EQ(rig.store.stats().bytes, 0U);
}

TEST(SuspensionStoreTest, WhatIsWaitedWithIsNobodyElses) {
  StoreRig rig;
  const auto inbox = std::make_shared<Inbox>();
  const SuspensionId id = rig.put(1, inbox);
  EXPECT_FALSE(rig.store.drop(id));
  EXPECT_TRUE(rig.store.holds(id));
  rig.store.abandon(id);
  EXPECT_FALSE(rig.store.holds(id));
  rig.store.abandon(id);
  EXPECT_EQ(rig.store.stats().dropped, 1U);
  EXPECT_EQ(inbox.use_count(), 1);
}

TEST(SuspensionStoreTest, ExpiringAndClosingWakeThoseWhoWait) {
  StoreRig rig({.timeout = milliseconds(10)});
  std::vector<int> woken;
  const auto wait = [&](int n) {
    auto inbox = std::make_shared<Inbox>();
    inbox->whenSomethingComes([&woken, n] { woken.push_back(n); });
    return inbox;
  };
  rig.put(1, wait(1));
  rig.clock.advance(milliseconds(5));
  rig.put(2, wait(2));
  rig.put(3);
  rig.clock.advance(milliseconds(5));
  rig.store.expire();
  EXPECT_THAT(woken, ElementsAre(1));
  rig.store.wakeAll();
  EXPECT_THAT(woken, ElementsAre(1, 2));
  EXPECT_EQ(rig.store.stats().suspended, 2U);
}

TEST(SuspensionStoreTest, WhatBecomesOfThemIsTold) {
  StoreRig rig({.maxSuspended = 2, .timeout = milliseconds(10)});
  const SuspensionId one = rig.put(1);
  const SuspensionId two = rig.put(2);
  EXPECT_EQ(codeOf(rig.store.put(rig.suspend(rig.asks, 3))), "RESOURCE_LIMIT");
  EXPECT_THAT(rig.observer.take(),
              ElementsAre("suspension: suspended", "suspension: suspended", "suspension: refused"));
  rig.store.putBack(one, testing::take(rig.store.take(one)));
  EXPECT_THAT(rig.observer.take(), IsEmpty());
  EXPECT_TRUE(rig.store.drop(one));
  EXPECT_FALSE(rig.store.drop(one));
  EXPECT_EQ(rig.take(two), "ok");
  rig.store.count(SuspensionOutcome::kResumed);
  rig.put(3);
  rig.clock.advance(milliseconds(10));
  rig.store.expire();
  EXPECT_THAT(rig.observer.take(), ElementsAre("suspension: dropped", "suspension: resumed",
                                               "suspension: suspended", "suspension: expired"));
  const SuspensionStats stats = rig.store.stats();
  EXPECT_EQ(stats.resumed, 1U);
  EXPECT_EQ(stats.expired, 1U);
  EXPECT_EQ(stats.dropped, 1U);
  EXPECT_EQ(stats.refused, 1U);
}

// All at once: every one that was put is taken, dropped or expires, by one alone.
TEST(SuspensionStoreTest, FromManyThreads) {
  constexpr int kThreads = 8;
  StoreRig rig({.maxSuspended = 100, .timeout = milliseconds(20)});
  const Suspension one = rig.suspend(rig.asks, 1);
  Mutex mutex;
  std::vector<SuspensionId> ids;
  std::atomic<uint64_t> put{0};
  std::atomic<uint64_t> gone{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(static_cast<uint32_t>(thread));
      for (int i = 0; i < 500; ++i) {
        SuspensionId id{{1, 2}};
        {
          const MutexLock lock(mutex);
          if (!ids.empty()) id = ids[random() % ids.size()];
        }
        switch (random() % 8) {
          case 0:
          case 1:
          case 2: {
            auto made = rig.store.put({one.call, one.rights, nullptr, {}});
            if (!made) break;
            ++put;
            const MutexLock lock(mutex);
            ids.push_back(*made);
            break;
          }
          case 3:
            if (rig.store.take(id).ok()) ++gone;
            break;
          case 4: {
            auto taken = rig.store.take(id);
            if (taken) rig.store.putBack(id, std::move(*taken));
            break;
          }
          case 5:
            if (rig.store.drop(id)) ++gone;
            break;
          case 6:
            rig.store.pack();
            (void)rig.store.find(id);
            break;
          default:
            rig.clock.advance(milliseconds(1));
            rig.store.expire();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  rig.clock.advance(milliseconds(20));
  rig.store.expire();
  const SuspensionStats stats = rig.store.stats();
  EXPECT_EQ(stats.suspended, 0U);
  EXPECT_EQ(stats.bytes, 0U);
  EXPECT_EQ(gone + stats.expired, put);
}

}  // namespace
}  // namespace nexus::runtime
