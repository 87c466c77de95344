#include "runtime/testing/test_extension.h"

#include <gtest/gtest.h>

#include <utility>

#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime::testing {

void TestExtension::call(ExtensionCall call, ExtensionReply reply) noexcept {
  calls_.fetch_add(1);
  if (act_) return act_(std::move(call), std::move(reply));
  const MutexLock lock(mutex_);
  kept_.push_back({std::move(call), std::move(reply)});
}

uint64_t TestExtension::kept() const {
  const MutexLock lock(mutex_);
  return kept_.size();
}

TestExtension::Request TestExtension::take() {
  if (!eventually([this] { return kept() > 0; })) {
    ADD_FAILURE() << "no request has come";
    return {{}, ExtensionReply(nullptr)};
  }
  const MutexLock lock(mutex_);
  Request request = std::move(kept_.front());
  kept_.pop_front();
  return request;
}

Extensions extensions(std::map<std::string, std::shared_ptr<TestExtension>> byAlias) {
  return {byAlias.begin(), byAlias.end()};
}

}  // namespace nexus::runtime::testing
