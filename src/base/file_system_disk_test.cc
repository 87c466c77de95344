// FileSystem on disks that are full, and on disks that cannot be written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/testing/small_disk.h"
#include "base/testing/temp_folder.h"

namespace nexus {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::readFile;
using testing::SmallDisk;
using testing::TempFolder;

constexpr uint64_t kDiskBytes = 256 * 1024;

class FileSystemDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    disk_ = SmallDisk::mount(folder_.path(), kDiskBytes);
    if (disk_ == nullptr) GTEST_SKIP() << "a disk can only be mounted as root";
    ASSERT_TRUE(files_->replace(path_, "before"));
  }

  size_t entries() {
    const auto listed = files_->list(folder_.path());
    return listed ? listed->size() : 0;
  }

  TempFolder folder_;
  const std::string path_ = folder_ / "file";
  const std::unique_ptr<FileSystem> files_ = makePosixFileSystem();
  std::unique_ptr<SmallDisk> disk_;
};

TEST_F(FileSystemDiskTest, AFullDiskKeepsWhatWasThereAndNothingUnfinished) {
  disk_->fillUp();
  const size_t before = entries();
  for (const auto write : {&FileSystem::replace, &FileSystem::create}) {
    const auto written = (*files_.*write)(path_, std::string(10'000, 'x'));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(written.error().message, "cannot write " + path_ + ": No space left on device");
    EXPECT_EQ(readFile(path_), "before");
    EXPECT_EQ(entries(), before);
  }
  disk_->makeRoom();
  EXPECT_TRUE(files_->replace(path_, std::string(10'000, 'x')));
}

// What is larger than the disk fails when half of it is written.
TEST_F(FileSystemDiskTest, ADiskThatGetsFullOnTheWayKeepsNothingUnfinished) {
  EXPECT_FALSE(files_->replace(path_, std::string(2 * kDiskBytes, 'x')));
  EXPECT_EQ(entries(), 1u);
  EXPECT_TRUE(files_->replace(path_, std::string(kDiskBytes / 2, 'x')));
}

TEST_F(FileSystemDiskTest, AReadOnlyDiskIsReadAndNotWritten) {
  ASSERT_TRUE(files_->makeFolder(folder_ / "folder"));
  disk_->makeReadOnly();
  EXPECT_EQ(files_->read(path_, 100).value(), "before");
  EXPECT_EQ(entries(), 2u);
  EXPECT_TRUE(files_->makeFolder(folder_ / "folder")) << "it is there";
  for (const Status& refused :
       {files_->replace(path_, "x"), files_->create(folder_ / "new", "x"), files_->remove(path_),
        files_->remove(folder_ / "folder"), files_->makeFolder(folder_ / "new")}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(refused.error().message, HasSubstr("Read-only file system"));
  }
}

}  // namespace
}  // namespace nexus
