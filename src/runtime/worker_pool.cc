#include "runtime/worker_pool.h"

#include <string>
#include <utility>

#include "sandbox/quiet_thread.h"

namespace nexus::runtime {

WorkerPool::WorkerPool(uint64_t threads, uint64_t maxQueue) : maxQueue_(maxQueue) {
  try {
    start(threads);
  } catch (...) {
    stop();  // those that have started
    throw;
  }
}

void WorkerPool::start(uint64_t threads) {
  const MutexLock lock(joining_);
  threads_.reserve(threads);
  for (uint64_t i = 0; i < threads; ++i) {
    threads_.push_back(sandbox::startQuietThread([this] { run(); }));
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::push(std::shared_ptr<Task> task) {
  tasks_.push_back(std::move(task));
  if (sleeping_ > 0) wake_.notifyOne();
}

Status WorkerPool::submit(std::shared_ptr<Task> task) {
  const MutexLock lock(mutex_);
  if (isRefusing_) {
    return Error{.code = ErrorCode::kUnavailable, .message = "the runtime is shutting down"};
  }
  if (tasks_.size() >= maxQueue_) {
    return Error{.code = ErrorCode::kUnavailable,
                 .message = "the queue is full: max_queue, " + std::to_string(maxQueue_) +
                            ", calls wait already"};
  }
  push(std::move(task));
  return Done{};
}

void WorkerPool::submitAlways(std::shared_ptr<Task> task) {
  const MutexLock lock(mutex_);
  push(std::move(task));
}

uint64_t WorkerPool::queued() const {
  const MutexLock lock(mutex_);
  return tasks_.size();
}

void WorkerPool::refuse() {
  const MutexLock lock(mutex_);
  isRefusing_ = true;
}

void WorkerPool::stop() {
  {
    const MutexLock lock(mutex_);
    isRefusing_ = true;
    isStopped_ = true;
  }
  wake_.notifyAll();
  const MutexLock lock(joining_);
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkerPool::run() {
  while (true) {
    std::shared_ptr<Task> task;
    {
      const MutexLock lock(mutex_);
      while (tasks_.empty() && !isStopped_) {
        ++sleeping_;
        wake_.wait(mutex_);
        --sleeping_;
      }
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task->run();
  }
}

}  // namespace nexus::runtime
