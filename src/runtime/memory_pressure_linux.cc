#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "runtime/memory_pressure.h"

namespace nexus::runtime {
namespace {

// The first line of a file; empty when there is none.
std::string firstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// Of this process, from its own up to the root.
std::vector<std::string> groupFolders(const PressureSources& sources) {
  std::vector<std::string> folders;
  std::ifstream groups(sources.ownGroup);
  std::string line;
  while (std::getline(groups, line)) {
    constexpr std::string_view kUnified = "0::";
    if (!line.starts_with(kUnified)) continue;
    std::string group = line.substr(kUnified.size());
    while (group.size() > 1 && group[0] == '/') {
      folders.push_back(sources.groups + group);
      group.resize(group.rfind('/'));
    }
  }
  // Inside of a container with a view of its own, its group is the root.
  folders.push_back(sources.groups);
  return folders;
}

// The number in the line of a file that begins with this name.
std::optional<uint64_t> numberIn(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(name)) continue;
    const size_t digits = line.find_first_of("0123456789");
    if (digits != std::string::npos) return number(std::string_view(line).substr(digits));
  }
  return std::nullopt;
}

class SystemMemoryPressure final : public MemoryPressure {
 public:
  explicit SystemMemoryPressure(const PressureSources& sources)
      : folders_(groupFolders(sources)), machine_(sources.machine) {}

  bool isHigh() override {
    bool isLimited = false;
    for (const std::string& folder : folders_) {
      const auto most = number(firstLine(folder + "/memory.max"));  // or "max"
      const auto used = number(firstLine(folder + "/memory.current"));
      if (!most || !used) continue;
      isLimited = true;
      const uint64_t spare = numberIn(folder + "/memory.stat", "inactive_file ").value_or(0);
      if (*used - std::min(*used, spare) >= *most - *most / 10) return true;
    }
    if (isLimited) return false;
    const auto total = numberIn(machine_, "MemTotal:");
    const auto available = numberIn(machine_, "MemAvailable:");
    return total && available && *available < *total / 20;
  }

 private:
  const std::vector<std::string> folders_;
  const std::string machine_;
};

}  // namespace

std::unique_ptr<MemoryPressure> makeSystemMemoryPressure(const PressureSources& sources) {
  return std::make_unique<SystemMemoryPressure>(sources);
}

}  // namespace nexus::runtime
