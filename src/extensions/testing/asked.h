// A request to an extension, as tests make it: waits for its answer, and may be cancelled.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "nexus/extension.h"

namespace nexus::extensions {

// What a reply answers that was let go.
inline constexpr char kDropped[] = "the extension gave no answer";

// One request, which must end first: wait() for it, or declare this before the extension.
class Asked {
 public:
  explicit Asked(std::function<void()> onAnswer = nullptr) : onAnswer_(std::move(onAnswer)) {}

  void ask(Extension& extension, std::string method, std::string args) {
    const auto sink = [this](bool isResult, std::string text) { take(isResult, std::move(text)); };
    extension.call({std::move(method), std::move(args), stop_.get_token()}, ExtensionReply(sink));
  }
  void cancel() { stop_.request_stop(); }

  bool isAnswered() const {
    const MutexLock lock(mutex_);
    return isAnswered_;
  }
  // JSON text of the result, or the message of the error.
  std::string wait() {
    const MutexLock lock(mutex_);
    while (!isAnswered_) came_.wait(mutex_);
    return text_;
  }
  // After it was answered.
  bool isResult() const {
    const MutexLock lock(mutex_);
    return isResult_;
  }

 private:
  void take(bool isResult, std::string text) {
    if (onAnswer_) onAnswer_();
    const MutexLock lock(mutex_);
    isAnswered_ = true;
    isResult_ = isResult;
    text_ = std::move(text);
    // Under the lock: who waits may destroy this as soon as it is released.
    came_.notifyAll();
  }

  const std::function<void()> onAnswer_;
  std::stop_source stop_;
  mutable Mutex mutex_;
  Condition came_;
  bool isAnswered_ NEXUS_GUARDED_BY(mutex_) = false;
  bool isResult_ NEXUS_GUARDED_BY(mutex_) = false;
  std::string text_ NEXUS_GUARDED_BY(mutex_);
};

// Asks, and waits for the answer.
inline std::string ask(Extension& extension, std::string method, std::string args) {
  Asked asked;
  asked.ask(extension, std::move(method), std::move(args));
  return asked.wait();
}

}  // namespace nexus::extensions
