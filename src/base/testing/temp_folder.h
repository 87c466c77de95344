// A folder of a test's own, gone with all that is in it when the test ends.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace nexus::testing {

class TempFolder {
 public:
  TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// All of a file; empty when there is none.
std::string readFile(const std::filesystem::path& path);
// Makes or overwrites it, in place.
void writeFile(const std::filesystem::path& path, std::string_view bytes);

// How tests ask whether they may change owners and mount disks.
bool isRoot();
inline constexpr unsigned kNobody = 65534;

}  // namespace nexus::testing
