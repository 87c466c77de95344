// What this process has of the machine's memory.
#pragma once

#include <cstdint>

namespace nexus::runtime::testing {

// Resident bytes, when the allocator has given back what it can.
uint64_t residentBytes();

// Whether that says anything: sanitizers keep what was freed.
bool isMemoryMeasured();

}  // namespace nexus::runtime::testing
