#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "app/ext_stub.h"
#include "runtime/runtime_parts.h"

namespace nexus::app {
namespace {

using runtime::EngineChoice;
using ::testing::ElementsAre;

// Calls whose extensions answer from a stub, on every engine.
class DrivenCallTest : public testing::TestWithParam<EngineChoice> {
 protected:
  ExecutionResult drive(std::string_view source, std::string_view stub,
                        std::string_view state = "{}") {
    RuntimeDependencies dependencies;
    dependencies.engine = GetParam();
    dependencies.extensions = *ExtStub::parse(stub, "stub");
    auto runtime = RuntimeAccess::make({}, std::move(dependencies));
    if (!runtime) return ExecutionResult{.error = runtime.error()};
    CallContext context;
    context.state = *StateSnapshot::parse(state);
    return (*runtime)->execute(
        source, {{"state:read:*", "state:write:*", "events:emit:*", "view:update:*", "ext:*"}},
        context);
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, DrivenCallTest,
                         testing::Values(EngineChoice::kNative, EngineChoice::kChecked),
                         [](const auto& choice) {
                           return choice.param == EngineChoice::kNative ? "Native" : "Checked";
                         });

constexpr std::string_view kStub =
    R"({"x": {"one": {"result": 1}, "two": {"result": {"n": 2}}, "no": {"error": "refused"}}})";

std::string outcomeOf(const ExecutionResult& result) {
  if (result.error) return std::string(toString(result.error->code)) + " " + result.error->message;
  return result.value.value_or("(none)");
}

std::vector<std::string> changesOf(const ExecutionResult& result) {
  std::vector<std::string> changes;
  for (const StateMutation& mutation : result.stateMutations) {
    changes.push_back(mutation.value ? mutation.key + "=" + *mutation.value : "-" + mutation.key);
  }
  return changes;
}

std::vector<std::string> eventsOf(const ExecutionResult& result) {
  std::vector<std::string> names;
  for (const Event& event : result.events) names.push_back(event.name);
  return names;
}

std::vector<std::string> pendingOf(const ExecutionResult& result) {
  std::vector<std::string> requests;
  for (const ExtensionRequest& request : result.pending) {
    requests.push_back(std::to_string(request.id) + " " + request.extension + "." + request.method);
  }
  return requests;
}

TEST_P(DrivenCallTest, WithoutRequestsItIsOneRun) {
  const ExecutionResult result = drive("$state.a = 1; return 2", "{}");
  EXPECT_EQ(outcomeOf(result), "2");
  EXPECT_THAT(changesOf(result), ElementsAre("a=1"));
}

TEST_P(DrivenCallTest, RequestsAreAnsweredToTheEnd) {
  const ExecutionResult result = drive(R"(
    const one = await $ext.x.one();
    const [two, no] = await Promise.all([$ext.x.two(), $ext.x.no().catch((e) => e.message)]);
    return [one, two.n, no];
  )",
                                       kStub);
  EXPECT_EQ(outcomeOf(result), R"([1,2,"refused"])");
  EXPECT_EQ(result.status(), CallStatus::kSuccess);
  EXPECT_TRUE(result.pending.empty());
  EXPECT_EQ(result.metrics.hostCalls.ext, 3u);
}

TEST_P(DrivenCallTest, OfEachKeyTheLastChangeInTheOrderOfTheFirstWrite) {
  const ExecutionResult result = drive(R"(
    $state.b = 1; $state.a = 1; delete $state.old;
    await $ext.x.one();
    $state.c = 2; $state.a = 2; delete $state.b;
    await $ext.x.one();
    $state.old = 3; $state.c = 3;
  )",
                                       kStub, R"({"old": 0})");
  EXPECT_THAT(changesOf(result), ElementsAre("-b", "a=2", "old=3", "c=3"));
}

TEST_P(DrivenCallTest, TheStateFollowsTheCall) {
  const ExecutionResult result = drive(R"(
    const seen = [];
    for (let i = 0; i < 3; i++) {
      $state.items.push(i);
      delete $state.gone;
      await $ext.x.one();
      seen.push([$state.items.length, 'gone' in $state, Object.keys($state)]);
    }
    return seen;
  )",
                                       kStub, R"({"gone": 1, "items": []})");
  EXPECT_EQ(outcomeOf(result), R"([[1,false,["items"]],[2,false,["items"]],[3,false,["items"]]])");
  EXPECT_THAT(changesOf(result), ElementsAre("items=[0,1,2]", "-gone"));
}

TEST_P(DrivenCallTest, EventsCommandsAndLogKeepTheirOrder) {
  const ExecutionResult result = drive(R"(
    for (const i of [1, 2, 3]) {
      $emit('e' + i); $emit('f' + i); $view.focus('v' + i); $log('l' + i);
      if (i < 3) await $ext.x.one();
    }
  )",
                                       kStub);
  EXPECT_THAT(eventsOf(result), ElementsAre("e1", "f1", "e2", "f2", "e3", "f3"));
  ASSERT_EQ(result.viewCommands.size(), 3u);
  EXPECT_EQ(result.viewCommands[2].componentId, "v3");
  ASSERT_EQ(result.log.size(), 3u);
  EXPECT_EQ(result.log[0].message, "l1");
  EXPECT_EQ(result.log[2].message, "l3");
}

TEST_P(DrivenCallTest, WhatNobodyAnswersLeavesItSuspended) {
  const ExecutionResult result = drive("$state.a = 1; $emit('e'); await $ext.y.z()", kStub);
  EXPECT_EQ(result.status(), CallStatus::kSuspended);
  EXPECT_THAT(pendingOf(result), ElementsAre("1 y.z"));
  EXPECT_THAT(changesOf(result), ElementsAre("a=1"));
  EXPECT_THAT(eventsOf(result), ElementsAre("e"));
}

TEST_P(DrivenCallTest, PartlyAnsweredItWaitsForWhatIsLeft) {
  const ExecutionResult result = drive(R"(
    const ask = async (request) => { const got = await request; $state[got.n ?? got] = true; };
    await Promise.all([ask($ext.y.a()), ask($ext.x.one()), ask($ext.y.b()), ask($ext.x.two())]);
  )",
                                       kStub);
  EXPECT_EQ(result.status(), CallStatus::kSuspended);
  EXPECT_THAT(pendingOf(result), ElementsAre("1 y.a", "3 y.b"));
  EXPECT_THAT(changesOf(result), ElementsAre("1=true", "2=true"));
}

TEST_P(DrivenCallTest, AnErrorKeepsWhatWasHandedOverAndDropsTheRest) {
  const ExecutionResult result = drive(R"(
    $state.a = 1; $emit('before'); $view.focus('v'); $log('one');
    await $ext.x.one();
    $state.a = 2; $state.b = 2; $emit('after'); $view.focus('w'); $log('two');
    await $ext.x.no();
  )",
                                       kStub);
  EXPECT_EQ(outcomeOf(result), "EXECUTION_ERROR ExtensionError: refused");
  EXPECT_EQ(result.status(), CallStatus::kError);
  EXPECT_THAT(changesOf(result), ElementsAre("a=2", "b=2")) << "handed over when it waited";
  EXPECT_THAT(eventsOf(result), ElementsAre("before", "after"));
  EXPECT_EQ(result.viewCommands.size(), 2u);
  EXPECT_EQ(result.log.size(), 2u);
  EXPECT_TRUE(result.pending.empty());

  const ExecutionResult thrown = drive(R"(
    $state.a = 1; $emit('before');
    await $ext.x.one();
    $state.a = 2; $state.b = 2; $emit('after'); $log('last words');
    throw new Error('no');
  )",
                                       kStub);
  EXPECT_EQ(outcomeOf(thrown), "EXECUTION_ERROR Error: no");
  EXPECT_THAT(changesOf(thrown), ElementsAre("a=1"));
  EXPECT_THAT(eventsOf(thrown), ElementsAre("before"));
  ASSERT_EQ(thrown.log.size(), 1u);
  EXPECT_EQ(thrown.log[0].message, "last words");
}

TEST_P(DrivenCallTest, TheMetricsAreThoseOfTheWholeCall) {
  const ExecutionResult result =
      drive("for (let i = 0; i < 10; i++) { $log(i); await $ext.x.one() }", kStub);
  EXPECT_EQ(result.metrics.hostCalls.log, 10u);
  EXPECT_EQ(result.metrics.hostCalls.ext, 10u);
}

TEST_P(DrivenCallTest, WhoAsksForEverIsEndedByALimit) {
  const ExecutionResult result = drive("for (;;) await $ext.x.one()", kStub);
  EXPECT_EQ(outcomeOf(result), "RESOURCE_LIMIT max_host_calls is 10000, the call reached 10001");
}

}  // namespace
}  // namespace nexus::app
