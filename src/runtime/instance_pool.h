// The instances of a runtime, and who has them.
//
//   acquire ──► lease (PooledInstance) ──► released: restored, then idle again
//
// Idle instances are a stack: the last one used has its memory in the caches. Among the few on top,
// one that holds the wanted handler's image goes first. A caller that finds none waits. Whoever
// comes may take an instance before those that wait (it runs already, they would have to be woken),
// but not for long: after kPatience the one that waits longest is given the next instance that is
// released.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "nexus/observer.h"
#include "runtime/suspension_store.h"
#include "runtime/wasm_instance.h"

namespace nexus::runtime {

class InstancePool;

// A lease: the instance is this object's owner's until it is destroyed. For one thread at a time.
class PooledInstance {
 public:
  PooledInstance(PooledInstance&& other) noexcept;
  PooledInstance& operator=(PooledInstance&& other) = delete;
  PooledInstance(const PooledInstance&) = delete;
  PooledInstance& operator=(const PooledInstance&) = delete;
  // Restores the instance and gives it back.
  ~PooledInstance();

  WasmInstance* operator->() const { return instance_.get(); }
  WasmInstance& operator*() const { return *instance_; }

 private:
  friend class InstancePool;
  PooledInstance(InstancePool& pool, std::unique_ptr<WasmInstance> instance)
      : pool_(&pool), instance_(std::move(instance)) {}

  InstancePool* pool_;
  std::unique_ptr<WasmInstance> instance_;  // null: moved from
};

struct PoolStats {
  uint64_t active = 0;     // leased
  uint64_t available = 0;  // idle
  uint64_t waiting = 0;    // callers
  uint64_t created = 0;    // since the start
  uint64_t discarded = 0;  // could not be restored
};

// Thread-safe. Outlives its leases.
class InstancePool {
 public:
  struct Options {
    uint64_t maxInstances = 10;
    uint64_t minInstances = 1;
  };
  struct Wanted {
    // Held by the instance, if one of the few on top does.
    const sandbox::Image* image = nullptr;
    // How long to wait; Clock::Time::min(): not at all.
    Clock::Time until = Clock::Time::min();
    std::stop_token stop;
  };

  // How long others may go before one that waits.
  static constexpr std::chrono::microseconds kPatience{500};

  // All must outlive it; `suspensions` holds the calls that wait without an instance.
  InstancePool(js::JsEngine& engine, const Options& options, const SuspensionStore& suspensions,
               const Clock& clock, Observer& observer);
  InstancePool(const InstancePool&) = delete;
  InstancePool& operator=(const InstancePool&) = delete;
  ~InstancePool();

  // Makes instances until there are minInstances. kUnavailable when the system refuses memory.
  Status warmUp();

  // kUnavailable: none in time, the system refuses memory, or shutting down; kCancelled: `stop`.
  Result<PooledInstance> acquire(const Wanted& wanted);

  uint64_t activeCount() const;
  uint64_t availableCount() const;
  uint64_t suspendedCount() const { return suspensions_.stats().suspended; }
  // A call that somebody outside may resume, or that waits for extensions; absent when there is
  // none (any more).
  std::optional<SuspensionInfo> getSuspended(std::string_view suspensionId) const;
  PoolStats stats() const;

  // Ends idle instances above minInstances, and makes the others give back what they can.
  void shrink();
  // Once in a while: what was not used since the last time but one gives back what it can.
  void age();

  // From now on nobody gets an instance. True when all leases are back before `until`; the calls of
  // those that are not are ended, and their leases waited for.
  bool close(Clock::Time until);

 private:
  friend class PooledInstance;

  struct Idle {
    std::unique_ptr<WasmInstance> instance;
    uint64_t since = 0;  // age_ when it was released
    bool isTrimmed = false;
  };
  struct Waiter {
    Condition wake;
    Clock::Time since;
    std::unique_ptr<WasmInstance> granted;
    bool isNotified = false;
    bool wasRefused = false;  // the system gave it no new one
  };
  // What one that waits may do.
  enum class Turn { kWait, kTake, kCreate, kClosed, kCancelled, kTooLate };

  std::unique_ptr<WasmInstance> takeIdle(const sandbox::Image* image) NEXUS_REQUIRES(mutex_);
  bool mustQueue() const NEXUS_REQUIRES(mutex_);
  bool mayCreate() const NEXUS_REQUIRES(mutex_) {
    return all_.size() + inTransit_ < options_.maxInstances;
  }
  bool isOver() const NEXUS_REQUIRES(mutex_);
  bool hasNone() const;
  Result<std::unique_ptr<WasmInstance>> create();
  Result<std::unique_ptr<WasmInstance>> waitFor(const Wanted& wanted, bool wasRefused);
  Turn turnOf(Waiter& self, const Wanted& wanted) NEXUS_REQUIRES(mutex_);
  void release(std::unique_ptr<WasmInstance> instance) noexcept;
  void discard(std::unique_ptr<WasmInstance> instance) noexcept;
  void trimIdle(uint64_t unusedFor);
  void wakeNext() NEXUS_REQUIRES(mutex_);

  js::JsEngine& engine_;
  const Options options_;
  const SuspensionStore& suspensions_;
  const Clock& clock_;
  Observer& observer_;

  std::atomic<uint64_t> lastId_{0};

  mutable Mutex mutex_;
  Condition changed_;                                        // for close()
  std::vector<Idle> idle_ NEXUS_GUARDED_BY(mutex_);          // the last one is on top
  std::list<Waiter*> waiters_ NEXUS_GUARDED_BY(mutex_);      // the oldest first
  std::vector<WasmInstance*> all_ NEXUS_GUARDED_BY(mutex_);  // idle or leased
  uint64_t inTransit_ NEXUS_GUARDED_BY(mutex_) = 0;          // being made, or ended
  uint64_t age_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t created_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t discarded_ NEXUS_GUARDED_BY(mutex_) = 0;
  bool isClosed_ NEXUS_GUARDED_BY(mutex_) = false;
};

}  // namespace nexus::runtime
