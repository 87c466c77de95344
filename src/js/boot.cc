#include "js/boot.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>

#include "js/bootstrap_source.h"
#include "js/guest_layout.h"
#include "js/host.h"
#include "js/host_operations.h"

namespace nexus::js {
namespace {

// Everything but performance.now, whose clock is finer than a handler may have.
constexpr uint64_t kIntrinsics = 0x1FFF & ~(1u << 10);
// Heap that handlers find ready. A small one then never grows memory, and all images have one size.
constexpr uint32_t kHeadroomBytes = 640 * 1024;
constexpr char kBootstrapFile[] = "nexus.js";
constexpr char kTrusted[] = "booting: no handler has run yet";

std::string bootstrapText() {
  std::string text = "(function (hostCall, op) {'use strict';\n";
  for (const std::string_view part : {kPrimordialsSource, kJsonSource, kHostSource, kStateSource,
                                      kServicesSource, kOutcomeSource}) {
    text += part;
  }
  return text + "})";
}

// {"log":0,"why":1,…}
std::string operationNumbers() {
  std::string text = "{";
  for (size_t i = 0; i < kHostOperations.size(); ++i) {
    text +=
        (i == 0 ? "\"" : ",\"") + std::string(kHostOperations[i].name) + "\":" + std::to_string(i);
  }
  return text + "}";
}

Error broken(const std::string& what) {
  return Error{.code = ErrorCode::kInternalError, .message = "the guest does not boot: " + what};
}

// One boot; its steps return nothing on failure, and the reason is the guest's trap or `why_`.
class Boot {
 public:
  Boot(sandbox::Sandbox& sandbox, const GuestApi& api)
      : sandbox_(sandbox), api_(api), guest_(sandbox, api, anchors_) {}

  Result<Base> run(const RuntimeConfig& config);

 private:
  bool startEngine(const RuntimeConfig& config);
  bool runBootstrap();
  bool verifyLayout();
  bool verifyRandom();
  bool verifyEvalSwitch();
  bool verifyCounters();
  std::optional<JsValue> makeHostCall();
  std::optional<JsValue> evaluate(std::string_view text);
  std::optional<uint32_t> allocate(uint64_t bytes);
  template <typename T>
  T read(uint32_t address) {
    return guest_.read<T>(address).unchecked(kTrusted);
  }
  uint32_t pointer(sandbox::FunctionId function);
  bool fail(std::string why) {
    why_ = std::move(why);
    return false;
  }
  Error error() const {
    return broken(guest_.ok() ? why_ : std::string(sandbox::toString(guest_.trap())));
  }

  sandbox::Sandbox& sandbox_;
  const GuestApi& api_;
  Anchors anchors_;
  Guest guest_;
  std::string why_ = "no reason given";
};

Result<Base> Boot::run(const RuntimeConfig& config) {
  const auto stackTop = sandbox_.global(api_.stackPointer).as<uint32_t>().unchecked(kTrusted);
  if (!startEngine(config) || !runBootstrap() || !verifyLayout()) return error();
  guest_.setEval(false);
  auto image = sandbox_.capture(deadRanges(anchors_, stackTop));
  if (!image) return std::move(image).error();
  return Base{std::move(*image), anchors_, stackTop};
}

std::optional<uint32_t> Boot::allocate(uint64_t bytes) {
  const auto address = guest_.allocate(bytes);
  if (!address) return std::nullopt;
  return address->unchecked(kTrusted);
}

uint32_t Boot::pointer(sandbox::FunctionId function) {
  const auto address = guest_.call(function, {});
  return address ? address->as<uint32_t>().unchecked(kTrusted) : 0;
}

bool Boot::startEngine(const RuntimeConfig& config) {
  guest_.call(api_.initialize, {});
  const auto failed = guest_.call(api_.init, {kIntrinsics});
  if (!failed || !failed->is(0)) return fail("qjs_init2 refused");
  guest_.call(api_.setMaxStackSize, {config.stackSizeBytes});
  guest_.call(api_.enableInterrupts, {1});
  anchors_.context = pointer(api_.contextPointer);
  anchors_.runtime = pointer(api_.runtimePointer);
  const auto scratch = allocate(kScratchBytes);
  const auto transfer = allocate(kTransferBytes);
  const auto fileName = allocate(sizeof kHandlerFile);
  const auto headroom = allocate(kHeadroomBytes);
  if (!scratch || !transfer || !fileName || !headroom) return fail("no memory");
  guest_.call(api_.free, {*headroom});
  anchors_.scratch = *scratch;
  anchors_.transfer = *transfer;
  anchors_.fileName = *fileName;
  guest_.write(*fileName, kHandlerFile);
  anchors_.evalFunction = read<uint32_t>(anchors_.context + kEvalFunctionAt);
  return guest_.ok();
}

std::optional<JsValue> Boot::evaluate(std::string_view text) {
  const auto file = allocate(sizeof kBootstrapFile);
  const auto at = allocate(text.size() + 1);
  if (!file || !at) return std::nullopt;
  guest_.write(*file, kBootstrapFile);
  guest_.write(*at, std::as_bytes(std::span(text)));
  guest_.write(*at + text.size(), char{0});
  const auto value = guest_.call(api_.eval, {anchors_.context, *at, text.size(), *file, 0});
  guest_.call(api_.free, {*at});
  guest_.call(api_.free, {*file});
  return value;
}

bool Boot::runBootstrap() {
  const auto install = evaluate(bootstrapText());
  if (!install || tagOf(*install) != Tag::kObject) return fail("the bootstrap does not compile");
  const auto hostCall = makeHostCall();
  const auto numbers = guest_.parseJson(operationNumbers());
  if (!hostCall || !numbers) return fail("no memory");
  const auto api = guest_.callJs(*install, {*hostCall, *numbers});
  if (!api || tagOf(*api) != Tag::kObject) return fail("the bootstrap does not run");
  const struct {
    uint64_t* anchor;
    std::string_view name;
  } members[] = {
      {&anchors_.isWhole, "isWhole"},
      {&anchors_.load, "load"},
      {&anchors_.run, "run"},
      {&anchors_.poll, "poll"},
      {&anchors_.settle, "settle"},
      {&anchors_.flush, "flush"},
      {&anchors_.misfit, "misfit"},
      {&anchors_.failure, "failure"},
      {&anchors_.describe, "describe"},
      {&anchors_.denied, "denied"},
      {&anchors_.malformed, "malformed"},
  };
  for (const auto& member : members) {
    const auto value = guest_.property(*api, member.name);
    if (!value || tagOf(*value) != Tag::kObject) {
      return fail("the bootstrap lacks " + std::string(member.name));
    }
    *member.anchor = value->unchecked(kTrusted);
  }
  return guest_.ok();
}

// The one function that JavaScript is given; its name is nobody's business.
std::optional<JsValue> Boot::makeHostCall() {
  constexpr std::string_view kName = "hostCall";
  const auto name = guest_.place(kName);
  if (!name) return std::nullopt;
  const auto box = guest_.call(api_.newHostFunction, {*name, kName.size(), kMostHostArguments});
  if (!box) return std::nullopt;
  return guest_.read<uint64_t>(*box);
}

bool Boot::verifyLayout() { return verifyRandom() && verifyEvalSwitch() && verifyCounters(); }

// Predicts the next Math.random from the state where it is believed to be.
bool Boot::verifyRandom() {
  const uint64_t chosen = 0x9E3779B97F4A7C15;
  guest_.write(anchors_.context + kRandomStateAt, chosen);
  uint64_t state = chosen;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  const uint64_t product = state * 0x2545F4914F6CDD1D;
  const uint64_t bits = (uint64_t{0x3FF} << 52) | (product >> 12);
  double expected = 0;
  std::memcpy(&expected, &bits, sizeof expected);
  expected -= 1;
  const auto value = evaluate("String(Math.random() * 2 ** 53)");
  const auto text = value ? guest_.text(*value, kTransferBytes) : std::nullopt;
  double drawn = 0;
  if (text) {
    const std::string& digits = text->unchecked(kTrusted);
    std::from_chars(digits.data(), digits.data() + digits.size(), drawn);
  }
  if (drawn != expected * std::pow(2.0, 53)) {
    return fail("Math.random keeps its state elsewhere");
  }
  return read<uint64_t>(anchors_.context + kRandomStateAt) == state ||
         fail("Math.random keeps its state elsewhere");
}

bool Boot::verifyEvalSwitch() {
  const auto attempt = evaluate("(function () { return new Function('return 1')() })");
  if (!attempt || tagOf(*attempt) != Tag::kObject) return fail("no Function to test");
  const auto before = guest_.callJs(*attempt, {});
  guest_.setEval(false);
  const auto after = guest_.callJs(*attempt, {});
  guest_.setEval(true);
  guest_.call(api_.getException, {anchors_.context});
  return (before && tagOf(*before) == Tag::kInt && after && tagOf(*after) == Tag::kException) ||
         fail("the switch of dynamic code is elsewhere");
}

bool Boot::verifyCounters() {
  const auto heap = [this] { return read<uint32_t>(anchors_.runtime + kHeapBytesAt); };
  const auto counter = [this] { return read<uint32_t>(anchors_.context + kInterruptCounterAt); };
  constexpr uint32_t kTextBytes = 5000;
  const uint32_t heapBefore = heap();
  if (!guest_.newString(std::string(kTextBytes, 'x'))) return fail("no memory");
  const uint32_t grown = heap() - heapBefore;
  if (grown < kTextBytes || grown > 2 * kTextBytes) return fail("heap_bytes is elsewhere");
  const uint32_t counterBefore = counter();
  constexpr uint32_t kTurns = 500;
  if (!evaluate("for (let i = 0; i < 500; i++);")) return fail("a loop does not run");
  // Counts down to 0 and begins again.
  const uint32_t steps = (counterBefore + kStepsPerPoll - counter()) % kStepsPerPoll;
  if (counter() > kStepsPerPoll || steps < kTurns || steps > 4 * kTurns) {
    return fail("the interrupt counter is elsewhere");
  }
  return true;
}

}  // namespace

std::array<sandbox::AddressRange, 3> deadRanges(const Anchors& anchors, uint32_t stackTop) {
  return {{{0, stackTop},
           {anchors.transfer, anchors.transfer + kTransferBytes},
           {anchors.scratch, anchors.scratch + kScratchBytes}}};
}

sandbox::SandboxOptions sandboxOptions(const RuntimeConfig& config) {
  return {.memoryLimitBytes = config.memoryLimitBytes,
          .nativeStackBytes = config.stackSizeBytes * kNativeStackFactor};
}

Result<Base> boot(sandbox::Engine& engine, const GuestApi& api, const RuntimeConfig& config) {
  auto host = Host::make(engine, api, config);
  if (!host) return std::move(host).error();
  auto sandbox = engine.createSandbox(sandboxOptions(config), **host, nullptr);
  if (!sandbox) return std::move(sandbox).error();
  return Boot(**sandbox, api).run(config);
}

}  // namespace nexus::js
