#include "runtime/worker_pool.h"

#include <string>
#include <utility>

#include "runtime/refusals.h"
#include "sandbox/quiet_thread.h"

namespace nexus::runtime {

WorkerPool::WorkerPool(uint64_t threads, uint64_t maxQueue) : maxQueue_(maxQueue) {
  try {
    const MutexLock lock(joining_);
    threads_.reserve(threads);
    for (uint64_t i = 0; i < threads; ++i) {
      threads_.push_back(sandbox::startQuietThread([this] { run(); }));
    }
  } catch (...) {
    stop();  // those that did start
    throw;
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::push(std::shared_ptr<Task> task) {
  Task* const pushed = task.get();
  (last_ == nullptr ? first_ : last_->next_) = std::move(task);
  last_ = pushed;
  ++waiting_;
  if (sleeping_ > 0) wake_.notifyOne();
}

// Null when none waits.
std::shared_ptr<WorkerPool::Task> WorkerPool::pop() {
  std::shared_ptr<Task> task = std::move(first_);
  if (task == nullptr) return nullptr;
  first_ = std::move(task->next_);
  if (first_ == nullptr) last_ = nullptr;
  --waiting_;
  return task;
}

Status WorkerPool::submit(std::shared_ptr<Task> task) {
  const MutexLock lock(mutex_);
  if (isRefusing_) return shuttingDown();
  if (waiting_ >= maxQueue_) {
    return Error{.code = ErrorCode::kUnavailable,
                 .message = "the queue is full: max_queue, " + std::to_string(maxQueue_) +
                            ", calls wait already"};
  }
  push(std::move(task));
  return Done{};
}

void WorkerPool::submitAlways(std::shared_ptr<Task> task) noexcept {
  const MutexLock lock(mutex_);
  push(std::move(task));
}

uint64_t WorkerPool::queued() const {
  const MutexLock lock(mutex_);
  return waiting_;
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
      while (first_ == nullptr && !isStopped_) {
        ++sleeping_;
        wake_.wait(mutex_);
        --sleeping_;
      }
      task = pop();
      if (task == nullptr) return;
    }
    task->run();
  }
}

}  // namespace nexus::runtime
