// Calls that leave their sandbox while they wait, and go on in another one: they notice nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "js/testing/waiting_call.h"
#include "sandbox/delta_codec.h"

namespace nexus::js {
namespace {

using testing::answerOf;
using testing::changesOf;
using testing::EngineTest;
using testing::errorOf;
using testing::outcomeOf;
using testing::pendingOf;
using testing::Rig;
using testing::WaitingCall;

class SuspendedCallTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SuspendedCallTest, testing::kEveryEngine, testing::engineName);

// Everything that can be held over a wait.
constexpr const char* kPrograms[] = {
    "let sum = 0; for (let i = 0; i < 10; i++) sum += await $ext.x.get(i); return sum",
    "const f = (() => { let n = 0; return () => ++n })();"
    "f(); await $ext.x.get(1); f(); await $ext.x.get(2); return f()",
    "const m = new Map([[1, { a: [1] }]]); const s = new Set('abc'); const w = new WeakMap();"
    "const key = {}; w.set(key, 5); await $ext.x.get(1);"
    "return [m.get(1).a, [...s], w.get(key), w.has({})]",
    "const a = new Uint8Array(70000).fill(7); const view = new DataView(a.buffer);"
    "await $ext.x.get(1); a[3] = 1; await $ext.x.get(2);"
    "return [a.reduce((x, y) => x + y), view.getUint8(3)]",
    "function* g() { let n = 0; for (;;) n += yield n } const it = g(); it.next();"
    "it.next(2); await $ext.x.get(1); it.next(3); await $ext.x.get(2); return it.next(4).value",
    "async function* g() { for (let i = 0; i < 3; i++) yield await $ext.x.get(i) }"
    "const all = []; for await (const x of g()) all.push(x); return all",
    "class A { #p = 1; async go() { this.#p += await $ext.x.get(5); return this.#p } }"
    "const a = new A(); await a.go(); return [await a.go(), a instanceof A]",
    "const big = 2n ** 200n; const re = /a(b+)/y; re.lastIndex = 1; await $ext.x.get(1);"
    "return [String(big), re.exec('xabbb')[1], re.lastIndex]",
    "try { try { await $ext.x.get(1); throw new TypeError('no') } finally {"
    "  await $ext.x.get(2) } } catch (e) { return [e.name, e.message, await $ext.x.get(3)] }",
    "const text = 'ü😀'.repeat(3000); await $ext.x.get(1); return text.length + text.slice(-2)",
    "const deep = async (n) => n === 0 ? await $ext.x.get(1) : 1 + await deep(n - 1);"
    "return await deep(50)",
    "const held = Array.from({ length: 2e5 }, (_, i) => i); await $ext.x.get(1);"
    "held.push(1); await $ext.x.get(2); return held.length",
    "const s = Symbol('s'); const o = { [s]: 1, get b() { return this[s] + 1 } };"
    "Object.freeze(o); await $ext.x.get(1); return [o.b, Object.isFrozen(o)]",
    "$state.a = 1; await $ext.x.get(1); $state.b = [$state.a]; await $ext.x.get(2);"
    "$state.b.push($state.a); delete $state.a; await $ext.x.get(3); return Object.keys($state)",
    "const all = await Promise.all([1, 2, 3].map(async (n) => {"
    "  const got = await $ext.x.get(n); return got + await $ext.x.get(got) })); return all",
    "return await Promise.any([$ext.x.get(1), $ext.x.get(2)])",
};

// What it was asked for, with a one in front.
std::string answerTo(const ExtensionRequest& request) {
  return "1" + request.args.substr(1, request.args.size() - 2);
}

// What a call comes to, and what it changed, when the oldest request is answered each time.
struct Story {
  std::string outcome;
  std::string changes;
  uint64_t waits = 0;
  bool operator==(const Story&) const = default;
};

void PrintTo(const Story& story, std::ostream* out) {
  *out << story.outcome << " " << story.changes << " after " << story.waits;
}

Story stayInPlace(Rig& rig, std::string_view source) {
  WaitingCall call(rig, source);
  Story story;
  ExecutionResult result = call.start();
  for (; result.status() == CallStatus::kSuspended; ++story.waits) {
    story.changes += changesOf(result) + ";";
    call.keep(result);
    const ExtensionRequest asked = result.pending.front();
    result = call.answer(asked.id, answerTo(asked));
  }
  story.outcome = outcomeOf(result);
  story.changes += changesOf(result);
  EXPECT_TRUE(rig.sandbox().restore());
  return story;
}

// From one sandbox to the other at each wait, as bytes.
Story moveEachTime(Rig& rig, JsSandbox& other, std::string_view source) {
  WaitingCall call(rig, source);
  JsSandbox* here = &rig.sandbox();
  JsSandbox* there = &other;
  Story story;
  ExecutionResult result = call.start();
  for (; result.status() == CallStatus::kSuspended; ++story.waits) {
    story.changes += changesOf(result) + ";";
    call.keep(result);
    const ExtensionRequest asked = result.pending.front();
    SuspendedCall away = here->suspend(call.shared()).value();
    EXPECT_TRUE(here->restore());
    auto delta = sandbox::decodeDelta(sandbox::encodeDelta(away.delta));
    EXPECT_TRUE(delta);
    away.delta = std::move(*delta);
    std::swap(here, there);
    const std::string answer = answerTo(asked);
    const Settlement settlement = answerOf(asked.id, answer);
    auto resumed = here->resume(away, call.input(), {&settlement, 1});
    if (!resumed) return {resumed.error().message, story.changes, story.waits};
    result = std::move(*resumed);
  }
  story.outcome = outcomeOf(result);
  story.changes += changesOf(result);
  EXPECT_TRUE(here->restore());
  return story;
}

TEST_P(SuspendedCallTest, MovedAtEachWaitItIsTheSameCall) {
  Rig rig(GetParam());
  const auto other = rig.makeSandbox();
  for (const char* program : kPrograms) {
    const Story expected = stayInPlace(rig, program);
    EXPECT_GT(expected.waits, 0U) << program;
    for (int round = 0; round < 3; ++round) {
      EXPECT_EQ(moveEachTime(rig, *other, program), expected) << program;
    }
    rig.expectNextCallRight();
  }
}

TEST_P(SuspendedCallTest, ItMayBePutBackTwice) {
  Rig rig(GetParam());
  WaitingCall call(rig, "let n = 1; n += await $ext.x.get(); return n");
  EXPECT_EQ(pendingOf(call.start()), "1 x.get []");
  const SuspendedCall away = rig.sandbox().suspend(call.shared()).value();
  for (const char* answer : {"1", "2", "3"}) {
    EXPECT_TRUE(rig.sandbox().restore());
    SuspendedCall copy = away;
    const Settlement settlement = answerOf(1, answer);
    const auto result = rig.sandbox().resume(copy, call.input(), {&settlement, 1});
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(outcomeOf(*result), std::to_string(1 + std::stoi(answer)));
  }
  EXPECT_TRUE(rig.sandbox().restore());
}

TEST_P(SuspendedCallTest, ARefusalLeavesIt) {
  Rig rig(GetParam());
  WaitingCall call(rig, "return await $ext.x.get()");
  call.start();
  SuspendedCall away = rig.sandbox().suspend(call.shared()).value();
  EXPECT_TRUE(rig.sandbox().restore());
  const struct {
    Settlement settlement;
    ErrorCode code;
  } rows[] = {{answerOf(2, "1"), ErrorCode::kNotFound},
              {answerOf(1, "{"), ErrorCode::kInvalidInput},
              {errorOf(0, "no"), ErrorCode::kNotFound}};
  for (const auto& row : rows) {
    const auto refused = rig.sandbox().resume(away, call.input(), {&row.settlement, 1});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, row.code);
    EXPECT_EQ(away.book.outstanding.size(), 1U);
  }
  rig.expectNextCallRight();
  const Settlement settlement = answerOf(1, "7");
  const auto result = rig.sandbox().resume(away, call.input(), {&settlement, 1});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(outcomeOf(*result), "7");
  EXPECT_TRUE(rig.sandbox().restore());
}

TEST_P(SuspendedCallTest, WhatIsTakenOutCannotBeResumedInPlace) {
  Rig rig(GetParam());
  WaitingCall call(rig, "return await $ext.x.get()");
  call.start();
  const SuspendedCall away = rig.sandbox().suspend(call.shared()).value();
  EXPECT_EQ(call.refusal({answerOf(1, "1")}).code, ErrorCode::kNotFound);
  EXPECT_TRUE(rig.sandbox().restore());
  rig.expectNextCallRight();
}

// Its book goes with it: what it has used is used.
TEST_P(SuspendedCallTest, ItsBookGoesWithIt) {
  Rig rig(GetParam(), {.maxHostCalls = 4});
  const auto other = rig.makeSandbox();
  EXPECT_EQ(moveEachTime(rig, *other, "for (let i = 0; ; i++) await $ext.x.get(i)").waits, 4U);
}

}  // namespace
}  // namespace nexus::js
