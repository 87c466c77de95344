// What a Runtime is made of, and what it takes from the outside: so that tests can take its place.
#pragma once

#include <atomic>
#include <memory>

#include "base/clock.h"
#include "base/file_system.h"
#include "nexus/runtime.h"
#include "runtime/cache_store.h"
#include "runtime/call_gate.h"
#include "runtime/call_run.h"
#include "runtime/engines.h"
#include "runtime/fork_guard.h"
#include "runtime/handler_compiler.h"
#include "runtime/handler_store.h"
#include "runtime/housekeeper.h"
#include "runtime/instance_pool.h"
#include "runtime/memory_cache.h"
#include "runtime/memory_pressure.h"
#include "runtime/suspension_store.h"
#include "runtime/worker_pool.h"

namespace nexus {

// Null: the real one.
struct RuntimeDependencies {
  std::shared_ptr<Observer> observer;
  runtime::Extensions extensions;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<FileSystem> files;
  std::unique_ptr<runtime::MemoryPressure> pressure;
  runtime::EngineChoice engine = runtime::EngineChoice::kBest;
};

// In the order in which they are put together.
struct Runtime::Parts {
  static Result<std::unique_ptr<Parts>> make(const RuntimeConfig& config,
                                             RuntimeDependencies dependencies);

  // True when no call had to be cancelled.
  bool shutdown(Clock::Time until);

  RuntimeDependencies outside;
  RuntimeConfig config;
  runtime::Engines engines;
  std::unique_ptr<runtime::CacheStore> cacheStore;  // null: no disk tier, like the next
  std::unique_ptr<runtime::HandlerStore> handlerStore;
  std::unique_ptr<runtime::MemoryCache> memory;
  std::unique_ptr<runtime::SuspensionStore> suspensions;
  std::unique_ptr<runtime::InstancePool> pool;
  std::unique_ptr<runtime::HandlerCompiler> compiler;
  std::unique_ptr<runtime::CallSurroundings> surroundings;
  std::unique_ptr<runtime::WorkerPool> workers;
  std::unique_ptr<runtime::Housekeeper> housekeeper;
  runtime::ForkGuard forkGuard;
  std::atomic<uint64_t> calls{0};
  runtime::CallGate gate;
};

struct RuntimeAccess {
  static Result<std::unique_ptr<Runtime>> make(const RuntimeConfig& config,
                                               RuntimeDependencies dependencies);
  static Runtime::Parts& parts(Runtime& runtime) { return *runtime.parts_; }
};

}  // namespace nexus
