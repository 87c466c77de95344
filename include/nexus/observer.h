// Listening to what a Runtime does: for metrics, logs and traces.
//
// The methods do nothing by default. They are called from the threads that run calls, several at
// once, while nothing is locked; what they take is added to the call. They must not throw, and must
// not call the Runtime.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "nexus/execution.h"
#include "nexus/export.h"

namespace nexus {

// Views stay valid for the call of the observer only.
struct CallReport {
  CallStatus status = CallStatus::kSuccess;
  const Error* error = nullptr;  // when it failed
  const ExecutionMetrics* metrics = nullptr;
  std::chrono::microseconds wait{0};  // for an instance
  uint64_t instanceId = 0;            // 0: it got none
};

struct CacheReport {
  CacheTier tier = CacheTier::kMemory;
  enum class Result {
    kHit,
    kMiss,
    kRejected,  // on disk: there was an entry, and it was not to be trusted
    kFailed,    // on disk: reading or writing did not work
  } result = Result::kMiss;
  std::string_view detail;  // of the last two
};

struct CompileReport {
  std::chrono::microseconds duration{0};
  const Error* error = nullptr;  // when it failed
};

// What became of a call that was to wait for the host.
enum class SuspensionOutcome {
  kSuspended,  // it waits
  kResumed,    // it goes on
  kExpired,    // it has waited too long
  kDropped,    // by the caller, or its call has ended meanwhile
  kRefused,    // it could not wait: a limit
};
inline constexpr size_t kSuspensionOutcomes = 5;

NEXUS_API std::string_view toString(SuspensionOutcome outcome);

class NEXUS_API Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  virtual void onCall(const CallReport& /*report*/) noexcept {}
  virtual void onCache(const CacheReport& /*report*/) noexcept {}
  virtual void onCompile(const CompileReport& /*report*/) noexcept {}
  virtual void onSuspension(SuspensionOutcome /*outcome*/) noexcept {}
  // Compiled handlers, or images of handlers, left a tier to make room.
  virtual void onEviction(CacheTier /*tier*/, uint64_t /*count*/) noexcept {}
  // An instance could not be restored, and is replaced.
  virtual void onInstanceDiscarded(uint64_t /*instanceId*/) noexcept {}
};

}  // namespace nexus
