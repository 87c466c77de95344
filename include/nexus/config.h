// The settings of a runtime, of its calls and of the sandboxes they run in. Defaults stand beside
// the fields; what each may be, and its key in files and messages, is in docs/configuration.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "nexus/export.h"
#include "nexus/result.h"

namespace nexus {

struct RuntimeConfig {
  // Sandboxes that execute at once, and those made before the first call.
  uint64_t maxInstances = 10;
  uint64_t minInstances = 1;
  // Threads for asynchronous calls, 0 for one a core; and how many of those may wait for one.
  uint64_t workerThreads = 0;
  uint64_t maxQueue = 10'000;
  // WebAssembly memory of one sandbox: the engine's own 2 MiB and everything a handler allocates.
  uint64_t memoryLimitBytes = 32ull << 20;
  // JavaScript stack of one sandbox.
  uint64_t stackSizeBytes = 256ull << 10;
  // Time a call may execute, waiting for extensions not counted; 0 = no limit.
  std::chrono::milliseconds timeout{5000};
  // Time a call may wait for an instance; 0: it does not wait.
  std::chrono::milliseconds acquireTimeout{30'000};
  // Records that a handler may hand to the host in one call: log, events, view, extensions, state.
  uint64_t maxHostCalls = 10'000;
  // Distinct keys of the state that a call may write or delete.
  uint64_t maxStateMutations = 1000;
  uint64_t maxEvents = 100;
  // Extension requests of one call that wait at the same time.
  uint64_t maxPendingRequests = 64;
  // Calls that wait for extensions or for resume: how many at once, what they may take together
  // with the handlers that they hold, and for how long each.
  uint64_t maxSuspended = 1'000'000;
  uint64_t maxSuspendedBytes = 4ull << 30;
  std::chrono::milliseconds suspendTimeout{300'000};
  uint64_t maxSourceBytes = 1ull << 20;
  // Everything a call takes in: arguments, scope, what it reads of the state, results of
  // extensions.
  uint64_t maxInputBytes = 16ull << 20;
  // Everything the host must hold for a call: value, log, state, events, view and requests.
  uint64_t maxOutputBytes = 16ull << 20;
  uint64_t maxLogBytes = 64ull << 10;
  // The folder of the disk tier of the compile cache; empty: there is none.
  std::string cacheDir;
  // What compiled handlers may take in memory, and on disk.
  uint64_t maxCacheSize = 64ull << 20;
  uint64_t maxDiskCacheBytes = 1ull << 30;
};

// kInvalidInput with the key, the value and what is allowed, for the first setting that is
// impossible.
NEXUS_API Status validate(const RuntimeConfig& config);

}  // namespace nexus
