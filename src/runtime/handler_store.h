// The disk tier: compiled handlers in a CacheStore, under a name that says all that their content
// depends on. An entry fits one base image, so it is read by processes of the same build and
// configuration.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>

#include "js/js_sandbox.h"
#include "nexus/observer.h"
#include "runtime/cache_store.h"

namespace nexus::runtime {

struct HandlerStoreStats {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t rejected = 0;
  uint64_t failed = 0;  // reads and writes
  uint64_t evicted = 0;
};

// Thread-safe.
class HandlerStore {
 public:
  // All must outlive it.
  HandlerStore(const js::JsEngine& engine, CacheStore& store, Observer& observer)
      : engine_(engine), store_(store), observer_(observer) {}

  // Null when there is none that is sound; whatever is wrong is told to the observer.
  std::shared_ptr<const js::Handler> read(std::string_view source);
  void write(const js::Handler& handler);

  HandlerStoreStats stats() const;

 private:
  Digest nameOf(std::string_view source);
  bool fits(const js::Handler& handler) const;
  void report(CacheReport::Result result, std::string_view detail);

  const js::JsEngine& engine_;
  CacheStore& store_;
  Observer& observer_;
  std::once_flag identified_;
  Digest baseIdentity_{};
  std::atomic<uint64_t> hits_{0};
  std::atomic<uint64_t> misses_{0};
  std::atomic<uint64_t> rejected_{0};
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> evicted_{0};
};

}  // namespace nexus::runtime
