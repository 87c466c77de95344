// From source to a handler, compiled once: memory tier, disk tier, compiler.
//
// When several ask for the same text at once, one of them (the leader) goes and gets it, the others
// wait for it, each until its own deadline. What ends the leader alone (its timeout, its
// cancellation, no instance in time) is not their result: one of them becomes the next leader.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"
#include "nexus/observer.h"
#include "runtime/handler_store.h"
#include "runtime/instance_pool.h"
#include "runtime/memory_cache.h"

namespace nexus::runtime {

struct CompilerStats {
  uint64_t requests = 0;
  uint64_t memoryHits = 0;  // those that waited for a leader among them
  uint64_t diskHits = 0;
  uint64_t compilations = 0;
  uint64_t reloads = 0;  // images made again from their code
  uint64_t failures = 0;
  std::chrono::microseconds compileTime{0};
};

// Thread-safe.
class HandlerCompiler {
 public:
  struct Request {
    js::RunLimit limit;                      // of compiling
    Clock::Time until = Clock::Time::max();  // to wait for an instance
  };
  struct Found {
    std::shared_ptr<CompiledHandler> handler;
    std::shared_ptr<const js::Handler> loaded;  // never null
    CacheTier tier = CacheTier::kNone;          // kNone: it was compiled for this request
    std::chrono::microseconds compilationTime{0};
  };

  // `store` null: there is no disk tier. All must outlive it.
  HandlerCompiler(js::JsEngine& engine, InstancePool& pool, MemoryCache& memory,
                  HandlerStore* store, const Clock& clock, Observer& observer);

  // kInvalidHandler, kCompilationError or a limit's error for the text; kUnavailable or kCancelled
  // for the request.
  Result<Found> find(std::string_view source, const Request& request);
  // For those who hold a handler, whose image may have been dropped.
  Result<Found> find(const std::shared_ptr<CompiledHandler>& handler, const Request& request);

  CompilerStats stats() const;

 private:
  // What a leader is getting.
  struct Flight {
    Mutex mutex;
    Condition over;
    bool isOver NEXUS_GUARDED_BY(mutex) = false;
    // Nothing: for reasons of the leader's own.
    std::optional<Result<Found>> outcome NEXUS_GUARDED_BY(mutex);
  };
  class Lead;

  std::optional<Found> findInMemory(std::string_view source);
  Result<Found> get(std::string_view source, const Request& request, Lead& lead);
  std::optional<Result<Found>> follow(Flight& flight, const Request& request);
  std::optional<Result<Found>> waitFor(Flight& flight, const Request& request);
  Result<Found> compile(std::string_view source, const Request& request);
  Result<Found> use(Found found, const Request& request);
  Result<Found> reload(const std::shared_ptr<CompiledHandler>& handler, const Request& request);
  Found keep(std::shared_ptr<const js::Handler> loaded, CacheTier tier);
  void reportMemory(CacheReport::Result result);

  js::JsEngine& engine_;
  InstancePool& pool_;
  MemoryCache& memory_;
  HandlerStore* const store_;
  const Clock& clock_;
  Observer& observer_;

  Mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_ NEXUS_GUARDED_BY(mutex_);

  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> memoryHits_{0};
  std::atomic<uint64_t> diskHits_{0};
  std::atomic<uint64_t> compilations_{0};
  std::atomic<uint64_t> reloads_{0};
  std::atomic<uint64_t> failures_{0};
  std::atomic<int64_t> compileMicroseconds_{0};
};

}  // namespace nexus::runtime
