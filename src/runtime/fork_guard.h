// Whether this process is still the one in which something began. A child of fork(2) has its
// memory, but none of its threads.
#pragma once

#include <cstdint>

namespace nexus::runtime {

class ForkGuard {
 public:
  ForkGuard();
  // Costs one load.
  bool isSameProcess() const;

 private:
  uint64_t generation_;
};

}  // namespace nexus::runtime
