#include "runtime/runtime_parts.h"

#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "runtime/refusals.h"

namespace nexus {

namespace {

void completeDependencies(RuntimeDependencies& outside) {
  if (!outside.observer) outside.observer = std::make_shared<Observer>();
  if (!outside.clock) outside.clock = std::make_unique<Clock>();
  if (!outside.files) outside.files = makePosixFileSystem();
  if (!outside.pressure) outside.pressure = runtime::makeSystemMemoryPressure();
}

uint64_t threadCount(const RuntimeConfig& config) {
  if (config.workerThreads > 0) return config.workerThreads;
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

Result<std::unique_ptr<Runtime::Parts>> Runtime::Parts::make(const RuntimeConfig& config,
                                                             RuntimeDependencies dependencies) {
  using namespace runtime;  // NOLINT(google-build-using-namespace): the room's own
  auto parts = std::make_unique<Parts>();
  Parts& p = *parts;
  p.outside = std::move(dependencies);
  completeDependencies(p.outside);
  p.config = config;
  Observer& observer = *p.outside.observer;
  const Clock& clock = *p.outside.clock;
  for (const auto& [alias, extension] : p.outside.extensions) {
    if (extension) continue;
    return Error{.code = ErrorCode::kInvalidInput,
                 .message = "the extension '" + alias + "' is null"};
  }
  auto engines = makeEngines(config, p.outside.engine);
  if (!engines) return std::move(engines).error();
  p.engines = std::move(*engines);
  js::JsEngine& js = *p.engines.js;
  if (!config.cacheDir.empty() && config.maxDiskCacheBytes > 0) {
    p.cacheStore =
        std::make_unique<CacheStore>(*p.outside.files, config.cacheDir, config.maxDiskCacheBytes);
    p.handlerStore = std::make_unique<HandlerStore>(js, *p.cacheStore, observer);
  }
  p.memory = std::make_unique<MemoryCache>(config.maxCacheSize);
  p.suspensions = std::make_unique<SuspensionStore>(
      SuspensionStore::Options{config.maxSuspended, config.maxSuspendedBytes,
                               config.suspendTimeout},
      clock, observer);
  p.pool = std::make_unique<InstancePool>(
      js, InstancePool::Options{config.maxInstances, config.minInstances}, *p.suspensions, clock,
      observer);
  p.compiler = std::make_unique<HandlerCompiler>(js, *p.pool, *p.memory, p.handlerStore.get(),
                                                 clock, observer);
  p.surroundings = std::make_unique<CallSurroundings>(
      CallSurroundings{*p.pool, *p.suspensions, p.outside.extensions, observer, clock, p.gate,
                       p.calls, config.acquireTimeout});
  auto warm = p.pool->warmUp();
  if (!warm) return std::move(warm).error();
  p.workers = std::make_unique<WorkerPool>(threadCount(config), config.maxQueue);
  p.housekeeper = std::make_unique<Housekeeper>(*p.pool, *p.memory, *p.suspensions,
                                                *p.outside.pressure, observer);
  return parts;
}

// What waits for extensions ends at once; what executes may go on until then.
bool Runtime::Parts::shutdown(Clock::Time until) {
  gate.close();
  workers->refuse();
  suspensions->wakeAll();
  const bool inTime = pool->close(until);
  // Before the workers end: a call that was woken may still be on its way to their line.
  gate.waitUntilEmpty();
  workers->stop();
  return inTime;
}

Result<std::unique_ptr<Runtime>> RuntimeAccess::make(const RuntimeConfig& config,
                                                     RuntimeDependencies dependencies) {
  try {
    auto parts = Runtime::Parts::make(config, std::move(dependencies));
    if (!parts) return std::move(parts).error();
    return std::unique_ptr<Runtime>(new Runtime(std::move(*parts)));
  } catch (const std::bad_alloc&) {
    return runtime::outOfMemory();
  } catch (const std::system_error& refusal) {
    return Error{.code = ErrorCode::kUnavailable,
                 .message = std::string("the system refuses a thread: ") + refusal.what()};
  }
}

}  // namespace nexus
