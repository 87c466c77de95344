#include <sys/random.h>

#include <array>
#include <cstddef>

#include "base/random.h"

namespace nexus {

std::optional<uint64_t> randomNumber() {
  thread_local std::array<uint64_t, 64> numbers;
  thread_local size_t left = 0;
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
