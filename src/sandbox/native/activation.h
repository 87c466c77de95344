// One entry into a guest, from the moment its stack is switched to until it returns or traps.
//
// A trap abandons everything between the guest's frames and the entry: no destructor runs, so
// nothing that needs one may live there. Imports, which are C++, end before a trap is raised.
//
//   caller's stack                sandbox's stack
//   enterGuest ───────────────►   run(argument) ─► generated code ─► import ─► enterGuest (nested)
//        ▲──────── return or trap ──────┘
#pragma once

#include <cstdint>

#include "sandbox/engine.h"
#include "sandbox/native/guest_memory.h"
#include "sandbox/native/native_stack.h"

namespace nexus::sandbox {

// Tells address and thread sanitizers which stack is in use; empty in other builds.
class SanitizerFiber {
 public:
  SanitizerFiber();
  SanitizerFiber(const SanitizerFiber&) = delete;
  SanitizerFiber& operator=(const SanitizerFiber&) = delete;
  // NOLINTNEXTLINE(performance-trivially-destructible): not in sanitized builds
  ~SanitizerFiber();

  void beforeEntry(const NativeStack& stack);
  void afterSwitchIn();
  void beforeReturn();
  void afterReturn();
  // Frames on the guest's stack were abandoned.
  void afterTrap(const NativeStack& stack);

 private:
  struct State;
  State* state_ = nullptr;
};

struct Activation {
  Activation* previous = nullptr;
  GuestMemory* memory = nullptr;
  NativeStack* stack = nullptr;
  void* savedStack = nullptr;
  bool inImport = false;  // host code is running: faults are not the guest's

  // The innermost one on this thread, or null.
  static Activation* current() noexcept;
};

struct GuestEntry {
  uint64_t (*invoke)(void* instance, const uint64_t* args);
  void* instance;
  const uint64_t* args;
};

// Runs an export on `stack`; nested inside an import of the same sandbox, it goes on below the
// present frame.
CallResult enterGuest(const GuestEntry& entry, GuestMemory& memory, NativeStack& stack,
                      SanitizerFiber& fiber);

}  // namespace nexus::sandbox

extern "C" {
uint64_t nexus_enter_stack(void* top, uint64_t (*run)(void*), void* argument, void** savedStack);
[[noreturn]] void nexus_leave_stack(void* savedStack, uint64_t result);
}
