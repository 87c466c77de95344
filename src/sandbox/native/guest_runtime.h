// The runtime under the generated C, included in front of it in the same translation unit: what
// wabt's wasm-rt-impl would be, without its process-wide state. Two builds of every module:
//   NEXUS_CHECKED 0   accesses are bounded by guard pages, the stack by a guard page
//   NEXUS_CHECKED 1   accesses and stack depth are tested by instructions; needs no signal handler
#ifndef NEXUS_SANDBOX_NATIVE_GUEST_RUNTIME_H_
#define NEXUS_SANDBOX_NATIVE_GUEST_RUNTIME_H_

#if NEXUS_WABT_MINOR >= 33
#define WASM_RT_USE_MMAP 1
#define WASM_RT_SKIP_SIGNAL_RECOVERY 1
#define WASM_RT_MEMCHECK_GUARD_PAGES (!NEXUS_CHECKED)
#define WASM_RT_MEMCHECK_BOUNDS_CHECK NEXUS_CHECKED
#define WASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION 1
#else
#define WASM_RT_SKIP_SIGNAL_RECOVERY 1
#define WASM_RT_MEMCHECK_SIGNAL_HANDLER (!NEXUS_CHECKED)
#define WASM_RT_USE_STACK_DEPTH_COUNT 0
#endif

#include <stdlib.h>
#include <string.h>

#include "sandbox/native/native_module.h"
#include "wasm-rt.h"

#if NEXUS_CHECKED
#define NEXUS_MEMORY_BASE(memory) ((memory)->data)
#define NEXUS_USE_MEMORY(memory) {
#define NEXUS_END_MEMORY }
#else
// Memory never moves, but the compiler cannot know that a store to it does not change its base, and
// would load that again before every access. A register holds it while the guest runs: set where
// the guest is entered, put back where it is left. Both sides of an import keep it, since it is
// callee-saved; a trap restores it with the others.
register uint8_t* nexus_memory_base __asm__("r15");
#define NEXUS_MEMORY_BASE(memory) nexus_memory_base
#define NEXUS_USE_MEMORY(memory)              \
  {                                           \
    uint8_t* const outer = nexus_memory_base; \
    nexus_memory_base = (memory)->data;
#define NEXUS_END_MEMORY     \
  nexus_memory_base = outer; \
  }
#endif

#define NEXUS_CONTROL_AT(base) ((NexusGuestControl*)((base) - sizeof(NexusGuestControl)))
#define NEXUS_CONTROL_OF(memory) NEXUS_CONTROL_AT((memory)->data)

// Tested behind each loop header, at each call through the table, and at the entry of some function
// of every circle of direct calls (translate.mjs): whatever goes on for long passes one of them.
// The flag lies at a fixed distance from the memory's base: one compare, and a branch that is never
// taken. NEXUS_STOP_CHECKS 0 is for measuring what that costs (bench/compare.mjs), never for use.
#ifndef NEXUS_STOP_CHECKS
#define NEXUS_STOP_CHECKS 1
#endif
#if NEXUS_STOP_CHECKS
#define NEXUS_STOP_POINT                                                                      \
  (__builtin_expect(NEXUS_CONTROL_AT(NEXUS_MEMORY_BASE(&instance->w2c_memory))->stop != 0, 0) \
       ? nexus_guest_trap(NEXUS_TRAP_STOPPED)                                                 \
       : (void)0)
#else
#define NEXUS_STOP_POINT ((void)0)
#endif

#if NEXUS_CHECKED
#define NEXUS_STACK_CHECK                                                       \
  if (__builtin_expect((uintptr_t)__builtin_frame_address(0) <                  \
                           NEXUS_CONTROL_OF(&instance->w2c_memory)->stackLimit, \
                       0)) {                                                    \
    nexus_guest_trap(NEXUS_TRAP_STACK_EXHAUSTED);                               \
  }
#else
#define NEXUS_STACK_CHECK
#endif
#define NEXUS_FUNCTION_PROLOGUE NEXUS_STACK_CHECK

// wabt's trap numbers differ between its versions.
static inline int nexus_trap_of(wasm_rt_trap_t code) {
  switch (code) {
    case WASM_RT_TRAP_OOB:
      return NEXUS_TRAP_OUT_OF_BOUNDS;
    case WASM_RT_TRAP_INT_OVERFLOW:
    case WASM_RT_TRAP_DIV_BY_ZERO:
    case WASM_RT_TRAP_INVALID_CONVERSION:
      return NEXUS_TRAP_ARITHMETIC;
    case WASM_RT_TRAP_CALL_INDIRECT:
      return NEXUS_TRAP_BAD_CALL;
    case WASM_RT_TRAP_EXHAUSTION:
      return NEXUS_TRAP_STACK_EXHAUSTED;
    default:
      return NEXUS_TRAP_UNREACHABLE;
  }
}
#define wasm_rt_trap(code) nexus_guest_trap(nexus_trap_of(code))
#define wasm_rt_is_initialized() 1

static inline float nexus_f32(uint64_t bits) {
  uint32_t low = (uint32_t)bits;
  float value;
  memcpy(&value, &low, sizeof value);
  return value;
}
static inline double nexus_f64(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
static inline uint64_t nexus_bits32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
static inline uint64_t nexus_bits64(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline void nexus_memory_assign(void* opaque, NexusMemoryView view) {
  wasm_rt_memory_t* memory = opaque;
  memory->data = view.base;
  memory->pages = (__typeof__(memory->pages))view.pages;
  memory->max_pages = (__typeof__(memory->max_pages))view.maxPages;
  memory->size = (__typeof__(memory->size))(view.pages * NEXUS_WASM_PAGE_BYTES);
}

// Storage was assigned by the sandbox before; the module's own maximum may be lower than the limit.
static inline void nexus_allocate_memory(wasm_rt_memory_t* memory, uint64_t initial,
                                         uint64_t maximum) {
  if (memory->data == NULL || memory->pages != initial) nexus_guest_trap(NEXUS_TRAP_OUT_OF_BOUNDS);
  if (maximum < memory->max_pages) memory->max_pages = (__typeof__(memory->max_pages))maximum;
}

static inline uint64_t nexus_grow_memory(wasm_rt_memory_t* memory, uint64_t delta) {
  const uint64_t before = memory->pages;
  // What the module itself forbids is asked for all the same: the sandbox remembers each refusal.
  const uint64_t wanted = delta > memory->max_pages - before ? UINT64_MAX : before + delta;
  NexusGuestControl* control = NEXUS_CONTROL_OF(memory);
  if (delta != 0 && !control->grow(control->sandbox, wanted)) return UINT64_MAX;
  NexusMemoryView view = {memory->data, before + delta, memory->max_pages};
  nexus_memory_assign(memory, view);
  return before;
}

// A table's storage is assigned like memory's; where it is missing nothing runs (wabt #2861).
static inline void nexus_allocate_table(wasm_rt_funcref_table_t* table, uint32_t entries) {
  if (table->data == NULL) nexus_guest_trap(NEXUS_TRAP_OUT_OF_BOUNDS);
  table->size = entries;
  table->max_size = entries;
}

#define wasm_rt_allocate_memory(memory, initial, maximum, ...) \
  nexus_allocate_memory(memory, initial, maximum)
#define wasm_rt_grow_memory(memory, delta) nexus_grow_memory(memory, delta)
#define wasm_rt_free_memory(memory) ((void)(memory))
#define wasm_rt_allocate_funcref_table(table, entries, maximum) nexus_allocate_table(table, entries)
#define wasm_rt_free_funcref_table(table) ((void)(table))

#if NEXUS_WABT_MINOR < 33
// Types are numbers here, handed out at start-up and only compared afterwards. One table per module
// suffices, since no function crosses from one module's table to another's.
#include <stdarg.h>
static uint32_t nexus_register_func_type(uint32_t parameters, uint32_t results, ...) {
  static struct {
    uint32_t counts[2];
    uint8_t types[24];
  } known[512];
  static uint32_t knownCount;
  if (parameters + results > sizeof known[0].types || knownCount == 512) abort();
  __typeof__(known[0]) type;
  memset(&type, 0, sizeof type);
  type.counts[0] = parameters;
  type.counts[1] = results;
  va_list list;
  va_start(list, results);
  for (uint32_t i = 0; i < parameters + results; i++) type.types[i] = (uint8_t)va_arg(list, int);
  va_end(list);
  for (uint32_t i = 0; i < knownCount; i++) {
    if (memcmp(&known[i], &type, sizeof type) == 0) return i + 1;
  }
  known[knownCount] = type;
  return ++knownCount;
}
#define wasm_rt_register_func_type nexus_register_func_type
#endif

#endif  // NEXUS_SANDBOX_NATIVE_GUEST_RUNTIME_H_
