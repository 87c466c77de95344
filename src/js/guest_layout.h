// Where the pinned QuickJS-ng keeps what the host must read or write directly. Each of these was
// found in the module's code and is verified when the first sandbox boots (see verifyLayout in
// boot.cc): another version of the guest fails there, not later.
#pragma once

#include <cstdint>
#include <string>

#include "sandbox/tainted.h"

namespace nexus::js {

// In the context.
inline constexpr uint32_t kRandomStateAt = 280;       // u64, xorshift64*, never zero
inline constexpr uint32_t kInterruptCounterAt = 292;  // i32, counts down to the next poll
inline constexpr uint32_t kEvalFunctionAt = 308;      // table index; 0 turns dynamic code off
// In the runtime.
inline constexpr uint32_t kHeapBytesAt = 24;  // u32, bytes allocated

// Steps from one poll of the interrupt handler to the next.
inline constexpr uint32_t kStepsPerPoll = 10'000;

// A JSValue is 64 bits; the upper half is its tag, anything else a float64.
enum class Tag : int32_t {
  kString = -7,
  kObject = -1,
  kInt = 0,
  kBool = 1,
  kNull = 2,
  kUndefined = 3,
  kException = 6,
};

// Of the guest: a value that may be anything, an address that may point anywhere, bytes.
using JsValue = sandbox::Tainted<uint64_t>;
using TaintedAddress = sandbox::Tainted<uint32_t>;
using TaintedText = sandbox::Tainted<std::string>;

// What a value says it is. Only good to choose what to ask the guest next.
inline Tag tagOf(const JsValue& value) {
  return static_cast<Tag>(static_cast<int32_t>(value.unchecked("any tag is some case") >> 32));
}

inline constexpr uint64_t makeValue(Tag tag, uint32_t payload) {
  return uint64_t{static_cast<uint32_t>(tag)} << 32 | payload;
}
constexpr uint64_t intValue(uint32_t number) { return makeValue(Tag::kInt, number); }
inline constexpr uint64_t kUndefinedValue = makeValue(Tag::kUndefined, 0);
inline constexpr uint64_t kTrueValue = makeValue(Tag::kBool, 1);
inline constexpr uint64_t kFalseValue = makeValue(Tag::kBool, 0);
inline constexpr uint64_t kExceptionValue = makeValue(Tag::kException, 0);

}  // namespace nexus::js
