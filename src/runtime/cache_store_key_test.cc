// The key of a CacheStore, and its folder: what may be wrong with them costs what was sealed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <vector>

#include "runtime/testing/cache_rig.h"

namespace nexus::runtime {
namespace {

namespace fs = std::filesystem;
using nexus::testing::isRoot;
using nexus::testing::kNobody;
using nexus::testing::readFile;
using nexus::testing::writeFile;
using testing::CacheStoreTest;
using ::testing::HasSubstr;
using testing::nameOf;
using testing::seal;
using testing::show;

const Digest kName = nameOf("a handler");
constexpr std::string_view kPayload = "its bytecode";

class CacheKeyTest : public CacheStoreTest {};

TEST_F(CacheKeyTest, ItIsRandomAndStays) {
  ASSERT_TRUE(open().write(kName, kPayload));
  const std::string key = readKey();
  EXPECT_EQ(key.size(), 32u);
  EXPECT_NE(key, std::string(32, '\0'));
  ASSERT_TRUE(open().write(nameOf("another"), kPayload));
  EXPECT_EQ(readKey(), key);
  ASSERT_TRUE(open().clear());
  EXPECT_EQ(readKey(), key) << "running processes hold it";
  fs::remove_all(folder());
  ASSERT_TRUE(open().write(kName, kPayload));
  EXPECT_NE(readKey(), key);
}

struct KeyTrouble {
  const char* name;
  std::function<void(const std::string& path)> make;
  bool needsRoot = false;
};

const KeyTrouble kKeyTroubles[] = {
    {"missing", [](auto& path) { fs::remove(path); }},
    {"empty", [](auto& path) { writeFile(path, ""); }},
    {"short", [](auto& path) { fs::resize_file(path, 31); }},
    {"long", [](auto& path) { writeFile(path, readFile(path) + "x"); }},
    {"altered",
     [](auto& path) {
       std::string key = readFile(path);
       key[0] = static_cast<char>(key[0] ^ 1);
       writeFile(path, key);
     }},
    {"a link to the key",
     [](auto& path) {
       fs::rename(path, path + "-moved");
       fs::create_symlink(path + "-moved", path);
     }},
    {"a pipe",
     [](auto& path) {
       fs::remove(path);
       EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
     }},
    {"a folder",
     [](auto& path) {
       fs::remove(path);
       fs::create_directory(path);
     }},
    {"readable by others", [](auto& path) { EXPECT_EQ(chmod(path.c_str(), 0644), 0); }},
    {"another user's", [](auto& path) { EXPECT_EQ(chown(path.c_str(), kNobody, kNobody), 0); },
     true},
};

TEST_F(CacheKeyTest, WhatIsNoKeyIsReplacedAndWhatItSealedIsNotBelieved) {
  for (const KeyTrouble& trouble : kKeyTroubles) {
    if (trouble.needsRoot && !isRoot()) continue;
    SCOPED_TRACE(trouble.name);
    fs::remove_all(folder());
    ASSERT_TRUE(open().write(kName, kPayload));
    trouble.make(keyPath());
    CacheStore store = open();
    EXPECT_EQ(show(store.read(kName)), "rejected");
    ASSERT_TRUE(store.write(kName, kPayload));
    EXPECT_EQ(show(open().read(kName)), "hit: its bytecode");
    EXPECT_EQ(fs::symlink_status(keyPath()).type(), fs::file_type::regular);
    EXPECT_EQ(fs::status(keyPath()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_EQ(readKey().size(), 32u);
  }
}

TEST_F(CacheKeyTest, AKeyThatCannotBeReadTurnsTheDiskTierOff) {
  if (isRoot()) GTEST_SKIP() << "root reads everything";
  ASSERT_TRUE(open().write(kName, kPayload));
  ASSERT_EQ(chmod(keyPath().c_str(), 0), 0);
  CacheStore store = open();
  EXPECT_EQ(show(store.read(kName)), "failed");
  EXPECT_FALSE(store.write(kName, kPayload));
  ASSERT_EQ(chmod(keyPath().c_str(), 0600), 0);
  EXPECT_EQ(show(store.read(kName)), "hit: its bytecode") << "tried again";
}

// `rm -rf` of the folder while processes run: those that live on and those that come agree again,
// instead of undoing each other's work.
TEST_F(CacheKeyTest, WhoHoldsAnOldKeyLearnsTheNewOne) {
  CacheStore old = open();
  ASSERT_TRUE(old.write(kName, kPayload));
  fs::remove_all(folder());
  CacheStore fresh = open();
  ASSERT_TRUE(fresh.write(kName, "newer bytecode"));
  EXPECT_EQ(show(old.read(kName)), "hit: newer bytecode");
  ASSERT_TRUE(old.write(nameOf("another"), kPayload));
  EXPECT_EQ(show(fresh.read(nameOf("another"))), "hit: its bytecode");
}

TEST_F(CacheKeyTest, WhoseFolderIsGoneMakesItAnewWithItsKey) {
  CacheStore old = open();
  ASSERT_TRUE(old.write(kName, kPayload));
  fs::remove_all(folder());
  ASSERT_TRUE(old.write(kName, kPayload));
  EXPECT_EQ(show(open().read(kName)), "hit: its bytecode");
  EXPECT_EQ(show(old.read(kName)), "hit: its bytecode");
}

TEST_F(CacheKeyTest, ManyThatComeAtOnceShareOneKey) {
  for (int round = 0; round < 20; ++round) {
    fs::remove_all(folder());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([this, i] {
        const auto files = makePosixFileSystem();
        CacheStore store(*files, folder(), testing::kRoomy);
        EXPECT_TRUE(store.write(nameOf(std::to_string(i)), kPayload));
      });
    }
    for (std::thread& thread : threads) thread.join();
    CacheStore store = open();
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(show(store.read(nameOf(std::to_string(i)))), "hit: its bytecode") << round;
    }
  }
}

struct FolderTrouble {
  const char* name;
  std::function<void(const std::string& path)> make;
  const char* why;
  bool needsRoot = false;
};

const FolderTrouble kFolderTroubles[] = {
    {"all may write to it", [](auto& path) { EXPECT_EQ(chmod(path.c_str(), 0777), 0); },
     "may be written to by others (chmod go-w)"},
    {"another user's", [](auto& path) { EXPECT_EQ(chown(path.c_str(), kNobody, kNobody), 0); },
     "belongs to another user", true},
    {"a link",
     [](auto& path) {
       fs::rename(path, path + "-moved");
       fs::create_directory_symlink(path + "-moved", path);
     },
     "is a symbolic link"},
    {"a file",
     [](auto& path) {
       fs::remove_all(path);
       writeFile(path, "");
     },
     "is no folder"},
};

// Nothing in it is believed, nothing written, and it is said why.
TEST_F(CacheKeyTest, AFolderThatIsNotOursAloneIsNotUsed) {
  for (const FolderTrouble& trouble : kFolderTroubles) {
    if (trouble.needsRoot && !isRoot()) continue;
    SCOPED_TRACE(trouble.name);
    ASSERT_TRUE(open().write(kName, kPayload));
    trouble.make(folder());
    CacheStore store = open();
    const auto found = store.read(kName);
    EXPECT_EQ(show(found), "failed");
    EXPECT_EQ(found.why, folder() + " " + trouble.why);
    const auto written = store.write(kName, kPayload);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().message, folder() + " " + trouble.why);
    fs::remove_all(folder());
    fs::remove_all(folder() + "-moved");
  }
}

TEST_F(CacheKeyTest, AFolderThatCannotBeMadeIsTriedAgain) {
  writeFile(temp_ / "cache", "in the way");
  CacheStore store = open();
  EXPECT_EQ(show(store.read(kName)), "failed");
  fs::remove(temp_ / "cache");
  EXPECT_EQ(show(store.read(kName)), "miss");
  EXPECT_TRUE(store.write(kName, kPayload));
}

}  // namespace
}  // namespace nexus::runtime
