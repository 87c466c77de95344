#include "runtime/wasm_instance.h"

#include <gtest/gtest.h>

#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::codeOf;
using testing::EngineRig;
using testing::eventually;
using testing::Gate;
using testing::outcomeOf;
using testing::take;

constexpr char kWaiting[] = "return (await $ext.http.get('/a')) + (await $ext.http.get('/b'))";
constexpr char kEndless[] = "for (;;);";
constexpr InstanceState kStates[] = {InstanceState::Idle, InstanceState::Executing,
                                     InstanceState::Suspended, InstanceState::Terminated};

class WasmInstanceTest : public ::testing::Test {
 protected:
  WasmInstanceTest() { rights_.add(*parseCapability("ext:http")); }

  std::unique_ptr<WasmInstance> make() { return take(WasmInstance::make(*rig_.js, ++made_)); }

  // An instance on its way into a state by the steps that lead there.
  std::unique_ptr<WasmInstance> makeIn(InstanceState state) {
    auto instance = make();
    if (state == InstanceState::Executing) (void)instance->execute(*plain_, {});
    if (state == InstanceState::Suspended) (void)instance->execute(*waiting_, input());
    if (state == InstanceState::Terminated) instance->terminate();
    EXPECT_EQ(toString(instance->state()), toString(state));
    return instance;
  }

  js::CallInput input() const { return {.rights = &rights_}; }
  std::string execute(WasmInstance& instance, const js::Handler& handler) const {
    return codeOf(instance.execute(handler, input()));
  }
  std::string resume(WasmInstance& instance, std::vector<js::Settlement> settlements) const {
    const auto result = instance.resume(*waiting_, input(), settlements);
    return result ? outcomeOf(*result) : codeOf(result);
  }

  EngineRig rig_;
  Rights rights_;
  std::shared_ptr<const js::Handler> plain_ = rig_.compile("return 7");
  std::shared_ptr<const js::Handler> waiting_ = rig_.compile(kWaiting);
  std::shared_ptr<const js::Handler> endless_ = rig_.compile(kEndless);
  uint64_t made_ = 0;
};

// Whatever an instance is in the middle of, a step that does not fit changes nothing.
TEST_F(WasmInstanceTest, EveryStepInEveryState) {
  const struct {
    const char* name;
    std::function<std::string(WasmInstance&)> take;
    const char* allowedIn;  // idle, executing, suspended
    InstanceState to;
  } steps[] = {
      {"execute", [&](WasmInstance& i) { return execute(i, *plain_); }, "idle",
       InstanceState::Executing},
      {"execute", [&](WasmInstance& i) { return execute(i, *waiting_); }, "idle",
       InstanceState::Suspended},
      {"resume",
       [&](WasmInstance& i) {
         return codeOf(i.resume(*waiting_, input(), std::vector<js::Settlement>{{1, {}, "1"}}));
       },
       "suspended", InstanceState::Suspended},
      {"compile", [&](WasmInstance& i) { return codeOf(i.compile("return 1", {})); }, "idle",
       InstanceState::Executing},
      {"load", [&](WasmInstance& i) { return codeOf(i.load(plain_->code)); }, "idle",
       InstanceState::Executing},
  };
  for (const auto& step : steps) {
    for (const InstanceState from : kStates) {
      const auto instance = makeIn(from);
      const bool isAllowed = toString(from) == step.allowedIn;
      const bool isOver = from == InstanceState::Terminated;
      EXPECT_EQ(step.take(*instance), isAllowed ? "ok"
                                      : isOver  ? "CANCELLED"
                                                : "INTERNAL_ERROR")
          << step.name << " when " << toString(from);
      EXPECT_EQ(toString(instance->state()), toString(isAllowed ? step.to : from)) << step.name;
    }
  }
}

TEST_F(WasmInstanceTest, ARefusalNamesInstanceStateAndStep) {
  const auto instance = makeIn(InstanceState::Executing);
  EXPECT_EQ(outcomeOf(instance->execute(*plain_, {})),
            "INTERNAL_ERROR: instance 1 is executing: it cannot execute");
}

TEST_F(WasmInstanceTest, ResetMakesEveryStateIdleButTheLast) {
  for (const InstanceState from : kStates) {
    const auto instance = makeIn(from);
    const bool isOver = from == InstanceState::Terminated;
    EXPECT_EQ(instance->reset(), !isOver) << toString(from);
    EXPECT_EQ(toString(instance->state()), isOver ? "terminated" : "idle");
    EXPECT_EQ(execute(*instance, *plain_), isOver ? "CANCELLED" : "ok");
  }
}

TEST_F(WasmInstanceTest, TerminateEndsEveryStateForGood) {
  for (const InstanceState from : kStates) {
    const auto instance = makeIn(from);
    instance->terminate();
    EXPECT_EQ(toString(instance->state()), "terminated") << toString(from);
    EXPECT_FALSE(instance->reset());
    EXPECT_EQ(execute(*instance, *plain_), "CANCELLED");
    EXPECT_EQ(toString(instance->state()), "terminated");
  }
}

TEST_F(WasmInstanceTest, WhatEndsBadlyIsUsedAgainAfterAReset) {
  const auto instance = make();
  const struct {
    const char* source;
    const char* code;
    int timeoutMs = 5000;
  } rows[] = {
      {"throw 1", "EXECUTION_ERROR"},
      {"const f = () => f() + 1; return f()", "STACK_OVERFLOW"},
      {"const a = []; for (;;) a.push('x'.repeat(1e5) + a.length)", "MEMORY_LIMIT"},
      {kEndless, "TIMEOUT", 20},
      {"return typeof leaked", "ok"},
  };
  for (const auto& row : rows) {
    const auto handler = rig_.compile(std::string("globalThis.leaked = 1; ") + row.source);
    const js::CallInput input{.limit = {.timeout = milliseconds(row.timeoutMs)}};
    EXPECT_EQ(codeOf(instance->execute(*handler, input)), row.code) << row.source;
    EXPECT_EQ(toString(instance->state()), "executing");
    ASSERT_TRUE(instance->reset());
    EXPECT_EQ(outcomeOf(instance->execute(*rig_.compile("return typeof leaked"), {})),
              R"("undefined")");
    ASSERT_TRUE(instance->reset());
  }
}

TEST_F(WasmInstanceTest, AWaitingCallGoesOnUntilItEnds) {
  const auto instance = makeIn(InstanceState::Suspended);
  EXPECT_EQ(resume(*instance, {{1, {}, "20"}}), "(none)");
  EXPECT_EQ(toString(instance->state()), "suspended");
  EXPECT_EQ(resume(*instance, {{2, {}, "3"}}), "23");
  EXPECT_EQ(toString(instance->state()), "executing");
  EXPECT_EQ(resume(*instance, {}), "INTERNAL_ERROR");
}

TEST_F(WasmInstanceTest, ARefusedAnswerLeavesTheCallWaiting) {
  const auto instance = makeIn(InstanceState::Suspended);
  EXPECT_EQ(resume(*instance, {{9, {}, "1"}}), "NOT_FOUND");
  EXPECT_EQ(resume(*instance, {{1, {}, "no JSON"}}), "INVALID_INPUT");
  EXPECT_EQ(toString(instance->state()), "suspended");
  EXPECT_EQ(resume(*instance, {{1, {}, "1"}}), "(none)");
}

TEST_F(WasmInstanceTest, AResetForgetsACallThatWaits) {
  const auto instance = makeIn(InstanceState::Suspended);
  ASSERT_TRUE(instance->reset());
  EXPECT_EQ(resume(*instance, {{1, {}, "1"}}), "INTERNAL_ERROR");
  EXPECT_EQ(execute(*instance, *plain_), "ok");
}

TEST_F(WasmInstanceTest, KnowsWhatItHolds) {
  const auto instance = make();
  EXPECT_EQ(instance->id(), 1U);
  EXPECT_TRUE(instance->holds(rig_.js->base().image.get()));
  EXPECT_FALSE(instance->holds(plain_->image.get()));
  (void)instance->execute(*plain_, {});
  ASSERT_TRUE(instance->reset());
  EXPECT_TRUE(instance->holds(plain_->image.get()));
  const uint64_t before = instance->memoryUsed();
  (void)instance->execute(*rig_.compile("return 'x'.repeat(8e6).length"), {});
  EXPECT_GT(instance->memoryUsed(), before);
}

TEST_F(WasmInstanceTest, AStopEndsTheCallAndNotTheInstance) {
  const auto instance = make();
  std::stop_source stop;
  std::string code;
  std::thread caller([&] {
    js::CallInput input;
    input.limit.stop = stop.get_token();
    code = codeOf(instance->execute(*endless_, input));
  });
  EXPECT_TRUE(eventually([&] { return instance->state() == InstanceState::Executing; }));
  stop.request_stop();
  caller.join();
  EXPECT_EQ(code, "CANCELLED");
  EXPECT_TRUE(instance->reset());
  EXPECT_EQ(execute(*instance, *plain_), "ok");
}

TEST_F(WasmInstanceTest, AnotherThreadTerminatesWhatRuns) {
  const struct {
    const char* name;
    std::function<std::string(WasmInstance&)> run;
  } rows[] = {
      {"execute", [&](WasmInstance& i) { return execute(i, *endless_); }},
      {"compile",
       [&](WasmInstance& i) { return codeOf(i.compile("}); for (;;); (function () {", {})); }},
  };
  for (const auto& row : rows) {
    const auto instance = make();
    std::string code;
    std::thread caller([&] { code = row.run(*instance); });
    EXPECT_TRUE(eventually([&] { return instance->state() == InstanceState::Executing; }));
    instance->terminate();
    caller.join();
    EXPECT_EQ(code, "CANCELLED") << row.name;
    EXPECT_EQ(toString(instance->state()), "terminated");
    EXPECT_FALSE(instance->reset());
  }
}

TEST_F(WasmInstanceTest, TerminatingAtAnyMomentEndsTheCall) {
  const js::CallInput input{.limit = {.timeout = std::chrono::hours(1)}};
  for (int i = 0; i < 30; ++i) {
    const auto instance = make();
    std::thread killer([&, at = std::chrono::steady_clock::now() + i * microseconds(10)] {
      while (std::chrono::steady_clock::now() < at) continue;
      instance->terminate();
    });
    EXPECT_EQ(codeOf(instance->execute(*endless_, input)), "CANCELLED");
    killer.join();
    EXPECT_FALSE(instance->reset());
  }
}

// The moment between the step into Executing and the handler's first instruction.
TEST_F(WasmInstanceTest, TerminatedWhileTheImageIsCopiedInEndsTheCall) {
  const auto instance = make();
  Gate gate;
  rig_.engine.onRestore([&] {
    gate.pass();
    return true;
  });
  std::string code;
  std::thread caller([&] { code = execute(*instance, *endless_); });
  ASSERT_TRUE(eventually([&] { return gate.visitors() == 1; }));
  instance->terminate();
  gate.open();
  caller.join();
  EXPECT_EQ(code, "CANCELLED");
}

TEST_F(WasmInstanceTest, OneThatCannotBeRestoredIsOver) {
  const auto instance = makeIn(InstanceState::Executing);
  rig_.engine.onRestore([] { return false; });
  EXPECT_FALSE(instance->reset());
  rig_.engine.reset();
  EXPECT_EQ(toString(instance->state()), "terminated");
  EXPECT_FALSE(instance->reset());
  EXPECT_EQ(execute(*instance, *plain_), "CANCELLED");
}

TEST_F(WasmInstanceTest, OneWhoseRestoringThrowsIsOver) {
  const auto instance = makeIn(InstanceState::Executing);
  rig_.engine.onRestore([]() -> bool { throw std::bad_alloc(); });
  EXPECT_FALSE(instance->reset());
  EXPECT_EQ(toString(instance->state()), "terminated");
}

TEST_F(WasmInstanceTest, AnImageThatDoesNotFitCostsTheInstance) {
  const auto instance = make();
  EXPECT_EQ(execute(*instance, *rig_.makeUnrestorable()), "UNAVAILABLE");
  EXPECT_FALSE(instance->reset());
  EXPECT_EQ(execute(*make(), *plain_), "ok");  // others are not concerned
}

TEST_F(WasmInstanceTest, TrimKeepsAnIdleOneIdle) {
  const auto instance = make();
  (void)instance->execute(*plain_, {});
  ASSERT_TRUE(instance->reset());
  EXPECT_TRUE(instance->trim());
  EXPECT_EQ(toString(instance->state()), "idle");
  EXPECT_EQ(outcomeOf(instance->execute(*plain_, {})), "7");
}

TEST_F(WasmInstanceTest, OneThatCannotBeTrimmedIsOver) {
  const auto instance = make();
  rig_.engine.onRestore([] { return false; });
  EXPECT_FALSE(instance->trim());
  EXPECT_EQ(toString(instance->state()), "terminated");
}

TEST_F(WasmInstanceTest, ASystemThatRefusesMemoryIsUnavailable) {
  rig_.engine.onCreate([] { return false; });
  EXPECT_EQ(codeOf(WasmInstance::make(*rig_.js, 1)), "UNAVAILABLE");
}

}  // namespace
}  // namespace nexus::runtime
