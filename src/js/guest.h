// The guest's C functions as calls from C++. A trap is remembered: from then on every call answers
// nothing, so a sequence of calls needs one look at trap() at its end.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "js/guest_api.h"
#include "js/guest_layout.h"
#include "sandbox/engine.h"

namespace nexus::js {

// What stack traces call a handler's text.
inline constexpr char kHandlerFile[] = "handler.js";

// Addresses and values in a base image that never move: JavaScript values as their 64 bits. The
// guest handed them out before any handler had run.
struct Anchors {
  uint32_t context = 0;
  uint32_t runtime = 0;
  uint32_t scratch = 0;   // kScratchBytes for out-parameters and argument lists
  uint32_t transfer = 0;  // kTransferBytes for text on its way in
  uint32_t fileName = 0;  // kHandlerFile
  uint32_t evalFunction = 0;

  // The functions of the bootstrap.
  uint64_t isWhole = 0;
  uint64_t load = 0;
  uint64_t run = 0;
  uint64_t poll = 0;
  uint64_t settle = 0;
  uint64_t flush = 0;
  uint64_t misfit = 0;
  uint64_t failure = 0;
  uint64_t describe = 0;
  // Answers to an operation that was refused.
  uint64_t denied = 0;
  uint64_t malformed = 0;
};

// Arguments first, then room for one out-parameter: the engine may use an argument list in place
// for as long as the function runs, while imports call back in.
inline constexpr uint32_t kScratchBytes = 64;
inline constexpr size_t kMostArguments = 4;
inline constexpr uint32_t kOutParameterAt = 56;
inline constexpr uint32_t kTransferBytes = 16384;

// For one thread, like the sandbox it belongs to.
class Guest {
 public:
  // What the host knows, or what the guest gave it before.
  class Argument {
   public:
    Argument(uint64_t value) : value_(value) {}  // NOLINT(google-explicit-constructor)
    // NOLINTNEXTLINE(google-explicit-constructor)
    Argument(const JsValue& value) : value_(value.backToGuest()) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    Argument(const TaintedAddress& address) : value_(address.backToGuest()) {}

    uint64_t value() const { return value_; }

   private:
    uint64_t value_;
  };

  Guest(sandbox::Sandbox& sandbox, const GuestApi& api, const Anchors& anchors)
      : sandbox_(sandbox), api_(api), anchors_(anchors) {}

  sandbox::Trap trap() const { return trap_; }
  bool ok() const { return trap_ == sandbox::Trap::kNone; }

  // Empty after a trap.
  std::optional<JsValue> call(sandbox::FunctionId function, std::initializer_list<Argument> args);

  // Calls a JavaScript function; the value may be Tag::kException.
  std::optional<JsValue> callJs(Argument function, std::initializer_list<Argument> args);

  // Memory in the guest's heap; empty after a trap or when it is refused.
  std::optional<TaintedAddress> allocate(uint64_t bytes);

  // Copies text and a terminating zero into the guest; empty after a trap or when memory is
  // refused. Up to kTransferBytes the place is the transfer buffer, used by the next call of this
  // again.
  std::optional<TaintedAddress> place(std::string_view text);
  std::optional<JsValue> newString(std::string_view text);
  std::optional<JsValue> parseJson(std::string_view text);
  std::optional<JsValue> property(Argument object, std::string_view name);

  // A value's text, which should be UTF-8. Empty after a trap, when there is none or when it is
  // longer than `maxBytes`; `lengthOut` then has the length, if it got that far.
  std::optional<TaintedText> text(const JsValue& value, size_t maxBytes,
                                  size_t* lengthOut = nullptr);

  // Direct access; a refusal (an address that is not the guest's) counts as a trap.
  template <typename T>
  sandbox::Tainted<T> read(Argument address) {
    T value{};
    readBytes(address, std::as_writable_bytes(std::span(&value, 1)));
    return sandbox::Tainted<T>(value);
  }
  template <typename T>
  requires std::is_trivially_copyable_v<T> &&
      (!std::is_convertible_v<T, std::span<const std::byte>>)void write(Argument address,
                                                                        const T& value) {
    write(address, std::as_bytes(std::span(&value, 1)));
  }
  void write(Argument address, std::span<const std::byte> bytes) {
    check(isAddress(address) && sandbox_.copyIn(toAddress(address), bytes));
  }
  // What comes is not checked.
  void readBytes(Argument address, std::span<std::byte> to) {
    check(isAddress(address) && sandbox_.copyOut(toAddress(address), to));
  }

  // Dynamic code: on only while the host compiles.
  void setEval(bool on) {
    write(anchors_.context + kEvalFunctionAt, on ? anchors_.evalFunction : uint32_t{0});
  }

 private:
  static bool isAddress(Argument address) { return address.value() <= UINT32_MAX; }
  static sandbox::GuestAddress toAddress(Argument address) {
    return static_cast<sandbox::GuestAddress>(address.value());
  }
  void check(bool copied) {
    if (!copied && ok()) trap_ = sandbox::Trap::kOutOfBounds;
  }

  sandbox::Sandbox& sandbox_;
  const GuestApi& api_;
  const Anchors& anchors_;
  sandbox::Trap trap_ = sandbox::Trap::kNone;
};

}  // namespace nexus::js
