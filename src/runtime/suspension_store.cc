#include "runtime/suspension_store.h"

#include <zstd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/hash.h"
#include "base/random.h"
#include "sandbox/delta_codec.h"

namespace nexus::runtime {
namespace {

// More gains two per cent for a fifth more of time.
constexpr int kCompressionLevel = 1;
// Ids of what expired lately are remembered, so that a late resume learns why.
constexpr size_t kRemembered = 1000;
// An allocation and its place in a hash table.
constexpr uint64_t kBookkeeping = 96;

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
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compressCCtx(ownZstd().pack.get(), packed.data(), packed.size(),
                                        bytes.data(), bytes.size(), kCompressionLevel);
  if (ZSTD_isError(size) != 0) return nullptr;
  return std::make_unique<std::string>(packed.substr(0, size));  // no larger than it has to be
}

std::optional<std::string> decompress(const std::string& packed) {
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
  for (const std::string& key : book.writtenKeys) bytes += sizeof key + key.capacity() + 16;
  for (const std::string& text : book.denialTexts) bytes += sizeof text + text.capacity();
  return bytes;
}

}  // namespace

std::string SuspensionId::toString() const { return toHex(std::as_bytes(std::span(words))); }

std::optional<SuspensionId> SuspensionId::parse(std::string_view text) {
  SuspensionId id;
  const auto bytes = std::as_writable_bytes(std::span(id.words));
  if (text.size() != 2 * bytes.size()) return std::nullopt;
  for (size_t i = 0; i < bytes.size(); ++i) {
    unsigned byte = 0;
    const char* from = text.data() + 2 * i;
    const auto [end, problem] = std::from_chars(from, from + 2, byte, 16);
    if (problem != std::errc() || end != from + 2) return std::nullopt;
    bytes[i] = static_cast<std::byte>(byte);
  }
  return id;
}

// One of `raw` and `packed`.
struct SuspensionStore::Entry {
  explicit Entry(Suspension suspension)
      : raw(std::make_unique<sandbox::Delta>(std::move(suspension.call.delta))),
        book(std::move(suspension.call.book)),
        handler(std::move(suspension.call.handler)),
        rights(std::move(suspension.rights)),
        inbox(std::move(suspension.inbox)),
        expires(suspension.expires) {
    book.outstanding.shrink_to_fit();
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  std::unique_ptr<sandbox::Delta> raw;
  std::unique_ptr<std::string> packed;
  js::CallBook book;
  std::shared_ptr<const js::Handler> handler;
  std::shared_ptr<const Rights> rights;
  std::shared_ptr<Inbox> inbox;
  Clock::Time expires;

  uint64_t contentBytes() const {
    if (packed) return sizeof *packed + packed->capacity();
    return sizeof *raw + raw->difference.bytes.capacity() +
           raw->difference.runs.capacity() * sizeof(sandbox::DifferenceRun) +
           raw->globals.capacity() * sizeof(uint64_t);
  }
  uint64_t bytes() const { return sizeof *this + kBookkeeping + contentBytes() + bytesOf(book); }

  void pack() {
    if (packed) return;
    packed = compress(sandbox::encodeDelta(*raw));
    if (packed) raw.reset();
  }
  std::optional<sandbox::Delta> takeDelta() {
    if (raw) return std::move(*raw);
    const auto encoded = decompress(*packed);
    return encoded ? sandbox::decodeDelta(*encoded) : std::nullopt;
  }
};

SuspensionStore::SuspensionStore(const Options& options, const Clock& clock)
    : options_(options), clock_(clock) {}

SuspensionStore::~SuspensionStore() = default;

std::optional<Error> SuspensionStore::checkRoom(uint64_t bytes) {
  const char* limit = nullptr;
  uint64_t value = 0;
  uint64_t observed = 0;
  if (entries_.size() >= options_.maxSuspended) {
    limit = "max_suspended";
    value = options_.maxSuspended;
    observed = entries_.size() + 1;
  } else if (bytes_ + bytes > options_.maxBytes) {
    limit = "max_suspended_bytes";
    value = options_.maxBytes;
    observed = bytes_ + bytes;
  }
  if (limit == nullptr) return std::nullopt;
  ++refused_;
  return Error{.code = ErrorCode::kResourceLimit,
               .message = "the call cannot wait: " + std::string(limit) + " is " +
                          std::to_string(value) + ", with it there would be " +
                          std::to_string(observed),
               .limit = LimitReport{limit, value, observed}};
}

void SuspensionStore::count(const Entry& entry, bool isAdded) {
  const sandbox::Image* image = entry.handler->image.get();
  uint64_t bytes = entry.bytes();
  const uint64_t raw = entry.raw ? entry.contentBytes() : 0;
  HeldImage& held = images_[image];
  if (isAdded) {
    if (held.holders++ == 0) {
      held.bytes = image->ownBytes();  // what it grows by later is the memory cache's affair
      bytes += held.bytes;
    }
    bytes_ += bytes;
    rawBytes_ += raw;
    return;
  }
  if (--held.holders == 0) {
    bytes += held.bytes;
    images_.erase(image);
  }
  bytes_ -= bytes;
  rawBytes_ -= raw;
}

void SuspensionStore::add(const SuspensionId& id, std::unique_ptr<Entry> entry) {
  count(*entry, true);
  if (entry->raw) raw_.push_back(id);
  entries_.emplace(id, std::move(entry));
  // What was resumed is still in the line: it goes when it is more than half of it.
  constexpr size_t kShort = 1000;
  if (due_.size() <= kShort + 2 * entries_.size()) return;
  std::erase_if(due_, [this](const Due& due) NEXUS_REQUIRES(mutex_) {
    return entries_.find(due.id) == entries_.end();
  });
}

std::unique_ptr<SuspensionStore::Entry> SuspensionStore::remove(const SuspensionId& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return nullptr;
  std::unique_ptr<Entry> entry = std::move(found->second);
  entries_.erase(found);
  count(*entry, false);
  return entry;
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
  bool isTight = false;
  {
    const MutexLock lock(mutex_);
    isTight = rawBytes_ + entry->contentBytes() > kRawBytes;
  }
  if (isTight) entry->pack();
  const MutexLock lock(mutex_);
  if (auto refusal = checkRoom(entry->bytes())) return std::move(*refusal);
  due_.push_back({entry->expires, id});
  add(id, std::move(entry));
  return id;
}

void SuspensionStore::putBack(const SuspensionId& id, Suspension suspension) {
  auto entry = std::make_unique<Entry>(std::move(suspension));
  const MutexLock lock(mutex_);
  // Its place in the line may have been taken away; a later one does no harm.
  due_.push_back({entry->expires, id});
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
  std::unique_ptr<Entry> entry;
  {
    const MutexLock lock(mutex_);
    entry = remove(id);
    if (entry == nullptr) {
      const bool expired =
          std::find(recentlyExpired_.begin(), recentlyExpired_.end(), id) != recentlyExpired_.end();
      if (expired) return expiredError();
      return Error{.code = ErrorCode::kNotFound,
                   .message = "there is no suspension " + id.toString() +
                              ": it is being resumed, has ended, or never was"};
    }
    ++resumed_;
  }
  if (clock_.now() >= entry->expires) return expiredError();
  auto delta = entry->takeDelta();
  if (!delta) {
    return Error{.code = ErrorCode::kUnavailable, .message = "the host is out of memory"};
  }
  return Suspension{{std::move(entry->handler), std::move(*delta), std::move(entry->book)},
                    std::move(entry->rights),
                    std::move(entry->inbox),
                    entry->expires};
}

std::optional<SuspensionInfo> SuspensionStore::find(const SuspensionId& id) const {
  const MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return std::nullopt;
  const auto left = found->second->expires - clock_.now();
  return SuspensionInfo{id.toString(), found->second->book.outstanding,
                        std::chrono::duration_cast<std::chrono::milliseconds>(left)};
}

bool SuspensionStore::drop(const SuspensionId& id) {
  std::unique_ptr<Entry> dropped;
  const MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second->inbox) return false;
  dropped = remove(id);
  return true;
}

void SuspensionStore::expire() {
  std::vector<std::unique_ptr<Entry>> expired;
  const auto now = clock_.now();
  {
    const MutexLock lock(mutex_);
    for (; !due_.empty() && due_.front().expires <= now; due_.pop_front()) {
      const auto found = entries_.find(due_.front().id);
      if (found == entries_.end() || found->second->expires > now) continue;
      expired.push_back(remove(due_.front().id));
      ++expired_;
      recentlyExpired_.push_back(due_.front().id);
      if (recentlyExpired_.size() > kRemembered) recentlyExpired_.pop_front();
    }
  }
  for (const auto& entry : expired) {
    if (entry->inbox) entry->inbox->wakeUp();
  }
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
  for (const SuspensionId& id : old) {
    const MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second->packed) continue;
    count(*found->second, false);
    found->second->pack();
    count(*found->second, true);
  }
}

SuspensionStats SuspensionStore::stats() const {
  const MutexLock lock(mutex_);
  return {.suspended = entries_.size(),
          .bytes = bytes_,
          .resumed = resumed_,
          .expired = expired_,
          .refused = refused_};
}

}  // namespace nexus::runtime
