#include "js/host.h"

#include <algorithm>
#include <chrono>
#include <new>

#include "base/random.h"
namespace nexus::js {
namespace {

using sandbox::ImportResult;
using sandbox::Trap;

constexpr uint64_t kNanosecondsPerMillisecond = 1'000'000;
// 2023-11-14T22:13:20Z: any moment will do, as long as it is always the same.
constexpr std::chrono::milliseconds kBootTime{1'700'000'000'000};
// What boots is the same each time; what a handler gets of chance is seeded in every call.
constexpr std::byte kBootRandom{0x5A};
constexpr uint64_t kWasiNotSupported = 58;
constexpr uint64_t kWasiFault = 21;

}  // namespace

struct Host::Known {
  std::string_view name;
  std::string_view signature;
  Method method;
};

Result<std::unique_ptr<Host>> Host::make(const sandbox::Engine& engine, const GuestApi& api,
                                         const RuntimeConfig& config) {
  static constexpr Known kKnown[] = {
      {"host_call", "iiiii:i", &Host::operateAlone},
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

void Host::beginCall() {
  book_ = CallBook{};
  record_ = CallRecord{};
  input_ = nullptr;
}

void Host::beginRun(const CallInput& input) {
  static const Rights kNone;
  record_ = CallRecord{};
  record_.requestsBefore = book_.requests;
  why_.clear();
  input_ = &input;
  rights_ = input.rights == nullptr ? &kNone : input.rights;
}

ImportResult Host::onImport(uint32_t import, Args args, sandbox::Sandbox& sandbox) noexcept {
  try {
    return (this->*methods_[import])(args, sandbox);
  } catch (const std::bad_alloc&) {
    record_.outOfHostMemory = true;
    return {.trap = Trap::kHostRefused};
  }
}

ImportResult Host::poll(Args, sandbox::Sandbox&) {
  ++record_.polls;
  record_.interrupted = record_.interrupted || (slot_ != nullptr && slot_->expired());
  return {.value = record_.interrupted ? 1u : 0u};
}

// (clock, precision, address of the result). Whole milliseconds: a finer clock tells what others
// do.
ImportResult Host::clock(Args args, sandbox::Sandbox& sandbox) {
  std::chrono::milliseconds now = kBootTime;
  if (input_ != nullptr && input_->clock) {
    now = *input_->clock;
  } else if (anchors_ != nullptr) {
    now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
  }
  const uint64_t nanoseconds = static_cast<uint64_t>(now.count()) * kNanosecondsPerMillisecond;
  const bool copied = sandbox.copyIn(args[2].as<uint32_t>().backToGuest(),
                                     std::as_bytes(std::span(&nanoseconds, 1)));
  return {.value = copied ? 0 : kWasiFault};
}

// (address, length)
ImportResult Host::random(Args args, sandbox::Sandbox& sandbox) {
  std::array<std::byte, 256> bytes;
  const auto wanted = args[1].as<uint32_t>().atMost(bytes.size());
  if (!wanted) return {.value = kWasiFault};
  const auto part = std::span(bytes).first(*wanted);
  std::fill(part.begin(), part.end(), kBootRandom);
  const bool isFixed = anchors_ == nullptr || (input_ != nullptr && input_->seed);
  const bool filled = isFixed || fillRandomly(part);
  const bool copied = filled && sandbox.copyIn(args[0].as<uint32_t>().backToGuest(), part);
  return {.value = copied ? 0 : kWasiFault};
}

ImportResult Host::nothing(Args, sandbox::Sandbox&) { return {}; }

ImportResult Host::notSupported(Args, sandbox::Sandbox&) { return {.value = kWasiNotSupported}; }

}  // namespace nexus::js
