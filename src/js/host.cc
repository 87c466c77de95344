#include "js/host.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <new>
#include <optional>
#include <string>

#include "base/text.h"

namespace nexus::js {
namespace {

using sandbox::ImportResult;
using sandbox::Trap;

constexpr uint64_t kNanosecondsPerMillisecond = 1'000'000;
// 2023-11-14T22:13:20Z: any moment will do, as long as it is always the same.
constexpr uint64_t kBootTime = 1'700'000'000'000 * kNanosecondsPerMillisecond;
// What boots is the same each time; what a handler gets of chance is seeded in every call.
constexpr std::byte kBootRandom{0x5A};
constexpr uint64_t kWasiNotSupported = 58;
constexpr uint64_t kWasiFault = 21;

uint64_t nowInWholeMilliseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return static_cast<uint64_t>(milliseconds) * kNanosecondsPerMillisecond;
}

}  // namespace

struct Host::Known {
  std::string_view name;
  std::string_view signature;
  Method method;
};

Result<std::unique_ptr<Host>> Host::make(const sandbox::Engine& engine, const GuestApi& api,
                                         const RuntimeConfig& config) {
  static constexpr Known kKnown[] = {
      {"host_call", "iiiii:i", &Host::log},
      {"host_interrupt", ":i", &Host::poll},
      {"host_get_timezone_offset", "ii:i", &Host::nothing},  // UTC
      {"host_module_load", "ii:i", &Host::nothing},          // import() rejects
      {"host_module_normalize", "ii:i", &Host::nothing},
      {"host_promise_rejection", "iii:v", &Host::nothing},
      {"clock_time_get", "iji:i", &Host::clock},
      {"random_get", "ii:i", &Host::random},
      {"fd_close", "i:i", &Host::notSupported},
      {"fd_fdstat_get", "ii:i", &Host::notSupported},
      {"fd_seek", "ijii:i", &Host::notSupported},
      {"fd_write", "iiii:i", &Host::notSupported},
  };
  std::unique_ptr<Host> host(new Host(api, config));
  for (const sandbox::ImportDescription& import : engine.imports()) {
    Method method = nullptr;
    for (const Known& known : kKnown) {
      if (known.name == import.name && known.signature == import.signature) method = known.method;
    }
    if (method == nullptr) {
      return Error{.code = ErrorCode::kInternalError,
                   .message = "the guest wants to import " + std::string(import.name) + " (" +
                              std::string(import.signature) + "), which is not known"};
    }
    host->methods_.push_back(method);
  }
  return host;
}

void Host::goLive(const Anchors* anchors, const sandbox::DeadlineWatch::Slot* slot) {
  anchors_ = anchors;
  slot_ = slot;
}

ImportResult Host::onImport(uint32_t import, std::span<const uint64_t> args,
                            sandbox::Sandbox& sandbox) noexcept {
  try {
    return (this->*methods_[import])(args, sandbox);
  } catch (const std::bad_alloc&) {
    record_.outOfHostMemory = true;
    return {.trap = Trap::kHostRefused};
  }
}

// (name, length, this, argc, argv): argv lists addresses of values. The only function that the
// guest was given takes a level and a text.
ImportResult Host::log(std::span<const uint64_t> args, sandbox::Sandbox& sandbox) {
  constexpr uint64_t kArgumentCount = 2;
  constexpr uint64_t kThrow = 0;  // the exception that is pending in the guest
  if (anchors_ == nullptr || args[3] != kArgumentCount) return {.trap = Trap::kHostRefused};
  if (++record_.hostCalls > config_.maxHostCalls) {
    return refuse("max_host_calls", config_.maxHostCalls, record_.hostCalls);
  }
  Guest guest(sandbox, api_, *anchors_);
  const auto boxes =
      guest.read<std::array<uint32_t, kArgumentCount>>(static_cast<uint32_t>(args[4]));
  const auto level = static_cast<uint32_t>(guest.read<uint64_t>(boxes[0]));
  const auto value = guest.read<uint64_t>(boxes[1]);
  const uint64_t room = config_.maxLogBytes - record_.logBytes;
  size_t length = 0;
  auto text = guest.text(value, room, &length);
  if (text) {
    *text = toValidUtf8(std::move(*text));
    length = text->size();
  }
  if (length > room) {
    return refuse("max_log_bytes", config_.maxLogBytes, record_.logBytes + length);
  }
  const auto answer = text ? guest.call(api_.boxedUndefined, {}) : std::optional(kThrow);
  if (!guest.ok()) return {.trap = guest.trap()};
  if (level > static_cast<uint32_t>(LogLevel::kError)) return {.trap = Trap::kHostRefused};
  if (text) {
    record_.logBytes += length;
    record_.log.push_back({static_cast<LogLevel>(level), std::move(*text)});
  }
  return {.value = *answer};
}

ImportResult Host::poll(std::span<const uint64_t>, sandbox::Sandbox&) {
  ++record_.polls;
  record_.interrupted = record_.interrupted || (slot_ != nullptr && slot_->expired());
  return {.value = record_.interrupted ? 1u : 0u};
}

// (clock, precision, address of the result)
ImportResult Host::clock(std::span<const uint64_t> args, sandbox::Sandbox& sandbox) {
  const uint64_t now = anchors_ == nullptr ? kBootTime : nowInWholeMilliseconds();
  const bool copied =
      sandbox.copyIn(static_cast<uint32_t>(args[2]), std::as_bytes(std::span(&now, 1)));
  return {.value = copied ? 0 : kWasiFault};
}

// (address, length)
ImportResult Host::random(std::span<const uint64_t> args, sandbox::Sandbox& sandbox) {
  std::array<std::byte, 256> bytes;
  const auto wanted = static_cast<uint32_t>(args[1]);
  if (wanted > bytes.size()) return {.value = kWasiFault};
  const auto part = std::span(bytes).first(wanted);
  std::fill(part.begin(), part.end(), kBootRandom);
  const bool filled =
      anchors_ == nullptr || getrandom(part.data(), part.size(), 0) == static_cast<ssize_t>(wanted);
  const bool copied = filled && sandbox.copyIn(static_cast<uint32_t>(args[0]), part);
  return {.value = copied ? 0 : kWasiFault};
}

ImportResult Host::nothing(std::span<const uint64_t>, sandbox::Sandbox&) { return {}; }

ImportResult Host::notSupported(std::span<const uint64_t>, sandbox::Sandbox&) {
  return {.value = kWasiNotSupported};
}

ImportResult Host::refuse(const char* limit, uint64_t value, uint64_t observed) {
  record_.refusal = Error{.code = ErrorCode::kResourceLimit,
                          .message = std::string(limit) + " is " + std::to_string(value) +
                                     ", the call reached " + std::to_string(observed),
                          .limit = LimitReport{limit, value, observed}};
  return {.trap = Trap::kHostRefused};
}

}  // namespace nexus::js
