// An extension whose answers a test gives: at once, later, from wherever, or not at all.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "nexus/extension.h"
#include "runtime/call_run.h"

namespace nexus::runtime::testing {

// Answers no method whose name begins with "nobody".
class TestExtension final : public Extension {
 public:
  // What it does with each request.
  using Act = std::function<void(ExtensionCall call, ExtensionReply reply)>;
  struct Request {
    ExtensionCall call;
    ExtensionReply reply;
  };

  // Without an act it keeps the requests.
  explicit TestExtension(Act act = nullptr) : act_(std::move(act)) {}

  bool answers(std::string_view method) const noexcept override {
    return !method.starts_with("nobody");
  }
  void call(ExtensionCall call, ExtensionReply reply) noexcept override;

  uint64_t calls() const { return calls_.load(); }
  uint64_t kept() const;
  // The oldest one that is kept. The test fails when none comes.
  Request take();

 private:
  const Act act_;
  std::atomic<uint64_t> calls_{0};
  mutable Mutex mutex_;
  std::deque<Request> kept_ NEXUS_GUARDED_BY(mutex_);
};

// Under one alias each.
Extensions extensions(std::map<std::string, std::shared_ptr<TestExtension>> byAlias);

}  // namespace nexus::runtime::testing
