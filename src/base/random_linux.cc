#include <pthread.h>
#include <sys/random.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <utility>

#include "base/random.h"

namespace nexus {

namespace {

// Of this process and those it descends from.
std::atomic<uint64_t> forksBefore{0};

[[maybe_unused]] const int kCountsForks =
    pthread_atfork(nullptr, nullptr, [] { forksBefore.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

std::optional<uint64_t> randomNumber() {
  thread_local std::array<uint64_t, 64> numbers;
  thread_local size_t left = 0;
  thread_local uint64_t drawnAfter = 0;
  // What a fork took along its parent draws, too.
  const uint64_t forks = forksBefore.load(std::memory_order_relaxed);
  if (std::exchange(drawnAfter, forks) != forks) left = 0;
  // Up to 256 bytes come whole, without a signal in between (getrandom(2)).
  constexpr size_t kWhole = 256;
  if (left == 0) {
    auto* to = reinterpret_cast<char*>(numbers.data());
    for (size_t at = 0; at < sizeof numbers; at += kWhole) {
      if (getrandom(to + at, kWhole, 0) != static_cast<ssize_t>(kWhole)) return std::nullopt;
    }
    left = numbers.size();
  }
  const uint64_t number = numbers[--left];
  numbers[left] = 0;
  return number;
}

}  // namespace nexus
