#include "app/call_driver.h"

#include <algorithm>
#include <iterator>

namespace nexus::app {
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

// `part` is what came after `total`.
void merge(ExecutionResult& total, ExecutionResult part) {
  total.error = std::move(part.error);
  total.value = std::move(part.value);
  mergeMutations(total.stateMutations, part.stateMutations);
  append(total.events, part.events);
  append(total.viewCommands, part.viewCommands);
  append(total.log, part.log);
  total.pending = std::move(part.pending);
  total.metrics = part.metrics;
}

std::vector<js::Settlement> answersTo(const std::vector<ExtensionRequest>& pending,
                                      const ExtStub& stub) {
  std::vector<js::Settlement> answers;
  for (const ExtensionRequest& request : pending) {
    const ExtStub::Answer* answer = stub.find(request);
    if (answer != nullptr) answers.push_back({request.id, answer->kind, answer->text});
  }
  return answers;
}

}  // namespace

ExecutionResult driveCall(js::JsSandbox& sandbox, const js::Handler& handler,
                          const js::CallInput& input, const ExtStub& stub) {
  js::CallInput now = input;
  ExecutionResult total = sandbox.invoke(handler, now);
  now.state = now.state.with(total.stateMutations);
  while (total.status() == CallStatus::kSuspended) {
    const auto answers = answersTo(total.pending, stub);
    if (answers.empty()) break;
    auto part = sandbox.resume(handler, now, answers);
    if (!part) {
      total.error = std::move(part).error();
      break;
    }
    now.state = now.state.with(part->stateMutations);
    merge(total, std::move(*part));
  }
  return total;
}

}  // namespace nexus::app
