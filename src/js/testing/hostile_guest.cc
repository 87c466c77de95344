#include "js/testing/hostile_guest.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/json.h"
#include "base/text.h"
#include "js/testing/host_memory.h"
#include "sandbox/native/native_engine.h"
#include "sandbox/native/native_module.h"

extern "C" {
extern const NexusNativeModule nexus_module_hostile;
extern const NexusNativeModule nexus_module_hostile_checked;
}

namespace nexus::js::testing {
namespace {

using std::string_view_literals::operator""sv;

constexpr char kBenignValue[] = R"({"right":true})";

// The text of an error is bounded whatever the limits of a call are; this includes its copies.
constexpr uint64_t kReportBytes = uint64_t{1} << 20;
constexpr size_t kLongestMessage = 16384;

template <typename T>
T take(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << toString(result.error().code) << ": " << result.error().message;
    return T{};
  }
  return std::move(*result);
}

Rights rightsOf(std::vector<std::string> tokens) { return take(Rights::parse(tokens)); }

Program benign() {
  Program program;
  program.operation(HostOperation::kLog, {intValue(1), "benign"sv})
      .operation(HostOperation::kEmit, {"ping"sv, "[1]"sv})
      .outcomeText(std::string_view(kBenignValue));
  return program;
}

}  // namespace

// --- programs

Program& Program::byte(uint8_t value) {
  bytes_ += static_cast<char>(value);
  return *this;
}

template <typename T>
Program& Program::number(T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  bytes_.append(bytes, sizeof bytes);
  return *this;
}

Program& Program::import(GuestImport which, std::initializer_list<uint64_t> args) {
  constexpr size_t kOperands = 5;
  byte(1).byte(static_cast<uint8_t>(which));
  for (const uint64_t arg : args) number(arg);
  for (size_t i = args.size(); i < kOperands; ++i) number(uint64_t{0});
  return *this;
}

Program& Program::store(uint32_t at, uint64_t value) { return byte(2).number(at).number(value); }

Program& Program::copy(uint32_t to, std::string_view bytes) {
  byte(3).number(to).number(static_cast<uint32_t>(bytes.size()));
  return raw(bytes);
}

Program& Program::fill(uint32_t at, uint32_t length, uint8_t value) {
  return byte(4).number(at).number(length).byte(value);
}

Program& Program::turn(GuestExport which, const Turn& turn) {
  return byte(5)
      .byte(static_cast<uint8_t>(which))
      .byte(static_cast<uint8_t>(turn.how))
      .number(turn.after)
      .number(turn.value)
      .number(turn.out);
}

Program& Program::outcome(uint64_t value) { return byte(6).number(value); }
Program& Program::grow(uint32_t pages) { return byte(7).number(pages); }
Program& Program::stackPointer(uint32_t value) { return byte(8).number(value); }

Program& Program::repeat(uint32_t from, uint32_t times) {
  // The counter is set where the loop is not: at its end, once it was counted down, it is zero.
  const uint32_t counter = room(sizeof(uint32_t));
  std::string loop = bytes_.substr(from);
  bytes_.resize(from);
  store(counter, times);
  const uint32_t begin = size();
  bytes_ += loop;
  return byte(9).number(counter).number(begin);
}

Program& Program::raw(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

uint32_t Program::room(uint32_t bytes) {
  const uint32_t at = arena_;
  arena_ += (bytes + 7) & ~7u;
  EXPECT_LE(arena_, kArenaEnd) << "the program is too long";
  return at;
}

uint64_t Program::lay(const GuestValue& value) {
  if (const auto* known = std::get_if<uint64_t>(&value)) return *known;
  if (const auto* known = std::get_if<BoxedAt>(&value)) return stringAt(known->at);
  ClaimedText claim;
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    claim = {room(static_cast<uint32_t>(text->size())), static_cast<uint32_t>(text->size())};
    copy(claim.at, *text);
  } else {
    claim = std::get<ClaimedText>(value);
  }
  const uint32_t descriptor = room(sizeof(uint64_t));
  store(descriptor, uint64_t{claim.length} << 32 | claim.at);
  return stringAt(descriptor);
}

uint32_t Program::lay(std::span<const GuestValue> values) {
  const uint32_t list = room(static_cast<uint32_t>((values.size() + 1) * sizeof(uint32_t)));
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t box = 0;
    if (const auto* known = std::get_if<BoxedAt>(&values[i])) {
      box = known->at;
    } else {
      box = room(sizeof(uint64_t));
      store(box, lay(values[i]));
    }
    store(list + static_cast<uint32_t>(i * sizeof(uint32_t)), box);
  }
  return list;
}

Program& Program::operation(HostOperation number, std::initializer_list<GuestValue> args) {
  return operation(number, std::span(args.begin(), args.size()));
}

Program& Program::operation(HostOperation number, std::span<const GuestValue> args) {
  std::vector<GuestValue> all{intValue(static_cast<uint32_t>(number))};
  all.insert(all.end(), args.begin(), args.end());
  return hostCall(all.size(), lay(all));
}

std::string Program::text() const {
  std::string text = "@";
  for (const char c : bytes_) {
    const auto value = static_cast<unsigned char>(c);
    text += static_cast<char>('A' + (value >> 4));
    text += static_cast<char>('A' + (value & 15));
  }
  return text;
}

std::vector<GuestValue> wellMeantArguments(HostOperation number) {
  switch (number) {
    case HostOperation::kLog:
      return {intValue(1), "text"sv};
    case HostOperation::kWhy:
    case HostOperation::kKeys:
      return {};
    case HostOperation::kRead:
    case HostOperation::kHas:
      return {"seen"sv};
    case HostOperation::kMayWrite:
    case HostOperation::kRemove:
      return {"mine"sv};
    case HostOperation::kCheck:
      return {"1"sv};
    case HostOperation::kSet:
      return {"mine"sv, "1"sv};
    case HostOperation::kEmit:
      return {"ping"sv, "{}"sv};
    case HostOperation::kView:
      return {"focus"sv, "panel"sv, "{}"sv};
    case HostOperation::kRequest:
      break;
  }
  return {"svc"sv, "get"sv, "[]"sv};
}

Program suspending() {
  Program program;
  program.operation(HostOperation::kRequest, wellMeantArguments(HostOperation::kRequest))
      .outcome(kFalseValue);
  return program;
}

// --- what has to hold

std::string findBreach(const Error& error) {
  if (error.code == ErrorCode::kUnavailable) return "the host ran out of something";
  if (error.code == ErrorCode::kInvalidInput) return "valid input was refused";
  if (error.code == ErrorCode::kCancelled || error.code == ErrorCode::kNotFound ||
      error.code == ErrorCode::kInvalidHandler) {
    return "an error code that the guest has no part in";
  }
  if (findInvalidUtf8(error.message) || findInvalidUtf8(error.stack) ||
      findInvalidUtf8(error.snippet)) {
    return "an error's text is not UTF-8";
  }
  if (error.message.size() > kLongestMessage || error.stack.size() > kLongestMessage) {
    return "an error's text is as long as the guest wants";
  }
  return "";
}

namespace {

class Held {
 public:
  Held(const Rights& rights, const RuntimeConfig& config) : rights_(rights), config_(config) {}

  std::string check(const ExecutionResult& result) {
    if (result.value) json(*result.value, "the value");
    for (const StateMutation& mutation : result.stateMutations) {
      require(rights_.mayWrite(mutation.key), "a key was written without its capability");
      require(mutation.key != "derived", "a computed key was written");
      name(mutation.key);
      if (mutation.value) json(*mutation.value, "a state value");
    }
    for (const Event& event : result.events) {
      require(rights_.mayEmit(event.name), "an event was emitted without its capability");
      name(event.name);
      if (event.payload) json(*event.payload, "a payload");
    }
    for (const ViewCommand& command : result.viewCommands) viewCommand(command);
    for (const ExtensionRequest& request : result.pending) {
      require(rights_.mayCall(request.extension, request.method),
              "an extension was called without its capability");
      name(request.extension);
      name(request.method);
      json(request.args, "the arguments of a request");
      require(request.args.starts_with('['), "the arguments of a request are no array");
    }
    log(result.log);
    require(result.stateMutations.size() <= config_.maxStateMutations, "too many mutations");
    require(result.events.size() <= config_.maxEvents, "too many events");
    require(result.pending.size() <= config_.maxPendingRequests, "too many requests");
    require(bytes_ <= config_.maxOutputBytes, "more is held than max_output_bytes");
    return breach_;
  }

 private:
  void require(bool holds, const char* otherwise) {
    if (!holds && breach_.empty()) breach_ = otherwise;
  }
  void name(std::string_view text) {
    require(!findInvalidUtf8(text), "a name is not UTF-8");
    bytes_ += text.size();
  }
  void json(std::string_view text, const char* what) {
    if (!isJson(text) && breach_.empty()) breach_ = std::string(what) + " is not JSON";
    bytes_ += text.size();
  }
  void viewCommand(const ViewCommand& command) {
    require(rights_.mayUpdate(command.componentId), "a view was updated without its capability");
    require(command.type == "setFilter" || command.type == "scrollTo" || command.type == "focus" ||
                command.type == "command",
            "a view command that does not exist");
    bytes_ += command.type.size();
    name(command.componentId);
    json(command.args, "the arguments of a view command");
    require(command.args.starts_with('{'), "the arguments of a view command are no object");
  }
  void log(std::span<const LogRecord> records) {
    uint64_t logged = 0;
    for (const LogRecord& record : records) {
      require(!findInvalidUtf8(record.message), "the log is not UTF-8");
      require(static_cast<uint32_t>(record.level) <= static_cast<uint32_t>(LogLevel::kError),
              "a log level that does not exist");
      // The host's own line does not count.
      if (record.message.find("were not awaited") == std::string::npos) {
        logged += record.message.size();
      }
    }
    require(logged <= config_.maxLogBytes, "more is logged than max_log_bytes");
    bytes_ += logged;
  }

  const Rights& rights_;
  const RuntimeConfig& config_;
  uint64_t bytes_ = 0;
  std::string breach_;
};

}  // namespace

std::string findBreach(const ExecutionResult& result, const Rights& rights,
                       const RuntimeConfig& config) {
  std::string breach = Held(rights, config).check(result);
  if (breach.empty() && result.error) breach = findBreach(*result.error);
  if (!breach.empty()) return breach;
  if (result.error && (result.value || !result.stateMutations.empty() || !result.events.empty() ||
                       !result.viewCommands.empty() || !result.pending.empty())) {
    return "a call that failed has effects";
  }
  const ExecutionMetrics& metrics = result.metrics;
  if (metrics.memoryPeakBytes > config.memoryLimitBytes) return "memory beyond memory_limit_bytes";
  if (metrics.memoryUsedBytes > metrics.memoryPeakBytes) return "more memory used than there is";
  if (metrics.hostCalls.total() > config.maxHostCalls + 1) return "calls beyond max_host_calls";
  return "";
}

// --- the rig

std::unique_ptr<sandbox::Engine> makeHostileEngine(EngineKind kind) {
  return kind == EngineKind::kNative ? sandbox::makeNativeEngine(nexus_module_hostile)
                                     : sandbox::makeCheckedEngine(nexus_module_hostile_checked);
}

RuntimeConfig hostileConfig() {
  return {.memoryLimitBytes = 4 << 20,
          .stackSizeBytes = 64 << 10,
          .timeout = std::chrono::seconds(20),
          .maxHostCalls = 100,
          .maxStateMutations = 10,
          .maxEvents = 10,
          .maxPendingRequests = 4,
          .maxInputBytes = 256 << 10,
          .maxOutputBytes = 64 << 10,
          .maxLogBytes = 4 << 10};
}

RuntimeConfig impatientConfig() {
  RuntimeConfig config = hostileConfig();
  config.timeout = std::chrono::milliseconds(10);
  return config;
}

HostileRig::HostileRig(EngineKind kind, const RuntimeConfig& config, Chance chance)
    : config_(config),
      chance_(chance),
      native_(makeHostileEngine(kind)),
      engine_(take(JsEngine::make(*native_, watch_, config))),
      sandbox_(take(JsSandbox::make(*engine_))),
      handler_(take(sandbox_->compile("return 1"))),
      state_(take(StateSnapshot::parse(R"({"seen":{"a":1},"hidden":[2],"mine":0})"))),
      nextCall_(benign().json()) {
  std::vector<StateSnapshot::Entry> entries(state_.entries().begin(), state_.entries().end());
  entries.push_back({"derived", std::make_shared<const std::string>("3"), true});
  state_ = StateSnapshot::of(std::move(entries));
  (void)sandbox_->invoke(*handler_, input("null", everyRight()));
  EXPECT_TRUE(sandbox_->restore());
  restored_.resize(sandbox_->raw().memoryBytes());
  EXPECT_EQ(restored_.size(), kHostileMemoryBytes);
  EXPECT_TRUE(sandbox_->raw().copyOut(0, restored_));
  scratch_.resize(restored_.size());
}

const Rights& HostileRig::everyRight() {
  static const Rights kRights = rightsOf({"state:read:seen", "state:read:mine", "state:write:*",
                                          "events:emit:*", "view:update:*", "ext:*"});
  return kRights;
}

const Rights& HostileRig::fewRights() {
  static const Rights kRights = rightsOf({"state:read:seen", "state:write:mine", "events:emit:ping",
                                          "view:update:panel", "ext:svc:get"});
  return kRights;
}

CallInput HostileRig::input(std::string_view args, const Rights& rights) const {
  CallInput input{.args = args, .scope = "[1]", .state = state_, .rights = &rights};
  if (chance_ == Chance::kFixed) {
    input.seed = 1;
    input.clock = std::chrono::milliseconds(1);
  }
  return input;
}

Attack HostileRig::invoke(const Program& program, const Rights& rights) {
  const std::string args = program.json();
  const HostBytesPeak peak;
  ExecutionResult result = sandbox_->invoke(*handler_, input(args, rights));
  return conclude(std::move(result), rights, peak.grown(), 0);
}

Attack HostileRig::resume(const Program& first, const Program& second, const Rights& rights) {
  const std::string args = first.json();
  const std::string answer = second.json();
  const HostBytesPeak peak;
  ExecutionResult result = sandbox_->invoke(*handler_, input(args, rights));
  std::string breach = findBreach(result, rights, config_);
  if (breach.empty() && !result.pending.empty()) {
    const Settlement settlement{.requestId = result.pending.front().id, .text = answer};
    result = take(sandbox_->resume(*handler_, input("null", rights), {&settlement, 1}));
  }
  Attack attack = conclude(std::move(result), rights, peak.grown(), 0);
  if (attack.breach.empty()) attack.breach = std::move(breach);
  return attack;
}

Attack HostileRig::compile(const Program& program) {
  const HostBytesPeak peak;
  auto compiled = sandbox_->compile(program.source());
  ExecutionResult result;
  if (compiled) {
    result = sandbox_->invoke(**compiled, input("null", everyRight()));
  } else {
    result.error = std::move(compiled).error();
  }
  // Bytecode and image are the guest's: as large as its memory, and in pieces of 8 bytes each.
  const uint64_t handlerBytes = 8 * config_.memoryLimitBytes;
  return conclude(std::move(result), everyRight(), peak.grown(), handlerBytes);
}

Attack HostileRig::load(const Program& program) {
  const std::string text = program.text();
  Program compiling;
  compiling.copy(kArenaAt, text)
      .turn(GuestExport::kWriteObject,
            {.value = kArenaAt, .out = static_cast<uint32_t>(text.size())});
  return compile(compiling);
}

Attack HostileRig::conclude(ExecutionResult result, const Rights& rights, uint64_t hostBytes,
                            uint64_t hostBytesAllowed) {
  Attack attack{std::move(result), ""};
  attack.breach = findBreach(attack.result, rights, config_);
  // What is held, and a copy on its way to be.
  hostBytesAllowed += kReportBytes + 2 * config_.maxOutputBytes;
  if (attack.breach.empty() && hostBytes > hostBytesAllowed) {
    attack.breach = "the host allocated " + std::to_string(hostBytes) + " bytes";
  }
  if (!sandbox_->restore()) {
    attack.breach = "the sandbox cannot be restored";
  } else if (attack.breach.empty()) {
    attack.breach = checkNextCall();
  }
  return attack;
}

std::string HostileRig::checkNextCall() {
  constexpr int kTries = 20;  // where timeouts are short, a busy machine may exceed some
  ExecutionResult result;
  for (int i = 0; i < kTries; ++i) {
    result = sandbox_->invoke(*handler_, input(nextCall_, fewRights()));
    if (!sandbox_->restore()) return "the sandbox cannot be restored after a call that behaved";
    if (!result.error || result.error->code != ErrorCode::kTimeout) break;
  }
  if (outcomeOf(result) != kBenignValue) return "the next call gives " + outcomeOf(result);
  if (result.log.size() != 1 || result.log[0].message != "benign" || result.events.size() != 1 ||
      result.events[0].payload != "[1]") {
    return "the next call has other effects";
  }
  constexpr uint64_t kPeriod = 32;  // comparing takes long
  if (++attacks_ % kPeriod != 0) return "";
  if (sandbox_->raw().memoryBytes() != restored_.size() || !sandbox_->raw().copyOut(0, scratch_) ||
      scratch_ != restored_) {
    return "restoring left something behind";
  }
  return "";
}

}  // namespace nexus::js::testing
