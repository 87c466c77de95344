// Time, as far as tests want to move it.
#pragma once

#include <algorithm>
#include <chrono>

namespace nexus {

class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  // Thread-safe.
  virtual Time now() const { return std::chrono::steady_clock::now(); }

  // When the system's steady clock will show what is then `until` here; at most an hour from now,
  // for waits that look again.
  Time real(Time until) const {
    constexpr std::chrono::hours kLongest{1};
    const Time here = now();
    const auto left = until <= here ? Time::duration::zero() : until - here;
    return std::chrono::steady_clock::now() + std::min<Time::duration>(left, kLongest);
  }
};

}  // namespace nexus
