// The settings of a call and of the sandboxes it runs in. Defaults stand beside the fields; what
// each may be, and its key in files and messages, is in docs/configuration.md.
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
  // Time a call may execute, waiting for extensions not counted; 0 = no limit.
  std::chrono::milliseconds timeout{5000};
  // Records that a handler may hand to the host in one call: log, events, view, extensions, state.
  uint64_t maxHostCalls = 10'000;
  // Distinct keys of the state that a call may write or delete.
  uint64_t maxStateMutations = 1000;
  uint64_t maxEvents = 100;
  // Extension requests of one call that wait at the same time.
  uint64_t maxPendingRequests = 64;
  uint64_t maxSourceBytes = 1ull << 20;
  // Everything a call takes in: arguments, scope, what it reads of the state, results of
  // extensions.
  uint64_t maxInputBytes = 16ull << 20;
  // Everything the host must hold for a call: value, log, state, events, view and requests.
  uint64_t maxOutputBytes = 16ull << 20;
  uint64_t maxLogBytes = 64ull << 10;
};

// kInvalidInput with the key, the value and what is allowed, for the first setting that is
// impossible.
Status validate(const RuntimeConfig& config);

}  // namespace nexus
