#include "runtime/call_run.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/json.h"

namespace nexus::runtime {
namespace {

template <typename T>
void append(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

void mergeMutations(std::vector<StateMutation>& all, std::vector<StateMutation>& part) {
  for (StateMutation& mutation : part) {
    const auto old = std::find_if(all.begin(), all.end(), [&](const StateMutation& known) {
      return known.key == mutation.key;
    });
    if (old == all.end()) {
      all.push_back(std::move(mutation));
    } else {
      old->value = std::move(mutation.value);
    }
  }
}

}  // namespace

Error shuttingDown() {
  return Error{.code = ErrorCode::kUnavailable, .message = "the runtime is shutting down"};
}

Error outOfMemory() {
  return Error{.code = ErrorCode::kUnavailable, .message = "the host is out of memory"};
}

CallRun::~CallRun() {
  if (isAway_) (void)around_.suspensions.take(id_);
  if (inbox_) inbox_->close();
}

js::CallInput CallRun::input() const {
  return {.state = state_,
          .rights = rights_.get(),
          .seed = terms_.seed,
          .clock = terms_.clock,
          .limit = terms_.limit};
}

CallRun::Step CallRun::fail(Error error) {
  if (isAway_) (void)around_.suspensions.take(id_);
  isAway_ = false;
  total_.error = std::move(error);
  total_.value.reset();
  total_.pending.clear();
  return Step::kEnded;
}

// False: the call has failed.
bool CallRun::acquire(const sandbox::Image* image) {
  const auto start = std::chrono::steady_clock::now();
  auto lease = around_.pool.acquire({.image = image,
                                     .until = around_.clock.now() + around_.acquireTimeout,
                                     .stop = terms_.limit.stop});
  wait_ += std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 start);
  if (!lease) {
    fail(std::move(lease).error());
    return false;
  }
  lease_.emplace(std::move(*lease));
  instanceId_ = (*lease_)->id();
  return true;
}

HandlerCompiler::Request CallRun::request() const {
  return {.limit = terms_.limit, .until = around_.clock.now() + around_.acquireTimeout};
}

CallRun::Step CallRun::begin(std::shared_ptr<const Rights> rights,
                             Result<HandlerCompiler::Found> found, std::string_view args,
                             std::string_view scope, const StateSnapshot& state) {
  if (!found) return fail(std::move(found).error());
  rights_ = std::move(rights);
  handler_ = std::move(found->loaded);
  tier_ = found->tier;
  compilationTime_ = found->compilationTime;
  state_ = state;
  if (!acquire(handler_->image.get())) return Step::kEnded;
  js::CallInput first = input();
  first.args = args;
  first.scope = scope;
  return follow((*lease_)->execute(*handler_, first));
}

// From what a run came to, as far as it goes without waiting.
CallRun::Step CallRun::follow(ExecutionResult part) {
  while (true) {
    const bool waits = part.status() == CallStatus::kSuspended;
    absorb(std::move(part));
    if (!waits) return Step::kEnded;
    makeRequests();
    auto answers = inbox_->take();
    if (answers.empty()) return putAway();
    auto resumed = (*lease_)->resume(*handler_, input(), settle(answers));
    if (!resumed) return fail(std::move(resumed).error());
    part = std::move(*resumed);
  }
}

void CallRun::absorb(ExecutionResult part) {
  if (terms_.onFlush && !part.error) {
    state_ = terms_.onFlush(part);
  } else {
    state_ = state_.with(part.stateMutations);
    mergeMutations(total_.stateMutations, part.stateMutations);
    append(total_.events, part.events);
    append(total_.viewCommands, part.viewCommands);
    append(total_.log, part.log);
  }
  total_.error = std::move(part.error);
  total_.value = std::move(part.value);
  total_.pending = std::move(part.pending);
  total_.metrics = part.metrics;
}

// Null: nobody here answers it.
Extension* CallRun::extensionFor(const ExtensionRequest& request) const {
  const auto found = around_.extensions.find(request.extension);
  if (found == around_.extensions.end() || !found->second->answers(request.method)) return nullptr;
  return found->second.get();
}

// Whether anything that the call waits for will come by itself.
bool CallRun::isAnswered() const {
  return std::any_of(
      total_.pending.begin(), total_.pending.end(),
      [this](const ExtensionRequest& request) { return extensionFor(request) != nullptr; });
}

// Those that are new and that an extension answers.
void CallRun::makeRequests() {
  if (!inbox_) inbox_ = std::make_shared<Inbox>();
  for (const ExtensionRequest& request : total_.pending) {
    if (request.id <= lastRequest_) continue;
    lastRequest_ = request.id;
    Extension* extension = extensionFor(request);
    if (extension == nullptr) continue;
    const auto sink = [inbox = inbox_, id = request.id](bool isResult, std::string text) {
      using Kind = js::Settlement::Kind;
      inbox->deliver({id, isResult ? Kind::kResult : Kind::kError, std::move(text)});
    };
    extension->call({request.method, request.args, inbox_->stopToken()}, ExtensionReply(sink));
  }
}

CallRun::Step CallRun::putAway() {
  const bool waits = isAnswered();
  auto call = (*lease_)->suspend(handler_);
  if (!call) return fail(std::move(call).error());
  auto id = around_.suspensions.put({std::move(*call), rights_, waits ? inbox_ : nullptr, {}});
  if (!id) return fail(std::move(id).error());
  id_ = *id;
  if (!waits) {
    // From here on it belongs to whoever has the id.
    total_.suspensionId = id_.toString();
    return Step::kEnded;
  }
  isAway_ = true;
  lease_.reset();
  // After it was put away: whoever closes wakes all that are, or is seen here.
  return around_.gate.isClosed() ? fail(shuttingDown()) : Step::kWaits;
}

// An extension's mistake is the handler's error to catch, not the end of its call.
std::vector<js::Settlement> CallRun::settle(std::vector<Inbox::Answer>& answers) {
  std::vector<js::Settlement> settlements;
  settlements.reserve(answers.size());
  for (Inbox::Answer& answer : answers) {
    if (answer.kind == js::Settlement::Kind::kResult) {
      auto checked = checkJson(answer.text, "the extension's result");
      if (!checked) {
        answer.kind = js::Settlement::Kind::kError;
        answer.text = std::move(checked).error().message;
      }
    }
    settlements.push_back({answer.requestId, answer.kind, answer.text});
  }
  return settlements;
}

CallRun::Step CallRun::goOn() {
  if (terms_.limit.stop.stop_requested()) {
    return fail(Error{.code = ErrorCode::kCancelled, .message = "the call was cancelled"});
  }
  auto suspension = around_.suspensions.take(id_);
  isAway_ = false;
  if (!suspension) return fail(std::move(suspension).error());
  if (around_.gate.isClosed()) return fail(shuttingDown());
  auto answers = inbox_->take();
  if (answers.empty()) {
    around_.suspensions.putBack(id_, std::move(*suspension));
    isAway_ = true;
    return Step::kWaits;
  }
  handler_ = suspension->call.handler;
  if (!acquire(handler_->image.get())) return Step::kEnded;
  auto resumed = (*lease_)->resume(suspension->call, input(), settle(answers));
  if (!resumed) return fail(std::move(resumed).error());
  return follow(std::move(*resumed));
}

CallRun::Step CallRun::resume(const SuspensionId& id, const std::vector<Inbox::Answer>& answers,
                              const StateSnapshot& state) {
  state_ = state;
  auto suspension = around_.suspensions.take(id);
  if (!suspension) return fail(std::move(suspension).error());
  handler_ = suspension->call.handler;
  rights_ = suspension->rights;
  lastRequest_ = suspension->call.book.requests;
  std::vector<js::Settlement> settlements;
  settlements.reserve(answers.size());
  for (const Inbox::Answer& answer : answers) {
    settlements.push_back({answer.requestId, answer.kind, answer.text});
  }
  const auto refuse = [&](Error error) {
    around_.suspensions.putBack(id, std::move(*suspension));
    fail(std::move(error));
    total_.suspensionId = id.toString();
    return Step::kEnded;
  };
  if (!acquire(handler_->image.get())) return refuse(std::move(*total_.error));
  auto resumed = (*lease_)->resume(suspension->call, input(), settlements);
  if (!resumed) return refuse(std::move(resumed).error());
  return follow(std::move(*resumed));
}

ExecutionResult CallRun::finish() {
  ExecutionResult result = std::move(total_);
  result.metrics.cacheTier = tier_;
  result.metrics.compilationTime = compilationTime_;
  around_.calls.fetch_add(1, std::memory_order_relaxed);
  around_.observer.onCall({.status = result.status(),
                           .error = result.error ? &*result.error : nullptr,
                           .metrics = &result.metrics,
                           .wait = wait_,
                           .instanceId = instanceId_});
  return result;
}

}  // namespace nexus::runtime
