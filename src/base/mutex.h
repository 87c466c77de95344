// std::mutex and std::condition_variable with the annotations that clang's -Wthread-safety checks:
// a member says which mutex guards it, and code that touches it without that mutex does not
// compile.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define NEXUS_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define NEXUS_THREAD_ATTRIBUTE(x)
#endif
#define NEXUS_GUARDED_BY(x) NEXUS_THREAD_ATTRIBUTE(guarded_by(x))
#define NEXUS_REQUIRES(x) NEXUS_THREAD_ATTRIBUTE(requires_capability(x))

namespace nexus {

class NEXUS_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() NEXUS_THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() NEXUS_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  friend class Condition;
  std::mutex mutex_;
};

class NEXUS_THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) NEXUS_THREAD_ATTRIBUTE(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() NEXUS_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  Mutex& mutex_;
};

// Waits may end early: call them in a loop that tests what is waited for.
class Condition {
 public:
  void notifyOne() { condition_.notify_one(); }
  void notifyAll() { condition_.notify_all(); }

  void wait(Mutex& mutex) NEXUS_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  void waitUntil(Mutex& mutex, std::chrono::steady_clock::time_point time) NEXUS_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_until(lock, time);
    lock.release();
  }

 private:
  std::condition_variable condition_;
};

}  // namespace nexus
