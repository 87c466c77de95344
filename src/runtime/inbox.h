// Where the answers to one call's requests arrive: from any thread, late, or never.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "js/call.h"
#include "nexus/result.h"

namespace nexus::runtime {

// Thread-safe. Shared by the call and by all replies that are out.
class Inbox {
 public:
  struct Answer {
    uint64_t requestId = 0;
    js::Settlement::Kind kind = js::Settlement::Kind::kResult;
    std::string text;
  };

  Inbox() = default;
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox() = default;

  // Kept until it is taken, and the owner woken; dropped when the call is over.
  void deliver(Answer answer) noexcept;

  // What has come. kUnavailable when there was no memory to keep all of it.
  Result<std::vector<Answer>> take();

  // Calls `wake` once, when there is an answer or wakeUp() is called, at once if there was one.
  // From whatever thread, while nothing is locked.
  void whenSomethingComes(std::function<void()> wake);
  void wakeUp();

  // Waits until there is something, or until then.
  void wait(std::chrono::steady_clock::time_point until);

  // The call is over: nothing is kept any more, and those who work for it are told.
  void close();
  std::stop_token stopToken() const { return stop_.get_token(); }

 private:
  std::function<void()> takeWake() NEXUS_REQUIRES(mutex_);

  Mutex mutex_;
  Condition came_;
  std::vector<Answer> answers_ NEXUS_GUARDED_BY(mutex_);
  std::function<void()> wake_ NEXUS_GUARDED_BY(mutex_);
  bool isWoken_ NEXUS_GUARDED_BY(mutex_) = false;
  bool hasLost_ NEXUS_GUARDED_BY(mutex_) = false;
  bool isClosed_ NEXUS_GUARDED_BY(mutex_) = false;
  std::stop_source stop_;
};

}  // namespace nexus::runtime
