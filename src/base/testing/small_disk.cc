#include "base/testing/small_disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

namespace nexus::testing {

std::unique_ptr<SmallDisk> SmallDisk::mount(const std::string& folder, uint64_t bytes) {
  if (unshare(CLONE_NEWNS) != 0) return nullptr;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return nullptr;
  const std::string options = "mode=0700,size=" + std::to_string(bytes);
  if (::mount("none", folder.c_str(), "tmpfs", 0, options.c_str()) != 0) return nullptr;
  return std::unique_ptr<SmallDisk>(new SmallDisk(folder));
}

SmallDisk::~SmallDisk() { EXPECT_EQ(umount2(folder_.c_str(), MNT_DETACH), 0); }

void SmallDisk::fillUp() {
  const int file = open(ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  const std::string page(4096, 'x');
  while (write(file, page.data(), page.size()) > 0) {
  }
  EXPECT_EQ(errno, ENOSPC);
  close(file);
}

void SmallDisk::makeRoom() { EXPECT_EQ(unlink(ballast().c_str()), 0); }

void SmallDisk::makeReadOnly() {
  EXPECT_EQ(::mount("none", folder_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
}

}  // namespace nexus::testing
