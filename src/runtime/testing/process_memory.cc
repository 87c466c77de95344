#include "runtime/testing/process_memory.h"

#include <malloc.h>
#include <unistd.h>

#include <fstream>

namespace nexus::runtime::testing {

uint64_t residentBytes() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

bool isMemoryMeasured() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return true;
#endif
}

}  // namespace nexus::runtime::testing
