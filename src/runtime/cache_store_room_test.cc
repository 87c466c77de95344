// A CacheStore takes as much room as it may, whatever is written, by however many.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "runtime/testing/cache_rig.h"
#include "runtime/testing/memory_files.h"

namespace nexus::runtime {
namespace {

namespace fs = std::filesystem;
using nexus::testing::writeFile;
using testing::CacheStoreTest;
using testing::MemoryFiles;
using testing::nameOf;
using testing::show;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kKiB = 1024;
// What an entry takes beside its payload.
constexpr uint64_t kFrame = 80;

Digest nameOf(int i) { return nameOf(std::to_string(i)); }

class CacheRoomTest : public CacheStoreTest {
 protected:
  // As if it had been written so long ago.
  void age(const std::string& path, std::chrono::minutes by) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - by);
  }
};

TEST_F(CacheRoomTest, ItNeverTakesMoreThanItMay) {
  CacheStore store = open(8 * kKiB);
  uint64_t evicted = 0;
  for (int i = 0; i < 300; ++i) {
    const auto written = store.write(nameOf(i), std::string(200, 'x'));
    ASSERT_TRUE(written);
    evicted += written->evicted;
    ASSERT_LE(store.stats()->bytes, 8 * kKiB);
    ASSERT_EQ(store.read(nameOf(i)).kind, testing::Kind::kHit) << "the one just written";
  }
  const auto stats = store.stats();
  EXPECT_EQ(stats->entries + evicted, 300u);
  EXPECT_GT(stats->bytes, 8 * kKiB * 8 / 10) << "and no less than it needs to";
}

TEST_F(CacheRoomTest, ThoseWrittenLongestAgoGoFirst) {
  CacheStore store = open(10 * kKiB);
  const std::string payload(kKiB - kFrame, 'x');
  // The order of writing, of names, and of age are three different ones.
  const std::vector<int> ages = {5, 9, 1, 7, 3, 8, 2, 6, 4, 0};
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(store.write(nameOf(i), payload));
    age(pathOf(nameOf(i)), std::chrono::minutes(1 + ages[static_cast<size_t>(i)]));
  }
  (void)store.read(nameOf(1));  // being read keeps nobody
  const auto written = store.write(nameOf(10), payload);
  ASSERT_TRUE(written);
  EXPECT_EQ(written->evicted, 2u) << "a tenth more than has to go";
  std::vector<int> gone;
  for (int i = 0; i < 11; ++i) {
    if (show(store.read(nameOf(i))) == "miss") gone.push_back(i);
  }
  EXPECT_THAT(gone, UnorderedElementsAre(1, 5));
}

TEST_F(CacheRoomTest, WritingAgainMakesYoung) {
  CacheStore store = open(4 * kKiB);
  const std::string payload(kKiB - kFrame, 'x');
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(store.write(nameOf(i), payload));
    age(pathOf(nameOf(i)), std::chrono::minutes(10 - i));
  }
  ASSERT_TRUE(store.write(nameOf(0), payload));
  ASSERT_TRUE(store.write(nameOf(4), payload));
  EXPECT_EQ(show(store.read(nameOf(0))).substr(0, 3), "hit");
  EXPECT_EQ(show(store.read(nameOf(1))), "miss");
}

// It would push out all others, and could not even be read.
TEST_F(CacheRoomTest, WhatIsLargerThanAllMayBeIsNotKept) {
  CacheStore store = open(4 * kKiB);
  ASSERT_TRUE(store.write(nameOf(0), "small"));
  const auto written = store.write(nameOf(1), std::string(4 * kKiB, 'x'));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kResourceLimit);
  EXPECT_EQ(written.error().message,
            "an entry has 4176 bytes, all of them may have 4096 (max_disk_cache_bytes)");
  EXPECT_EQ(show(store.read(nameOf(0))), "hit: small");
  EXPECT_EQ(show(store.read(nameOf(1))), "miss");
  // Nor does an older one stay in its place.
  ASSERT_TRUE(store.write(nameOf(2), "outdated"));
  ASSERT_FALSE(store.write(nameOf(2), std::string(4 * kKiB, 'x')));
  EXPECT_EQ(show(store.read(nameOf(2))), "miss");
}

TEST_F(CacheRoomTest, ALowerLimitHoldsForWhatIsThere) {
  {
    CacheStore store = open(100 * kKiB);
    for (int i = 0; i < 90; ++i) ASSERT_TRUE(store.write(nameOf(i), std::string(kKiB, 'x')));
  }
  CacheStore store = open(5 * kKiB);
  ASSERT_TRUE(store.write(nameOf(100), "x"));
  EXPECT_LE(store.stats()->bytes, 5 * kKiB);
}

TEST_F(CacheRoomTest, WhatDeadProcessesLeftUnfinishedGoes) {
  CacheStore store = open(8 * kKiB);
  ASSERT_TRUE(store.write(nameOf(0), "x"));
  const std::string beside = fs::path(pathOf(nameOf(0))).parent_path();
  const std::string places[] = {beside, folder() + "/entries/00", folder()};
  for (const std::string& place : places) {
    plant(place + "/.unfinished-dead", "half of an en");
    age(place + "/.unfinished-dead", std::chrono::hours(1));
    plant(place + "/.unfinished-alive", "half of an en");
  }
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(store.write(nameOf(i), std::string(300, 'x')));
  for (const std::string& place : places) {
    EXPECT_FALSE(fs::exists(place + "/.unfinished-dead")) << place;
    EXPECT_TRUE(fs::exists(place + "/.unfinished-alive")) << place << ": somebody writes it";
  }
}

// --- Many files: on a disk in memory

struct Crowd {
  const char* name;
  uint64_t entryBytes;
  int entries;  // that fit
};

const Crowd kCrowds[] = {
    {"some, looked at all together", 4 * kKiB, 500},
    {"64 a folder, each of which has its share", kKiB, 256 * 64},
    {"nearly so many", kKiB, 256 * 56},
    {"a hundred a folder", 256, 256 * 100},
};

// `processes`: each writes so much, then another one comes.
uint64_t highestTotal(const Crowd& crowd, int writesOfAProcess) {
  MemoryFiles files;
  const uint64_t limit = crowd.entryBytes * static_cast<uint64_t>(crowd.entries);
  const std::string payload(crowd.entryBytes - kFrame, 'x');
  uint64_t highest = 0;
  for (int i = 0; i < 3 * crowd.entries / 2;) {
    CacheStore store(files, "/cache", limit);
    for (int end = i + writesOfAProcess; i < end; ++i) {
      EXPECT_TRUE(store.write(nameOf(i), payload));
      highest = std::max(highest, files.bytes());
    }
  }
  EXPECT_GT(files.bytes(), limit * 7 / 10) << crowd.name;
  return highest * 100 / limit;
}

TEST(CacheCrowdTest, OneProcessKeepsTheLimitHoweverManyFilesThereAre) {
  for (const Crowd& crowd : kCrowds) EXPECT_LE(highestTotal(crowd, 1000), 110u) << crowd.name;
}

// Each looks with the probability that its share of the writing has.
TEST(CacheCrowdTest, ProcessesThatWriteOneEntryEachKeepTheLimitTogether) {
  for (const Crowd& crowd : std::span(kCrowds).first(2)) {
    EXPECT_LE(highestTotal(crowd, 1), 130u) << crowd.name;
  }
}

// Listing a thousand folders for each entry would cost more than compiling.
TEST(CacheCrowdTest, LooksAreRare) {
  MemoryFiles files;
  CacheStore store(files, "/cache", 100'000 * kKiB);
  for (int i = 0; i < 50'000; ++i) ASSERT_TRUE(store.write(nameOf(i), std::string(kKiB, 'x')));
  EXPECT_LT(files.lists(), 50'000u / 4);
}

TEST(CacheCrowdTest, SeveralThreadsKeepTheLimitTogether) {
  MemoryFiles files;
  CacheStore store(files, "/cache", 500 * kKiB);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(store.write(nameOf(10'000 * thread + i), std::string(kKiB, 'x')));
        EXPECT_LE(files.bytes(), 500 * kKiB * 11 / 10);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace nexus::runtime
