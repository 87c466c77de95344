#include "js/testing/host_memory.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace nexus::js::testing {
namespace {

std::atomic<int64_t> live{0};
std::atomic<int64_t> peak{0};

constexpr int64_t kNever = -1;
thread_local int64_t untilFailure = kNever;

[[maybe_unused]] bool mustFail() {
  if (untilFailure == kNever) return false;
  return untilFailure-- == 0;
}

[[maybe_unused]] void count(int64_t bytes) {
  const int64_t now = live.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  int64_t highest = peak.load(std::memory_order_relaxed);
  while (now > highest && !peak.compare_exchange_weak(highest, now, std::memory_order_relaxed)) {
  }
}

}  // namespace

uint64_t hostBytes() {
  return static_cast<uint64_t>(std::max<int64_t>(live.load(std::memory_order_relaxed), 0));
}

HostBytesPeak::HostBytesPeak() : before_(hostBytes()) {
  peak.store(static_cast<int64_t>(before_), std::memory_order_relaxed);
}

uint64_t HostBytesPeak::grown() const {
  const auto highest = static_cast<uint64_t>(peak.load(std::memory_order_relaxed));
  return highest - std::min(before_, highest);
}

FailingAllocation::FailingAllocation(uint64_t after) { untilFailure = static_cast<int64_t>(after); }

FailingAllocation::~FailingAllocation() { untilFailure = kNever; }

bool FailingAllocation::hasFailed() const { return untilFailure == kNever; }

}  // namespace nexus::js::testing

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

void* operator new(size_t bytes) {
  if (nexus::js::testing::mustFail()) throw std::bad_alloc();
  void* block = std::malloc(std::max<size_t>(bytes, 1));
  if (block == nullptr) throw std::bad_alloc();
  nexus::js::testing::count(static_cast<int64_t>(malloc_usable_size(block)));
  return block;
}

void operator delete(void* block) noexcept {
  if (block == nullptr) return;
  nexus::js::testing::count(-static_cast<int64_t>(malloc_usable_size(block)));
  std::free(block);
}

void operator delete(void* block, size_t) noexcept { operator delete(block); }

#endif
