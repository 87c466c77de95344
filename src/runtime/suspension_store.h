// Calls that wait, without an instance or a thread: a few kilobytes each.
//
// A new one is kept as it is, since many wait only for a moment; when those take more than
// kRawBytes, or have waited for a while (pack), they are encoded and compressed. What is not taken
// back in time is dropped (expire).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/rights.h"
#include "js/js_sandbox.h"
#include "nexus/runtime.h"
#include "runtime/inbox.h"

namespace nexus::runtime {

struct SuspensionId {
  std::array<uint64_t, 2> words{};
  bool operator==(const SuspensionId&) const = default;

  // 32 hexadecimal digits.
  std::string toString() const;
  static std::optional<SuspensionId> parse(std::string_view text);
};

struct Suspension {
  js::SuspendedCall call;
  std::shared_ptr<const Rights> rights;
  // Of calls that a run waits with; null: somebody outside has its id.
  std::shared_ptr<Inbox> inbox;
  Clock::Time expires;  // set by put()
};

struct SuspensionStats {
  uint64_t suspended = 0;
  uint64_t bytes = 0;  // with the images that they hold
  uint64_t resumed = 0;
  uint64_t expired = 0;
  uint64_t refused = 0;
};

// Thread-safe.
class SuspensionStore {
 public:
  struct Options {
    uint64_t maxSuspended = 1'000'000;
    uint64_t maxBytes = uint64_t{4} << 30;
    std::chrono::milliseconds timeout{300'000};
  };
  static constexpr uint64_t kRawBytes = uint64_t{16} << 20;

  SuspensionStore(const Options& options, const Clock& clock);
  SuspensionStore(const SuspensionStore&) = delete;
  SuspensionStore& operator=(const SuspensionStore&) = delete;
  ~SuspensionStore();

  // kResourceLimit: too many, or too large together. Then the suspension is dropped.
  Result<SuspensionId> put(Suspension suspension);
  // The same one again, for as long as it had left: after a resume that was refused.
  void putBack(const SuspensionId& id, Suspension suspension);
  // Nobody else gets it from now on. kTimeout when it has expired, kNotFound when there is none
  // (any more).
  Result<Suspension> take(const SuspensionId& id);
  std::optional<SuspensionInfo> find(const SuspensionId& id) const;
  // False when there is none that somebody outside could resume.
  bool drop(const SuspensionId& id);

  // Drops what has waited too long, and wakes those who wait for it.
  void expire();
  // Wakes all call runs that wait, to look what is the matter.
  void wakeAll();
  // Once in a while: compresses what was there as it is the last time already.
  void pack();

  std::chrono::milliseconds timeout() const { return options_.timeout; }
  SuspensionStats stats() const;

 private:
  struct Entry;
  struct IdHash {
    size_t operator()(const SuspensionId& id) const { return static_cast<size_t>(id.words[0]); }
  };
  struct Due {
    Clock::Time expires;
    SuspensionId id;
  };
  struct HeldImage {
    uint64_t holders = 0;
    uint64_t bytes = 0;
  };
  using Entries = std::unordered_map<SuspensionId, std::unique_ptr<Entry>, IdHash>;

  std::optional<Error> checkRoom(uint64_t bytes) NEXUS_REQUIRES(mutex_);
  void add(const SuspensionId& id, std::unique_ptr<Entry> entry) NEXUS_REQUIRES(mutex_);
  std::unique_ptr<Entry> remove(const SuspensionId& id) NEXUS_REQUIRES(mutex_);
  void count(const Entry& entry, bool isAdded) NEXUS_REQUIRES(mutex_);
  Error expiredError() const;

  const Options options_;
  const Clock& clock_;

  mutable Mutex mutex_;
  Entries entries_ NEXUS_GUARDED_BY(mutex_);
  std::deque<Due> due_ NEXUS_GUARDED_BY(mutex_);  // the timeout is the same for all: in order
  std::vector<SuspensionId> raw_ NEXUS_GUARDED_BY(mutex_);     // since the last pack()
  std::vector<SuspensionId> oldRaw_ NEXUS_GUARDED_BY(mutex_);  // before that
  std::deque<SuspensionId> recentlyExpired_ NEXUS_GUARDED_BY(mutex_);
  // An image's bytes count once, however many hold it.
  std::unordered_map<const sandbox::Image*, HeldImage> images_ NEXUS_GUARDED_BY(mutex_);
  uint64_t bytes_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t rawBytes_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t resumed_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t expired_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t refused_ NEXUS_GUARDED_BY(mutex_) = 0;
};

}  // namespace nexus::runtime
