#include "sandbox/native/activation.h"

#include <atomic>

#include "sandbox/native/fault_handler.h"

namespace nexus::sandbox {
namespace {

// Read by the fault handler: initial-exec access allocates nothing and calls nothing.
__attribute__((tls_model("initial-exec"))) thread_local Activation* tCurrent = nullptr;

struct Run {
  const GuestEntry* entry;
  SanitizerFiber* fiber;  // null when nested: the stack does not change
  uint64_t value;
};

// Begins on one fiber and, when the guest traps, never ends: invisible to the thread sanitizer.
__attribute__((no_sanitize("thread"))) uint64_t runOnGuestStack(void* opaque) {
  auto* run = static_cast<Run*>(opaque);
  if (run->fiber != nullptr) run->fiber->afterSwitchIn();
  run->value = run->entry->invoke(run->entry->instance, run->entry->args);
  if (run->fiber != nullptr) run->fiber->beforeReturn();
  return static_cast<uint64_t>(Trap::kNone);
}

// By an outer activation: another sandbox's import is running on top of it, and there is no telling
// where its frames end.
bool isInUse(const NativeStack& stack) {
  for (const Activation* outer = tCurrent; outer != nullptr; outer = outer->previous) {
    if (outer->stack == &stack) return true;
  }
  return false;
}

}  // namespace

Activation* Activation::current() noexcept { return tCurrent; }

CallResult enterGuest(const GuestEntry& entry, GuestMemory& memory, NativeStack& stack,
                      SanitizerFiber& fiber) {
  const bool nested = tCurrent != nullptr && tCurrent->stack == &stack;
  if (!nested && isInUse(stack)) return {Trap::kHostRefused};
  if (!nested) prepareThreadForFaults();
  Activation activation{.previous = tCurrent, .memory = &memory, .stack = &stack};
  Run run{&entry, nested ? nullptr : &fiber, 0};
  tCurrent = &activation;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (!nested) fiber.beforeEntry(stack);
  const auto trap = static_cast<Trap>(nexus_enter_stack(
      nested ? nullptr : stack.top(), runOnGuestStack, &run, &activation.savedStack));
  if (!nested) {
    if (trap != Trap::kNone) fiber.afterTrap(stack);
    fiber.afterReturn();
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
  tCurrent = activation.previous;
  return {trap, Tainted(run.value)};
}

}  // namespace nexus::sandbox

void nexus_guest_trap(int trap) {
  nexus_leave_stack(nexus::sandbox::Activation::current()->savedStack, static_cast<uint64_t>(trap));
}
