// What the host itself allocates, counted, and refused when a test says so: this program's operator
// new is replaced, except where a sanitizer has replaced it already; there nothing counts or fails.
#pragma once

#include <cstdint>

namespace nexus::js::testing {

// Bytes allocated and not freed, of all threads.
uint64_t hostBytes();

// The most that it was since the life of this began, beyond what it was then. One at a time.
class HostBytesPeak {
 public:
  HostBytesPeak();
  HostBytesPeak(const HostBytesPeak&) = delete;
  HostBytesPeak& operator=(const HostBytesPeak&) = delete;
  ~HostBytesPeak() = default;

  uint64_t grown() const;

 private:
  const uint64_t before_;
};

// As long as it lives, the allocation of this thread after so many others fails: one alone.
class FailingAllocation {
 public:
  explicit FailingAllocation(uint64_t after);
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  ~FailingAllocation();

  bool hasFailed() const;
};

}  // namespace nexus::js::testing
