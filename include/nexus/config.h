// The settings of a call and of the sandboxes it runs in. Defaults stand beside the fields.
#pragma once

#include <chrono>
#include <cstdint>

#include "nexus/result.h"

namespace nexus {

struct RuntimeConfig {
  // WebAssembly memory of one sandbox: the engine's own 2 MiB and everything a handler allocates.
  uint64_t memoryLimitBytes = 32ull << 20;
  // JavaScript stack of one sandbox.
  uint64_t stackSizeBytes = 256ull << 10;
  // Time a call may execute; 0 = no limit.
  std::chrono::milliseconds timeout{5000};
  // Records that a handler may hand to the host in one call.
  uint64_t maxHostCalls = 10'000;
  uint64_t maxSourceBytes = 1ull << 20;
  uint64_t maxInputBytes = 16ull << 20;
  // Everything the host must hold for a call: its value or error, and its log.
  uint64_t maxOutputBytes = 16ull << 20;
  uint64_t maxLogBytes = 64ull << 10;
};

// kInvalidInput with the key, the value and what is allowed, for the first setting that is
// impossible.
Status validate(const RuntimeConfig& config);

}  // namespace nexus
