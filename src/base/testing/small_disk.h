// A disk of a few kilobytes that can be full or read-only, for tests that run as root.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace nexus::testing {

// Mounted in a mount namespace that the calling thread and what it starts alone see, so that
// nothing is left behind by a test that dies. The thread stays in that namespace.
class SmallDisk {
 public:
  // On an existing folder. Null where the system does not let us mount: skip the test.
  static std::unique_ptr<SmallDisk> mount(const std::string& folder, uint64_t bytes);
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk();

  // Takes all that is left, and gives it back.
  void fillUp();
  void makeRoom();
  void makeReadOnly();

 private:
  explicit SmallDisk(std::string folder) : folder_(std::move(folder)) {}
  std::string ballast() const { return folder_ + "/ballast"; }

  const std::string folder_;
};

}  // namespace nexus::testing
