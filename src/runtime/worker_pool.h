// The threads that run calls which nobody waits for, and the line in front of them.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "nexus/result.h"

namespace nexus::runtime {

// Thread-safe.
class WorkerPool {
 public:
  class Task {
   public:
    Task() = default;
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    virtual ~Task() = default;
    // On one of the threads.
    virtual void run() noexcept = 0;

   private:
    friend class WorkerPool;
    std::shared_ptr<Task> next_;  // in the line: standing there takes no memory
  };

  // Throws std::system_error when the system refuses a thread.
  WorkerPool(uint64_t threads, uint64_t maxQueue);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool();

  // Something new, that does not wait already. kUnavailable when maxQueue tasks wait, or after
  // refuse().
  Status submit(std::shared_ptr<Task> task);
  // What has begun and goes on: never refused. Must not come after stop().
  void submitAlways(std::shared_ptr<Task> task) noexcept;

  uint64_t queued() const;

  // Nothing new from now on.
  void refuse();
  // Runs all that waits, and returns when the threads have ended. Not from one of them.
  void stop();

 private:
  void run();
  void push(std::shared_ptr<Task> task) NEXUS_REQUIRES(mutex_);
  std::shared_ptr<Task> pop() NEXUS_REQUIRES(mutex_);

  const uint64_t maxQueue_;
  mutable Mutex mutex_;
  Condition wake_;
  std::shared_ptr<Task> first_ NEXUS_GUARDED_BY(mutex_);
  Task* last_ NEXUS_GUARDED_BY(mutex_) = nullptr;
  uint64_t waiting_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t sleeping_ NEXUS_GUARDED_BY(mutex_) = 0;
  bool isRefusing_ NEXUS_GUARDED_BY(mutex_) = false;
  bool isStopped_ NEXUS_GUARDED_BY(mutex_) = false;
  Mutex joining_;
  std::vector<std::thread> threads_ NEXUS_GUARDED_BY(joining_);
};

}  // namespace nexus::runtime
