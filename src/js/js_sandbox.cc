#include "js/js_sandbox.h"

#include <algorithm>
#include <new>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "base/text.h"
#include "js/error_report.h"
#include "js/guest_layout.h"
#include "js/outcome.h"

namespace nexus::js {
namespace {

using Clock = sandbox::DeadlineWatch::Clock;

// Zero when the system gives none; the guest's generator would be stuck there.
uint64_t nextSeed() {
  const auto seed = randomNumber();
  if (!seed) return 0;
  return *seed == 0 ? 1 : *seed;
}

// SplitMix64: neighbouring seeds give unrelated numbers. Never zero.
uint64_t scramble(uint64_t seed) {
  seed += 0x9E3779B97F4A7C15;
  seed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9;
  seed = (seed ^ (seed >> 27)) * 0x94D049BB133111EB;
  seed ^= seed >> 31;
  return seed == 0 ? 1 : seed;
}

}  // namespace

Result<std::unique_ptr<JsSandbox>> JsSandbox::make(JsEngine& engine) {
  std::unique_ptr<JsSandbox> made(new JsSandbox(engine));
  auto host = Host::make(engine.engine(), engine.api(), engine.config());
  if (!host) return std::move(host).error();
  made->host_ = std::move(*host);
  made->image_ = engine.base().image;
  auto sandbox =
      engine.engine().createSandbox(sandboxOptions(engine.config()), *made->host_, made->image_);
  if (!sandbox) return std::move(sandbox).error();
  made->sandbox_ = std::move(*sandbox);
  made->slot_ = std::make_unique<sandbox::DeadlineWatch::Slot>(engine.watch(), *made->sandbox_);
  made->host_->goLive(&engine.base().anchors, made->slot_.get());
  return made;
}

bool JsSandbox::restore() {
  // An idle sandbox holds nothing of its last call, on neither side.
  host_->beginCall();
  isSuspended_ = false;
  if (dirty_ && !sandbox_->restore(image_)) return false;
  dirty_ = false;
  return true;
}

bool JsSandbox::restoreTo(const std::shared_ptr<const sandbox::Image>& image) {
  image_ = image;
  dirty_ = true;
  return restore();
}

JsSandbox::TimedRun::TimedRun(JsSandbox& sandbox, const RunLimit& limit)
    : sandbox_(sandbox), start_(Clock::now()) {
  sandbox.stepsToPollAtStart_ = sandbox.stepsToNextPoll();
  auto timeout = sandbox.engine_.config().timeout;
  if (limit.timeout && (timeout.count() == 0 || *limit.timeout < timeout)) timeout = *limit.timeout;
  sandbox.timeout_ = timeout;
  const auto left = std::chrono::nanoseconds(timeout) - sandbox.host_->book().executed;
  sandbox.slot_->arm(timeout.count() == 0 ? Clock::time_point::max() : start_ + left);
  if (limit.stop.stop_possible()) cancel_.emplace(limit.stop, Cancel{sandbox.slot_.get()});
}

JsSandbox::TimedRun::~TimedRun() {
  if (!ended_) end();
}

sandbox::CallEnd JsSandbox::TimedRun::end() {
  ended_ = true;
  cancel_.reset();
  const sandbox::CallEnd how = sandbox_.slot_->disarm();
  sandbox_.host_->endRun();
  sandbox_.host_->book().executed += Clock::now() - start_;
  return how;
}

ExecutionResult JsSandbox::invoke(const Handler& handler, const CallInput& input) {
  try {
    return invokeOnce(handler, input);
  } catch (const std::bad_alloc&) {
    ExecutionResult result;
    result.error = outOfHostMemory();
    return result;
  }
}

ExecutionResult JsSandbox::invokeOnce(const Handler& handler, const CallInput& input) {
  isSuspended_ = false;
  host_->beginCall();
  if ((image_ != handler.image || dirty_) && !restoreTo(handler.image)) {
    ExecutionResult result;
    result.error = cannotRestore();
    return result;
  }
  host_->beginRun(input);
  TimedRun timed(*this, input.limit);
  Guest guest = makeGuest();
  Attempt attempt = start(guest, input);
  attempt.trap = guest.trap();
  attempt.end = timed.end();
  return makeResult(std::move(attempt), handler, input);
}

Status checkRequests(const CallBook& book, std::span<const Settlement> settlements) {
  std::vector<uint64_t> left;
  left.reserve(book.outstanding.size());
  for (const ExtensionRequest& request : book.outstanding) left.push_back(request.id);
  for (const Settlement& settlement : settlements) {
    if (std::erase(left, settlement.requestId) == 0) {
      return Error{.code = ErrorCode::kNotFound,
                   .message = "no request " + std::to_string(settlement.requestId) +
                              " waits: it was answered already, or never made"};
    }
  }
  return Done{};
}

namespace {

Status checkSettlements(const CallBook& book, std::span<const Settlement> settlements) {
  auto waits = checkRequests(book, settlements);
  if (!waits) return waits;
  for (const Settlement& settlement : settlements) {
    if (settlement.kind == Settlement::Kind::kError || settlement.isChecked) continue;
    auto checked = checkJson(settlement.text, "the result of a request");
    if (!checked) return checked;
  }
  return Done{};
}

Error nothingWaits() {
  return Error{.code = ErrorCode::kNotFound, .message = "no call is suspended here"};
}

}  // namespace

Result<ExecutionResult> JsSandbox::resume(const Handler& handler, const CallInput& input,
                                          std::span<const Settlement> settlements) {
  try {
    if (!isSuspended_) return nothingWaits();
    auto checked = checkSettlements(host_->book(), settlements);
    if (!checked) return std::move(checked).error();
  } catch (const std::bad_alloc&) {
    return outOfHostMemory();
  }
  return resumeOnce(handler, input, settlements);
}

Result<SuspendedCall> JsSandbox::suspend(std::shared_ptr<const Handler> handler) {
  isSuspended_ = false;
  auto delta = sandbox_->takeDelta(deadRanges(engine_.base()));
  if (!delta) return cannotRestore();
  dirty_ = false;
  SuspendedCall call{std::move(handler), std::move(*delta), std::move(host_->book())};
  (void)restore();  // what the host has of it
  return call;
}

Result<ExecutionResult> JsSandbox::resume(SuspendedCall& call, const CallInput& input,
                                          std::span<const Settlement> settlements) {
  try {
    auto checked = checkSettlements(call.book, settlements);
    if (!checked) return std::move(checked).error();
    if (!putBack(call, input)) return cannotRestore();
  } catch (const std::bad_alloc&) {
    return outOfHostMemory();
  }
  return resumeOnce(*call.handler, input, settlements);
}

bool JsSandbox::putBack(SuspendedCall& call, const CallInput& input) {
  const auto& image = call.handler->image;
  if ((image_ != image || dirty_) && !restoreTo(image)) return false;
  dirty_ = true;
  if (!sandbox_->apply(call.delta)) return false;
  // The same content may be put back twice, and is not to draw the same numbers.
  const uint64_t seed = nextSeed();
  if (!input.seed && seed != 0) {
    makeGuest().write(engine_.base().anchors.context + kRandomStateAt, seed);
  }
  host_->beginCall();
  host_->book() = std::move(call.book);
  return true;
}

// From here on there is no way back to the call as it was: what goes wrong is its result.
ExecutionResult JsSandbox::resumeOnce(const Handler& handler, const CallInput& input,
                                      std::span<const Settlement> settlements) {
  try {
    return goOnOnce(handler, input, settlements);
  } catch (const std::bad_alloc&) {
    isSuspended_ = false;
    ExecutionResult result;
    result.error = outOfHostMemory();
    return result;
  }
}

ExecutionResult JsSandbox::goOnOnce(const Handler& handler, const CallInput& input,
                                    std::span<const Settlement> settlements) {
  isSuspended_ = false;
  for (const Settlement& settlement : settlements) {
    std::erase_if(host_->book().outstanding, [&](const ExtensionRequest& request) {
      return request.id == settlement.requestId;
    });
  }
  host_->beginRun(input);
  TimedRun timed(*this, input.limit);
  Guest guest = makeGuest();
  Attempt attempt = settleAll(guest, settlements);
  attempt.trap = guest.trap();
  attempt.end = timed.end();
  return makeResult(std::move(attempt), handler, input);
}

// The guest's word becomes the caller's here.
ExecutionResult JsSandbox::makeResult(Attempt attempt, const Handler& handler,
                                      const CallInput& input) {
  ExecutionResult result;
  countInstructions();
  result.metrics = measure();
  if (attempt.inputRefused != nullptr && sandbox_->refusedGrowth() == 0) {
    const bool isArgs = std::string_view(attempt.inputRefused) == "args";
    auto checked = checkJson(isArgs ? input.args : input.scope, attempt.inputRefused);
    if (!checked) result.error = std::move(checked).error();
  }
  if (!result.error && (!attempt.succeeded || wasInterrupted(attempt))) {
    result.error = explain(attempt, ErrorCode::kExecutionError, handler.code->source);
  }
  if (!result.error) result.value = std::move(attempt.value);
  isSuspended_ = !result.error && attempt.waits;
  takeEffects(result);
  return result;
}

// What an error leaves behind is its log.
void JsSandbox::takeEffects(ExecutionResult& result) {
  CallRecord& record = host_->record();
  result.log = std::move(record.log);
  if (result.error) return;
  result.stateMutations = std::move(record.stateMutations);
  result.events = std::move(record.events);
  result.viewCommands = std::move(record.viewCommands);
  const CallBook& book = host_->book();
  if (isSuspended_) {
    result.pending = book.outstanding;
    return;
  }
  const auto unmade = std::count_if(
      book.outstanding.begin(), book.outstanding.end(),
      [&](const ExtensionRequest& request) { return request.id > record.requestsBefore; });
  if (unmade == 0) return;
  result.log.push_back(
      {LogLevel::kWarn,
       std::to_string(unmade) +
           " extension request(s) were not awaited: the handler has returned, they "
           "are not made"});
}

// The guest's own books: good for nothing but statistics.
template <typename T>
T JsSandbox::readBook(uint32_t address) const {
  T value{};
  (void)sandbox_->copyOut(address, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

int64_t JsSandbox::stepsToNextPoll() const {
  const auto counter = readBook<int32_t>(engine_.base().anchors.context + kInterruptCounterAt);
  return std::clamp<int64_t>(counter, 0, kStepsPerPoll);
}

void JsSandbox::countInstructions() {
  const auto polled = static_cast<int64_t>(host_->record().polls) * kStepsPerPoll;
  const int64_t steps = polled + stepsToPollAtStart_ - stepsToNextPoll();
  host_->book().instructions += static_cast<uint64_t>(std::max<int64_t>(steps, 0));
}

ExecutionMetrics JsSandbox::measure() const {
  ExecutionMetrics metrics;
  const CallBook& book = host_->book();
  const auto heap = readBook<uint32_t>(engine_.base().anchors.runtime + kHeapBytesAt);
  metrics.duration = std::chrono::duration_cast<std::chrono::microseconds>(book.executed);
  metrics.memoryPeakBytes = sandbox_->memoryBytes();
  metrics.memoryUsedBytes = std::min<uint64_t>(heap, metrics.memoryPeakBytes);
  metrics.instructionCount = book.instructions;
  metrics.hostCalls = book.hostCalls;
  return metrics;
}

std::optional<JsValue> JsSandbox::takeIn(Guest& guest, std::string_view json, const char* what,
                                         Attempt& attempt) {
  if (!host_->takeIn(json.size())) return std::nullopt;
  const auto value = guest.parseJson(json);
  if (value && tagOf(*value) == Tag::kException) {
    attempt.inputRefused = what;
    return std::nullopt;
  }
  return value;
}

// Everything that runs in the guest runs in this and settleAll(), before the deadline is disarmed.
JsSandbox::Attempt JsSandbox::start(Guest& guest, const CallInput& input) {
  Attempt attempt;
  const Anchors& anchors = engine_.base().anchors;
  const uint64_t seed = input.seed ? scramble(*input.seed) : nextSeed();
  if (seed == 0) {
    attempt.seedMissing = true;
    return attempt;
  }
  guest.write(anchors.context + kRandomStateAt, seed);
  const auto args = takeIn(guest, input.args, "args", attempt);
  if (!args) return attempt;
  std::optional<JsValue> scope = JsValue(kUndefinedValue);
  if (input.scope != "{}") scope = takeIn(guest, input.scope, "scope", attempt);
  if (scope) finish(guest, guest.callJs(anchors.run, {*args, *scope}), attempt);
  return attempt;
}

JsSandbox::Attempt JsSandbox::settleAll(Guest& guest, std::span<const Settlement> settlements) {
  Attempt attempt;
  for (const Settlement& settlement : settlements) {
    if (!settle(guest, settlement, attempt)) return attempt;
  }
  finish(guest, JsValue(kFalseValue), attempt);
  return attempt;
}

bool JsSandbox::settle(Guest& guest, const Settlement& settlement, Attempt& attempt) {
  if (!host_->takeIn(settlement.text.size())) return false;
  const bool isResult = settlement.kind == Settlement::Kind::kResult;
  const auto value = isResult ? guest.parseJson(settlement.text) : guest.newString(settlement.text);
  if (!value) return false;
  std::optional<JsValue> settled = *value;
  if (tagOf(*value) != Tag::kException) {
    const auto id = intValue(static_cast<uint32_t>(settlement.requestId));
    settled = guest.callJs(engine_.base().anchors.settle,
                           {id, isResult ? kTrueValue : kFalseValue, *value});
  }
  if (!settled) return false;
  if (tagOf(*settled) != Tag::kException) return true;
  takeException(guest, attempt);
  return false;
}

// From the handler's own outcome to what it comes to when nothing is left to do.
void JsSandbox::finish(Guest& guest, std::optional<JsValue> outcome, Attempt& attempt) {
  const Anchors& anchors = engine_.base().anchors;
  if (outcome && tagOf(*outcome) != Tag::kException) {
    if (!drainJobs(guest)) {
      outcome = guest.ok() ? std::optional(JsValue(kExceptionValue)) : std::nullopt;
    } else if (outcome->is(kFalseValue)) {
      outcome = guest.callJs(anchors.poll, {});
    }
  }
  if (outcome && mustFlush(*outcome)) {
    const auto flushed = guest.callJs(anchors.flush, {});
    if (!flushed || tagOf(*flushed) == Tag::kException) outcome = flushed;
  }
  takeOutcome(guest, outcome, attempt);
}

bool JsSandbox::mustFlush(const JsValue& outcome) const {
  const Tag tag = tagOf(outcome);
  // What failed is dropped; and the exception is pending, which running anything would disturb.
  if (tag == Tag::kNull || tag == Tag::kException) return false;
  // A handler that waits flushes what it has read, too: it will be read anew. And one that has
  // handed over something may have changed it since, which the host does not hear of.
  const CallRecord& record = host_->record();
  return record.hasUnflushedState || !host_->book().writtenKeys.empty() ||
         (outcome.is(kFalseValue) && record.hasReadState);
}

// False when a job threw: then the exception is pending, or the guest trapped.
bool JsSandbox::drainJobs(Guest& guest) {
  const Anchors& anchors = engine_.base().anchors;
  while (true) {
    const auto done = guest.call(engine_.api().executePendingJob,
                                 {anchors.runtime, anchors.scratch + kOutParameterAt});
    if (!done) return false;
    const auto count = done->as<int32_t>();
    if (count.is(0)) return true;
    if (!count.accept([](int32_t jobs) { return jobs > 0; })) return false;
    // Jobs may be too short to be interrupted, each, and yet never end.
    if (slot_->expired()) {
      host_->record().interrupted = true;
      return false;
    }
  }
}

// See outcome.js for what the outcomes mean.
void JsSandbox::takeOutcome(Guest& guest, std::optional<JsValue> outcome, Attempt& attempt) {
  if (!outcome) return;
  switch (tagOf(*outcome)) {
    case Tag::kString: {
      const uint64_t limit = engine_.config().maxOutputBytes;
      const uint64_t room = limit - std::min(limit, host_->book().outputBytes);
      auto text = guest.text(*outcome, room, &attempt.valueBytes);
      // Asked for the text, the guest may have called operations, and there is less room.
      if (!text || attempt.valueBytes + host_->book().outputBytes > limit) break;
      attempt.value = std::move(*text).accept(isJson);
      attempt.succeeded = attempt.value.has_value();
      attempt.isMisfit = !attempt.succeeded;
      if (attempt.isMisfit) {
        takeReport(guest, guest.callJs(engine_.base().anchors.misfit, {}), attempt);
      }
      break;
    }
    case Tag::kBool:
      attempt.succeeded = outcome->is(kTrueValue);
      if (attempt.succeeded) break;
      attempt.waits = !host_->book().outstanding.empty();
      attempt.succeeded = attempt.waits;
      attempt.neverSettles = !attempt.waits;
      break;
    case Tag::kNull:
      takeReport(guest, guest.callJs(engine_.base().anchors.failure, {}), attempt);
      break;
    case Tag::kException:
      takeException(guest, attempt);
      break;
    default:
      break;
  }
}

void JsSandbox::takeException(Guest& guest, Attempt& attempt) {
  const Anchors& anchors = engine_.base().anchors;
  const auto exception = guest.call(engine_.api().getException, {anchors.context});
  if (exception) takeReport(guest, guest.callJs(anchors.describe, {*exception}), attempt);
}

void JsSandbox::takeReport(Guest& guest, std::optional<JsValue> report, Attempt& attempt) {
  constexpr size_t kLongestReport = size_t{320} << 10;  // the bootstrap writes less
  if (!report || tagOf(*report) != Tag::kString) return;
  auto text = guest.text(*report, kLongestReport);
  if (text) attempt.thrown = readReport(std::move(*text).madeSafe(toValidUtf8));
}

}  // namespace nexus::js
