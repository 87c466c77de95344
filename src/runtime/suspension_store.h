// Calls that wait, without an instance or a thread: a few kilobytes each.
//
// A new one is kept as it is, since many wait only for a moment; when those take more than
// kRawBytes, or have waited for a while (pack), they are encoded and compressed. What is not taken
// back in time is dropped (expire).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/rights.h"
#include "js/js_sandbox.h"
#include "nexus/observer.h"
#include "nexus/runtime.h"
#include "runtime/inbox.h"

namespace nexus::runtime {

struct SuspensionId {
  std::array<uint64_t, 2> words{};
  bool operator==(const SuspensionId&) const = default;
  bool operator<(const SuspensionId& other) const { return words < other.words; }

  // 32 hexadecimal digits.
  std::string toString() const;
  static std::optional<SuspensionId> parse(std::string_view text);
};

// Of calls that can be repeated: it holds for all of their runs.
struct Repeat {
  std::optional<uint64_t> seed;
  std::optional<std::chrono::milliseconds> clock;
};

struct Suspension {
  js::SuspendedCall call;
  std::shared_ptr<const Rights> rights;
  // Of calls that a run waits with; null: somebody outside has its id.
  std::shared_ptr<Inbox> inbox;
  Clock::Time expires = {};  // set by put()
  Repeat repeat = {};
};

struct SuspensionStats {
  uint64_t suspended = 0;
  uint64_t bytes = 0;  // with the handlers that they hold
  // Since the start.
  uint64_t resumed = 0;
  uint64_t expired = 0;
  uint64_t dropped = 0;
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

  // Clock and observer must outlive it.
  SuspensionStore(const Options& options, const Clock& clock, Observer& observer);
  SuspensionStore(const SuspensionStore&) = delete;
  SuspensionStore& operator=(const SuspensionStore&) = delete;
  ~SuspensionStore();

  // kResourceLimit: too many, or too large together. Then the suspension is dropped.
  Result<SuspensionId> put(Suspension suspension);
  // Nobody else gets it from now on; it is put back, or told of with count(). kTimeout when it has
  // expired lately, kNotFound when there is none (any more); kUnavailable when there is no memory
  // for it now, and it is left.
  Result<Suspension> take(const SuspensionId& id);
  // The same one again, for as long as it had left: after a resume that was refused. When there is
  // no memory for that, it is dropped.
  void putBack(const SuspensionId& id, Suspension suspension);
  // kNotFound when it is here and does not wait for one of these.
  Status checkWaits(const SuspensionId& id, std::span<const js::Settlement> settlements) const;
  // Whether it is here, and has not expired.
  bool holds(const SuspensionId& id) const;
  std::optional<SuspensionInfo> find(const SuspensionId& id) const;
  // False when there is none that somebody outside could resume.
  bool drop(const SuspensionId& id);
  // Drops one whose call has ended meanwhile, if it is still here.
  void abandon(const SuspensionId& id);
  // What became of one that was taken.
  void count(SuspensionOutcome outcome) noexcept;

  // Drops what has waited too long, and wakes those who wait for it.
  void expire();
  // Wakes all call runs that wait, to look what is the matter.
  void wakeAll();
  // Once in a while: compresses what was there as it is the last time already.
  void pack();

  Error expiredError() const;
  SuspensionStats stats() const;

 private:
  struct Entry;
  struct IdHash {
    size_t operator()(const SuspensionId& id) const { return static_cast<size_t>(id.words[0]); }
  };
  using Due = std::pair<Clock::Time, SuspensionId>;
  struct Held {
    uint64_t holders = 0;
    uint64_t bytes = 0;
  };
  using Entries = std::unordered_map<SuspensionId, std::unique_ptr<Entry>, IdHash>;

  void packIfTight(Entry& entry);
  std::optional<Error> checkRoom(const Entry& entry) const NEXUS_REQUIRES(mutex_);
  void putBack(const SuspensionId& id, std::unique_ptr<Entry> entry);
  void add(const SuspensionId& id, std::unique_ptr<Entry> entry) NEXUS_REQUIRES(mutex_);
  std::unique_ptr<Entry> remove(Entries::iterator place) NEXUS_REQUIRES(mutex_);
  std::unique_ptr<Entry> removeExpired(Entries::iterator place) NEXUS_REQUIRES(mutex_);
  std::unique_ptr<Entry> takeExpired(Clock::Time now);
  void packOne(const SuspensionId& id);

  const Options options_;
  const Clock& clock_;
  Observer& observer_;

  mutable Mutex mutex_;
  Entries entries_ NEXUS_GUARDED_BY(mutex_);
  std::set<Due> due_ NEXUS_GUARDED_BY(mutex_);                 // one for each of entries_
  std::vector<SuspensionId> raw_ NEXUS_GUARDED_BY(mutex_);     // since the last pack()
  std::vector<SuspensionId> oldRaw_ NEXUS_GUARDED_BY(mutex_);  // before that
  std::deque<SuspensionId> recentlyExpired_ NEXUS_GUARDED_BY(mutex_);
  // A handler's bytes count once, however many hold it.
  std::unordered_map<const js::Handler*, Held> handlers_ NEXUS_GUARDED_BY(mutex_);
  uint64_t bytes_ NEXUS_GUARDED_BY(mutex_) = 0;
  uint64_t rawBytes_ NEXUS_GUARDED_BY(mutex_) = 0;

  std::array<std::atomic<uint64_t>, kSuspensionOutcomes> outcomes_{};
};

}  // namespace nexus::runtime
