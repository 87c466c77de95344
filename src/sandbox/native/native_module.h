// What the native engine knows of one translated WebAssembly module: plain C, because the other
// side of it is C that tools/guest/translate.mjs writes. Nothing here depends on wabt's version.
#ifndef NEXUS_SANDBOX_NATIVE_NATIVE_MODULE_H_
#define NEXUS_SANDBOX_NATIVE_NATIVE_MODULE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The block that ends where linear memory begins. Guest addresses are unsigned, so the guest cannot
// reach it; the generated code finds it at a fixed distance from the memory's base.
typedef struct NexusGuestControl {
  // Not zero: the guest traps at its next loop header. Written by any thread (relaxed is enough:
  // nothing else is published through it).
  volatile uint32_t stop;
  uint32_t reserved;
  // Lowest address the native stack may reach; checked builds test it in every prologue.
  uintptr_t stackLimit;
  // Grows linear memory to `newPages`; returns 0 when it may not. Keeps the memory's base.
  int (*grow)(void* sandbox, uint64_t newPages);
  void* sandbox;
  uint64_t padding[4];
} NexusGuestControl;

#define NEXUS_WASM_PAGE_BYTES 65536u
#define NEXUS_MOST_IMPORT_ARGUMENTS 8

// Signatures are letters, parameters then result: "ij:i"; i j f d are i32 i64 f32 f64, v is none.
// Values travel as 64 bits; floats as their bits.
typedef struct NexusGuestExport {
  const char* name;
  const char* signature;
  uint64_t (*invoke)(void* instance, const uint64_t* args);
} NexusGuestExport;

typedef struct NexusGuestImport {
  const char* module;
  const char* name;
  const char* signature;
} NexusGuestImport;

typedef struct NexusGuestGlobal {
  const char* name;
  size_t offset;  // in the instance
  size_t bytes;   // 4 or 8
} NexusGuestGlobal;

typedef struct NexusMemoryView {
  uint8_t* base;
  uint64_t pages;
  uint64_t maxPages;
} NexusMemoryView;

typedef struct NexusNativeModule {
  const char* name;
  const char* sha256;      // of the .wasm file, in hexadecimal
  const char* translator;  // "wasm2c 1.0.32"
  size_t instanceBytes;
  size_t memoryOffset;
  size_t tableOffset;  // SIZE_MAX: the module has no table
  size_t tableBytes;
  uint64_t initialPages;
  uint64_t maximumPages;
  const NexusGuestExport* exports;
  size_t exportCount;
  const NexusGuestImport* imports;
  size_t importCount;
  const NexusGuestGlobal* globals;
  size_t globalCount;
  // Once per process before the first instance, never concurrently; may be null.
  void (*initializeTypes)(void);
  // Fills a zeroed instance whose memory and table storage were assigned. `host` comes back with
  // every import. Without data, memory's content is left to the caller. May trap.
  void (*instantiate)(void* instance, void* host, int withData);
  void (*setMemory)(void* memory, NexusMemoryView view);
} NexusNativeModule;

// The numbers of sandbox::Trap that generated code raises.
enum {
  NEXUS_TRAP_STOPPED = 1,
  NEXUS_TRAP_OUT_OF_BOUNDS = 3,
  NEXUS_TRAP_STACK_EXHAUSTED = 4,
  NEXUS_TRAP_UNREACHABLE = 5,
  NEXUS_TRAP_ARITHMETIC = 6,
  NEXUS_TRAP_BAD_CALL = 7,
};

// Called by the generated code. A trap lands where the guest was entered; it never returns.
uint64_t nexus_guest_import(void* sandbox, uint32_t index, const uint64_t* args, size_t count);
void nexus_guest_trap(int trap) __attribute__((noreturn, cold));

#ifdef __cplusplus
}
#endif

#endif  // NEXUS_SANDBOX_NATIVE_NATIVE_MODULE_H_
