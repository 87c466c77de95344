// Looking after a CacheStore: stats, verify, clear; and disks that fail meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <thread>
#include <vector>

#include "base/testing/small_disk.h"
#include "runtime/testing/cache_rig.h"
#include "runtime/testing/faulty_files.h"

namespace nexus::runtime {
namespace {

namespace fs = std::filesystem;
using nexus::testing::isRoot;
using nexus::testing::readFile;
using nexus::testing::SmallDisk;
using testing::CacheStoreTest;
using testing::FaultyFiles;
using ::testing::IsEmpty;
using testing::nameOf;
using ::testing::Pair;
using testing::seal;
using testing::show;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kFrame = 80;

class CacheCareTest : public CacheStoreTest {
 protected:
  // Everything there is, with its content and the time it was written.
  std::map<std::string, std::string> snapshot() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder())) {
      const auto written = entry.is_symlink() ? fs::file_time_type() : entry.last_write_time();
      all[entry.path()] = std::to_string(written.time_since_epoch().count()) +
                          (entry.is_regular_file() ? readFile(entry.path()) : "");
    }
    return all;
  }

  std::map<std::string, std::string> damage() {
    const auto verified = open().verify();
    EXPECT_TRUE(verified) << verified.error().message;
    std::map<std::string, std::string> found;
    if (!verified) return found;
    for (const auto& damage : verified->damaged) found[damage.path] = damage.why;
    return found;
  }
};

TEST_F(CacheCareTest, StatsCountEntriesAndTheirBytes) {
  CacheStore store = open();
  EXPECT_EQ(store.stats()->entries, 0u);
  EXPECT_FALSE(fs::exists(folder())) << "looking makes nothing";
  ASSERT_TRUE(store.write(nameOf("a"), "12345"));
  ASSERT_TRUE(store.write(nameOf("b"), ""));
  ASSERT_TRUE(store.write(nameOf("b"), "1"));
  plant(folder() + "/entries/00/.unfinished-x", "not yet an entry");
  const auto stats = store.stats();
  EXPECT_EQ(stats->entries, 2u);
  EXPECT_EQ(stats->bytes, 2 * kFrame + 6);
}

TEST_F(CacheCareTest, VerifyOfNothingIsSoundAndMakesNothing) {
  const auto verified = open().verify();
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->sound, 0u);
  EXPECT_THAT(verified->damaged, IsEmpty());
  EXPECT_FALSE(fs::exists(folder()));
}

TEST_F(CacheCareTest, VerifyListsDamageAndChangesNothing) {
  CacheStore store = open();
  for (const char* name : {"good", "better", "altered", "cut", "version", "link", "swapped"}) {
    ASSERT_TRUE(store.write(nameOf(name), "payload"));
  }
  const auto path = [&](const char* name) { return pathOf(nameOf(name)); };
  std::string altered = readFile(path("altered"));
  altered[50] = 'X';
  plant(path("altered"), altered);
  fs::resize_file(path("cut"), 20);
  plant(path("version"),
        seal({.key = readKey(), .version = 9, .name = nameOf("version"), .payload = ""}));
  fs::rename(path("link"), temp_ / "elsewhere");
  fs::create_symlink(temp_ / "elsewhere", path("link"));
  plant(path("swapped"), readFile(path("good")));
  const std::string foreign = folder() + "/entries/00/notes.txt";
  plant(foreign, "");
  // A name that nobody asks for.
  std::string upper = path("good");
  std::transform(upper.end() - 62, upper.end(), upper.end() - 62, toupper);
  plant(upper, readFile(path("good")));
  plant(fs::path(path("good")).parent_path() / ".unfinished-old", "half");
  fs::last_write_time(fs::path(path("good")).parent_path() / ".unfinished-old",
                      fs::file_time_type::clock::now() - std::chrono::hours(1));

  const auto before = snapshot();
  const auto verified = open().verify();
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->sound, 2u);
  EXPECT_THAT(
      damage(),
      UnorderedElementsAre(
          Pair(path("altered"), "it was altered, or sealed with another key"),
          Pair(path("cut"), "it is cut short"), Pair(path("version"), "it is of another version"),
          Pair(path("link"), "is a symbolic link"), Pair(path("swapped"), "it is another entry's"),
          Pair(foreign, "it has no entry's name"), Pair(upper, "it has no entry's name")));
  EXPECT_TRUE(snapshot() == before);
}

TEST_F(CacheCareTest, VerifyMakesNoKeyInThePlaceOfALostOne) {
  ASSERT_TRUE(open().write(nameOf("a"), "payload"));
  const struct {
    const char* name;
    std::function<void()> harm;
  } cases[] = {{"short", [&] { fs::resize_file(keyPath(), 7); }},
               {"missing", [&] { fs::remove(keyPath()); }}};
  for (const auto& c : cases) {
    c.harm();
    const auto before = snapshot();
    EXPECT_THAT(damage(),
                UnorderedElementsAre(Pair(pathOf(nameOf("a")), "the key that sealed it is lost")))
        << c.name;
    EXPECT_TRUE(snapshot() == before) << c.name;
  }
}

TEST_F(CacheCareTest, VerifyOfAFolderThatIsNotOursAloneFails) {
  ASSERT_TRUE(open().write(nameOf("a"), "payload"));
  ASSERT_EQ(chmod(folder().c_str(), 0777), 0);
  const auto verified = open().verify();
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().message, folder() + " may be written to by others (chmod go-w)");
}

TEST_F(CacheCareTest, ClearRemovesAllEntriesSoundOrNotAndKeepsTheKey) {
  CacheStore store = open();
  EXPECT_EQ(store.clear().value(), 0u);
  ASSERT_TRUE(store.write(nameOf("a"), "payload"));
  ASSERT_TRUE(store.write(nameOf("b"), "payload"));
  plant(pathOf(nameOf("damaged")), "junk");
  plant(folder() + "/entries/ff/notes.txt", "junk");
  fs::create_directories(pathOf(nameOf("a folder")));
  const std::string key = readKey();
  EXPECT_EQ(open().clear().value(), 5u);
  EXPECT_EQ(readKey(), key);
  EXPECT_EQ(store.stats()->entries, 0u);
  EXPECT_EQ(show(store.read(nameOf("a"))), "miss");
  EXPECT_TRUE(store.write(nameOf("a"), "payload"));
}

// A checkout may bring links in a cache folder: what they lead to is somebody else's.
TEST_F(CacheCareTest, NothingBehindALinkIsLookedAtOrRemoved) {
  const fs::path victim = temp_ / "victim";
  fs::create_directories(victim / "aa");
  nexus::testing::writeFile(victim / "precious", "x");
  nexus::testing::writeFile(victim / "aa" / "precious", "x");
  const struct {
    std::string at;
    bool isTrusted;
  } rows[] = {{folder() + "/entries/aa", true}, {folder() + "/entries", false}, {folder(), false}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.at);
    fs::remove_all(folder());
    fs::create_directories(fs::path(row.at).parent_path());
    fs::permissions(fs::path(row.at).parent_path(), fs::perms::owner_all);
    fs::create_directory_symlink(victim, row.at);
    CacheStore store = open(4000);
    for (int i = 0; i < 300; ++i) {
      (void)store.write(nameOf(std::to_string(i)), std::string(100, 'x'));
    }
    const auto cleared = store.clear();
    EXPECT_EQ(cleared.ok(), row.isTrusted);
    EXPECT_EQ(store.stats().ok(), row.isTrusted);
    EXPECT_TRUE(fs::exists(victim / "precious"));
    EXPECT_TRUE(fs::exists(victim / "aa" / "precious"));
    EXPECT_EQ(std::distance(fs::recursive_directory_iterator(victim), {}), 3);
  }
}

TEST_F(CacheCareTest, WhatIsNoFolderOfOursIsDamageAndMakesRoomForOne) {
  const Digest name = nameOf("a");
  const std::string subfolder = fs::path(pathOf(name)).parent_path();
  fs::create_directories(folder() + "/entries");
  fs::permissions(folder(), fs::perms::owner_all);
  nexus::testing::writeFile(subfolder, "a file where a folder belongs");
  nexus::testing::writeFile(folder() + "/entries/stray", "x");
  EXPECT_THAT(damage(),
              UnorderedElementsAre(Pair(subfolder, "it has no entry's name"),
                                   Pair(folder() + "/entries/stray", "it has no entry's name")));
  CacheStore store = open();
  ASSERT_TRUE(store.write(name, "12345"));
  EXPECT_EQ(show(store.read(name)), "hit: 12345");
  const auto cleared = store.clear();
  ASSERT_TRUE(cleared) << cleared.error().message;
  EXPECT_EQ(*cleared, 2u);
  EXPECT_FALSE(fs::exists(folder() + "/entries/stray"));
}

TEST_F(CacheCareTest, ClearGoesOnWhereOneCannotBeRemoved) {
  CacheStore store = open();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(store.write(nameOf(std::to_string(i)), "payload"));
  fs::create_directories(folder() + "/entries/80/folder/inside");
  const auto cleared = store.clear();
  ASSERT_FALSE(cleared);
  EXPECT_EQ(cleared.error().message,
            "cannot remove " + folder() + "/entries/80/folder: Directory not empty");
  EXPECT_EQ(store.stats()->entries, 1u) << "what is left is that folder";
}

// --- Disks that fail

// What is read is what was written, whatever fails in between.
TEST_F(CacheCareTest, ADiskThatFailsNowAndThenCostsSpeedOnly) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    fs::remove_all(folder());
    FaultyFiles faulty(*files_, seed);
    CacheStore store(faulty, folder(), 16'000);
    faulty.failPercent(20);
    std::mt19937 random(seed);
    uint64_t hits = 0;
    for (int step = 0; step < 300; ++step) {
      const std::string text = std::to_string(random() % 40);
      const std::string payload = text + std::string(300, 'x');
      if (random() % 2 == 0) {
        (void)store.write(nameOf(text), payload);
      } else if (const auto found = store.read(nameOf(text)); found.kind == testing::Kind::kHit) {
        ASSERT_EQ(found.payload, payload) << "seed " << seed << ", step " << step;
        ++hits;
      }
      if (step % 50 == 0) (void)store.stats();
      if (step % 70 == 0) (void)store.verify();
      if (step == 200) (void)store.clear();
    }
    EXPECT_GT(faulty.failures(), 50u);
    EXPECT_GT(hits, 0u) << "seed " << seed;
    faulty.failPercent(0);
    ASSERT_TRUE(store.write(nameOf("after"), "all is well"));
    EXPECT_EQ(show(store.read(nameOf("after"))), "hit: all is well");
    EXPECT_THAT(damage(), IsEmpty());
  }
}

TEST_F(CacheCareTest, AFullDiskIsReadAndSaysThatItCannotBeWritten) {
  const std::string disk = temp_ / "disk";
  fs::create_directory(disk);
  const auto mounted = SmallDisk::mount(disk, 512 * 1024);
  if (mounted == nullptr) GTEST_SKIP() << "a disk can only be mounted as root";
  CacheStore store(*files_, disk + "/cache", testing::kRoomy);
  ASSERT_TRUE(store.write(nameOf("before"), "payload"));
  mounted->fillUp();
  const auto written = store.write(nameOf("new"), std::string(8'000, 'x'));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(show(store.read(nameOf("before"))), "hit: payload");
  EXPECT_EQ(show(store.read(nameOf("new"))), "miss");
  EXPECT_THAT(store.verify()->damaged, IsEmpty());
  // Room is made where there is none.
  EXPECT_EQ(store.clear().value(), 1u);
  mounted->makeRoom();
  EXPECT_TRUE(store.write(nameOf("new"), std::string(8'000, 'x')));
}

TEST_F(CacheCareTest, AReadOnlyDiskIsReadAndVerified) {
  const std::string disk = temp_ / "disk";
  fs::create_directory(disk);
  const auto mounted = SmallDisk::mount(disk, 512 * 1024);
  if (mounted == nullptr) GTEST_SKIP() << "a disk can only be mounted as root";
  ASSERT_TRUE(CacheStore(*files_, disk + "/cache", testing::kRoomy).write(nameOf("a"), "payload"));
  mounted->makeReadOnly();
  CacheStore store(*files_, disk + "/cache", testing::kRoomy);
  EXPECT_EQ(show(store.read(nameOf("a"))), "hit: payload");
  EXPECT_EQ(show(store.read(nameOf("b"))), "miss");
  EXPECT_FALSE(store.write(nameOf("b"), "payload"));
  EXPECT_EQ(store.verify()->sound, 1u);
}

// Two processes' worth of stores, several threads each, more to write than there is room.
TEST_F(CacheCareTest, TwoStoresOnOneFolderAgree) {
  const auto otherFiles = makePosixFileSystem();
  CacheStore stores[] = {{*files_, folder(), 30'000}, {*otherFiles, folder(), 30'000}};
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(thread);
      CacheStore& store = stores[thread % 2];
      for (int step = 0; step < 300; ++step) {
        const std::string text = std::to_string(random() % 100);
        const std::string payload = text + std::string(500, 'x');
        if (random() % 2 == 0) {
          ASSERT_TRUE(store.write(nameOf(text), payload));
          continue;
        }
        const auto found = store.read(nameOf(text));
        ASSERT_TRUE(show(found) == "miss" || found.payload == payload) << show(found) << found.why;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(damage(), IsEmpty());
  EXPECT_LE(open().stats()->bytes, 33'000u);
}

}  // namespace
}  // namespace nexus::runtime
