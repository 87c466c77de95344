#include "runtime/suspension_store.h"

#include <zstd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "base/hash.h"
#include "base/random.h"
#include "runtime/refusals.h"
#include "sandbox/delta_codec.h"

namespace nexus::runtime {
namespace {

// More gains two per cent for a fifth more of time.
constexpr int kCompressionLevel = 1;
// Ids of what expired lately are remembered, so that a late resume learns why.
constexpr size_t kRemembered = 1000;
// An allocation, and its places in a hash table and a tree.
constexpr uint64_t kBookkeeping = 160;

struct Zstd {
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> pack{ZSTD_createCCtx(), ZSTD_freeCCtx};
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> unpack{ZSTD_createDCtx(), ZSTD_freeDCtx};
};

Zstd& ownZstd() {
  thread_local Zstd own;
  return own;
}

// Null when there is no memory for it.
std::unique_ptr<std::string> compress(const std::string& bytes) {
  if (ownZstd().pack == nullptr) return nullptr;
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compressCCtx(ownZstd().pack.get(), packed.data(), packed.size(),
                                        bytes.data(), bytes.size(), kCompressionLevel);
  if (ZSTD_isError(size) != 0) return nullptr;
  return std::make_unique<std::string>(packed.substr(0, size));  // no larger than it has to be
}

std::optional<std::string> decompress(const std::string& packed) {
  if (ownZstd().unpack == nullptr) return std::nullopt;
  const auto size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) return std::nullopt;
  std::string bytes(size, '\0');
  const size_t got = ZSTD_decompressDCtx(ownZstd().unpack.get(), bytes.data(), bytes.size(),
                                         packed.data(), packed.size());
  if (ZSTD_isError(got) != 0 || got != size) return std::nullopt;
  return bytes;
}

uint64_t bytesOf(const js::CallBook& book) {
  uint64_t bytes = 0;
  for (const ExtensionRequest& request : book.outstanding) {
    bytes += sizeof request + request.extension.capacity() + request.method.capacity() +
             request.args.capacity();
  }
  for (const std::string& key : book.writtenKeys)
    bytes += sizeof(std::string) + key.capacity() + 16;
  for (const std::string& text : book.denialTexts) bytes += sizeof(std::string) + text.capacity();
  return bytes;
}

// What an image grows by later is the memory cache's affair.
uint64_t bytesOf(const js::Handler& handler) {
  return sizeof handler + handler.image->ownBytes() + handler.code->source.capacity() +
         handler.code->bytecode.capacity();
}

}  // namespace

std::string SuspensionId::toString() const { return toHex(std::as_bytes(std::span(words))); }

std::optional<SuspensionId> SuspensionId::parse(std::string_view text) {
  SuspensionId id;
  if (!fromHex(text, std::as_writable_bytes(std::span(id.words)))) return std::nullopt;
  return id;
}

// One of `raw` and `packed`.
struct SuspensionStore::Entry {
  explicit Entry(Suspension suspension)
      : raw(std::make_shared<sandbox::Delta>(std::move(suspension.call.delta))),
        book(std::move(suspension.call.book)),
        handler(std::move(suspension.call.handler)),
        rights(std::move(suspension.rights)),
        repeat(suspension.repeat),
        inbox(std::move(suspension.inbox)),
        expires(suspension.expires) {
    book.outstanding.shrink_to_fit();
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry() = default;

  std::shared_ptr<sandbox::Delta> raw;
  bool isLent = false;  // packOne() may be reading `raw`: nobody changes it
  std::unique_ptr<std::string> packed;
  js::CallBook book;
  std::shared_ptr<const js::Handler> handler;
  std::shared_ptr<const Rights> rights;
  Repeat repeat;
  std::shared_ptr<Inbox> inbox;
  Clock::Time expires;

  uint64_t contentBytes() const {
    if (packed) return sizeof(std::string) + packed->capacity();
    return sizeof *raw + raw->difference.bytes.capacity() +
           raw->difference.runs.capacity() * sizeof(sandbox::DifferenceRun) +
           raw->globals.capacity() * sizeof(uint64_t);
  }
  uint64_t bytes() const { return sizeof *this + kBookkeeping + contentBytes() + bytesOf(book); }

  // As it was, when there is no memory for it.
  void pack() {
    if (packed) return;
    packed = compress(sandbox::encodeDelta(*raw));
    if (packed) raw.reset();
  }
  // Nothing when there is no memory for it.
  std::optional<sandbox::Delta> takeDelta() {
    try {
      if (raw && isLent) return *raw;
      if (raw) return std::move(*raw);
      const auto encoded = decompress(*packed);
      return encoded ? sandbox::decodeDelta(*encoded) : std::nullopt;
    } catch (const std::bad_alloc&) {
      return std::nullopt;
    }
  }
};

SuspensionStore::SuspensionStore(const Options& options, const Clock& clock, Observer& observer)
    : options_(options), clock_(clock), observer_(observer) {}

SuspensionStore::~SuspensionStore() = default;

void SuspensionStore::count(SuspensionOutcome outcome) noexcept {
  outcomes_[static_cast<size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
  observer_.onSuspension(outcome);
}

std::optional<Error> SuspensionStore::checkRoom(const Entry& entry) const {
  uint64_t bytes = bytes_ + entry.bytes();
  if (!handlers_.contains(entry.handler.get())) bytes += bytesOf(*entry.handler);
  LimitReport limit;
  if (entries_.size() >= options_.maxSuspended) {
    limit = {"max_suspended", options_.maxSuspended, entries_.size() + 1};
  } else if (bytes > options_.maxBytes) {
    limit = {"max_suspended_bytes", options_.maxBytes, bytes};
  } else {
    return std::nullopt;
  }
  return Error{.code = ErrorCode::kResourceLimit,
               .message = "the call cannot wait: " + limit.name + " is " +
                          std::to_string(limit.value) + ", with it there would be " +
                          std::to_string(limit.observed),
               .limit = limit};
}

// What may fail comes first: nothing is counted then.
void SuspensionStore::add(const SuspensionId& id, std::unique_ptr<Entry> entry) {
  Held& held = handlers_[entry->handler.get()];
  if (entry->raw) raw_.push_back(id);
  due_.emplace(entry->expires, id);
  const Entry& added = *entries_.emplace(id, std::move(entry)).first->second;
  if (held.holders++ == 0) {
    held.bytes = bytesOf(*added.handler);
    bytes_ += held.bytes;
  }
  bytes_ += added.bytes();
  if (added.raw) rawBytes_ += added.contentBytes();
}

std::unique_ptr<SuspensionStore::Entry> SuspensionStore::remove(Entries::iterator place) {
  std::unique_ptr<Entry> entry = std::move(place->second);
  due_.erase({entry->expires, place->first});
  entries_.erase(place);
  bytes_ -= entry->bytes();
  if (entry->raw) rawBytes_ -= entry->contentBytes();
  const auto held = handlers_.find(entry->handler.get());
  if (--held->second.holders == 0) {
    bytes_ -= held->second.bytes;
    handlers_.erase(held);
  }
  return entry;
}

std::unique_ptr<SuspensionStore::Entry> SuspensionStore::removeExpired(Entries::iterator place) {
  if (recentlyExpired_.size() == kRemembered) recentlyExpired_.pop_front();
  recentlyExpired_.push_back(place->first);
  return remove(place);
}

// Two that come at once may both find room: the budget is no limit.
void SuspensionStore::packIfTight(Entry& entry) {
  {
    const MutexLock lock(mutex_);
    if (rawBytes_ + entry.contentBytes() <= kRawBytes) return;
  }
  entry.pack();
}

Result<SuspensionId> SuspensionStore::put(Suspension suspension) {
  const auto first = randomNumber();
  const auto second = randomNumber();
  if (!first || !second) {
    return Error{.code = ErrorCode::kUnavailable, .message = "the system gives no random numbers"};
  }
  const SuspensionId id{{*first, *second}};
  suspension.expires = clock_.now() + options_.timeout;
  auto entry = std::make_unique<Entry>(std::move(suspension));
  packIfTight(*entry);
  std::optional<Error> refusal;
  {
    const MutexLock lock(mutex_);
    refusal = checkRoom(*entry);
    if (!refusal) add(id, std::move(entry));
  }
  count(refusal ? SuspensionOutcome::kRefused : SuspensionOutcome::kSuspended);
  if (refusal) return std::move(*refusal);
  return id;
}

void SuspensionStore::putBack(const SuspensionId& id, Suspension suspension) {
  try {
    auto entry = std::make_unique<Entry>(std::move(suspension));
    packIfTight(*entry);
    putBack(id, std::move(entry));
  } catch (const std::bad_alloc&) {
    count(SuspensionOutcome::kDropped);
    throw;
  }
}

void SuspensionStore::putBack(const SuspensionId& id, std::unique_ptr<Entry> entry) {
  const MutexLock lock(mutex_);
  add(id, std::move(entry));
}

Error SuspensionStore::expiredError() const {
  const auto timeout = static_cast<uint64_t>(options_.timeout.count());
  return Error{.code = ErrorCode::kTimeout,
               .message = "the call was not resumed within suspend_timeout_ms, " +
                          std::to_string(timeout) + " ms",
               .limit = LimitReport{"suspend_timeout_ms", timeout, timeout}};
}

Result<Suspension> SuspensionStore::take(const SuspensionId& id) {
  const auto now = clock_.now();
  std::unique_ptr<Entry> entry;
  {
    const MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
      const bool expired =
          std::find(recentlyExpired_.begin(), recentlyExpired_.end(), id) != recentlyExpired_.end();
      if (expired) return expiredError();
      return Error{.code = ErrorCode::kNotFound,
                   .message = "there is no suspension " + id.toString() +
                              ": it is being resumed, has ended, or never was"};
    }
    entry = now < found->second->expires ? remove(found) : removeExpired(found);
  }
  if (now >= entry->expires) {
    count(SuspensionOutcome::kExpired);
    return expiredError();
  }
  auto delta = entry->takeDelta();
  if (!delta) {
    putBack(id, std::move(entry));
    return outOfMemory();
  }
  return Suspension{{std::move(entry->handler), std::move(*delta), std::move(entry->book)},
                    std::move(entry->rights),
                    std::move(entry->inbox),
                    entry->expires,
                    entry->repeat};
}

Status SuspensionStore::checkWaits(const SuspensionId& id,
                                   std::span<const js::Settlement> settlements) const {
  const MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return Done{};
  return js::checkRequests(found->second->book, settlements);
}

bool SuspensionStore::holds(const SuspensionId& id) const {
  const auto now = clock_.now();
  const MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  return found != entries_.end() && now < found->second->expires;
}

std::optional<SuspensionInfo> SuspensionStore::find(const SuspensionId& id) const {
  const auto now = clock_.now();
  const MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || now >= found->second->expires) return std::nullopt;
  return SuspensionInfo{
      id.toString(), found->second->book.outstanding,
      std::chrono::duration_cast<std::chrono::milliseconds>(found->second->expires - now)};
}

bool SuspensionStore::drop(const SuspensionId& id) {
  std::unique_ptr<Entry> dropped;
  {
    const MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second->inbox) return false;
    dropped = remove(found);
  }
  count(SuspensionOutcome::kDropped);
  return true;
}

void SuspensionStore::abandon(const SuspensionId& id) {
  std::unique_ptr<Entry> dropped;
  {
    const MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    dropped = remove(found);
  }
  count(SuspensionOutcome::kDropped);
}

void SuspensionStore::expire() {
  const auto now = clock_.now();
  while (const auto expired = takeExpired(now)) {
    count(SuspensionOutcome::kExpired);
    if (expired->inbox) expired->inbox->wakeUp();
  }
}

// Null: there is none (any more).
std::unique_ptr<SuspensionStore::Entry> SuspensionStore::takeExpired(Clock::Time now) {
  const MutexLock lock(mutex_);
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto found = entries_.find(due_.begin()->second);
    if (found != entries_.end()) return removeExpired(found);
    due_.erase(due_.begin());  // there was no memory for the rest of it
  }
  return nullptr;
}

void SuspensionStore::wakeAll() {
  std::vector<std::shared_ptr<Inbox>> inboxes;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, entry] : entries_) {
      if (entry->inbox) inboxes.push_back(entry->inbox);
    }
  }
  for (const auto& inbox : inboxes) inbox->wakeUp();
}

void SuspensionStore::pack() {
  std::vector<SuspensionId> old;
  {
    const MutexLock lock(mutex_);
    old.swap(oldRaw_);
    oldRaw_.swap(raw_);
  }
  for (const SuspensionId& id : old) packOne(id);
}

// Compressing takes its time: others go on meanwhile, perhaps with this one.
void SuspensionStore::packOne(const SuspensionId& id) {
  std::shared_ptr<sandbox::Delta> raw;
  {
    const MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second->packed) return;
    raw = found->second->raw;
    found->second->isLent = true;
  }
  auto packed = compress(sandbox::encodeDelta(*raw));
  if (packed == nullptr) return;
  const MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second->raw != raw) return;
  Entry& entry = *found->second;
  const uint64_t before = entry.contentBytes();
  entry.packed = std::move(packed);
  entry.raw.reset();
  rawBytes_ -= before;
  bytes_ -= before;
  bytes_ += entry.contentBytes();
}

SuspensionStats SuspensionStore::stats() const {
  const auto since = [this](SuspensionOutcome outcome) {
    return outcomes_[static_cast<size_t>(outcome)].load(std::memory_order_relaxed);
  };
  const MutexLock lock(mutex_);
  return {.suspended = entries_.size(),
          .bytes = bytes_,
          .resumed = since(SuspensionOutcome::kResumed),
          .expired = since(SuspensionOutcome::kExpired),
          .dropped = since(SuspensionOutcome::kDropped),
          .refused = since(SuspensionOutcome::kRefused)};
}

}  // namespace nexus::runtime
