// What tests of this room put in the place of the outside world: a clock that they move, an
// observer that keeps what it was told, an engine that fails on demand; and a pool over these.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "js/js_sandbox.h"
#include "nexus/observer.h"
#include "runtime/cache_store.h"
#include "runtime/handler_compiler.h"
#include "runtime/handler_store.h"
#include "runtime/instance_pool.h"
#include "runtime/memory_cache.h"
#include "runtime/runtime_parts.h"
#include "runtime/suspension_store.h"
#include "sandbox/deadline_watch.h"
#include "sandbox/engine.h"

namespace nexus::runtime::testing {

// True as soon as `condition` is; false when it is not within half a minute.
bool eventually(const std::function<bool()>& condition);

// "ok", or the error's code.
std::string codeOf(const ExecutionResult& result);
template <typename T>
std::string codeOf(const Result<T>& result) {
  return result ? "ok" : std::string(toString(result.error().code));
}
// The value, "(none)", or "CODE: message".
std::string outcomeOf(const ExecutionResult& result);

// What must be there; else the test fails, and an empty one is returned.
template <typename T>
T take(Result<T> result) {
  if (result) return std::move(*result);
  ADD_FAILURE() << toString(result.error().code) << ": " << result.error().message;
  return T{};
}

// Where threads wait until a test lets them on.
class Gate {
 public:
  // Returns once the gate is open.
  void pass();
  void open();
  // How many have come.
  uint64_t visitors() const { return visitors_.load(); }

 private:
  std::atomic<uint64_t> visitors_{0};
  Mutex mutex_;
  Condition opened_;
  bool isOpen_ NEXUS_GUARDED_BY(mutex_) = false;
};

// Stands still until it is told to go on.
class TestClock final : public Clock {
 public:
  Time now() const override;
  void advance(std::chrono::nanoseconds by) { now_.fetch_add(by.count()); }
  // How often it was asked: those who wait ask before.
  uint64_t asked() const { return asked_.load(); }

 private:
  std::atomic<int64_t> now_{std::chrono::nanoseconds(std::chrono::hours(1)).count()};
  mutable std::atomic<uint64_t> asked_{0};
};

// Keeps a line for each report: "call: success", "call: TIMEOUT", "memory: miss", "disk: hit",
// "compile: ok", "memory: evicted 2", "discarded 7", "suspension: resumed".
class TestObserver final : public Observer {
 public:
  void onCall(const CallReport& report) noexcept override;
  void onCache(const CacheReport& report) noexcept override;
  void onCompile(const CompileReport& report) noexcept override;
  void onEviction(CacheTier tier, uint64_t count) noexcept override;
  void onInstanceDiscarded(uint64_t instanceId) noexcept override;
  void onSuspension(SuspensionOutcome outcome) noexcept override;

  // Everything since the last time.
  std::vector<std::string> take();
  // Lines that begin so.
  uint64_t count(std::string_view beginning) const;
  // Called with each line, by the thread that reports.
  void setHook(std::function<void(const std::string&)> hook);

 private:
  void add(std::string line);

  mutable Mutex mutex_;
  std::vector<std::string> lines_ NEXUS_GUARDED_BY(mutex_);
  std::function<void(const std::string&)> hook_ NEXUS_GUARDED_BY(mutex_);
};

// The native engine, with what a test wants to go wrong. Hooks run before what they are named
// after, on the thread that does it; false makes it fail, and they may block or throw.
class FaultyEngine final : public sandbox::Engine {
 public:
  using Hook = std::function<bool()>;

  FaultyEngine();

  void onCreate(Hook hook);
  void onRestore(Hook hook);
  void onTrim(Hook hook);
  void reset();  // nothing goes wrong any more

  std::string_view name() const override { return native_->name(); }
  std::string_view guestIdentity() const override { return native_->guestIdentity(); }
  std::span<const sandbox::ImportDescription> imports() const override {
    return native_->imports();
  }
  std::optional<sandbox::FunctionId> findFunction(std::string_view name,
                                                  std::string_view signature) const override {
    return native_->findFunction(name, signature);
  }
  std::optional<sandbox::GlobalId> findGlobal(std::string_view name) const override {
    return native_->findGlobal(name);
  }
  Result<std::unique_ptr<sandbox::Sandbox>> createSandbox(
      const sandbox::SandboxOptions& options, sandbox::HostImports& imports,
      const std::shared_ptr<const sandbox::Image>& image) override;

 private:
  friend class FaultySandbox;
  enum class Step { kCreate, kRestore, kTrim, kCount };

  void set(Step step, Hook hook);
  bool allows(Step step) const;

  const std::unique_ptr<sandbox::Engine> native_;
  mutable Mutex mutex_;
  std::shared_ptr<const Hook> hooks_[static_cast<size_t>(Step::kCount)] NEXUS_GUARDED_BY(mutex_);
};

// A disk that does what a test says: the hook runs before each operation; false makes it fail, and
// it may block or throw.
class HookedFiles final : public FileSystem {
 public:
  explicit HookedFiles(std::function<bool()> hook) : hook_(std::move(hook)) {}

  Status makeFolder(const std::string& path) override;
  Status checkFolder(const std::string& path) override;
  Result<std::string> read(const std::string& path, uint64_t maxBytes) override;
  Status replace(const std::string& path, std::string_view bytes) override;
  Status create(const std::string& path, std::string_view bytes) override;
  Result<std::vector<Entry>> list(const std::string& folder) override;
  Status remove(const std::string& path) override;

 private:
  const std::function<bool()> hook_;
  const std::unique_ptr<FileSystem> real_ = makePosixFileSystem();
};

// An engine with its guest booted, and what handlers are compiled on.
struct EngineRig {
  explicit EngineRig(const RuntimeConfig& config = {});

  // What must compile, in a sandbox that is no pool's.
  std::shared_ptr<const js::Handler> compile(std::string_view source);
  // One that no sandbox can be restored to: its image is larger than they may be.
  std::shared_ptr<const js::Handler> makeUnrestorable();

  FaultyEngine engine;
  sandbox::DeadlineWatch watch;
  std::unique_ptr<js::JsEngine> js;
  std::unique_ptr<js::JsSandbox> bench;
};

struct PoolRig : EngineRig {
  explicit PoolRig(const InstancePool::Options& options, const RuntimeConfig& config = {})
      : EngineRig(config), pool(*js, options, suspensions, clock, observer) {}

  // What must be there at once.
  PooledInstance lease(const sandbox::Image* image = nullptr);

  TestClock clock;
  TestObserver observer;
  SuspensionStore suspensions{{}, clock, observer};
  InstancePool pool;
};

// A pool with a compiler and its caches.
struct CompilerRig : PoolRig {
  struct Setup {
    RuntimeConfig config;  // its cacheDir: without one there is no disk tier
    InstancePool::Options pool{.maxInstances = 4, .minInstances = 0};
    std::unique_ptr<FileSystem> files;  // null: the real ones
  };
  explicit CompilerRig(Setup setup);

  // Where it came from ("none", "memory", "disk"), or the error's code.
  std::string find(std::string_view source, const HandlerCompiler::Request& request = {});

  std::unique_ptr<FileSystem> files;
  std::unique_ptr<CacheStore> cacheStore;
  std::unique_ptr<HandlerStore> store;
  MemoryCache memory;
  HandlerCompiler compiler;

 private:
  HandlerStore* makeStore(const RuntimeConfig& config);
};

// What must work.
std::unique_ptr<Runtime> makeRuntime(const RuntimeConfig& config = {},
                                     RuntimeDependencies outside = {});

}  // namespace nexus::runtime::testing
