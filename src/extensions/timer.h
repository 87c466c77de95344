// The extension `timer`: sleep(ms).
//
// One thread for all who sleep. It holds them in the order in which they are due, waits for the
// first, and answers.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "nexus/extension.h"

namespace nexus::extensions {

class Timer final : public Extension {
 public:
  static constexpr std::chrono::hours kLongest{24};

  explicit Timer(std::unique_ptr<Clock> clock = std::make_unique<Clock>());
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  // Who still sleeps gets an error.
  ~Timer() override;

  bool answers(std::string_view method) const noexcept override { return method == "sleep"; }
  void call(ExtensionCall call, ExtensionReply reply) noexcept override;

  // Who sleeps now.
  size_t sleeping() const;

 private:
  // When it is due, and a number that makes it unique.
  using Key = std::pair<Clock::Time, uint64_t>;

  // Tells the thread that nobody waits for a sleeper any more.
  struct Cancel {
    Timer& timer;
    Key key;
    void operator()() const noexcept { timer.cancel(key); }
  };
  struct Sleeper {
    Sleeper(std::stop_token stop, ExtensionReply whom, Cancel cancel)
        : reply(std::move(whom)), onStop(std::move(stop), cancel) {}

    ExtensionReply reply;
    std::stop_callback<Cancel> onStop;
  };
  using Sleepers = std::map<Key, std::unique_ptr<Sleeper>>;

  void sleep(std::chrono::milliseconds time, const std::stop_token& stop, ExtensionReply reply);
  void cancel(const Key& key) noexcept;
  void run();
  // What is due, or cancelled; waits until there is something. False: the end.
  bool next(std::vector<Sleepers::node_type>& due, std::vector<Sleepers::node_type>& cancelled);

  const std::unique_ptr<Clock> clock_;
  mutable Mutex mutex_;
  Condition changed_;
  Sleepers sleepers_ NEXUS_GUARDED_BY(mutex_);
  std::vector<Key> cancelled_ NEXUS_GUARDED_BY(mutex_);
  uint64_t last_ NEXUS_GUARDED_BY(mutex_) = 0;
  bool isStopped_ NEXUS_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace nexus::extensions
