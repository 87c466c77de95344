// A call that waits for extensions, driven step by step: the test is the host.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/rights.h"
#include "js/testing/rig.h"

namespace nexus::js::testing {

// May do everything, unless `input` is changed. For one thread.
class WaitingCall {
 public:
  WaitingCall(Rig& rig, std::string_view source, std::string_view state = "{}");
  WaitingCall(const WaitingCall&) = delete;
  WaitingCall& operator=(const WaitingCall&) = delete;

  CallInput& input() { return input_; }
  const Handler& handler() const { return *handler_; }
  const HandlerPointer& shared() const { return handler_; }

  // The host puts this in the place of the state.
  void setState(std::string_view json);
  // The host carries out what the call did.
  void keep(const ExecutionResult& result) {
    input_.state = input_.state.with(result.stateMutations);
  }

  ExecutionResult start();
  // What must be taken.
  ExecutionResult resume(const std::vector<Settlement>& settlements);
  // The error of what must not.
  Error refusal(const std::vector<Settlement>& settlements);
  ExecutionResult answer(uint64_t id, std::string_view result);
  ExecutionResult fail(uint64_t id, std::string_view message);

 private:
  Result<ExecutionResult> tryResume(const std::vector<Settlement>& settlements);

  Rig& rig_;
  Rights rights_;
  HandlerPointer handler_;
  CallInput input_;
};

Settlement answerOf(uint64_t id, std::string_view result);
Settlement errorOf(uint64_t id, std::string_view message);

// "1 http.get [\"/a\"]; 2 …", what a result waits for.
std::string pendingOf(const ExecutionResult& result);
// "a=1 b=[2] -c", what a result did to the state.
std::string changesOf(const ExecutionResult& result);
// "a b", the messages of a log.
std::string logOf(const ExecutionResult& result);

}  // namespace nexus::js::testing
