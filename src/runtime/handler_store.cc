#include "runtime/handler_store.h"

#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "sandbox/image_codec.h"

namespace nexus::runtime {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

std::span<const std::byte> bytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

// Length of the bytecode, bytecode, image.
std::string encode(const js::Handler& handler) {
  const std::string& bytecode = handler.code->bytecode;
  const uint64_t length = bytecode.size();
  std::string payload(reinterpret_cast<const char*>(&length), sizeof length);
  payload += bytecode;
  return payload + sandbox::encodeImage(*handler.image);
}

std::shared_ptr<const js::Handler> decode(std::string_view payload, std::string_view source,
                                          const std::shared_ptr<const sandbox::Image>& base) {
  uint64_t length = 0;
  if (payload.size() < sizeof length) return nullptr;
  std::memcpy(&length, payload.data(), sizeof length);
  payload.remove_prefix(sizeof length);
  if (length > payload.size()) return nullptr;
  auto image = sandbox::decodeImage(payload.substr(length), base);
  if (image == nullptr) return nullptr;
  auto code = std::make_shared<const js::HandlerCode>(
      js::HandlerCode{std::string(source), std::string(payload.substr(0, length))});
  return std::make_shared<const js::Handler>(js::Handler{std::move(code), std::move(image)});
}

}  // namespace

Digest HandlerStore::nameOf(std::string_view source) {
  std::call_once(identified_, [this] {
    const sandbox::Image& base = *engine_.base().image;
    const std::span<const std::byte> pieces[] = {base.file().bytes(),
                                                 std::as_bytes(base.globals())};
    baseIdentity_ = sha256(pieces);
  });
  const std::string_view guest = engine_.engine().guestIdentity();
  const std::string_view wrapper = js::kWrapperVersion;
  constexpr std::string_view kEnd("\0", 1);
  const std::span<const std::byte> pieces[] = {bytesOf(guest), bytesOf(kEnd), bytesOf(wrapper),
                                               bytesOf(kEnd),  baseIdentity_, bytesOf(source)};
  return sha256(pieces);
}

void HandlerStore::report(CacheReport::Result result, std::string_view detail) {
  using Result = CacheReport::Result;
  auto& counter = result == Result::kHit        ? hits_
                  : result == Result::kMiss     ? misses_
                  : result == Result::kRejected ? rejected_
                                                : failed_;
  counter.fetch_add(1, kRelaxed);
  observer_.onCache({.tier = CacheTier::kDisk, .result = result, .detail = detail});
}

// An image that needs more memory than there may be is nothing to this process: it compiles, and
// says what the limit refuses.
bool HandlerStore::fits(const js::Handler& handler) const {
  return handler.image->memoryBytes() <= engine_.config().memoryLimitBytes;
}

std::shared_ptr<const js::Handler> HandlerStore::read(std::string_view source) {
  using Kind = CacheStore::Found::Kind;
  using Result = CacheReport::Result;
  const CacheStore::Found found = store_.read(nameOf(source));
  std::shared_ptr<const js::Handler> handler;
  switch (found.kind) {
    case Kind::kHit:
      handler = decode(found.payload, source, engine_.base().image);
      if (handler == nullptr) {
        report(Result::kRejected, "it is no handler");
      } else if (fits(*handler)) {
        report(Result::kHit, "");
      } else {
        report(Result::kMiss, "");
        handler = nullptr;
      }
      break;
    case Kind::kMiss:
      report(Result::kMiss, "");
      break;
    case Kind::kRejected:
      report(Result::kRejected, found.why);
      break;
    case Kind::kFailed:
      report(Result::kFailed, found.why);
      break;
  }
  return handler;
}

void HandlerStore::write(const js::Handler& handler) {
  auto written = store_.write(nameOf(handler.code->source), encode(handler));
  if (!written) return report(CacheReport::Result::kFailed, written.error().message);
  if (written->evicted == 0) return;
  evicted_.fetch_add(written->evicted, kRelaxed);
  observer_.onEviction(CacheTier::kDisk, written->evicted);
}

HandlerStoreStats HandlerStore::stats() const {
  return {.hits = hits_.load(kRelaxed),
          .misses = misses_.load(kRelaxed),
          .rejected = rejected_.load(kRelaxed),
          .failed = failed_.load(kRelaxed),
          .evicted = evicted_.load(kRelaxed)};
}

}  // namespace nexus::runtime
