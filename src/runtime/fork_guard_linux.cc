#include <pthread.h>

#include <atomic>

#include "runtime/fork_guard.h"

namespace nexus::runtime {
namespace {

// Forks on the way to this process since the first guard was made.
std::atomic<uint64_t> generation{0};

void countFork() { generation.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

ForkGuard::ForkGuard() {
  [[maybe_unused]] static const int kRegistered = pthread_atfork(nullptr, nullptr, countFork);
  generation_ = generation.load(std::memory_order_relaxed);
}

bool ForkGuard::isSameProcess() const {
  return generation.load(std::memory_order_relaxed) == generation_;
}

}  // namespace nexus::runtime
