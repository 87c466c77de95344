#include "runtime/wasm_instance.h"

#include <new>
#include <string>
#include <utility>

namespace nexus::runtime {

std::string_view toString(InstanceState state) {
  switch (state) {
    case InstanceState::Idle:
      return "idle";
    case InstanceState::Executing:
      return "executing";
    case InstanceState::Suspended:
      return "suspended";
    case InstanceState::Terminated:
      return "terminated";
  }
  return "terminated";
}

Result<std::unique_ptr<WasmInstance>> WasmInstance::make(js::JsEngine& engine, uint64_t id) {
  auto sandbox = js::JsSandbox::make(engine);
  if (!sandbox) return std::move(sandbox).error();
  return std::unique_ptr<WasmInstance>(new WasmInstance(std::move(*sandbox), id));
}

// Only the lease's holder enters states, but terminate() may come from anywhere.
bool WasmInstance::enter(InstanceState from, InstanceState to) {
  return state_.compare_exchange_strong(from, to, std::memory_order_relaxed);
}

Error WasmInstance::refusal(std::string_view step) const {
  const InstanceState now = state();
  const bool isOver = now == InstanceState::Terminated;
  return Error{.code = isOver ? ErrorCode::kCancelled : ErrorCode::kInternalError,
               .message = "instance " + std::to_string(id_) + " is " + std::string(toString(now)) +
                          ": it cannot " + std::string(step)};
}

ExecutionResult WasmInstance::execute(const js::Handler& handler, const js::CallInput& input) {
  if (!enter(InstanceState::Idle, InstanceState::Executing)) {
    ExecutionResult result;
    result.error = refusal("execute");
    return result;
  }
  ExecutionResult result = sandbox_->invoke(handler, input);
  if (result.status() == CallStatus::kSuspended) {
    enter(InstanceState::Executing, InstanceState::Suspended);
  }
  return result;
}

Result<ExecutionResult> WasmInstance::resume(const js::Handler& handler, const js::CallInput& input,
                                             std::span<const js::Settlement> settlements) {
  if (!enter(InstanceState::Suspended, InstanceState::Executing)) return refusal("resume");
  auto result = sandbox_->resume(handler, input, settlements);
  const bool waits = !result || result->status() == CallStatus::kSuspended;
  if (waits) enter(InstanceState::Executing, InstanceState::Suspended);
  return result;
}

Result<js::SuspendedCall> WasmInstance::suspend(std::shared_ptr<const js::Handler> handler) {
  if (state() != InstanceState::Suspended) return refusal("suspend");
  auto call = sandbox_->suspend(std::move(handler));
  if (call && !enter(InstanceState::Suspended, InstanceState::Idle)) return refusal("suspend");
  return call;
}

Result<ExecutionResult> WasmInstance::resume(js::SuspendedCall& call, const js::CallInput& input,
                                             std::span<const js::Settlement> settlements) {
  if (!enter(InstanceState::Idle, InstanceState::Executing)) return refusal("resume");
  auto result = sandbox_->resume(call, input, settlements);
  if (result && result->status() == CallStatus::kSuspended) {
    enter(InstanceState::Executing, InstanceState::Suspended);
  }
  return result;
}

Result<std::shared_ptr<const js::Handler>> WasmInstance::compile(std::string_view source,
                                                                 const js::RunLimit& limit) {
  if (!enter(InstanceState::Idle, InstanceState::Executing)) return refusal("compile");
  return sandbox_->compile(source, limit);
}

Result<std::shared_ptr<const js::Handler>> WasmInstance::load(
    std::shared_ptr<const js::HandlerCode> code) {
  if (!enter(InstanceState::Idle, InstanceState::Executing)) return refusal("load");
  return sandbox_->load(std::move(code));
}

bool WasmInstance::reset() noexcept {
  const InstanceState from = state();
  if (from == InstanceState::Idle) return true;
  if (from != InstanceState::Terminated && restore() && enter(from, InstanceState::Idle)) {
    return true;
  }
  terminate();
  return false;
}

bool WasmInstance::restore() noexcept {
  try {
    return sandbox_->restore();
  } catch (const std::bad_alloc&) {
    return false;  // content that is nobody's
  }
}

bool WasmInstance::trim() noexcept {
  sandbox_->trim();
  // Says whether the system went along.
  if (restore()) return true;
  terminate();
  return false;
}

void WasmInstance::terminate() noexcept {
  state_.store(InstanceState::Terminated, std::memory_order_relaxed);
  sandbox_->retire();
}

}  // namespace nexus::runtime
