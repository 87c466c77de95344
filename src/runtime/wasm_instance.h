// A sandbox that the pool owns. Its state says what it is in the middle of; a step that does not
// fit its state is refused, and the instance not used again.
//
//            execute, compile, load              reset
//   Idle ───────────────────────► Executing ───────────► Idle
//                                     │ waits              ▲
//                                     ▼        reset       │
//                                 Suspended ── or suspend ─┘
//                                     │ resume ──► Executing
//   any ── terminate ──► Terminated
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "js/js_sandbox.h"

namespace nexus::runtime {

enum class InstanceState { Idle, Executing, Suspended, Terminated };

std::string_view toString(InstanceState state);

// For the thread that holds the lease, but for id, state and terminate: any thread.
class WasmInstance {
 public:
  // kUnavailable when the system refuses memory.
  static Result<std::unique_ptr<WasmInstance>> make(js::JsEngine& engine, uint64_t id);

  uint64_t id() const { return id_; }
  InstanceState state() const { return state_.load(std::memory_order_relaxed); }
  // Linear memory, in bytes.
  uint64_t memoryUsed() const { return sandbox_->raw().memoryBytes(); }
  // Whether it would run this image without copying it in.
  bool holds(const sandbox::Image* image) const { return sandbox_->image() == image; }

  // As JsSandbox; kInternalError when the instance is not in the state for it, kCancelled when it
  // is Terminated.
  ExecutionResult execute(const js::Handler& handler, const js::CallInput& input);
  Result<ExecutionResult> resume(const js::Handler& handler, const js::CallInput& input,
                                 std::span<const js::Settlement> settlements);
  // Takes a call out that the last step left suspended: then it is Idle.
  Result<js::SuspendedCall> suspend(std::shared_ptr<const js::Handler> handler);
  Result<ExecutionResult> resume(js::SuspendedCall& call, const js::CallInput& input,
                                 std::span<const js::Settlement> settlements);
  Result<std::shared_ptr<const js::Handler>> compile(std::string_view source,
                                                     const js::RunLimit& limit);
  Result<std::shared_ptr<const js::Handler>> load(std::shared_ptr<const js::HandlerCode> code);

  // Nothing of the last call is left. False: it cannot be used any more, and is Terminated.
  [[nodiscard]] bool reset() noexcept;

  // Ends what it executes or is about to, with kCancelled; it never begins anything again.
  void terminate() noexcept;

  // Of an idle one: gives back memory that it does not need meanwhile. False: it is Terminated.
  [[nodiscard]] bool trim() noexcept;

 private:
  WasmInstance(std::unique_ptr<js::JsSandbox> sandbox, uint64_t id)
      : sandbox_(std::move(sandbox)), id_(id) {}

  bool enter(InstanceState from, InstanceState to);
  Error refusal(std::string_view step) const;
  bool restore() noexcept;

  const std::unique_ptr<js::JsSandbox> sandbox_;
  const uint64_t id_;
  std::atomic<InstanceState> state_{InstanceState::Idle};
};

}  // namespace nexus::runtime
