#include "sandbox/native/activation.h"

// gcc says it with a macro of its own, clang through __has_feature.
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define NEXUS_ASAN 1
#else
#define NEXUS_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define NEXUS_TSAN 1
#else
#define NEXUS_TSAN 0
#endif

#if NEXUS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if NEXUS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace nexus::sandbox {

#if NEXUS_ASAN

struct SanitizerFiber::State {
  void* callerFrames = nullptr;
  const void* callerBottom = nullptr;
  size_t callerBytes = 0;
};

SanitizerFiber::SanitizerFiber() : state_(new State) {}
SanitizerFiber::~SanitizerFiber() { delete state_; }
void SanitizerFiber::beforeEntry(const NativeStack& stack) {
  __sanitizer_start_switch_fiber(&state_->callerFrames, stack.bottom(), stack.bytes());
}
void SanitizerFiber::afterSwitchIn() {
  __sanitizer_finish_switch_fiber(nullptr, &state_->callerBottom, &state_->callerBytes);
}
void SanitizerFiber::beforeReturn() {
  __sanitizer_start_switch_fiber(nullptr, state_->callerBottom, state_->callerBytes);
}
void SanitizerFiber::afterReturn() {
  __sanitizer_finish_switch_fiber(state_->callerFrames, nullptr, nullptr);
}
void SanitizerFiber::afterTrap(const NativeStack& stack) {
  __asan_unpoison_memory_region(stack.bottom(), stack.bytes());
  beforeReturn();
}

#elif NEXUS_TSAN

struct SanitizerFiber::State {
  void* guest = nullptr;
  void* caller = nullptr;
};

SanitizerFiber::SanitizerFiber() : state_(new State) { state_->guest = __tsan_create_fiber(0); }
SanitizerFiber::~SanitizerFiber() {
  __tsan_destroy_fiber(state_->guest);
  delete state_;
}
// The switch must not happen inside a function that TSan instruments on one side only; both calls
// stand in functions that return on the fiber they began on, but for the last line.
__attribute__((no_sanitize("thread"))) void SanitizerFiber::beforeEntry(const NativeStack&) {
  state_->caller = __tsan_get_current_fiber();
}
__attribute__((no_sanitize("thread"))) void SanitizerFiber::afterSwitchIn() {
  __tsan_switch_to_fiber(state_->guest, 0);
}
__attribute__((no_sanitize("thread"))) void SanitizerFiber::beforeReturn() {
  __tsan_switch_to_fiber(state_->caller, 0);
}
__attribute__((no_sanitize("thread"))) void SanitizerFiber::afterReturn() {}
__attribute__((no_sanitize("thread"))) void SanitizerFiber::afterTrap(const NativeStack&) {
  __tsan_switch_to_fiber(state_->caller, 0);
  // Its record of calls still holds the abandoned frames.
  __tsan_destroy_fiber(state_->guest);
  state_->guest = __tsan_create_fiber(0);
}

#else

SanitizerFiber::SanitizerFiber() = default;
SanitizerFiber::~SanitizerFiber() = default;
void SanitizerFiber::beforeEntry(const NativeStack&) {}
void SanitizerFiber::afterSwitchIn() {}
void SanitizerFiber::beforeReturn() {}
void SanitizerFiber::afterReturn() {}
void SanitizerFiber::afterTrap(const NativeStack&) {}

#endif

}  // namespace nexus::sandbox
