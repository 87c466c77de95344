#include "runtime/inbox.h"

#include <new>
#include <utility>

#include "runtime/refusals.h"

namespace nexus::runtime {

std::function<void()> Inbox::takeWake() { return std::exchange(wake_, nullptr); }

// Whoever answers is no place for our lack of memory.
void Inbox::deliver(Answer answer) noexcept {
  std::function<void()> wake;
  {
    const MutexLock lock(mutex_);
    if (isClosed_) return;
    try {
      answers_.push_back(std::move(answer));
    } catch (const std::bad_alloc&) {
      hasLost_ = true;
    }
    wake = takeWake();
  }
  came_.notifyAll();
  if (wake) wake();
}

Result<std::vector<Inbox::Answer>> Inbox::take() {
  const MutexLock lock(mutex_);
  if (hasLost_) return outOfMemory();
  return std::exchange(answers_, {});
}

void Inbox::whenSomethingComes(std::function<void()> wake) {
  {
    const MutexLock lock(mutex_);
    if (answers_.empty() && !isWoken_ && !hasLost_) {
      wake_ = std::move(wake);
      return;
    }
    isWoken_ = false;
  }
  wake();
}

void Inbox::wakeUp() {
  std::function<void()> wake;
  {
    const MutexLock lock(mutex_);
    wake = takeWake();
    isWoken_ = wake == nullptr;
  }
  came_.notifyAll();
  if (wake) wake();
}

void Inbox::wait(std::chrono::steady_clock::time_point until) {
  const MutexLock lock(mutex_);
  while (answers_.empty() && !isWoken_ && !hasLost_ && std::chrono::steady_clock::now() < until) {
    came_.waitUntil(mutex_, until);
  }
  isWoken_ = false;
}

void Inbox::close() {
  {
    const MutexLock lock(mutex_);
    isClosed_ = true;
    answers_.clear();
    wake_ = nullptr;
  }
  stop_.request_stop();
}

}  // namespace nexus::runtime
