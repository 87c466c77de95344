// Calls that wait, without a runtime around them: to be put into a store.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "runtime/suspension_store.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime::testing {

// What waits for $ext.x.get() and returns what it got, with what it was given.
inline constexpr char kAsks[] = "return [$args.n, await $ext.x.get()]";

struct StoreRig : EngineRig {
  explicit StoreRig(const SuspensionStore::Options& options = {})
      : store(options, clock, observer), asks(compile(kAsks)) {}

  // A call of the handler that has just begun to wait.
  Suspension suspend(const std::shared_ptr<const js::Handler>& handler, int n,
                     std::shared_ptr<Inbox> inbox = nullptr);
  SuspensionId put(int n, std::shared_ptr<Inbox> inbox = nullptr) {
    return testing::take(store.put(suspend(asks, n, std::move(inbox))));
  }
  // What it comes to when its request is answered with 7.
  std::string resume(Suspension suspension);
  // "ok", or the error's code.
  std::string take(const SuspensionId& id) { return codeOf(store.take(id)); }

  TestClock clock;
  TestObserver observer;
  SuspensionStore store;
  const std::shared_ptr<const js::Handler> asks;
};

}  // namespace nexus::runtime::testing
