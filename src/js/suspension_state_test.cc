// The state of a call that waits: handed over before, brought up to date after.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "js/testing/waiting_call.h"

namespace nexus::js {
namespace {

using testing::changesOf;
using testing::EngineTest;
using testing::logOf;
using testing::outcomeOf;
using testing::Rig;
using testing::WaitingCall;

class SuspensionStateTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SuspensionStateTest, testing::kEveryEngine, testing::engineName);

// What a handler is told, and what it did, each time it waits or ends: "a=1 | [2]".
struct Steps {
  const char* why;
  const char* source;
  const char* before;     // the state
  const char* meanwhile;  // the state after the wait; null: what the call made of it
  const char* firstChanges;
  const char* lastChanges;
  const char* value;
};

void expectSteps(Rig& rig, const Steps& steps) {
  SCOPED_TRACE(steps.why);
  WaitingCall call(rig, steps.source, steps.before);
  const ExecutionResult first = call.start();
  ASSERT_EQ(first.status(), CallStatus::kSuspended) << outcomeOf(first);
  EXPECT_EQ(changesOf(first), steps.firstChanges);
  call.keep(first);
  if (steps.meanwhile != nullptr) call.setState(steps.meanwhile);
  const ExecutionResult last = call.answer(1, "null");
  EXPECT_EQ(changesOf(last), steps.lastChanges);
  EXPECT_EQ(outcomeOf(last), steps.value);
  EXPECT_TRUE(rig.sandbox().restore());
}

TEST_P(SuspensionStateTest, KeysAreReadAnew) {
  Rig rig(GetParam());
  const Steps rows[] = {
      {"a key that was only read",
       "const before = $state.a; await $ext.x.y(); return [before, $state.a]", R"({"a":1})",
       R"({"a":2})", "", "", "[1,2]"},
      {"a value inside", "const before = $state.o.n; await $ext.x.y(); return [before, $state.o.n]",
       R"({"o":{"n":1}})", R"({"o":{"n":2}})", "", "", "[1,2]"},
      {"a key that was written", "$state.a = 5; await $ext.x.y(); return $state.a", R"({"a":1})",
       R"({"a":9})", "a=5", "", "9"},
      {"what the host did not keep", "$state.a = 5; await $ext.x.y(); return $state.a",
       R"({"a":1})", R"({"a":1})", "a=5", "", "1"},
      {"what the host kept", "$state.a = 5; await $ext.x.y(); return $state.a", R"({"a":1})",
       nullptr, "a=5", "", "5"},
      {"a new key",
       "const before = $state.b; await $ext.x.y(); return [before, $state.b, 'b' in $state]",
       R"({"a":1})", R"({"a":1,"b":2})", "", "", "[null,2,true]"},
      {"a key that is gone",
       "const before = 'a' in $state; await $ext.x.y();"
       "return [before, 'a' in $state, $state.a]",
       R"({"a":1})", "{}", "", "", "[true,false,null]"},
      {"the list of keys",
       "const before = Object.keys($state); await $ext.x.y();"
       "return [before, Object.keys($state), $state]",
       R"({"a":1})", R"({"c":3,"b":2})", "", "", R"([["a"],["c","b"],{"c":3,"b":2}])"},
      {"a key that was deleted",
       "delete $state.a; await $ext.x.y(); return ['a' in $state, $state.a]", R"({"a":1})",
       R"({"a":7})", "-a", "", "[true,7]"},
  };
  for (const Steps& row : rows) expectSteps(rig, row);
}

TEST_P(SuspensionStateTest, ValuesTakenBeforeAreWrittenAsAWhole) {
  Rig rig(GetParam());
  const Steps rows[] = {
      {"taken and not changed", "const items = $state.items; await $ext.x.y(); return items",
       R"({"items":[1]})", R"({"items":[9,9]})", "", "", "[1]"},
      {"changed only after the wait",
       "const items = $state.items; await $ext.x.y(); items.push(2); return $state.items",
       R"({"items":[1]})", R"({"items":[9,9]})", "", "items=[1,2]", "[1,2]"},
      {"an object deep inside",
       "const deep = $state.o.a[0]; await $ext.x.y(); deep.n = 2; return $state.o",
       R"({"o":{"a":[{"n":1}],"b":1}})", R"({"o":{"a":[],"b":9}})", "",
       R"(o={"a":[{"n":2}],"b":1})", R"({"a":[{"n":2}],"b":1})"},
      {"deleted inside", "const o = $state.o; await $ext.x.y(); delete o.n; return $state.o",
       R"({"o":{"n":1}})", R"({"o":{"n":2,"m":3}})", "", "o={}", "{}"},
      {"a value of a key that is gone",
       "const o = $state.o; await $ext.x.y(); o.n = 2; return Object.keys($state)",
       R"({"o":{"n":1}})", "{}", "", R"(o={"n":2})", R"(["o"])"},
      {"the last one that is touched counts",
       "const old = $state.o; await $ext.x.y(); const now = $state.o; old.n = 5; now.n = 6",
       R"({"o":{"n":1}})", R"({"o":{"n":2,"m":3}})", "", R"(o={"n":6,"m":3})", "(none)"},
      {"other keys are not written",
       "const o = $state.o; const p = $state.p; await $ext.x.y(); o.n = 2",
       R"({"o":{"n":1},"p":{}})", R"({"o":{"n":1},"p":{"q":1}})", "", R"(o={"n":2})", "(none)"},
  };
  for (const Steps& row : rows) expectSteps(rig, row);
}

// Its second change was lost: the host had been asked for the key before, and thought that there
// was nothing to fetch.
TEST_P(SuspensionStateTest, AValueWrittenBeforeAWaitIsWrittenAgainAfterIt) {
  Rig rig(GetParam());
  const Steps rows[] = {
      {"a list", "const items = $state.items; items.push(1); await $ext.x.y(); items.push(2)",
       R"({"items":[]})", nullptr, "items=[1]", "items=[1,2]", "(none)"},
      {"an object", "const o = $state.o; o.n = 1; await $ext.x.y(); o.n = 2; return $state.o",
       R"({"o":{}})", R"({"o":{"m":1}})", R"(o={"n":1})", R"(o={"n":2})", R"({"n":2})"},
      {"a key", "$state.a = 1; await $ext.x.y(); $state.a = 2", "{}", nullptr, "a=1", "a=2",
       "(none)"},
      {"deleted, set", "delete $state.a; await $ext.x.y(); $state.a = 2", R"({"a":1})", nullptr,
       "-a", "a=2", "(none)"},
      {"set, deleted", "$state.a = 1; await $ext.x.y(); delete $state.a", "{}", nullptr, "a=1",
       "-a", "(none)"},
  };
  for (const Steps& row : rows) expectSteps(rig, row);
}

// A value that another one of its key had displaced was taken for written ever after.
TEST_P(SuspensionStateTest, AValueThatWasDisplacedCanBeWrittenAfterAWait) {
  Rig rig(GetParam());
  WaitingCall call(rig, R"(
    const first = $state.o;
    await $ext.x.a();
    $state.o = { n: 2 };
    const second = $state.o;
    first.n = 1;
    await $ext.x.b();
    second.n = 3;
    return $state.o;
  )",
                   R"({"o":{}})");
  call.start();
  EXPECT_EQ(changesOf(call.answer(1, "null")), R"(o={"n":1})");
  const ExecutionResult last = call.answer(2, "null");
  EXPECT_EQ(changesOf(last), R"(o={"n":3})");
  EXPECT_EQ(outcomeOf(last), R"({"n":3})");
}

// The key was deleted, or written as it was.
TEST_P(SuspensionStateTest, AChangeThatIsRefusedChangesNothing) {
  Rig rig(GetParam());
  for (const char* change :
       {"$state.a = () => 1", "$state.a = { f() {} }", "$state.a = 1n", "$state.a.f = () => 1",
        "$state.a.list[0] = Symbol()", "$state.a.list.push(() => 1)", "$state.a.list.length = -1",
        "$state.a = { toJSON() { throw 1 } }", "$state.a.x = { toJSON() { throw 1 } }",
        "Object.defineProperty($state, 'a', { get() {} })",
        "Object.defineProperty($state.a, 'x', { value: () => 1 })",
        "Object.defineProperty($state.a.list, 'length', { value: -1 })",
        "delete $state.a.list.length"}) {
    for (const char* before : {"", "$state.a; "}) {
      const std::string source = std::string(before) + "try { " + change +
                                 " } catch (e) { return [$state.a, 'a' in $state] } return 'no'";
      WaitingCall call(rig, source, R"({"a":{"list":[1]}})");
      const ExecutionResult result = call.start();
      EXPECT_EQ(outcomeOf(result), R"([{"list":[1]},true])") << change;
      EXPECT_EQ(changesOf(result), "") << change;
    }
  }
}

TEST_P(SuspensionStateTest, EffectsAreHandedOverOnce) {
  Rig rig(GetParam());
  WaitingCall call(rig, R"(
    for (let i = 1; i <= 3; i++) {
      $state.n = i;
      $emit('step', i);
      $view.scrollTo('list', i);
      $log('at', i);
      if (i < 3) await $ext.x.y();
    }
  )");
  ExecutionResult result = call.start();
  for (int i = 1; i <= 3; ++i) {
    const std::string n = std::to_string(i);
    EXPECT_EQ(changesOf(result), "n=" + n);
    ASSERT_EQ(result.events.size(), 1u);
    EXPECT_EQ(result.events[0].name, "step");
    EXPECT_EQ(result.events[0].payload, n);
    ASSERT_EQ(result.viewCommands.size(), 1u);
    EXPECT_EQ(result.viewCommands[0].args, "{\"position\":" + n + "}");
    EXPECT_EQ(logOf(result), "at " + n);
    if (i < 3) result = call.answer(static_cast<uint64_t>(i), "null");
  }
  EXPECT_EQ(result.status(), CallStatus::kSuccess);
}

TEST_P(SuspensionStateTest, WhatCameBeforeAnErrorSinceTheWaitIsDropped) {
  Rig rig(GetParam());
  for (const char* end : {"throw new Error('no')", "for (;;) $log('x')", "return () => 1",
                          "await new Promise(() => {})", "$state.x = { f() {} }"}) {
    WaitingCall call(rig, std::string("$state.a = 1; $emit('a'); $view.focus('a'); $log('a');"
                                      "await $ext.x.y();"
                                      "$state.b = 2; $emit('b'); $view.focus('b'); $log('b');") +
                              end);
    const ExecutionResult first = call.start();
    EXPECT_EQ(changesOf(first), "a=1");
    EXPECT_EQ(first.events.size(), 1u);
    EXPECT_EQ(first.viewCommands.size(), 1u);
    EXPECT_EQ(logOf(first), "a");
    const ExecutionResult failed = call.answer(1, "null");
    ASSERT_TRUE(failed.error) << end;
    EXPECT_EQ(changesOf(failed), "") << end;
    EXPECT_TRUE(failed.events.empty()) << end;
    EXPECT_TRUE(failed.viewCommands.empty()) << end;
    EXPECT_TRUE(failed.pending.empty()) << end;
    EXPECT_THAT(logOf(failed), ::testing::StartsWith("b")) << "the log stays";
  }
}

TEST_P(SuspensionStateTest, ComputedKeysAreReadOnly) {
  Rig rig(GetParam());
  const auto value = std::make_shared<const std::string>(R"({"n":[1]})");
  const StateSnapshot state = StateSnapshot::of({{"sum", value, true}, {"a", value, false}});
  const std::string refusal =
      R"(["PermissionError","PERMISSION_DENIED","the state key \"sum\" is computed: it cannot be written"])";
  for (const char* write :
       {"$state.sum = 1", "delete $state.sum", "$state.sum.n = 1", "$state.sum.n.push(2)",
        "delete $state.sum.n", "Object.defineProperty($state, 'sum', { value: 1 })",
        "Object.assign($state, { sum: 1 })"}) {
    WaitingCall caught(rig, std::string("try { ") + write +
                                " } catch (e) { return [e.name, e.code, e.message] } return 'no'");
    caught.input().state = state;
    const ExecutionResult result = caught.start();
    EXPECT_EQ(outcomeOf(result), refusal) << write;
    EXPECT_EQ(changesOf(result), "") << write;

    WaitingCall thrown(rig, write);
    thrown.input().state = state;
    const ExecutionResult failed = thrown.start();
    ASSERT_TRUE(failed.error) << write;
    EXPECT_EQ(failed.error->code, ErrorCode::kPermissionDenied) << write;
  }
  WaitingCall other(rig, "$state.a = $state.sum; return [$state.sum, Object.keys($state)]");
  other.input().state = state;
  const ExecutionResult result = other.start();
  EXPECT_EQ(changesOf(result), R"(a={"n":[1]})");
  EXPECT_EQ(outcomeOf(result), R"([{"n":[1]},["sum","a"]])");
}

TEST_P(SuspensionStateTest, AKeyMayBecomeComputedMeanwhile) {
  Rig rig(GetParam());
  WaitingCall call(rig, "const o = $state.o; o.n = 1; await $ext.x.y(); o.n = 2", R"({"o":{}})");
  EXPECT_EQ(changesOf(call.start()), R"(o={"n":1})");
  call.input().state = StateSnapshot::of({{"o", std::make_shared<const std::string>("{}"), true}});
  const ExecutionResult failed = call.answer(1, "null");
  ASSERT_TRUE(failed.error);
  EXPECT_EQ(failed.error->code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(failed.error->message, "the state key \"o\" is computed: it cannot be written");
}

TEST_P(SuspensionStateTest, RightsAreThoseOfTheRun) {
  Rig rig(GetParam());
  const Rights none;
  for (const char* use : {"$state.a", "$state.a = 2", "o.n = 2", "$emit('e')", "$view.focus('v')",
                          "await $ext.x.y()"}) {
    WaitingCall call(rig,
                     std::string("const o = $state.o; o.n = 1; $state.a; $state.a = 1;"
                                 "await $ext.x.y(); ") +
                         use,
                     R"({"a":1,"o":{}})");
    call.start();
    call.input().rights = &none;
    const ExecutionResult failed = call.answer(1, "null");
    ASSERT_TRUE(failed.error) << use;
    EXPECT_EQ(failed.error->code, ErrorCode::kPermissionDenied) << use << outcomeOf(failed);
  }
}

}  // namespace
}  // namespace nexus::js
