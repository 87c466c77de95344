// The operations of the bootstrap. Each is counted, copied out, checked, and only then decided and
// kept, in this order.
#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "js/host.h"

namespace nexus::js {
namespace {

using sandbox::ImportResult;
using sandbox::Trap;

// A name as messages show it: one may be as long as all that a call may hold, and quoting makes it
// six times as long.
std::string shown(std::string_view name) {
  constexpr size_t kLongestShown = 256;
  if (name.size() <= kLongestShown) return std::string(name);
  return std::string(cutUtf8(name, kLongestShown)) + "…";
}

// Sets a flag for its own life.
class Raised {
 public:
  explicit Raised(bool& flag) : flag_(flag) { flag_ = true; }
  Raised(const Raised&) = delete;
  Raised& operator=(const Raised&) = delete;
  ~Raised() { flag_ = false; }

 private:
  bool& flag_;
};

constexpr std::string_view kViewCommands[] = {"setFilter", "scrollTo", "focus", "command"};

}  // namespace

const std::array<Host::Answering, kHostOperations.size()> Host::kAnswering = {
    &Host::log,   &Host::why, &Host::read,   &Host::has,  &Host::keys,       &Host::mayWrite,
    &Host::check, &Host::set, &Host::remove, &Host::emit, &Host::updateView, &Host::request};

// The guest runs while an operation takes its arguments and gives its answer. What it asks for then
// is refused: an operation may take all that the call has left, and so might each within it.
ImportResult Host::operateAlone(Args args, sandbox::Sandbox& sandbox) {
  if (isOperating_) return {.trap = Trap::kHostRefused};
  const Raised operating(isOperating_);
  return operate(args, sandbox);
}

// (name, length, this, argc, argv): argv lists addresses of values. The guest was given one
// function, whose first argument says which operation is meant.
ImportResult Host::operate(Args args, sandbox::Sandbox& sandbox) {
  if (input_ == nullptr) return {.trap = Trap::kHostRefused};
  Guest guest(sandbox, api_, *anchors_);
  const auto count = args[3].atMost(kMostHostArguments);
  if (!count || *count == 0) return {.trap = Trap::kHostRefused};
  std::array<TaintedAddress, kMostHostArguments> boxes;
  std::array<JsValue, kMostHostArguments> values;
  for (size_t i = 0; i < *count; ++i) {
    const uint64_t listed = args[4].as<uint32_t>().backToGuest() + i * sizeof(uint32_t);
    boxes[i] = guest.read<uint32_t>(listed);
    values[i] = guest.read<uint64_t>(boxes[i]);
  }
  if (!guest.ok()) return {.trap = guest.trap()};
  const auto number = values[0].accept([](uint64_t value) {
    return value < kHostOperations.size();  // an int's tag is 0
  });
  if (!number || *count != 1 + kHostOperations[*number].arguments) {
    return {.trap = Trap::kHostRefused};
  }
  Operation operation{.guest = guest};
  std::copy(values.begin() + 1, values.end(), operation.args.begin());
  const Answer answer = (this->*kAnswering[*number])(operation);
  return deliver(guest, answer);
}

// The guest frees the box, and owns what is in it.
ImportResult Host::deliver(Guest& guest, const Answer& answer) {
  constexpr uint64_t kThrow = 0;
  // As when the engine itself gives up for want of memory.
  constexpr Trap kNoMemory = Trap::kUnreachable;
  if (!guest.ok()) return {.trap = guest.trap()};
  uint64_t value = answer.value.backToGuest();
  switch (answer.kind) {
    case Answer::Kind::kEndCall:
      return {.trap = Trap::kHostRefused};
    case Answer::Kind::kNoMemory:
      return {.trap = kNoMemory};
    case Answer::Kind::kThrow:
      return {.value = kThrow};
    case Answer::Kind::kDenied:
      value = anchors_->denied;
      guest.call(api_.dupValue, {anchors_->context, value});
      break;
    case Answer::Kind::kMalformed:
      value = anchors_->malformed;
      guest.call(api_.dupValue, {anchors_->context, value});
      break;
    case Answer::Kind::kValue:
      break;
  }
  const auto box = guest.allocate(sizeof(uint64_t));
  if (!box) return {.trap = guest.ok() ? kNoMemory : guest.trap()};
  guest.write(*box, value);
  return {.value = box->backToGuest(), .trap = guest.trap()};
}

// --- steps

Host::Answer Host::refuse(const char* limit, uint64_t value, uint64_t observed) {
  record_.refusal = Error{.code = ErrorCode::kResourceLimit,
                          .message = std::string(limit) + " is " + std::to_string(value) +
                                     ", the call reached " + std::to_string(observed),
                          .limit = LimitReport{limit, value, observed}};
  return {.kind = Answer::Kind::kEndCall};
}

Host::Answer Host::malformed(std::string why) {
  why_ = std::move(why);
  return {.kind = Answer::Kind::kMalformed};
}

// The text does not tell whether there is anything of that name.
Host::Answer Host::deny(std::string why) {
  // Of more than these, the handler's own word for it has to do (explain.cc).
  constexpr size_t kKeptTexts = 16;
  if (book_.denialTexts.size() < kKeptTexts) book_.denialTexts.push_back(why);
  ++book_.denials;
  why_ = std::move(why);
  return {.kind = Answer::Kind::kDenied};
}

Host::Over Host::countCall(uint64_t HostCalls::*kind) {
  ++(book_.hostCalls.*kind);
  const uint64_t total = book_.hostCalls.total();
  if (total > config_.maxHostCalls) return refuse("max_host_calls", config_.maxHostCalls, total);
  return std::nullopt;
}

Host::Over Host::hold(uint64_t bytes) {
  book_.outputBytes += bytes;
  if (book_.outputBytes <= config_.maxOutputBytes) return std::nullopt;
  return refuse("max_output_bytes", config_.maxOutputBytes, book_.outputBytes);
}

bool Host::takeIn(uint64_t bytes) {
  book_.inputBytes += bytes;
  if (book_.inputBytes <= config_.maxInputBytes) return true;
  refuse("max_input_bytes", config_.maxInputBytes, book_.inputBytes);
  return false;
}

// A text that fits, with those that the operation has taken before, into what the call may still
// hold; a longer one ends the call.
Host::Over Host::takeText(Operation& operation, size_t index, TaintedText& text) {
  const uint64_t room = config_.maxOutputBytes - book_.outputBytes - operation.taken;
  size_t length = 0;
  auto taken = operation.guest.text(operation.args[index], room, &length);
  if (length > room) return hold(operation.taken + length);
  if (!taken) return Answer{.kind = Answer::Kind::kThrow};
  operation.taken += length;
  text = std::move(*taken);
  return std::nullopt;
}

// Names are the bytes that came: compared and kept as they are.
Host::Over Host::takeName(Operation& operation, size_t index, std::string& name) {
  TaintedText text;
  if (auto over = takeText(operation, index, text)) return over;
  auto checked = std::move(text).accept([](std::string_view t) { return !findInvalidUtf8(t); });
  if (!checked) return malformed("a name must be well-formed Unicode: it has a lone surrogate");
  name = std::move(*checked);
  return std::nullopt;
}

Host::Over Host::takeJson(Operation& operation, size_t index, char opensWith, std::string& json) {
  TaintedText text;
  if (auto over = takeText(operation, index, text)) return over;
  auto checked = std::move(text).accept([opensWith](std::string_view t) {
    return isJson(t) && (opensWith == '\0' || t.front() == opensWith);
  });
  if (!checked) {
    return malformed("a value must be JSON: it is nested deeper than " +
                     std::to_string(kMaxJsonDepth) +
                     " levels or holds text that is not well-formed Unicode");
  }
  json = std::move(*checked);
  return std::nullopt;
}

Host::Answer Host::returnJson(Operation& operation, const std::string& json) {
  if (!takeIn(json.size())) return {.kind = Answer::Kind::kEndCall};
  const auto value = operation.guest.parseJson(json);
  if (!value) return {.kind = Answer::Kind::kNoMemory};
  if (tagOf(*value) == Tag::kException) return {.kind = Answer::Kind::kThrow};
  return {.value = *value};
}

// --- the log

Host::Answer Host::log(Operation& operation) {
  if (auto over = countCall(&HostCalls::log)) return *over;
  const auto level = operation.args[0].atMost(static_cast<uint64_t>(LogLevel::kError));
  if (!level) return {.kind = Answer::Kind::kEndCall};
  const uint64_t room = config_.maxLogBytes - book_.logBytes;
  size_t length = 0;
  auto text = operation.guest.text(operation.args[1], room, &length);
  std::string message;
  if (text) {
    message = std::move(*text).madeSafe(toValidUtf8);
    length = message.size();
  }
  if (length > room) {
    return refuse("max_log_bytes", config_.maxLogBytes, book_.logBytes + length);
  }
  if (!text) return {.kind = Answer::Kind::kThrow};
  if (auto over = hold(length)) return *over;
  book_.logBytes += length;
  record_.log.push_back({static_cast<LogLevel>(*level), std::move(message)});
  return {};
}

Host::Answer Host::why(Operation& operation) {
  const auto text = operation.guest.newString(why_);
  if (!text) return {.kind = Answer::Kind::kNoMemory};
  if (tagOf(*text) == Tag::kException) return {.kind = Answer::Kind::kThrow};
  return {.value = *text};
}

// --- the state

Host::Answer Host::read(Operation& operation) {
  record_.hasReadState = true;
  std::string key;
  if (auto over = takeName(operation, 0, key)) return *over;
  if (!rights_->mayRead(key)) {
    return deny("reading the state key " + quoteJson(shown(key)) +
                " needs the capability state:read:" + shown(key));
  }
  const StateSnapshot::Entry* entry = input_->state.find(key);
  if (entry == nullptr) return {};
  return returnJson(operation, *entry->value);
}

Host::Answer Host::has(Operation& operation) {
  std::string key;
  if (auto over = takeName(operation, 0, key)) return *over;
  if (!rights_->mayRead(key)) return {};
  const bool isThere = input_->state.find(key) != nullptr;
  return {.value = JsValue(isThere ? kTrueValue : kFalseValue)};
}

Host::Answer Host::keys(Operation& operation) {
  std::string list = "[";
  for (const StateSnapshot::Entry& entry : input_->state.entries()) {
    if (!rights_->mayRead(entry.key)) continue;
    if (list.size() > 1) list += ',';
    list += quoteJson(entry.key);
  }
  return returnJson(operation, list + "]");
}

Host::Over Host::checkWrite(const std::string& key) {
  if (!rights_->mayWrite(key)) {
    return deny("writing the state key " + quoteJson(shown(key)) +
                " needs the capability state:write:" + shown(key));
  }
  const StateSnapshot::Entry* entry = input_->state.find(key);
  if (entry == nullptr || !entry->isComputed) return std::nullopt;
  return deny("the state key " + quoteJson(shown(key)) + " is computed: it cannot be written");
}

// Asked before the first change of a key. A refused one is a record, too; an allowed one will come
// as kSet or kRemove.
Host::Answer Host::mayWrite(Operation& operation) {
  std::string key;
  if (auto over = takeName(operation, 0, key)) return *over;
  if (auto refused = checkWrite(key)) {
    if (auto over = countCall(&HostCalls::state)) return *over;
    return *refused;
  }
  record_.hasUnflushedState = true;
  return {};
}

// For a value that is written now and handed over later: nothing is kept.
Host::Answer Host::check(Operation& operation) {
  std::string ignored;
  if (auto over = takeJson(operation, 0, '\0', ignored)) return *over;
  return {};
}

Host::Answer Host::set(Operation& operation) {
  if (auto over = countCall(&HostCalls::state)) return *over;
  StateMutation mutation;
  if (auto over = takeName(operation, 0, mutation.key)) return *over;
  if (auto refused = checkWrite(mutation.key)) return *refused;
  std::string value;
  if (auto over = takeJson(operation, 1, '\0', value)) return *over;
  mutation.value = std::move(value);
  return recordMutation(std::move(mutation));
}

Host::Answer Host::remove(Operation& operation) {
  if (auto over = countCall(&HostCalls::state)) return *over;
  StateMutation mutation;
  if (auto over = takeName(operation, 0, mutation.key)) return *over;
  if (auto refused = checkWrite(mutation.key)) return *refused;
  return recordMutation(std::move(mutation));
}

Host::Answer Host::recordMutation(StateMutation mutation) {
  const bool isFirst = book_.writtenKeys.insert(mutation.key).second;
  const uint64_t distinct = book_.writtenKeys.size();
  if (distinct > config_.maxStateMutations) {
    return refuse("max_state_mutations", config_.maxStateMutations, distinct);
  }
  const uint64_t bytes = mutation.key.size() + (mutation.value ? mutation.value->size() : 0);
  if (auto over = hold(bytes)) return *over;
  auto& mutations = record_.stateMutations;
  const auto same = [&](const StateMutation& old) { return old.key == mutation.key; };
  const auto old =
      isFirst ? mutations.end() : std::find_if(mutations.begin(), mutations.end(), same);
  if (old == mutations.end()) {
    mutations.push_back(std::move(mutation));
  } else {
    old->value = std::move(mutation.value);
  }
  return {};
}

// --- events, view, extensions

Host::Answer Host::emit(Operation& operation) {
  if (auto over = countCall(&HostCalls::emit)) return *over;
  Event event;
  if (auto over = takeName(operation, 0, event.name)) return *over;
  if (!rights_->mayEmit(event.name)) {
    return deny("emitting the event " + quoteJson(shown(event.name)) +
                " needs the capability events:emit:" + shown(event.name));
  }
  if (tagOf(operation.args[1]) != Tag::kUndefined) {
    std::string payload;
    if (auto over = takeJson(operation, 1, '\0', payload)) return *over;
    event.payload = std::move(payload);
  }
  if (++book_.events > config_.maxEvents) {
    return refuse("max_events", config_.maxEvents, book_.events);
  }
  if (auto over = hold(event.name.size() + (event.payload ? event.payload->size() : 0))) {
    return *over;
  }
  record_.events.push_back(std::move(event));
  return {};
}

Host::Answer Host::updateView(Operation& operation) {
  if (auto over = countCall(&HostCalls::view)) return *over;
  ViewCommand command;
  if (auto over = takeName(operation, 0, command.type)) return *over;
  const auto* known = std::find(std::begin(kViewCommands), std::end(kViewCommands), command.type);
  if (known == std::end(kViewCommands)) return malformed("there is no such view command");
  if (auto over = takeName(operation, 1, command.componentId)) return *over;
  if (!rights_->mayUpdate(command.componentId)) {
    return deny("updating the component " + quoteJson(shown(command.componentId)) +
                " needs the capability view:update:" + shown(command.componentId));
  }
  if (auto over = takeJson(operation, 2, '{', command.args)) return *over;
  if (auto over = hold(command.type.size() + command.componentId.size() + command.args.size())) {
    return *over;
  }
  record_.viewCommands.push_back(std::move(command));
  return {};
}

Host::Answer Host::request(Operation& operation) {
  if (auto over = countCall(&HostCalls::ext)) return *over;
  ExtensionRequest request;
  if (auto over = takeName(operation, 0, request.extension)) return *over;
  if (auto over = takeName(operation, 1, request.method)) return *over;
  if (!rights_->mayCall(request.extension, request.method)) {
    return deny("calling $ext." + shown(request.extension) + "." + shown(request.method) +
                " needs the capability ext:" + shown(request.extension));
  }
  if (auto over = takeJson(operation, 2, '[', request.args)) return *over;
  const uint64_t waiting = book_.outstanding.size() + 1;
  if (waiting > config_.maxPendingRequests) {
    return refuse("max_pending_requests", config_.maxPendingRequests, waiting);
  }
  if (auto over = hold(request.extension.size() + request.method.size() + request.args.size())) {
    return *over;
  }
  request.id = ++book_.requests;
  book_.outstanding.push_back(std::move(request));
  return {.value = JsValue(intValue(static_cast<uint32_t>(book_.requests)))};
}

}  // namespace nexus::js
