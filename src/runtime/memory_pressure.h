// Whether the machine, or the group that this process belongs to, runs out of memory.
#pragma once

#include <memory>
#include <string>

namespace nexus::runtime {

// Asked now and then, by one thread.
class MemoryPressure {
 public:
  MemoryPressure() = default;
  MemoryPressure(const MemoryPressure&) = delete;
  MemoryPressure& operator=(const MemoryPressure&) = delete;
  virtual ~MemoryPressure() = default;

  virtual bool isHigh() = 0;
};

// Where a system tells it.
struct PressureSources {
  std::string groups = "/sys/fs/cgroup";
  std::string ownGroup = "/proc/self/cgroup";
  std::string machine = "/proc/meminfo";
};

// High when a control group of this process (cgroup v2, its own or one above it) uses nine tenths
// of its memory.max, and on systems without such groups when less than a twentieth of the machine's
// memory is available. Files that the system holds in memory and that nobody looked at lately do
// not count as used: it drops them before anything else.
std::unique_ptr<MemoryPressure> makeSystemMemoryPressure(const PressureSources& sources = {});

}  // namespace nexus::runtime
