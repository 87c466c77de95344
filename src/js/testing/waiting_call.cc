#include "js/testing/waiting_call.h"

namespace nexus::js::testing {
namespace {

Rights everyRight() {
  const std::vector<std::string> tokens = {"state:read:*", "state:write:*", "events:emit:*",
                                           "view:update:*", "ext:*"};
  return *Rights::parse(tokens);
}

StateSnapshot parseState(std::string_view json) {
  auto state = StateSnapshot::parse(json);
  EXPECT_TRUE(state.ok()) << json;
  return state ? *state : StateSnapshot();
}

// Puts `word` behind `text`, and `between` between them.
void append(std::string& text, std::string_view between, const std::string& word) {
  if (!text.empty()) text += between;
  text += word;
}

}  // namespace

WaitingCall::WaitingCall(Rig& rig, std::string_view source, std::string_view state)
    : rig_(rig), rights_(everyRight()), handler_(rig.compile(source)) {
  input_.rights = &rights_;
  setState(state);
}

void WaitingCall::setState(std::string_view json) { input_.state = parseState(json); }

ExecutionResult WaitingCall::start() {
  if (!handler_) return ExecutionResult{.error = Error{.message = "(it does not compile)"}};
  return rig_.sandbox().invoke(*handler_, input_);
}

Result<ExecutionResult> WaitingCall::tryResume(const std::vector<Settlement>& settlements) {
  if (!handler_) return Error{.message = "(it does not compile)"};
  return rig_.sandbox().resume(*handler_, input_, settlements);
}

ExecutionResult WaitingCall::resume(const std::vector<Settlement>& settlements) {
  auto result = tryResume(settlements);
  if (result) return std::move(*result);
  ADD_FAILURE() << "refused: " << result.error().message;
  return ExecutionResult{.error = std::move(result).error()};
}

Error WaitingCall::refusal(const std::vector<Settlement>& settlements) {
  auto result = tryResume(settlements);
  if (!result) return std::move(result).error();
  ADD_FAILURE() << "taken: " << outcomeOf(*result);
  return Error{.message = "(it is taken)"};
}

ExecutionResult WaitingCall::answer(uint64_t id, std::string_view result) {
  return resume({answerOf(id, result)});
}

ExecutionResult WaitingCall::fail(uint64_t id, std::string_view message) {
  return resume({errorOf(id, message)});
}

Settlement answerOf(uint64_t id, std::string_view result) {
  return {.requestId = id, .kind = Settlement::Kind::kResult, .text = result};
}

Settlement errorOf(uint64_t id, std::string_view message) {
  return {.requestId = id, .kind = Settlement::Kind::kError, .text = message};
}

std::string pendingOf(const ExecutionResult& result) {
  std::string text;
  for (const ExtensionRequest& request : result.pending) {
    append(text, "; ",
           std::to_string(request.id) + " " + request.extension + "." + request.method + " " +
               request.args);
  }
  return text;
}

std::string changesOf(const ExecutionResult& result) {
  std::string text;
  for (const StateMutation& mutation : result.stateMutations) {
    append(text, " ", mutation.value ? mutation.key + "=" + *mutation.value : "-" + mutation.key);
  }
  return text;
}

std::string logOf(const ExecutionResult& result) {
  std::string text;
  for (const LogRecord& record : result.log) append(text, " ", record.message);
  return text;
}

}  // namespace nexus::js::testing
