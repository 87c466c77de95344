// The memory tier: compiled handlers by their text, the least recently used ones out first.
//
// What is used is stamped, not moved, so finding a handler locks one of several shards, and using
// one that somebody holds locks nothing. When there is no room, one pass over all sorts the stamps
// and frees a tenth more than it has to, so passes are rare:
//
//   oldest ────────────────────────────────────────────────► used last
//   | images go first, then whole handlers, from the left | kept: half of the room |
//
// An image is quickly made again from the code (HandlerCompiler); the code is not.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "runtime/compiled_handler.h"

namespace nexus::runtime {

struct MemoryCacheStats {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t evictedHandlers = 0;
  uint64_t evictedImages = 0;
};

// Thread-safe.
class MemoryCache {
 public:
  explicit MemoryCache(uint64_t maxBytes) : maxBytes_(maxBytes) {}

  // Null when there is none. Counts as a use.
  std::shared_ptr<CompiledHandler> find(std::string_view source);

  // A use of a handler that somebody holds, with the image that is used; whether it is still in
  // here or not. Returns how many handlers and images had to go because it has grown.
  uint64_t touch(CompiledHandler& handler, const js::Handler* loaded);

  struct Put {
    std::shared_ptr<CompiledHandler> handler;  // the one to use
    uint64_t evicted = 0;                      // handlers and images that had to go
  };
  // When the text is here already, that one stays. One whose code alone is larger than the cache
  // does not come in.
  Put put(std::shared_ptr<CompiledHandler> handler);

  // Keeps a new image of a handler that somebody holds, with the handler, if there is room. Returns
  // how many handlers and images had to go.
  uint64_t keepLoaded(const std::shared_ptr<CompiledHandler>& handler,
                      std::shared_ptr<const js::Handler> loaded);

  // Frees until at most so many bytes are left; returns how many handlers and images had to go.
  uint64_t shrinkTo(uint64_t bytes);

  MemoryCacheStats stats() const;

 private:
  using Pointer = std::shared_ptr<CompiledHandler>;
  // The keys are the handlers' own texts.
  struct Shard {
    mutable Mutex mutex;
    std::unordered_map<std::string_view, Pointer> handlers NEXUS_GUARDED_BY(mutex);
  };
  struct Candidate {
    Pointer handler;
    uint64_t lastUse = 0;
  };

  static constexpr size_t kShards = 16;

  Shard& shardOf(std::string_view source) {
    return shards_[std::hash<std::string_view>()(source) % kShards];
  }
  void stamp(CompiledHandler& handler);
  void count(Shard& shard, CompiledHandler& handler, uint64_t bytes) NEXUS_REQUIRES(shard.mutex);
  std::vector<Candidate> byLastUse() const;
  void dropImage(CompiledHandler& handler);
  void erase(const Pointer& handler);

  const uint64_t maxBytes_;
  std::array<Shard, kShards> shards_;
  std::atomic<uint64_t> uses_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> evictedHandlers_{0};
  std::atomic<uint64_t> evictedImages_{0};
  Mutex makingRoom_;
};

}  // namespace nexus::runtime
