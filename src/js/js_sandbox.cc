#include "js/js_sandbox.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <new>

#include "base/json.h"
#include "base/text.h"
#include "js/error_report.h"
#include "js/guest_layout.h"
#include "js/outcome.h"

namespace nexus::js {
namespace {

using Clock = sandbox::DeadlineWatch::Clock;

// Seeds straight from the system, many at a time: two system calls for 64 sandboxed calls. Zero
// when it gives none; the guest's generator would be stuck there.
uint64_t nextSeed() {
  thread_local std::array<uint64_t, 64> seeds;
  thread_local size_t left = 0;
  // Up to 256 bytes come whole, without a signal in between (getrandom(2)).
  constexpr size_t kWhole = 256;
  if (left == 0) {
    auto* to = reinterpret_cast<char*>(seeds.data());
    for (size_t at = 0; at < sizeof seeds; at += kWhole) {
      if (getrandom(to + at, kWhole, 0) != static_cast<ssize_t>(kWhole)) return 0;
    }
    left = seeds.size();
  }
  const uint64_t seed = seeds[--left];
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
  dirty_ = true;
  if (!sandbox_->restore(image_)) return false;
  dirty_ = false;
  return true;
}

bool JsSandbox::restoreTo(const std::shared_ptr<const sandbox::Image>& image) {
  image_ = image;
  return restore();
}

JsSandbox::TimedRun::TimedRun(JsSandbox& sandbox) : slot_(*sandbox.slot_), start_(Clock::now()) {
  sandbox.dirty_ = true;
  sandbox.host_->beginCall();
  sandbox.stepsToPollAtStart_ = sandbox.stepsToNextPoll();
  const auto timeout = sandbox.engine_.config().timeout;
  slot_.arm(timeout.count() == 0 ? Clock::time_point::max() : start_ + timeout);
}

JsSandbox::TimedRun::~TimedRun() {
  if (!ended_) slot_.disarm();
}

sandbox::CallEnd JsSandbox::TimedRun::end() {
  ended_ = true;
  return slot_.disarm();
}

ExecutionResult JsSandbox::invoke(const Handler& handler, std::string_view args) {
  try {
    return invokeOnce(handler, args);
  } catch (const std::bad_alloc&) {
    ExecutionResult result;
    result.error = outOfHostMemory();
    return result;
  }
}

ExecutionResult JsSandbox::invokeOnce(const Handler& handler, std::string_view args) {
  ExecutionResult result;
  const RuntimeConfig& config = engine_.config();
  if (args.size() > config.maxInputBytes) {
    result.error = limitError(ErrorCode::kResourceLimit, "max_input_bytes", config.maxInputBytes,
                              args.size(), "the call's input is larger than max_input_bytes");
    return result;
  }
  if ((image_ != handler.image || dirty_) && !restoreTo(handler.image)) {
    result.error = cannotRestore();
    return result;
  }
  TimedRun timed(*this);
  Guest guest = makeGuest();
  Attempt attempt = run(guest, args);
  attempt.end = timed.end();
  result.metrics.duration = timed.elapsed();
  measure(result.metrics);
  if (attempt.inputRefused && !sandbox_->growthRefused()) {
    auto checked = checkJson(args, "args");
    if (!checked) result.error = std::move(checked).error();
  }
  if (!result.error && (!attempt.succeeded || wasInterrupted(attempt))) {
    result.error = explain(attempt, ErrorCode::kExecutionError, handler.source);
  }
  if (!result.error) result.value = std::move(attempt.value);
  result.log = std::move(host_->record().log);
  if (!result.error) checkOutput(result);
  return result;
}

// The value is the guest's word for it until here.
void JsSandbox::checkOutput(ExecutionResult& result) const {
  if (!result.value) return;
  const uint64_t held = result.value->size() + host_->record().logBytes;
  const uint64_t limit = engine_.config().maxOutputBytes;
  if (held > limit) {
    result.error = limitError(ErrorCode::kResourceLimit, "max_output_bytes", limit, held,
                              "value and log together are larger than max_output_bytes");
  } else if (!isJson(*result.value)) {
    result.error = Error{.code = ErrorCode::kExecutionError,
                         .message = "the result cannot be JSON: it is nested deeper than " +
                                    std::to_string(kMaxJsonDepth) +
                                    " levels or holds text that is not well-formed Unicode"};
  }
  if (result.error) result.value.reset();
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

void JsSandbox::measure(ExecutionMetrics& metrics) const {
  const auto heap = readBook<uint32_t>(engine_.base().anchors.runtime + kHeapBytesAt);
  metrics.memoryPeakBytes = sandbox_->memoryBytes();
  metrics.memoryUsedBytes = std::min<uint64_t>(heap, metrics.memoryPeakBytes);
  const auto polled = static_cast<int64_t>(host_->record().polls) * kStepsPerPoll;
  metrics.instructionCount =
      static_cast<uint64_t>(std::max<int64_t>(polled + stepsToPollAtStart_ - stepsToNextPoll(), 0));
  metrics.logCalls = host_->record().hostCalls;
}

// Everything that runs in the guest runs here, before the deadline is disarmed.
JsSandbox::Attempt JsSandbox::run(Guest& guest, std::string_view args) {
  Attempt attempt;
  const Anchors& anchors = engine_.base().anchors;
  const uint64_t seed = nextSeed();
  if (seed == 0) {
    attempt.seedMissing = true;
    return attempt;
  }
  guest.write(anchors.context + kRandomStateAt, seed);
  const auto input = guest.parseJson(args);
  if (input && tagOf(*input) == Tag::kException) {
    attempt.inputRefused = true;
  } else if (input) {
    auto outcome = guest.callJs(anchors.run, {*input});
    if (outcome && tagOf(*outcome) != Tag::kException) {
      if (!drainJobs(guest)) {
        outcome = guest.ok() ? std::optional(kExceptionValue) : std::nullopt;
      } else if (*outcome == kFalseValue) {
        outcome = guest.callJs(anchors.poll, {});
      }
    }
    takeOutcome(guest, outcome, attempt);
  }
  attempt.trap = guest.trap();
  return attempt;
}

// False when a job threw: then the exception is pending, or the guest trapped.
bool JsSandbox::drainJobs(Guest& guest) {
  const Anchors& anchors = engine_.base().anchors;
  while (true) {
    const auto done = guest.call(engine_.api().executePendingJob,
                                 {anchors.runtime, anchors.scratch + kOutParameterAt});
    if (!done || static_cast<int32_t>(*done) < 0) return false;
    if (*done == 0) return true;
    // Jobs may be too short to be interrupted, each, and yet never end.
    if (slot_->expired()) {
      host_->record().interrupted = true;
      return false;
    }
  }
}

// See bootstrap.js for what the outcomes mean.
void JsSandbox::takeOutcome(Guest& guest, std::optional<uint64_t> outcome, Attempt& attempt) {
  if (!outcome) return;
  switch (tagOf(*outcome)) {
    case Tag::kString:
      attempt.value = guest.text(*outcome, engine_.config().maxOutputBytes, &attempt.valueBytes);
      attempt.succeeded = attempt.value.has_value();
      break;
    case Tag::kBool:
      attempt.succeeded = *outcome != kFalseValue;
      attempt.neverSettles = !attempt.succeeded;
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

void JsSandbox::takeReport(Guest& guest, std::optional<uint64_t> report, Attempt& attempt) {
  constexpr size_t kLongestReport = size_t{320} << 10;  // bootstrap.js writes less
  if (!report || tagOf(*report) != Tag::kString) return;
  auto text = guest.text(*report, kLongestReport);
  if (text) attempt.thrown = readReport(toValidUtf8(std::move(*text)));
}

}  // namespace nexus::js
