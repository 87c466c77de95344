#include "base/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/testing/temp_folder.h"

namespace nexus {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::isRoot;
using testing::kNobody;
using testing::readFile;
using testing::TempFolder;
using testing::writeFile;
using Kind = FileSystem::Kind;

constexpr uint64_t kEnough = 1 << 20;

class FileSystemTest : public ::testing::Test {
 protected:
  // As this user keeps what is nobody else's business.
  std::string ownFile(const std::string& name, std::string_view bytes = "content") {
    writeFile(folder_ / name, bytes);
    EXPECT_EQ(chmod((folder_ / name).c_str(), 0600), 0);
    return folder_ / name;
  }

  std::vector<std::string> names() {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      found.push_back(entry.path().filename());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  TempFolder folder_;
  const std::unique_ptr<FileSystem> files_ = makePosixFileSystem();
};

unsigned modeOf(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

void makeSocket(const std::string& path) {
  const int made = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, path.c_str());
  EXPECT_EQ(bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(made);
}

// --- read ----------------------------------------------------------------------------------------

TEST_F(FileSystemTest, ReadGivesAllBytes) {
  for (const std::string& content : {""s, "a"s, "\0\xff\n"s, std::string(300'000, 'x')}) {
    const auto read = files_->read(ownFile("file", content), kEnough);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(*read == content) << content.size();
  }
}

TEST_F(FileSystemTest, ReadOfNothingIsNotFound) {
  EXPECT_EQ(files_->read(folder_ / "missing", kEnough).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_->read(folder_ / "missing/file", kEnough).error().code, ErrorCode::kNotFound);
}

TEST_F(FileSystemTest, ReadTakesAsMuchAsItMayAndNoMore) {
  const std::string path = ownFile("file", "12345");
  EXPECT_EQ(files_->read(path, 5).value(), "12345");
  const auto read = files_->read(path, 4);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kInvalidInput);
  EXPECT_EQ(read.error().message, path + " has 5 bytes, expected at most 4");
}

// Each in the place of a file that somebody expects there. None of them blocks.
TEST_F(FileSystemTest, ReadRefusesWhatIsNoPlainFileOfThisUserAlone) {
  const std::string target = ownFile("target");
  const struct {
    const char* name;
    std::function<void(const std::string&)> make;
    const char* why;
  } cases[] = {
      {"a link to a good file", [&](const auto& path) { fs::create_symlink(target, path); },
       "is a symbolic link"},
      {"a link to nothing", [&](const auto& path) { fs::create_symlink("nowhere", path); },
       "is a symbolic link"},
      {"a pipe", [](const auto& path) { ASSERT_EQ(mkfifo(path.c_str(), 0600), 0); },
       "is no plain file"},
      {"a socket", makeSocket, "is no plain file"},
      {"a folder", [](const auto& path) { fs::create_directory(path); }, "is no plain file"},
      {"a file that others may write to",
       [](const auto& path) {
         writeFile(path, "x");
         ASSERT_EQ(chmod(path.c_str(), 0602), 0);
       },
       "may be read or written by others (chmod go-rw)"},
      {"a file that the group may read",
       [](const auto& path) {
         writeFile(path, "x");
         ASSERT_EQ(chmod(path.c_str(), 0640), 0);
       },
       "may be read or written by others (chmod go-rw)"},
  };
  for (const auto& c : cases) {
    const std::string path = folder_ / "place";
    c.make(path);
    const auto read = files_->read(path, kEnough);
    ASSERT_FALSE(read) << c.name;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidInput) << c.name;
    EXPECT_EQ(read.error().message, path + " " + c.why) << c.name;
    fs::remove_all(path);
  }
}

TEST_F(FileSystemTest, ReadRefusesAnotherUsersFile) {
  if (!isRoot()) GTEST_SKIP() << "only root can give files away";
  const std::string path = ownFile("file");
  ASSERT_EQ(chown(path.c_str(), kNobody, kNobody), 0);
  const auto read = files_->read(path, kEnough);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(read.error().message, HasSubstr("belongs to another user"));
}

TEST_F(FileSystemTest, WhatTheSystemRefusesIsUnavailableWithItsWords) {
  const auto read = files_->read("/proc/self/mem/x", kEnough);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(read.error().message, "cannot open /proc/self/mem/x: Not a directory");
}

// --- replace and create --------------------------------------------------------------------------

TEST_F(FileSystemTest, ReplaceMakesAFileForThisUserAloneAndLeavesNothingBeside) {
  const mode_t before = umask(0);
  const std::string path = folder_ / "file";
  for (const std::string& content : {"first"s, ""s, std::string(300'000, '\0')}) {
    ASSERT_TRUE(files_->replace(path, content));
    EXPECT_TRUE(readFile(path) == content);
    EXPECT_EQ(modeOf(path), 0600u);
    EXPECT_THAT(names(), ElementsAre("file"));
  }
  umask(before);
}

TEST_F(FileSystemTest, ReplaceTakesThePlaceOfALinkAndNotOfItsTarget) {
  const std::string target = ownFile("target", "untouched");
  const std::string path = folder_ / "file";
  fs::create_symlink(target, path);
  ASSERT_TRUE(files_->replace(path, "new"));
  EXPECT_EQ(readFile(target), "untouched");
  EXPECT_FALSE(fs::is_symlink(path));
  EXPECT_EQ(readFile(path), "new");
}

TEST_F(FileSystemTest, ReplaceTakesThePlaceOfAPipe) {
  const std::string path = folder_ / "file";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  ASSERT_TRUE(files_->replace(path, "new"));
  EXPECT_EQ(readFile(path), "new");
}

TEST_F(FileSystemTest, CreateLeavesWhatIsThere) {
  const std::string path = folder_ / "file";
  ASSERT_TRUE(files_->create(path, "first"));
  EXPECT_EQ(modeOf(path), 0600u);
  const auto second = files_->create(path, "second");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message, HasSubstr("File exists"));
  EXPECT_EQ(readFile(path), "first");
  EXPECT_THAT(names(), ElementsAre("file"));
}

TEST_F(FileSystemTest, CreateFollowsNoLink) {
  fs::create_symlink(folder_ / "elsewhere", folder_ / "file");
  EXPECT_FALSE(files_->create(folder_ / "file", "x"));
  EXPECT_THAT(names(), ElementsAre("file"));
}

TEST_F(FileSystemTest, WritingWhereNoFileCanBeFailsAndLeavesNothing) {
  ownFile("file");
  fs::create_directories(folder_ / "folder/inside");
  const struct {
    const char* name;
    const char* words;
  } cases[] = {{"missing/file", "No such file or directory"},
               {"file/file", "Not a directory"},
               {"folder", "directory"}};
  for (const auto& c : cases) {
    for (const auto write : {&FileSystem::replace, &FileSystem::create}) {
      if (write == &FileSystem::create && c.name == "folder"s) continue;
      const auto written = (*files_.*write)(folder_ / c.name, "x");
      ASSERT_FALSE(written) << c.name;
      EXPECT_EQ(written.error().code, ErrorCode::kUnavailable) << c.name;
      EXPECT_THAT(written.error().message, HasSubstr(c.words));
    }
  }
  EXPECT_THAT(names(), ElementsAre("file", "folder"));
}

// A reader sees one content or the other, all of it.
TEST_F(FileSystemTest, ReplaceIsAtomicForWhoReads) {
  const std::string path = folder_ / "file";
  const std::string contents[] = {std::string(50'000, 'a'), std::string(70'000, 'b')};
  ASSERT_TRUE(files_->replace(path, contents[0]));
  std::thread writer([&] {
    for (int round = 0; round < 300; ++round) {
      EXPECT_TRUE(files_->replace(path, contents[round % 2]));
    }
  });
  for (int round = 0; round < 300; ++round) {
    const auto read = files_->read(path, kEnough);
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_TRUE(*read == contents[0] || *read == contents[1]) << read->size();
  }
  writer.join();
}

// Two runtimes of one process, or two containers in which both are process 1, share a folder: each
// must write into unfinished files of its own.
TEST_F(FileSystemTest, WritersThatKnowNothingOfEachOtherNeverMixTheirBytes) {
  std::vector<std::thread> writers;
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([this, letter] {
      const auto files = makePosixFileSystem();
      const std::string path = folder_ / std::string(1, letter);
      const std::string content(200'000, letter);
      for (int round = 0; round < 100; ++round) {
        ASSERT_TRUE(files->replace(path, content));
        const auto read = files->read(path, kEnough);
        ASSERT_TRUE(read) << read.error().message;
        ASSERT_TRUE(*read == content) << letter << " reads " << (*read)[0];
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_THAT(names(), ElementsAre("a", "b", "c", "d"));
}

TEST(UnfinishedNames, AreToldFromOthers) {
  EXPECT_TRUE(isUnfinishedName(".unfinished-1-2"));
  for (const char* name : {"", "key", "unfinished-1", ".unfinished", "x.unfinished-1"}) {
    EXPECT_FALSE(isUnfinishedName(name)) << name;
  }
}

// --- folders -------------------------------------------------------------------------------------

TEST_F(FileSystemTest, MakeFolderMakesThoseAboveItForThisUserAlone) {
  const mode_t before = umask(0);
  ASSERT_TRUE(files_->makeFolder(folder_ / "a/b/c"));
  umask(before);
  for (const char* name : {"a", "a/b", "a/b/c"}) EXPECT_EQ(modeOf(folder_ / name), 0700u) << name;
  EXPECT_TRUE(files_->makeFolder(folder_ / "a/b/c")) << "it is there";
  EXPECT_TRUE(files_->makeFolder(folder_ / "a/b/c/"));
}

TEST_F(FileSystemTest, MakeFolderTakesRelativePathsToo) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  EXPECT_TRUE(files_->makeFolder("one"));
  EXPECT_TRUE(files_->makeFolder("two/three"));
  fs::current_path(before);
  EXPECT_TRUE(fs::is_directory(folder_ / "two/three"));
  EXPECT_THAT(names(), ElementsAre("one", "two"));
}

TEST_F(FileSystemTest, MakeFolderRefusesWhatOthersMayChange) {
  const struct {
    const char* name;
    std::function<void(const std::string&)> make;
    const char* why;
  } cases[] = {
      {"a file", [](const auto& path) { writeFile(path, ""); }, "is no folder"},
      {"a link to a good folder",
       [&](const auto& path) { fs::create_directory_symlink(folder_.path(), path); },
       "is a symbolic link"},
      {"a folder of all",
       [](const auto& path) {
         fs::create_directory(path);
         ASSERT_EQ(chmod(path.c_str(), 0707), 0);
       },
       "may be written to by others (chmod go-w)"},
      {"a folder of the group",
       [](const auto& path) {
         fs::create_directory(path);
         ASSERT_EQ(chmod(path.c_str(), 0770), 0);
       },
       "may be written to by others (chmod go-w)"},
  };
  for (const auto& c : cases) {
    const std::string path = folder_ / "place";
    c.make(path);
    const auto made = files_->makeFolder(path);
    ASSERT_FALSE(made) << c.name;
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidInput) << c.name;
    EXPECT_EQ(made.error().message, path + " " + c.why) << c.name;
    fs::remove_all(path);
  }
}

TEST_F(FileSystemTest, MakeFolderTakesAFolderThatOthersMayOnlyRead) {
  fs::create_directory(folder_ / "place");
  ASSERT_EQ(chmod((folder_ / "place").c_str(), 0755), 0);
  EXPECT_TRUE(files_->makeFolder(folder_ / "place"));
}

TEST_F(FileSystemTest, MakeFolderRefusesAnotherUsers) {
  if (!isRoot()) GTEST_SKIP() << "only root can give folders away";
  fs::create_directory(folder_ / "place");
  ASSERT_EQ(chown((folder_ / "place").c_str(), kNobody, kNobody), 0);
  const auto made = files_->makeFolder(folder_ / "place");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("belongs to another user"));
}

TEST_F(FileSystemTest, MakeFolderSaysWhichFolderCannotBe) {
  ownFile("file");
  const auto below = files_->makeFolder(folder_ / "file/a/b");
  ASSERT_FALSE(below);
  EXPECT_EQ(below.error().message,
            "cannot make the folder " + (folder_ / "file/a") + ": Not a directory");
  EXPECT_FALSE(files_->makeFolder(""));
}

TEST_F(FileSystemTest, ListSaysWhatEachEntryIs) {
  ownFile("file", "12345");
  fs::create_directory(folder_ / "folder");
  fs::create_symlink(folder_ / "file", folder_ / "link");
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  auto entries = files_->list(folder_.path());
  ASSERT_TRUE(entries) << entries.error().message;
  std::ranges::sort(*entries, {}, &FileSystem::Entry::name);
  ASSERT_EQ(entries->size(), 4u);
  const auto& [file, folder, link, pipe] =
      std::tie((*entries)[0], (*entries)[1], (*entries)[2], (*entries)[3]);
  EXPECT_EQ(file.name, "file");
  EXPECT_EQ(file.kind, Kind::kFile);
  EXPECT_EQ(file.bytes, 5u);
  EXPECT_TRUE(file.isOwn);
  EXPECT_LT(std::chrono::abs(std::chrono::system_clock::now() - file.written),
            std::chrono::hours(1));
  EXPECT_EQ(folder.kind, Kind::kFolder);
  EXPECT_EQ(link.kind, Kind::kOther);
  EXPECT_EQ(pipe.kind, Kind::kOther);
}

TEST_F(FileSystemTest, ListKnowsWhatBelongsToOthers) {
  if (!isRoot()) GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(chown(ownFile("file").c_str(), kNobody, kNobody), 0);
  const auto entries = files_->list(folder_.path());
  ASSERT_TRUE(entries);
  EXPECT_FALSE(entries->at(0).isOwn);
}

TEST_F(FileSystemTest, ListOfNoFolder) {
  const auto missing = files_->list(folder_ / "missing");
  ASSERT_TRUE(missing);
  EXPECT_THAT(*missing, IsEmpty());
  const auto file = files_->list(ownFile("file"));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().message, (folder_ / "file") + " is a link, or no folder");
  ASSERT_EQ(symlink(folder_.path().c_str(), (folder_ / "link").c_str()), 0);
  const auto link = files_->list(folder_ / "link");
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code, ErrorCode::kInvalidInput);
}

TEST_F(FileSystemTest, CheckFolderMakesNothing) {
  EXPECT_TRUE(files_->checkFolder(folder_.path()));
  const auto missing = files_->checkFolder(folder_ / "missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "missing"));
  const auto file = files_->checkFolder(ownFile("file"));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kInvalidInput);
}

TEST_F(FileSystemTest, RemoveTakesFilesLinksAndEmptyFolders) {
  const std::string target = ownFile("target");
  const std::string path = folder_ / "place";
  const std::function<void()> makers[] = {
      [&] { ownFile("place"); },
      [&] { fs::create_symlink(target, path); },
      [&] { ASSERT_EQ(mkfifo(path.c_str(), 0600), 0); },
      [&] { fs::create_directory(path); },
      [] {},  // nothing there
  };
  for (const auto& make : makers) {
    make();
    const auto removed = files_->remove(path);
    EXPECT_TRUE(removed);
    EXPECT_THAT(names(), ElementsAre("target"));
  }
}

TEST_F(FileSystemTest, RemoveLeavesAFolderThatIsNotEmpty) {
  fs::create_directories(folder_ / "place/inside");
  const auto removed = files_->remove(folder_ / "place");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().message,
            "cannot remove " + (folder_ / "place") + ": Directory not empty");
  EXPECT_TRUE(fs::exists(folder_ / "place/inside"));
}

}  // namespace
}  // namespace nexus
