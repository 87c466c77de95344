#include <pthread.h>
#include <sys/random.h>

#include <algorithm>
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

bool fillRandomly(std::span<std::byte> bytes) {
  // Up to 256 bytes come whole, without a signal in between (getrandom(2)).
  constexpr size_t kWhole = 256;
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kWhole))) {
    const size_t part = std::min(bytes.size(), kWhole);
    if (getrandom(bytes.data(), part, 0) != static_cast<ssize_t>(part)) return false;
  }
  return true;
}

std::optional<uint64_t> randomNumber() {
  thread_local std::array<uint64_t, 64> numbers;
  thread_local size_t left = 0;
  thread_local uint64_t drawnAfter = 0;
  // What a fork took along its parent draws, too.
  const uint64_t forks = forksBefore.load(std::memory_order_relaxed);
  if (std::exchange(drawnAfter, forks) != forks) left = 0;
  if (left == 0) {
    if (!fillRandomly(std::as_writable_bytes(std::span(numbers)))) return std::nullopt;
    left = numbers.size();
  }
  const uint64_t number = numbers[--left];
  numbers[left] = 0;
  return number;
}

}  // namespace nexus
