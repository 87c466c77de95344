// The guest of testdata/hostile.wat in QuickJS's place: the programs that tell it what to attack,
// and what has to hold of a call whatever they say.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/rights.h"
#include "js/guest_layout.h"
#include "js/host_operations.h"
#include "js/js_sandbox.h"
#include "js/testing/rig.h"

namespace nexus::js::testing {

// By their numbers in hostile.wat.
enum class GuestImport : uint8_t {
  kTimezone,
  kInterrupt,
  kRejection,
  kNormalize,
  kLoad,
  kHostCall,
  kClock,
  kClose,
  kStat,
  kSeek,
  kWrite,
  kRandom,
};
enum class GuestExport : uint8_t {
  kInitialize,
  kInit,
  kContextPointer,
  kRuntimePointer,
  kSetMaxStackSize,
  kEnableInterrupts,
  kNewHostFunction,
  kMalloc,
  kFree,
  kEval,
  kEvalFunction,
  kWriteObject,
  kReadObject,
  kDupValue,
  kFreeText,
  kCall,
  kGetProperty,
  kGetException,
  kNewString,
  kParseJson,
  kToText,
  kExecutePendingJob,
};
inline constexpr size_t kGuestExports = 22;

// What an export does from then on.
struct Turn {
  enum class How : uint8_t {
    kBehave,
    kLie,
    kGiveUp,
    kSpin,
    kRecurse,
    kHoardAndLie,
    kHoardAndGiveUp,
    kPerform,  // the program from offset `value` on
    kReadOutOfBounds,
    kDivideByZero,
  };

  How how = How::kLie;
  uint64_t value = 0;
  uint32_t out = 0;    // what a lie puts into the out-parameter
  uint32_t after = 0;  // calls in which it still behaves
};

inline constexpr uint32_t kHostileMemoryBytes = 32 * 65536;
// Where the guest keeps things: the last import's answer, the value in host_call's box, and, for
// programs, what nobody else uses.
inline constexpr uint32_t kAnswerAt = 4112;
inline constexpr uint32_t kBoxedAt = 4120;
inline constexpr uint32_t kArenaAt = 65536;
inline constexpr uint32_t kArenaEnd = 393216;

// A string value whose text is claimed to lie there.
struct ClaimedText {
  uint32_t at = 0;
  uint32_t length = 0;
};
// The value at an address that a program knows; by itself, a string with its descriptor there.
struct BoxedAt {
  uint32_t at = 0;
};
// A JavaScript value, a text that the program brings along, or a claim.
using GuestValue = std::variant<uint64_t, std::string_view, ClaimedText, BoxedAt>;

class Program {
 public:
  Program& import(GuestImport which, std::initializer_list<uint64_t> args);
  Program& store(uint32_t at, uint64_t value);
  Program& copy(uint32_t to, std::string_view bytes);
  Program& fill(uint32_t at, uint32_t length, uint8_t byte);
  Program& turn(GuestExport which, const Turn& turn);
  // What `run` and `poll` return.
  Program& outcome(uint64_t value);
  Program& outcomeText(const GuestValue& text) { return outcome(lay(text)); }
  Program& grow(uint32_t pages);
  Program& stackPointer(uint32_t value);
  // Back to `from`, until it was here `times` times.
  Program& repeat(uint32_t from, uint32_t times);
  Program& end() { return byte(0); }
  Program& giveUp() { return byte(10); }
  Program& spin() { return byte(11); }
  Program& recurse() { return byte(12); }
  // Anything at all.
  Program& raw(std::string_view bytes);

  // Puts values into boxes; the address of the list of the boxes, as host_call wants it.
  uint32_t lay(std::span<const GuestValue> values);
  // Puts a text where it belongs; the JavaScript value.
  uint64_t lay(const GuestValue& value);
  // host_call with a list that lies somewhere already.
  Program& hostCall(uint64_t argc, uint64_t argv) {
    return import(GuestImport::kHostCall, {0, 0, 0, argc, argv});
  }
  Program& operation(HostOperation number, std::initializer_list<GuestValue> args);
  Program& operation(HostOperation number, std::span<const GuestValue> args);

  // The offset of the next instruction.
  uint32_t size() const { return static_cast<uint32_t>(bytes_.size()); }
  const std::string& bytes() const { return bytes_; }
  // As the guest takes it: in any text, as a handler, as JSON.
  std::string text() const;
  std::string source() const { return "//" + text() + "\nreturn 1"; }
  std::string json() const { return '"' + text() + '"'; }

 private:
  Program& byte(uint8_t value);
  template <typename T>
  Program& number(T value);
  uint32_t room(uint32_t bytes);

  std::string bytes_;
  uint32_t arena_ = kArenaAt;
};

inline uint64_t stringAt(uint32_t descriptor) { return makeValue(Tag::kString, descriptor); }

// Null when the impostor is found out, which is no failure.
std::unique_ptr<sandbox::Engine> makeHostileEngine(EngineKind kind);

// Small limits, so that what exceeds them is noticed. A call has more time than any needs, or,
// where guests go on for ever, little.
RuntimeConfig hostileConfig();
RuntimeConfig impatientConfig();

// What an attack came to. `breach` says what must not have happened; empty when nothing did.
struct Attack {
  ExecutionResult result;
  std::string breach;
};

// A JsSandbox on the hostile guest, attacked again and again. After each attack it is restored, and
// has to run a call that behaves.
class HostileRig {
 public:
  // Chance and time are the same in every call, or the system's.
  enum class Chance { kFixed, kSystem };

  explicit HostileRig(EngineKind kind, const RuntimeConfig& config = hostileConfig(),
                      Chance chance = Chance::kFixed);

  JsEngine& engine() { return *engine_; }
  JsSandbox& sandbox() { return *sandbox_; }
  const Handler& handler() { return *handler_; }

  // Runs the program in a call that has these rights.
  Attack invoke(const Program& program, const Rights& rights = everyRight());
  // Suspends a call by `first`, unless that ends it, and resumes it with `second`.
  Attack resume(const Program& first, const Program& second, const Rights& rights = everyRight());
  // Compiles a handler that holds the program, and runs it when it does compile.
  Attack compile(const Program& program);
  // Lets the program loose on the sandbox that loads the bytecode.
  Attack load(const Program& program);

  static const Rights& everyRight();
  // state:read:seen, state:write:mine, events:emit:ping, view:update:panel, ext:svc:get
  static const Rights& fewRights();

  CallInput input(std::string_view args, const Rights& rights) const;

 private:
  Attack conclude(ExecutionResult result, const Rights& rights, uint64_t hostBytes,
                  uint64_t hostBytesAllowed);
  std::string checkNextCall();

  const RuntimeConfig config_;
  const Chance chance_;
  std::unique_ptr<sandbox::Engine> native_;
  sandbox::DeadlineWatch watch_;
  std::unique_ptr<JsEngine> engine_;
  std::unique_ptr<JsSandbox> sandbox_;
  std::shared_ptr<const Handler> handler_;
  StateSnapshot state_;
  std::string nextCall_;
  std::vector<std::byte> restored_;  // memory as it has to be after each restore
  std::vector<std::byte> scratch_;
  uint64_t attacks_ = 0;
};

// What the bootstrap would pass to an operation, and what fewRights() allow.
std::vector<GuestValue> wellMeantArguments(HostOperation number);

// A program that suspends the call: one request, and no outcome yet.
Program suspending();

// What is wrong with a result, whatever the guest did; empty when nothing is.
std::string findBreach(const ExecutionResult& result, const Rights& rights,
                       const RuntimeConfig& config);
// The same of an error.
std::string findBreach(const Error& error);

}  // namespace nexus::js::testing
