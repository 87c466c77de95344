// A benchmark of something that fails measures nothing: it ends.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "nexus/result.h"

namespace nexus::app {

[[noreturn]] inline void failMeasuring(const std::string& what) {
  std::fprintf(stderr, "nexus bench: %s\n", what.c_str());
  std::abort();
}

template <typename T>
T orFail(Result<T> result) {
  if (!result) failMeasuring(result.error().message);
  return std::move(result).value();
}

inline uint64_t residentBytes() {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "r"),
                                                       std::fclose);
  unsigned long long total = 0;
  unsigned long long resident = 0;
  if (!file || std::fscanf(file.get(), "%llu %llu", &total, &resident) != 2) {
    failMeasuring("no /proc/self/statm");
  }
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace nexus::app
