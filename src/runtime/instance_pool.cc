#include "runtime/instance_pool.h"

#include <algorithm>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "runtime/refusals.h"

namespace nexus::runtime {
namespace {

// Looked at from the top for one that holds the wanted image: switching images costs a fifth of a
// microsecond for a small handler and 16 for a large one, a miss in the caches some, a search more.
constexpr size_t kLookedAt = 4;

Error unavailable(std::string message) {
  return Error{.code = ErrorCode::kUnavailable, .message = std::move(message)};
}

}  // namespace

PooledInstance::PooledInstance(PooledInstance&& other) noexcept
    : pool_(other.pool_), instance_(std::move(other.instance_)) {}

PooledInstance::~PooledInstance() {
  if (instance_) pool_->release(std::move(instance_));
}

InstancePool::InstancePool(js::JsEngine& engine, const Options& options,
                           const SuspensionStore& suspensions, const Clock& clock,
                           Observer& observer)
    : engine_(engine),
      options_(options),
      suspensions_(suspensions),
      clock_(clock),
      observer_(observer) {
  const MutexLock lock(mutex_);
  // Releasing must not need memory.
  idle_.reserve(options.maxInstances);
  all_.reserve(options.maxInstances);
}

InstancePool::~InstancePool() { close(Clock::Time::max()); }

std::optional<SuspensionInfo> InstancePool::getSuspended(std::string_view suspensionId) const {
  const auto id = SuspensionId::parse(suspensionId);
  return id ? suspensions_.find(*id) : std::nullopt;
}

Status InstancePool::warmUp() {
  while (true) {
    {
      const MutexLock lock(mutex_);
      if (isClosed_ || all_.size() + inTransit_ >= options_.minInstances) return Done{};
      ++inTransit_;
    }
    auto instance = create();
    if (!instance) return std::move(instance).error();
    release(std::move(*instance));
  }
}

// Counted in inTransit_ before; slow, so outside of the lock.
Result<std::unique_ptr<WasmInstance>> InstancePool::create() {
  std::unique_ptr<WasmInstance> instance;
  std::optional<Error> refusal;
  try {
    auto made = WasmInstance::make(engine_, lastId_.fetch_add(1, std::memory_order_relaxed) + 1);
    if (made) instance = std::move(*made);
    if (!made) refusal = std::move(made).error();
  } catch (const std::bad_alloc&) {
    // Below, when the place is free again: saying so needs memory, too.
  }
  {
    const MutexLock lock(mutex_);
    --inTransit_;
    if (instance) {
      ++created_;
      all_.push_back(instance.get());
    }
    wakeNext();
  }
  if (instance) return instance;
  return refusal ? std::move(*refusal) : outOfMemory();
}

std::unique_ptr<WasmInstance> InstancePool::takeIdle(const sandbox::Image* image) {
  if (idle_.empty()) return nullptr;
  size_t at = idle_.size() - 1;
  const size_t last = idle_.size() - std::min(kLookedAt, idle_.size());
  for (size_t i = idle_.size(); image != nullptr && i-- > last;) {
    if (!idle_[i].instance->holds(image)) continue;
    at = i;
    break;
  }
  std::unique_ptr<WasmInstance> instance = std::move(idle_[at].instance);
  idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(at));
  return instance;
}

// Whether one that waits has waited long enough.
bool InstancePool::mustQueue() const {
  return !waiters_.empty() && clock_.now() - waiters_.front()->since > kPatience;
}

Result<PooledInstance> InstancePool::acquire(const Wanted& wanted) {
  std::unique_ptr<WasmInstance> instance;
  bool creates = false;
  {
    const MutexLock lock(mutex_);
    if (isClosed_) return shuttingDown();
    if (!mustQueue()) {
      instance = takeIdle(wanted.image);
      creates = instance == nullptr && mayCreate();
      if (creates) ++inTransit_;
    }
  }
  bool wasRefused = false;
  while (instance == nullptr) {
    if (creates) {
      auto created = create();
      if (!created && hasNone()) return std::move(created).error();  // nobody will release one
      if (created) instance = std::move(*created);
      wasRefused = instance == nullptr;
      creates = false;
      continue;
    }
    auto waited = waitFor(wanted, wasRefused);
    if (!waited) return std::move(waited).error();
    instance = std::move(*waited);
    creates = instance == nullptr;
  }
  return PooledInstance(*this, std::move(instance));
}

// Null: the caller is to create one; that is counted in inTransit_.
Result<std::unique_ptr<WasmInstance>> InstancePool::waitFor(const Wanted& wanted, bool wasRefused) {
  Waiter self;
  self.wasRefused = wasRefused;
  self.since = clock_.now();
  const auto wake = [this, &self] {
    const MutexLock lock(mutex_);
    self.wake.notifyOne();
  };
  // Made before the lock is taken: it runs at once when the stop was requested already.
  std::optional<std::stop_callback<decltype(wake)>> onStop;
  if (wanted.stop.stop_possible()) onStop.emplace(wanted.stop, wake);

  Turn turn = Turn::kWait;
  {
    const MutexLock lock(mutex_);
    const auto place = waiters_.insert(waiters_.end(), &self);
    // Nothing in here may throw: the queue would keep a waiter that is gone.
    while ((turn = turnOf(self, wanted)) == Turn::kWait) {
      self.isNotified = false;
      self.wake.waitUntil(mutex_, clock_.real(wanted.until));
    }
    waiters_.erase(place);
    if (turn == Turn::kCreate) ++inTransit_;
    wakeNext();
  }
  switch (turn) {
    case Turn::kClosed:
      return shuttingDown();
    case Turn::kCancelled:
      return cancelled();
    case Turn::kTooLate:
      if (wasRefused) return unavailable("no instance in time, and the system refuses a new one");
      return unavailable("no instance in time: all " + std::to_string(options_.maxInstances) +
                         " (max_instances) are executing");
    default:
      return std::move(self.granted);
  }
}

InstancePool::Turn InstancePool::turnOf(Waiter& self, const Wanted& wanted) {
  if (self.granted != nullptr) return Turn::kTake;
  if (isClosed_) return Turn::kClosed;
  if (waiters_.front() == &self) {
    self.granted = takeIdle(wanted.image);
    if (self.granted != nullptr) return Turn::kTake;
    // What the system refused is asked for again only when nobody is left to release one.
    const bool isRefused = self.wasRefused && all_.size() + inTransit_ > 0;
    if (mayCreate() && !isRefused) return Turn::kCreate;
  }
  if (wanted.stop.stop_requested()) return Turn::kCancelled;
  return clock_.now() >= wanted.until ? Turn::kTooLate : Turn::kWait;
}

// One that may find something: an idle instance, or room for a new one.
void InstancePool::wakeNext() {
  if (isClosed_) changed_.notifyAll();
  if (waiters_.empty() || waiters_.front()->isNotified) return;
  if (idle_.empty() && !mayCreate() && !isClosed_) return;
  waiters_.front()->isNotified = true;
  waiters_.front()->wake.notifyOne();
}

void InstancePool::release(std::unique_ptr<WasmInstance> instance) noexcept {
  if (!instance->reset()) return discard(std::move(instance));
  const MutexLock lock(mutex_);
  if (!isClosed_ && mustQueue() && waiters_.front()->granted == nullptr) {
    waiters_.front()->granted = std::move(instance);
    waiters_.front()->isNotified = true;
    waiters_.front()->wake.notifyOne();
    return;
  }
  idle_.push_back({std::move(instance), age_, false});
  wakeNext();
}

// Its place is free when nothing is left of it; then the pool may be closed, and all be over.
void InstancePool::discard(std::unique_ptr<WasmInstance> instance) noexcept {
  {
    const MutexLock lock(mutex_);
    std::erase(all_, instance.get());
    ++inTransit_;
    ++discarded_;
  }
  observer_.onInstanceDiscarded(instance->id());
  instance.reset();
  const MutexLock lock(mutex_);
  --inTransit_;
  wakeNext();
}

uint64_t InstancePool::activeCount() const {
  const MutexLock lock(mutex_);
  return all_.size() - idle_.size();
}

bool InstancePool::hasNone() const {
  const MutexLock lock(mutex_);
  return all_.size() + inTransit_ == 0;
}

uint64_t InstancePool::availableCount() const {
  const MutexLock lock(mutex_);
  return idle_.size();
}

PoolStats InstancePool::stats() const {
  const MutexLock lock(mutex_);
  return {.active = all_.size() - idle_.size(),
          .available = idle_.size(),
          .waiting = waiters_.size(),
          .created = created_,
          .discarded = discarded_};
}

void InstancePool::shrink() {
  {
    std::vector<Idle> ended;
    ended.reserve(options_.maxInstances);
    const MutexLock lock(mutex_);
    // From the bottom: those used longest ago.
    while (!idle_.empty() && all_.size() > options_.minInstances) {
      std::erase(all_, idle_.front().instance.get());
      ended.push_back(std::move(idle_.front()));
      idle_.erase(idle_.begin());
    }
    wakeNext();
  }
  trimIdle(0);
}

void InstancePool::age() {
  {
    const MutexLock lock(mutex_);
    ++age_;
  }
  trimIdle(2);
}

// One by one, each as if it were leased: trimming takes system calls.
void InstancePool::trimIdle(uint64_t unusedFor) {
  while (true) {
    Idle taken;
    {
      const MutexLock lock(mutex_);
      const auto found =
          std::find_if(idle_.begin(), idle_.end(), [unusedFor, now = age_](const Idle& idle) {
            return !idle.isTrimmed && now - idle.since >= unusedFor;
          });
      if (found == idle_.end()) return;
      taken = std::move(*found);
      idle_.erase(found);
    }
    if (!taken.instance->trim()) {
      discard(std::move(taken.instance));
      continue;
    }
    taken.isTrimmed = true;
    const MutexLock lock(mutex_);
    // To the bottom: what is warm goes first.
    idle_.insert(idle_.begin(), std::move(taken));
    wakeNext();
  }
}

bool InstancePool::close(Clock::Time until) {
  const MutexLock lock(mutex_);
  isClosed_ = true;
  for (Waiter* waiter : waiters_) waiter->wake.notifyOne();
  while (!isOver() && clock_.now() < until) changed_.waitUntil(mutex_, clock_.real(until));
  const bool inTime = isOver();
  while (!isOver()) {
    // Again after each change: some may have been in the making.
    for (WasmInstance* instance : all_) instance->terminate();
    changed_.wait(mutex_);
  }
  return inTime;
}

bool InstancePool::isOver() const {
  return all_.size() == idle_.size() && inTransit_ == 0 && waiters_.empty();
}

}  // namespace nexus::runtime
