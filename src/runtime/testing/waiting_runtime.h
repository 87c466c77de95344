// Runtimes whose calls wait, for an extension of the test's or for somebody outside.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime::testing {

inline const HandlerOptions kAll{
    .capabilities = {"state:read:*", "state:write:*", "events:emit:*", "view:update:*", "ext:*"}};

inline StateSnapshot state(std::string_view json) { return take(StateSnapshot::parse(json)); }

inline RequestAnswer resultOf(uint64_t id, std::string json) {
  return {.id = id, .result = std::move(json), .error = ""};
}
inline RequestAnswer errorOf(uint64_t id, std::string message) {
  return {.id = id, .result = {}, .error = std::move(message)};
}

// Begins to wait for somebody outside; returns under which id.
inline std::string suspend(Runtime& runtime,
                           std::string_view source = "return [await $ext.x.get()]") {
  const ExecutionResult result = runtime.execute(source, kAll);
  EXPECT_EQ(result.status(), CallStatus::kSuspended) << outcomeOf(result);
  return result.suspensionId;
}

inline ExecutionResult resume(Runtime& runtime, std::string_view id,
                              const std::vector<RequestAnswer>& answers,
                              const ResumeContext& context = {}) {
  return runtime.resume(id, answers, context);
}

// True when so many wait, and nothing executes; see eventually().
inline bool eventuallyWaits(const Runtime& runtime, uint64_t count) {
  return eventually([&] {
    const RuntimeStats stats = runtime.stats();
    return stats.suspended == count && stats.instancesActive == 0;
  });
}

// A runtime whose clock stands still until the test moves it.
struct TimedRuntime {
  explicit TimedRuntime(const RuntimeConfig& config = {}, Extensions extensions = {}) {
    RuntimeDependencies outside;
    auto owned = std::make_unique<TestClock>();
    clock = owned.get();
    outside.clock = std::move(owned);
    outside.observer = observer;
    outside.extensions = std::move(extensions);
    runtime = makeRuntime(config, std::move(outside));
  }

  SuspensionStore& store() { return *RuntimeAccess::parts(*runtime).suspensions; }
  bool eventuallyWaits(uint64_t count) { return testing::eventuallyWaits(*runtime, count); }

  const std::shared_ptr<TestObserver> observer = std::make_shared<TestObserver>();
  TestClock* clock = nullptr;
  std::unique_ptr<Runtime> runtime;
};

}  // namespace nexus::runtime::testing
