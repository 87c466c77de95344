// A handler as the caches keep it: its code, and, as long as there is room, the image in which it
// is loaded. Thread-safe; shared by the cache and by all who hold the handler.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/mutex.h"
#include "js/js_sandbox.h"

namespace nexus::runtime {

class CompiledHandler {
 public:
  explicit CompiledHandler(std::shared_ptr<const js::Handler> loaded)
      : code_(loaded->code), loaded_(std::move(loaded)) {}

  const std::shared_ptr<const js::HandlerCode>& code() const { return code_; }

  // Null when its image was dropped: to be loaded from the code again.
  std::shared_ptr<const js::Handler> loaded() const {
    const MutexLock lock(mutex_);
    return loaded_;
  }
  void setLoaded(std::shared_ptr<const js::Handler> loaded) {
    const MutexLock lock(mutex_);
    loaded_ = std::move(loaded);
  }

  uint64_t codeBytes() const {
    return sizeof(CompiledHandler) + sizeof(js::HandlerCode) + code_->source.size() +
           code_->bytecode.size();
  }
  // Of its image; one that gets hot grows.
  static uint64_t imageBytes(const js::Handler* loaded) {
    return loaded == nullptr ? 0 : sizeof(js::Handler) + loaded->image->ownBytes();
  }

 private:
  friend class MemoryCache;

  // The cache's: when it was last used, and what it is counted as (0: it is not in the cache).
  std::atomic<uint64_t> lastUse_{0};
  std::atomic<uint64_t> countedBytes_{0};

  const std::shared_ptr<const js::HandlerCode> code_;
  mutable Mutex mutex_;
  std::shared_ptr<const js::Handler> loaded_ NEXUS_GUARDED_BY(mutex_);
};

}  // namespace nexus::runtime
