// What a run that did not succeed is called.
#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "js/js_sandbox.h"
#include "js/outcome.h"

namespace nexus::js {

using sandbox::CallEnd;
using sandbox::Trap;

bool JsSandbox::wasInterrupted(const Attempt& attempt) const {
  return host_->record().interrupted || attempt.trap == Trap::kStopped ||
         attempt.end == CallEnd::kCancelled;
}

Error JsSandbox::explain(const Attempt& attempt, ErrorCode code, std::string_view source) const {
  const RuntimeConfig& config = engine_.config();
  if (host_->record().refusal) return *host_->record().refusal;
  if (host_->record().outOfHostMemory) return outOfHostMemory();
  if (wasInterrupted(attempt)) return explainInterruption(attempt, source);
  if (attempt.trap != Trap::kNone) return explainTrap(attempt);
  if (attempt.closesWrapper) {
    return Error{.code = ErrorCode::kCompilationError,
                 .message = "the text is not one function body: a '}' closes it before its end"};
  }
  const uint64_t held = attempt.valueBytes + host_->book().outputBytes;
  if (held > config.maxOutputBytes) {
    return limitError(ErrorCode::kResourceLimit, "max_output_bytes", config.maxOutputBytes, held,
                      "the result is too long: with it the call holds more than "
                      "max_output_bytes, " +
                          std::to_string(config.maxOutputBytes));
  }
  if (attempt.neverSettles) {
    return Error{.code = ErrorCode::kExecutionError,
                 .message = "the handler waits for a promise that nothing can settle"};
  }
  if (attempt.thrown) return explainThrown(attempt, code, source);
  if (attempt.isMisfit) {
    return Error{.code = ErrorCode::kExecutionError, .message = "the result cannot be JSON"};
  }
  if (sandbox_->refusedGrowth() > 0) return memoryLimit();
  if (attempt.seedMissing) {
    return Error{.code = ErrorCode::kInternalError,
                 .message = "the system gives no random numbers (getrandom)"};
  }
  return Error{.code = ErrorCode::kInternalError, .message = "the guest gave no answer"};
}

Error JsSandbox::explainInterruption(const Attempt& attempt, std::string_view source) const {
  Error error;
  if (attempt.thrown) error = makeError(ErrorCode::kTimeout, *attempt.thrown, source);
  if (attempt.end == CallEnd::kCancelled) {
    error.code = ErrorCode::kCancelled;
    error.message = "the call was cancelled";
    return error;
  }
  const auto timeoutMs = static_cast<uint64_t>(timeout_.count());
  error.code = ErrorCode::kTimeout;
  error.message = "the call executed longer than timeout_ms, " + std::to_string(timeoutMs) + " ms";
  const auto executed =
      std::chrono::duration_cast<std::chrono::milliseconds>(host_->book().executed);
  error.limit = LimitReport{"timeout_ms", timeoutMs, static_cast<uint64_t>(executed.count())};
  return error;
}

Error JsSandbox::explainTrap(const Attempt& attempt) const {
  switch (attempt.trap) {
    case Trap::kStackExhausted:
      return stackOverflow();
    case Trap::kOutOfBounds:
      // Unguarded recursion in the engine's own C takes the guest's stack pointer below zero.
      if (!sandbox_->global(engine_.api().stackPointer).atMost(engine_.base().stackTop))
        return stackOverflow();
      break;
    case Trap::kUnreachable:
      if (sandbox_->refusedGrowth() > 0) return memoryLimit();
      break;
    case Trap::kTrackingLost:
      return cannotRestore();
    default:
      break;
  }
  return Error{.code = ErrorCode::kInternalError,
               .message = "the JavaScript engine failed inside its sandbox (" +
                          std::string(sandbox::toString(attempt.trap)) +
                          "); nothing outside of it was touched"};
}

Error JsSandbox::explainThrown(const Attempt& attempt, ErrorCode code,
                               std::string_view source) const {
  const ThrownValue& thrown = *attempt.thrown;
  Error error = makeError(code, thrown, source);
  // Only a denial that did happen is one, whatever the guest says.
  if (thrown.denial && *thrown.denial < host_->book().denials) {
    const auto& texts = host_->book().denialTexts;
    error.code = ErrorCode::kPermissionDenied;
    error.message = *thrown.denial < texts.size() ? texts[*thrown.denial] : thrown.message;
    return error;
  }
  Error limit;
  if (thrown.isOutOfMemory() && sandbox_->refusedGrowth() > 0) {
    limit = memoryLimit();
  } else if (thrown.isStackOverflow() && reachedStackLimit()) {
    limit = stackOverflow();
  } else {
    return error;
  }
  error.code = limit.code;
  error.message = std::move(limit.message);
  error.limit = std::move(limit.limit);
  return error;
}

// Whether the guest's stack, which grows down, came near the limit of JavaScript's part: it is zero
// there in every image.
bool JsSandbox::reachedStackLimit() const {
  // The deepest frame of the engine that looks whether there is room, and what it asks for.
  constexpr uint64_t kNear = 16384;
  const uint32_t top = engine_.base().stackTop;
  const uint64_t depth = engine_.config().stackSizeBytes;
  if (depth + kNear > top) return true;
  std::array<std::byte, 2 * kNear> nearLimit;
  const auto begin = static_cast<uint32_t>(top - depth - kNear);
  if (!sandbox_->copyOut(begin, nearLimit)) return true;
  return std::any_of(nearLimit.begin(), nearLimit.end(),
                     [](std::byte byte) { return byte != std::byte{0}; });
}

Error JsSandbox::memoryLimit() const {
  const uint64_t limit = engine_.config().memoryLimitBytes;
  return limitError(
      ErrorCode::kMemoryLimit, "memory_limit_bytes", limit, sandbox_->refusedGrowth(),
      "an allocation beyond memory_limit_bytes, " + std::to_string(limit) + ", was refused");
}

Error JsSandbox::stackOverflow() const {
  const uint64_t limit = engine_.config().stackSizeBytes;
  return limitError(
      ErrorCode::kStackOverflow, "stack_size_bytes", limit, limit,
      "the recursion is deeper than stack_size_bytes, " + std::to_string(limit) + ", allows");
}

}  // namespace nexus::js
