// What a CacheStore gives back is what was written, or nothing.
#include "runtime/cache_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <random>
#include <vector>

#include "runtime/testing/cache_rig.h"

namespace nexus::runtime {
namespace {

namespace fs = std::filesystem;
using nexus::testing::isRoot;
using nexus::testing::kNobody;
using nexus::testing::readFile;
using std::string_literals::operator""s;
using testing::CacheStoreTest;
using ::testing::HasSubstr;
using testing::Kind;
using testing::nameOf;
using testing::seal;
using testing::show;

const Digest kName = nameOf("a handler");
constexpr std::string_view kPayload = "its bytecode";

TEST_F(CacheStoreTest, WhatWasWrittenIsRead) {
  CacheStore store = open();
  for (const std::string& payload : {""s, "x"s, "\0\n\xff"s, std::string(1'000'000, 'y')}) {
    ASSERT_TRUE(store.write(nameOf("a"), payload));
    const auto found = store.read(nameOf("a"));
    ASSERT_EQ(found.kind, Kind::kHit) << found.why;
    EXPECT_TRUE(found.payload == payload) << payload.size();
  }
  EXPECT_EQ(show(store.read(nameOf("b"))), "miss");
}

TEST_F(CacheStoreTest, ItIsThereForTheNextProcess) {
  ASSERT_TRUE(open().write(kName, kPayload));
  EXPECT_EQ(show(open().read(kName)), "hit: its bytecode");
}

TEST_F(CacheStoreTest, TheLaterOfTwoStays) {
  CacheStore first = open();
  CacheStore second = open();
  ASSERT_TRUE(first.write(kName, "one"));
  ASSERT_TRUE(second.write(kName, "two"));
  EXPECT_EQ(show(first.read(kName)), "hit: two");
}

TEST_F(CacheStoreTest, NothingIsTouchedBeforeItIsUsed) {
  CacheStore store = open();
  EXPECT_FALSE(fs::exists(folder()));
}

TEST_F(CacheStoreTest, NobodyElseCanReadOrWriteIt) {
  const mode_t before = umask(0);
  ASSERT_TRUE(open().write(kName, kPayload));
  umask(before);
  for (const auto& entry : fs::recursive_directory_iterator(folder())) {
    const auto mode = static_cast<unsigned>(entry.status().permissions());
    EXPECT_EQ(mode, entry.is_directory() ? 0700u : 0600u) << entry.path();
  }
  EXPECT_EQ(fs::status(folder()).permissions(), fs::perms::owner_all);
}

// The format as this test writes it down: so that the hostile cases below are sealed as they say.
TEST_F(CacheStoreTest, AnEntryIsSealedWithTheKeyUnderItsName) {
  ASSERT_TRUE(open().write(kName, kPayload));
  EXPECT_EQ(readFile(pathOf(kName)), seal({.key = readKey(), .name = kName, .payload = kPayload}));
}

TEST_F(CacheStoreTest, EveryFlippedBitIsNoticed) {
  CacheStore store = open();
  ASSERT_TRUE(store.write(kName, kPayload));
  const std::string good = readFile(pathOf(kName));
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    plant(pathOf(kName), bad);
    ASSERT_EQ(show(store.read(kName)), "rejected") << "bit " << bit;
  }
  plant(pathOf(kName), good);
  EXPECT_EQ(show(store.read(kName)), "hit: its bytecode");
}

TEST_F(CacheStoreTest, EveryCutIsNoticed) {
  CacheStore store = open();
  ASSERT_TRUE(store.write(kName, kPayload));
  const std::string good = readFile(pathOf(kName));
  for (size_t length = 0; length < good.size(); ++length) {
    plant(pathOf(kName), good.substr(0, length));
    ASSERT_EQ(show(store.read(kName)), "rejected") << length;
  }
  plant(pathOf(kName), good + "x");
  EXPECT_EQ(show(store.read(kName)), "rejected");
}

TEST_F(CacheStoreTest, FlippedBitsOfALargeEntryAreNoticed) {
  CacheStore store = open();
  ASSERT_TRUE(store.write(kName, std::string(200'000, 'z')));
  const std::string good = readFile(pathOf(kName));
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    const size_t bit = random() % (8 * bad.size());
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    plant(pathOf(kName), bad);
    ASSERT_EQ(show(store.read(kName)), "rejected") << "bit " << bit;
  }
}

TEST_F(CacheStoreTest, TwoEntriesCannotBeSwapped) {
  CacheStore store = open();
  const Digest other = nameOf("another handler");
  ASSERT_TRUE(store.write(kName, kPayload));
  ASSERT_TRUE(store.write(other, "something else"));
  const std::string mine = readFile(pathOf(kName));
  plant(pathOf(kName), readFile(pathOf(other)));
  plant(pathOf(other), mine);
  EXPECT_EQ(show(store.read(kName)), "rejected");
  EXPECT_THAT(store.read(other).why, HasSubstr("another entry's"));
}

// Sealed with the right key all of them, but the last two.
TEST_F(CacheStoreTest, AnotherVersionAnotherKeyOrNoEntryIsRejected) {
  CacheStore store = open();
  ASSERT_TRUE(store.write(kName, kPayload));
  const std::string key = readKey();
  std::string noEntry = "no entry at all";
  const Digest mac = hmacSha256(std::as_bytes(std::span(key)), std::as_bytes(std::span(noEntry)));
  noEntry.append(reinterpret_cast<const char*>(mac.data()), mac.size());
  std::string otherKey = key;
  otherKey[31] = static_cast<char>(otherKey[31] ^ 1);
  const struct {
    std::string bytes;
    const char* why;
  } cases[] = {
      {seal({.key = key, .version = 0, .name = kName, .payload = kPayload}), "another version"},
      {seal({.key = key, .version = 2, .name = kName, .payload = kPayload}), "another version"},
      {noEntry, "cut short"},
      {"", "cut short"},
      {seal({.key = otherKey, .name = kName, .payload = kPayload}), "sealed with another key"},
      {seal({.key = "", .name = kName, .payload = kPayload}), "sealed with another key"},
  };
  for (const auto& c : cases) {
    plant(pathOf(kName), c.bytes);
    const auto found = store.read(kName);
    EXPECT_EQ(show(found), "rejected") << c.why;
    EXPECT_THAT(found.why, HasSubstr(c.why));
    EXPECT_THAT(found.why, HasSubstr(pathOf(kName))) << "it says where";
  }
}

struct Intruder {
  const char* name;
  std::function<void(const std::string& path, const std::string& good)> place;
  bool needsRoot = false;
};

void put(const std::string& path, const std::string& bytes, mode_t mode) {
  nexus::testing::writeFile(path, bytes);
  EXPECT_EQ(chmod(path.c_str(), mode), 0);
}

// `good` is a file with what should be there.
const Intruder kIntruders[] = {
    {"a link to the entry", [](auto& path, auto& good) { fs::create_symlink(good, path); }},
    {"a link to nothing", [](auto& path, auto&) { fs::create_symlink("nowhere", path); }},
    {"a link to itself", [](auto& path, auto&) { fs::create_symlink(path, path); }},
    {"a pipe", [](auto& path, auto&) { EXPECT_EQ(mkfifo(path.c_str(), 0600), 0); }},
    {"a folder", [](auto& path, auto&) { fs::create_directory(path); }},
    {"a folder of all",
     [](auto& path, auto&) {
       fs::create_directory(path);
       EXPECT_EQ(chmod(path.c_str(), 0777), 0);
     }},
    {"a file that all may write to",
     [](auto& path, auto& good) { put(path, readFile(good), 0666); }},
    {"a file of another user",
     [](auto& path, auto& good) {
       put(path, readFile(good), 0600);
       EXPECT_EQ(chown(path.c_str(), kNobody, kNobody), 0);
     },
     true},
    {"an endless file",
     [](auto& path, auto&) {
       put(path, "", 0600);
       EXPECT_EQ(truncate(path.c_str(), int64_t{1} << 40), 0);
     }},
};

TEST_F(CacheStoreTest, WhatIsNoEntryOfOursIsRejectedAndReplaced) {
  CacheStore store = open();
  for (const Intruder& intruder : kIntruders) {
    if (intruder.needsRoot && !isRoot()) continue;
    SCOPED_TRACE(intruder.name);
    ASSERT_TRUE(store.write(kName, kPayload));
    const std::string good = temp_ / "good";
    plant(good, readFile(pathOf(kName)));
    fs::remove(pathOf(kName));
    intruder.place(pathOf(kName), good);
    EXPECT_EQ(show(store.read(kName)), "rejected");
    ASSERT_TRUE(store.write(kName, kPayload));
    EXPECT_EQ(show(store.read(kName)), "hit: its bytecode");
    EXPECT_EQ(fs::symlink_status(pathOf(kName)).type(), fs::file_type::regular);
  }
}

// Nobody made it; nothing but this one entry is lost.
TEST_F(CacheStoreTest, AFullFolderInItsPlaceCostsSpeedOnly) {
  CacheStore store = open();
  fs::create_directories(pathOf(kName) + "/inside");
  EXPECT_EQ(show(store.read(kName)), "rejected");
  const auto written = store.write(kName, kPayload);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(store.write(nameOf("another"), kPayload));
  EXPECT_EQ(show(store.read(nameOf("another"))), "hit: its bytecode");
}

}  // namespace
}  // namespace nexus::runtime
