// JavaScript in a sandbox: compiles handlers and runs them, each call from the same image.
//
//   source ──compile──► bytecode ──load──► Handler (image) ──invoke──► result ──restore──► clean
//                                                             │  ▲
//                                                  suspended  ▼  │  resume
//
// Every call that returns leaves the sandbox dirty until restore(), which the caller does when it
// has passed the result on.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "js/boot.h"
#include "js/call.h"
#include "js/error_report.h"
#include "js/host.h"
#include "nexus/config.h"
#include "nexus/execution.h"
#include "sandbox/deadline_watch.h"
#include "sandbox/engine.h"
#include "sandbox/image.h"

namespace nexus::js {

// Changes with what compile() makes of a source: its wrapper, its choice of kinds of functions.
inline constexpr char kWrapperVersion[] = "2";

// kInvalidHandler when the text is empty, not UTF-8 or too long.
Status checkSource(std::string_view source, uint64_t maxBytes);

// What compiling made of a text. Immutable.
struct HandlerCode {
  std::string source;
  std::string bytecode;  // of the guest that made it, and only ever given to one
};

// A handler that is ready to run in any sandbox of the engine that made it. Immutable.
struct Handler {
  std::shared_ptr<const HandlerCode> code;
  std::shared_ptr<const sandbox::Image> image;  // in which it is already loaded
};

// A call that waits, without a sandbox: what it added to its handler's image, and its book. Owns
// all that it needs.
struct SuspendedCall {
  std::shared_ptr<const Handler> handler;
  sandbox::Delta delta;
  CallBook book;
};

// What all sandboxes of one configuration share. Thread-safe; outlives its sandboxes.
class JsEngine {
 public:
  // Boots one sandbox for the base image. `engine` and `watch` must outlive this. kInvalidInput for
  // an impossible configuration, kUnavailable when the system refuses memory.
  static Result<std::unique_ptr<JsEngine>> make(sandbox::Engine& engine,
                                                sandbox::DeadlineWatch& watch,
                                                const RuntimeConfig& config);

  const RuntimeConfig& config() const { return config_; }
  sandbox::Engine& engine() const { return engine_; }
  sandbox::DeadlineWatch& watch() const { return watch_; }
  const GuestApi& api() const { return api_; }
  const Base& base() const { return base_; }

  // How often a guest was told to compile a text: counted where it is.
  uint64_t compilations() const { return compilations_.load(std::memory_order_relaxed); }
  void countCompilation() { compilations_.fetch_add(1, std::memory_order_relaxed); }

 private:
  JsEngine(sandbox::Engine& engine, sandbox::DeadlineWatch& watch, const RuntimeConfig& config)
      : engine_(engine), watch_(watch), config_(config) {}

  sandbox::Engine& engine_;
  sandbox::DeadlineWatch& watch_;
  const RuntimeConfig config_;
  GuestApi api_{};
  Base base_;
  std::atomic<uint64_t> compilations_{0};
};

// kNotFound when a call does not wait for one of these, or not any more.
Status checkRequests(const CallBook& book, std::span<const Settlement> settlements);

// One thread at a time, any thread; cancel() and retire() from any thread at any time.
class JsSandbox {
 public:
  static Result<std::unique_ptr<JsSandbox>> make(JsEngine& engine);

  // Compiles inside the sandbox, under the limits of a call. kInvalidHandler, kCompilationError
  // with line and column, or a limit's error.
  Result<std::shared_ptr<const Handler>> compile(std::string_view source,
                                                 const RunLimit& limit = {});

  // Makes the image of what was compiled before, here or elsewhere with the same guest.
  Result<std::shared_ptr<const Handler>> load(std::shared_ptr<const HandlerCode> code);

  // Runs the handler until it ends or waits for the host. Never fails as a call: what went wrong is
  // in the result. kInvalidInput in it when the input is not JSON.
  ExecutionResult invoke(const Handler& handler, const CallInput& input);

  // Goes on with the call that the last invoke or resume left suspended, if the sandbox was not
  // restored since; `handler` is the same one. Of the input, args and scope are not looked at: the
  // handler has them. Refused without an effect: kNotFound when nothing is suspended or a request
  // does not wait, kInvalidInput when a result is not JSON.
  Result<ExecutionResult> resume(const Handler& handler, const CallInput& input,
                                 std::span<const Settlement> settlements);

  // Takes the call that the last invoke or resume left suspended out of the sandbox, which is
  // restored by that; `handler` is the same one. kUnavailable: it cannot be restored.
  Result<SuspendedCall> suspend(std::shared_ptr<const Handler> handler);
  // Puts a call back, into this sandbox or another one of the engine, and goes on with it as above.
  // Refused, `call` stays as it was; else its book is taken.
  Result<ExecutionResult> resume(SuspendedCall& call, const CallInput& input,
                                 std::span<const Settlement> settlements);

  // After compile, invoke and resume: nothing of them is left. False: discard this sandbox, make
  // another.
  [[nodiscard]] bool restore();

  // Gives back memory that an idle sandbox does not need.
  void trim() {
    dirty_ = true;
    sandbox_->trim();
  }

  // Ends the present call with kCancelled; false when there is none.
  bool cancel() { return slot_->cancel(); }
  // Ends it, and each later one before it begins.
  void retire() { slot_->retire(); }

  // What restore() returns to; for telling images apart.
  const sandbox::Image* image() const { return image_.get(); }

  // For tests that look for what a call left behind.
  const sandbox::Sandbox& raw() const { return *sandbox_; }

 private:
  // What one run in the guest came to, before anybody says what it means.
  struct Attempt {
    sandbox::Trap trap = sandbox::Trap::kNone;
    sandbox::CallEnd end = sandbox::CallEnd::kInTime;
    bool succeeded = false;
    bool seedMissing = false;            // the system gave no random numbers
    bool waits = false;                  // for requests that are outstanding
    bool neverSettles = false;           // it waits for what nobody will do
    bool closesWrapper = false;          // the text is not one function body
    const char* inputRefused = nullptr;  // the guest did not take this
    bool isMisfit = false;               // the result is no JSON
    std::optional<std::string> value;    // of a success
    size_t valueBytes = 0;               // also when it was too long to take
    std::optional<ThrownValue> thrown;   // of a failure
  };

  // The time in which the guest may run; over at the latest when this is.
  class TimedRun {
   public:
    TimedRun(JsSandbox& sandbox, const RunLimit& limit);
    TimedRun(const TimedRun&) = delete;
    TimedRun& operator=(const TimedRun&) = delete;
    ~TimedRun();

    // Adds the time to the call's book.
    sandbox::CallEnd end();

   private:
    using Clock = sandbox::DeadlineWatch::Clock;
    struct Cancel {
      sandbox::DeadlineWatch::Slot* slot;
      void operator()() const { slot->cancel(); }
    };

    JsSandbox& sandbox_;
    const Clock::time_point start_;
    // Armed before it is there: a stop that comes first is not missed.
    std::optional<std::stop_callback<Cancel>> cancel_;
    bool ended_ = false;
  };

  explicit JsSandbox(JsEngine& engine) : engine_(engine) {}

  // The only way into the guest: whoever has it may write.
  Guest makeGuest() {
    dirty_ = true;
    return Guest(*sandbox_, engine_.api(), engine_.base().anchors);
  }
  bool restoreTo(const std::shared_ptr<const sandbox::Image>& image);

  ExecutionResult invokeOnce(const Handler& handler, const CallInput& input);
  ExecutionResult resumeOnce(const Handler& handler, const CallInput& input,
                             std::span<const Settlement> settlements);
  ExecutionResult goOnOnce(const Handler& handler, const CallInput& input,
                           std::span<const Settlement> settlements);
  bool putBack(SuspendedCall& call, const CallInput& input);
  Attempt start(Guest& guest, const CallInput& input);
  std::optional<JsValue> takeIn(Guest& guest, std::string_view json, const char* what,
                                Attempt& attempt);
  Attempt settleAll(Guest& guest, std::span<const Settlement> settlements);
  bool settle(Guest& guest, const Settlement& settlement, Attempt& attempt);
  void finish(Guest& guest, std::optional<JsValue> outcome, Attempt& attempt);
  bool drainJobs(Guest& guest);
  bool mustFlush(const JsValue& outcome) const;
  void takeOutcome(Guest& guest, std::optional<JsValue> outcome, Attempt& attempt);
  void takeException(Guest& guest, Attempt& attempt);
  void takeReport(Guest& guest, std::optional<JsValue> report, Attempt& attempt);
  ExecutionResult makeResult(Attempt attempt, const Handler& handler, const CallInput& input);
  void takeEffects(ExecutionResult& result);

  // Steps of compile(): on failure they leave the reason in the attempt.
  Result<std::shared_ptr<const Handler>> compileOnce(std::string_view source,
                                                     const RunLimit& limit);
  Result<std::shared_ptr<const Handler>> loadOnce(std::shared_ptr<const HandlerCode> code);
  Result<std::shared_ptr<const Handler>> captureHandler(std::shared_ptr<const HandlerCode> code);
  std::string compileInGuest(Guest& guest, std::string_view source, Attempt& attempt);
  bool checkIsWholeBody(Guest& guest, const JsValue& compiled, std::string_view functionText,
                        Attempt& attempt);
  bool loadInGuest(Guest& guest, std::string_view bytecode, Attempt& attempt);
  std::optional<JsValue> readFunction(Guest& guest, std::string_view bytecode, Attempt& attempt);

  bool wasInterrupted(const Attempt& attempt) const;
  Error explain(const Attempt& attempt, ErrorCode code, std::string_view source) const;
  Error explainInterruption(const Attempt& attempt, std::string_view source) const;
  Error explainTrap(const Attempt& attempt) const;
  Error explainThrown(const Attempt& attempt, ErrorCode code, std::string_view source) const;
  bool reachedStackLimit() const;
  Error memoryLimit() const;
  Error stackOverflow() const;
  template <typename T>
  T readBook(uint32_t address) const;
  int64_t stepsToNextPoll() const;
  void countInstructions();
  ExecutionMetrics measure() const;

  JsEngine& engine_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<sandbox::Sandbox> sandbox_;
  std::unique_ptr<sandbox::DeadlineWatch::Slot> slot_;
  std::shared_ptr<const sandbox::Image> image_;  // what restore() returns to
  int64_t stepsToPollAtStart_ = 0;
  bool dirty_ = false;  // the content may be another than the image's
  bool isSuspended_ = false;
  std::chrono::milliseconds timeout_{0};  // of the present call; 0 = none
};

}  // namespace nexus::js
