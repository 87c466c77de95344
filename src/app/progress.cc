#include "app/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace nexus::app {

Progress::Progress(Describe describe) : describe_(std::move(describe)) {
  if (isatty(STDERR_FILENO) != 0) thread_ = std::thread([this] { show(); });
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    isOver_ = true;
  }
  ended_.notifyOne();
  thread_.join();
}

void Progress::show() {
  constexpr int64_t kFirst = 2;
  constexpr char kEraseLine[] = "\r\x1b[K";
  const auto start = std::chrono::steady_clock::now();
  const MutexLock lock(mutex_);
  for (int64_t seconds = kFirst;; ++seconds) {
    const auto due = start + std::chrono::seconds(seconds);
    while (!isOver_ && std::chrono::steady_clock::now() < due) ended_.waitUntil(mutex_, due);
    if (isOver_) {
      if (seconds > kFirst) fmt::print(stderr, "{}", kEraseLine);
      return;
    }
    fmt::print(stderr, "{}{}", kEraseLine, describe_(seconds));
  }
}

}  // namespace nexus::app
