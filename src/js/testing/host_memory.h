// What the host itself allocates, counted: this program's operator new is replaced, except where a
// sanitizer has replaced it already; there nothing counts.
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

}  // namespace nexus::js::testing
