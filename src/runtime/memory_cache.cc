#include "runtime/memory_cache.h"

#include <algorithm>
#include <utility>

namespace nexus::runtime {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

void MemoryCache::stamp(CompiledHandler& handler) {
  handler.lastUse_.store(uses_.fetch_add(1, kRelaxed) + 1, kRelaxed);
}

void MemoryCache::count(Shard&, CompiledHandler& handler, uint64_t bytes) {
  const uint64_t before = handler.countedBytes_.exchange(bytes, kRelaxed);
  bytes_.fetch_add(bytes - before, kRelaxed);  // modulo 2^64: right for fewer, too
}

std::shared_ptr<CompiledHandler> MemoryCache::find(std::string_view source) {
  Shard& shard = shardOf(source);
  const MutexLock lock(shard.mutex);
  const auto found = shard.handlers.find(source);
  if (found == shard.handlers.end()) return nullptr;
  stamp(*found->second);
  return found->second;
}

uint64_t MemoryCache::touch(CompiledHandler& handler, const js::Handler* loaded) {
  stamp(handler);
  const uint64_t bytes = handler.codeBytes() + CompiledHandler::imageBytes(loaded);
  const uint64_t counted = handler.countedBytes_.load(kRelaxed);
  if (counted == 0 || counted == bytes) return 0;
  {
    Shard& shard = shardOf(handler.code()->source);
    const MutexLock lock(shard.mutex);
    // As it is now: the image may have been dropped meanwhile.
    const auto kept = handler.loaded();
    const uint64_t now = handler.codeBytes() + CompiledHandler::imageBytes(kept.get());
    if (handler.countedBytes_.load(kRelaxed) != 0) count(shard, handler, now);
  }
  return bytes_.load(kRelaxed) > maxBytes_ ? shrinkTo(maxBytes_ - maxBytes_ / 10) : 0;
}

MemoryCache::Put MemoryCache::put(std::shared_ptr<CompiledHandler> handler) {
  // It would push out all others, and then go itself.
  if (handler->codeBytes() > maxBytes_) return {std::move(handler), 0};
  const std::string_view source = handler->code()->source;
  Put result;
  {
    Shard& shard = shardOf(source);
    const MutexLock lock(shard.mutex);
    const auto [place, isNew] = shard.handlers.try_emplace(source, handler);
    result.handler = place->second;
    stamp(*result.handler);
    if (isNew) {
      const auto loaded = handler->loaded();
      count(shard, *handler, handler->codeBytes() + CompiledHandler::imageBytes(loaded.get()));
    }
  }
  if (bytes_.load(kRelaxed) > maxBytes_) result.evicted = shrinkTo(maxBytes_ - maxBytes_ / 10);
  return result;
}

// Nobody holds an image that is not counted.
uint64_t MemoryCache::keepLoaded(const Pointer& handler,
                                 std::shared_ptr<const js::Handler> loaded) {
  const js::Handler* image = loaded.get();
  handler->setLoaded(std::move(loaded));
  const Put put = this->put(handler);
  const uint64_t evicted = put.evicted + touch(*handler, image);
  if (handler->countedBytes_.load(kRelaxed) == 0) handler->setLoaded(nullptr);
  return evicted;
}

std::vector<MemoryCache::Candidate> MemoryCache::byLastUse() const {
  std::vector<Candidate> candidates;
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    for (const auto& [source, handler] : shard.handlers) {
      candidates.push_back({handler, handler->lastUse_.load(kRelaxed)});
    }
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.lastUse < b.lastUse; });
  return candidates;
}

uint64_t MemoryCache::shrinkTo(uint64_t bytes) {
  const MutexLock lock(makingRoom_);
  if (bytes_.load(kRelaxed) <= bytes) return 0;
  const uint64_t before = evictedHandlers_.load(kRelaxed) + evictedImages_.load(kRelaxed);
  const std::vector<Candidate> candidates = byLastUse();
  size_t kept = candidates.size();
  for (uint64_t room = bytes / 2; kept > 0; --kept) {
    const uint64_t counted = candidates[kept - 1].handler->countedBytes_.load(kRelaxed);
    if (counted > room) break;
    room -= counted;
  }
  for (size_t i = 0; i < kept && bytes_.load(kRelaxed) > bytes; ++i) {
    dropImage(*candidates[i].handler);
  }
  for (size_t i = 0; i < candidates.size() && bytes_.load(kRelaxed) > bytes; ++i) {
    erase(candidates[i].handler);
  }
  return evictedHandlers_.load(kRelaxed) + evictedImages_.load(kRelaxed) - before;
}

void MemoryCache::dropImage(CompiledHandler& handler) {
  Shard& shard = shardOf(handler.code()->source);
  const MutexLock lock(shard.mutex);
  if (handler.countedBytes_.load(kRelaxed) == 0 || !handler.loaded()) return;
  handler.setLoaded(nullptr);
  count(shard, handler, handler.codeBytes());
  evictedImages_.fetch_add(1, kRelaxed);
}

void MemoryCache::erase(const Pointer& handler) {
  Shard& shard = shardOf(handler->code()->source);
  const MutexLock lock(shard.mutex);
  const auto found = shard.handlers.find(handler->code()->source);
  if (found == shard.handlers.end() || found->second != handler) return;
  shard.handlers.erase(found);
  handler->setLoaded(nullptr);
  count(shard, *handler, 0);
  evictedHandlers_.fetch_add(1, kRelaxed);
}

MemoryCacheStats MemoryCache::stats() const {
  MemoryCacheStats stats;
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    stats.entries += shard.handlers.size();
  }
  stats.bytes = bytes_.load(kRelaxed);
  stats.evictedHandlers = evictedHandlers_.load(kRelaxed);
  stats.evictedImages = evictedImages_.load(kRelaxed);
  return stats;
}

}  // namespace nexus::runtime
