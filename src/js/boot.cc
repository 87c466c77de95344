#include "js/boot.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>

#include "js/bootstrap_source.h"
#include "js/guest_layout.h"
#include "js/host.h"

namespace nexus::js {
namespace {

// Everything but performance.now, whose clock is finer than a handler may have.
constexpr uint64_t kIntrinsics = 0x1FFF & ~(1u << 10);
// Heap that handlers find ready. A small one then never grows memory, and all images have one size.
constexpr uint32_t kHeadroomBytes = 640 * 1024;
constexpr char kBootstrapFile[] = "nexus.js";

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
  std::optional<uint64_t> evaluate(std::string_view text);
  std::optional<uint32_t> allocate(uint32_t bytes);
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
  const auto stackTop = static_cast<uint32_t>(sandbox_.global(api_.stackPointer));
  if (!startEngine(config) || !runBootstrap() || !verifyLayout()) return error();
  guest_.setEval(false);
  auto image = sandbox_.capture(deadRanges(anchors_, stackTop));
  if (!image) return std::move(image).error();
  return Base{std::move(*image), anchors_, stackTop};
}

std::optional<uint32_t> Boot::allocate(uint32_t bytes) {
  const auto address = guest_.call(api_.malloc, {bytes});
  if (!address || *address == 0) return std::nullopt;
  return static_cast<uint32_t>(*address);
}

bool Boot::startEngine(const RuntimeConfig& config) {
  guest_.call(api_.initialize, {});
  const auto failed = guest_.call(api_.init, {kIntrinsics});
  if (!failed || *failed != 0) return fail("qjs_init2 refused");
  guest_.call(api_.setMaxStackSize, {config.stackSizeBytes});
  guest_.call(api_.enableInterrupts, {1});
  anchors_.context = static_cast<uint32_t>(guest_.call(api_.contextPointer, {}).value_or(0));
  anchors_.runtime = static_cast<uint32_t>(guest_.call(api_.runtimePointer, {}).value_or(0));
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
  anchors_.evalFunction = guest_.read<uint32_t>(anchors_.context + kEvalFunctionAt);
  return guest_.ok();
}

std::optional<uint64_t> Boot::evaluate(std::string_view text) {
  const auto file = allocate(sizeof kBootstrapFile);
  const auto at = allocate(static_cast<uint32_t>(text.size() + 1));
  if (!file || !at) return std::nullopt;
  guest_.write(*file, kBootstrapFile);
  guest_.write(*at, std::as_bytes(std::span(text)));
  guest_.write(static_cast<uint32_t>(*at + text.size()), char{0});
  const auto value = guest_.call(api_.eval, {anchors_.context, *at, text.size(), *file, 0});
  guest_.call(api_.free, {*at});
  guest_.call(api_.free, {*file});
  return value;
}

bool Boot::runBootstrap() {
  const auto install = evaluate(kBootstrapSource);
  if (!install || tagOf(*install) != Tag::kObject) return fail("bootstrap.js does not compile");
  constexpr std::string_view kLogName = "log";
  const auto name = guest_.place(kLogName);
  if (!name) return fail("no memory");
  const auto box = guest_.call(api_.newHostFunction, {*name, kLogName.size(), 2});
  if (!box) return false;
  const auto hostLog = guest_.read<uint64_t>(static_cast<uint32_t>(*box));
  const auto api = guest_.callJs(*install, {hostLog});
  if (!api || tagOf(*api) != Tag::kObject) return fail("bootstrap.js does not run");
  const struct {
    uint64_t* anchor;
    std::string_view name;
  } functions[] = {
      {&anchors_.isWhole, "isWhole"}, {&anchors_.load, "load"},
      {&anchors_.run, "run"},         {&anchors_.poll, "poll"},
      {&anchors_.failure, "failure"}, {&anchors_.describe, "describe"},
  };
  for (const auto& function : functions) {
    const auto value = guest_.property(*api, function.name);
    if (!value || tagOf(*value) != Tag::kObject) return fail("bootstrap.js lacks a function");
    *function.anchor = *value;
  }
  return guest_.ok();
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
  if (text) std::from_chars(text->data(), text->data() + text->size(), drawn);
  if (drawn != expected * std::pow(2.0, 53)) {
    return fail("Math.random keeps its state elsewhere");
  }
  return guest_.read<uint64_t>(anchors_.context + kRandomStateAt) == state ||
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
  const auto heap = [this] { return guest_.read<uint32_t>(anchors_.runtime + kHeapBytesAt); };
  const auto counter = [this] {
    return guest_.read<int32_t>(anchors_.context + kInterruptCounterAt);
  };
  constexpr uint32_t kTextBytes = 5000;
  const uint32_t heapBefore = heap();
  if (!guest_.newString(std::string(kTextBytes, 'x'))) return fail("no memory");
  const uint32_t grown = heap() - heapBefore;
  if (grown < kTextBytes || grown > 2 * kTextBytes) return fail("heap_bytes is elsewhere");
  const int32_t counterBefore = counter();
  constexpr int32_t kTurns = 500;
  if (!evaluate("for (let i = 0; i < 500; i++);")) return fail("a loop does not run");
  const auto steps = static_cast<uint32_t>(counterBefore - counter());
  const uint32_t wrapped = steps % kStepsPerPoll;
  if (counter() < 0 || counter() > static_cast<int32_t>(kStepsPerPoll) ||
      wrapped < static_cast<uint32_t>(kTurns) || wrapped > 4u * kTurns) {
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
