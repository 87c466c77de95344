// What the guest may call: its clock, its poll for an interruption, and the operations of the
// bootstrap (host_operations.h). Rights and limits are decided here, on copies of what the guest
// handed over; whatever it checked itself does not count.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "js/call.h"
#include "js/guest.h"
#include "js/host_operations.h"
#include "nexus/config.h"
#include "sandbox/deadline_watch.h"
#include "sandbox/engine.h"

namespace nexus::js {

class Host final : public sandbox::HostImports {
 public:
  // kInternalError when the engine's module asks for anything that is not known here.
  static Result<std::unique_ptr<Host>> make(const sandbox::Engine& engine, const GuestApi& api,
                                            const RuntimeConfig& config);

  // Until then the clock stands still and nothing interrupts: what boots is the same each time.
  void goLive(const Anchors* anchors, const sandbox::DeadlineWatch::Slot* slot);

  // Forgets the call before; without an input, no operation is answered.
  void beginCall();
  // Answers operations by this input, until endRun. The call's book goes on.
  void beginRun(const CallInput& input);
  // The input is not looked at any more.
  void endRun() { input_ = nullptr; }

  CallBook& book() { return book_; }
  CallRecord& record() { return record_; }

  // Charges what goes into the sandbox; false and a refusal beyond max_input_bytes.
  bool takeIn(uint64_t bytes);

  sandbox::ImportResult onImport(uint32_t import, std::span<const sandbox::Tainted<uint64_t>> args,
                                 sandbox::Sandbox& sandbox) noexcept override;

 private:
  using Args = std::span<const sandbox::Tainted<uint64_t>>;
  using Method = sandbox::ImportResult (Host::*)(Args, sandbox::Sandbox&);
  struct Known;

  // How an operation is answered.
  struct Answer {
    enum class Kind {
      kValue,
      kDenied,     // a capability is missing: why_ says which
      kMalformed,  // an argument is not what it has to be: why_ says what
      kThrow,      // the exception that is pending in the guest
      kNoMemory,   // the guest's allocator refused: nothing can be thrown
      kEndCall,    // record_ says why
    };
    Kind kind = Kind::kValue;
    JsValue value{kUndefinedValue};
  };
  struct Operation {
    Guest& guest;
    std::array<JsValue, kMostHostArguments> args;  // without the operation's number
    uint64_t taken = 0;                            // bytes of texts that are not held yet
  };
  using Answering = Answer (Host::*)(Operation&);
  // A step of an operation: nothing, or the answer with which it is over.
  using Over = std::optional<Answer>;

  Host(const GuestApi& api, const RuntimeConfig& config) : api_(api), config_(config) {}

  sandbox::ImportResult operateAlone(Args args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult operate(Args args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult poll(Args args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult clock(Args args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult random(Args args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult nothing(Args args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult notSupported(Args args, sandbox::Sandbox& sandbox);

  // host_operations.cc
  static const std::array<Answering, kHostOperations.size()> kAnswering;
  Answer log(Operation& operation);
  Answer why(Operation& operation);
  Answer read(Operation& operation);
  Answer has(Operation& operation);
  Answer keys(Operation& operation);
  Answer mayWrite(Operation& operation);
  Answer check(Operation& operation);
  Answer set(Operation& operation);
  Answer remove(Operation& operation);
  Answer emit(Operation& operation);
  Answer updateView(Operation& operation);
  Answer request(Operation& operation);

  Over countCall(uint64_t HostCalls::*kind);
  Over hold(uint64_t bytes);
  Over takeText(Operation& operation, size_t index, TaintedText& text);
  Over takeName(Operation& operation, size_t index, std::string& name);
  Over takeJson(Operation& operation, size_t index, char opensWith, std::string& json);
  Over checkWrite(const std::string& key);
  Answer recordMutation(StateMutation mutation);
  Answer deny(std::string why);
  Answer malformed(std::string why);
  Answer refuse(const char* limit, uint64_t value, uint64_t observed);
  Answer returnJson(Operation& operation, const std::string& json);
  sandbox::ImportResult deliver(Guest& guest, const Answer& answer);

  const GuestApi& api_;
  const RuntimeConfig& config_;
  const Anchors* anchors_ = nullptr;
  const sandbox::DeadlineWatch::Slot* slot_ = nullptr;
  std::vector<Method> methods_;  // by import
  const CallInput* input_ = nullptr;
  const Rights* rights_ = nullptr;  // with input_
  bool isOperating_ = false;
  CallBook book_;
  CallRecord record_;
  std::string why_;
};

}  // namespace nexus::js
