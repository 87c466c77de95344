// Handlers that turn the language against the code that runs them. Each may spoil its own result,
// never make a wrong success of a failure, and never the next call.
#include <gtest/gtest.h>

#include <string>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using testing::EngineTest;
using testing::outcomeOf;
using testing::Rig;

class TamperingTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, TamperingTest, testing::kEveryEngine, testing::engineName);

// What is done to the realm before the handler returns or throws.
constexpr const char* kTamperings[] = {
    "JSON.stringify = () => '\"forged\"'",
    "JSON.parse = () => 'forged'",
    "globalThis.JSON = { stringify: () => '\"forged\"' }",
    "delete globalThis.JSON",
    "Object.keys = () => ['forged']",
    "Object.freeze = Object.create = Object.defineProperty = () => { throw 1 }",
    "Object.prototype.then = undefined",
    "Array.prototype[Symbol.iterator] = function* () { yield 'forged' }",
    "Array.prototype.push = Array.prototype.join = Array.prototype.map = () => { throw 1 }",
    "Array.isArray = () => { throw 1 }",
    "Promise.prototype.then = () => { throw 1 }",
    "Promise.prototype.then = (resolve) => resolve('forged')",
    "Promise.prototype.constructor = function () { throw 1 }",
    "Promise.resolve = Promise.reject = () => 'forged'",
    "globalThis.Promise = class { then() { throw 1 } }",
    "Reflect.apply = () => 'forged'",
    "Function.prototype.toString = () => 'forged'",
    "Function.prototype.call = Function.prototype.apply = () => { throw 1 }",
    "String.prototype.toString = String.prototype.valueOf = () => 'forged'",
    "String.prototype.slice = String.prototype.replace = () => { throw 1 }",
    "globalThis.String = globalThis.TypeError = () => { throw 1 }",
    "Number.prototype.toString = () => 'forged'",
    "Number.prototype.toJSON = String.prototype.toJSON = Boolean.prototype.toJSON = () => 'forged'",
    "for (let i = 0; i < 9; i++) Object.defineProperty(Object.prototype, i, { set() { throw 1 } })",
    "for (const k of ['value', 'next', 'isNull', 'name', 'message', 'stack']) "
    "Object.defineProperty(Object.prototype, k, { __proto__: null, set() { throw 1 } })",
    "for (const k of ['value', 'get', 'set', 'next', 'isNull']) Object.prototype[k] = 'forged'",
    "Object.setPrototypeOf(globalThis, new Proxy({}, { has: () => true, get: () => 'forged' }))",
    "Object.setPrototypeOf(Function.prototype, null)",
    "Object.freeze(Object.prototype); Object.freeze(Array.prototype); Object.freeze(globalThis)",
    "const g = globalThis, del = Reflect.deleteProperty;"
    "for (const k of Reflect.ownKeys(g)) del(g, k)",
    "const del = Reflect.deleteProperty; for (const k of Reflect.ownKeys(Object.prototype)) "
    "del(Object.prototype, k)",
    "const del = Reflect.deleteProperty; for (const k of Reflect.ownKeys(Function.prototype)) "
    "del(Function.prototype, k)",
    "Error.prepareStackTrace = () => { throw 1 }",
    "Error.prepareStackTrace = () => 'at forged (handler.js:99:99)'",
    "Error.stackTraceLimit = Infinity",
    "Error.stackTraceLimit = { valueOf() { throw 1 } }",
    "arguments[0] = arguments[1] = 'forged'",
    "queueMicrotask(() => { JSON.stringify = () => '\"forged\"' })",
};

// The engine itself reads these: the handler may get an error of its own making instead.
constexpr const char* kSelfDefeating[] = {
    "Object.defineProperty(Promise, Symbol.species, { value: function () { throw 1 } })",
    "Object.defineProperty(Promise, Symbol.hasInstance, { value: () => { throw 1 } })",
    "for (let i = 0; i < 9; i++) Object.defineProperty(Array.prototype, i, { set() { throw 1 } })",
    "for (let i = 0; i < 9; i++) Object.defineProperty(Array.prototype, i, { get: () => 'forged' "
    "})",
    "Object.setPrototypeOf(Array.prototype, new Proxy({}, { get() { throw 1 }, set() { throw 1 } "
    "}))",
};

TEST_P(TamperingTest, TheResultStaysRight) {
  Rig rig(GetParam());
  for (const char* tampering : kTamperings) {
    EXPECT_EQ(rig.value(std::string(tampering) + "; return { a: [1, 'x', true, null], b: 2 }"),
              R"({"a":[1,"x",true,null],"b":2})")
        << tampering;
    EXPECT_EQ(rig.value(std::string(tampering) + "; return 'text'"), R"("text")") << tampering;
    EXPECT_EQ(rig.value(std::string(tampering) + "; return 12.5"), "12.5") << tampering;
    EXPECT_EQ(rig.value(std::string(tampering) + "; return"), "(none)") << tampering;
  }
  rig.expectNextCallRight();
}

TEST_P(TamperingTest, AnAwaitedResultStaysRight) {
  Rig rig(GetParam());
  for (const char* tampering : kTamperings) {
    const std::string outcome = rig.value(std::string(tampering) + "; await 1; return [1]");
    EXPECT_EQ(outcome, "[1]") << tampering;
  }
  rig.expectNextCallRight();
}

TEST_P(TamperingTest, AnErrorStaysAnError) {
  Rig rig(GetParam());
  for (const char* tampering : kTamperings) {
    const ExecutionResult result =
        rig.run("const e = new RangeError('mine');" + std::string(tampering) + "; throw e");
    ASSERT_TRUE(result.error) << tampering << " gives " << outcomeOf(result);
    EXPECT_EQ(result.error->code, ErrorCode::kExecutionError) << tampering;
    EXPECT_EQ(result.error->message, "RangeError: mine") << tampering;
  }
  rig.expectNextCallRight();
}

TEST_P(TamperingTest, AnUnfitResultStaysAnError) {
  Rig rig(GetParam());
  for (const char* tampering : kTamperings) {
    const ExecutionResult result = rig.run(std::string(tampering) + "; return { a: () => {} }");
    ASSERT_TRUE(result.error) << tampering << " gives " << outcomeOf(result);
    EXPECT_EQ(result.error->code, ErrorCode::kExecutionError) << tampering;
  }
  rig.expectNextCallRight();
}

TEST_P(TamperingTest, TheLogStaysRight) {
  Rig rig(GetParam());
  for (const char* tampering : kTamperings) {
    const ExecutionResult result =
        rig.run(std::string(tampering) + "; $log('a', 1, [2, { b: 3 }], true)");
    ASSERT_EQ(result.log.size(), 1u) << tampering << ": " << outcomeOf(result);
    // Its own toJSON may show.
    if (std::string_view(tampering).find("toJSON") != std::string_view::npos) continue;
    EXPECT_EQ(result.log[0].message, R"(a 1 [2,{"b":3}] true)") << tampering;
  }
  rig.expectNextCallRight();
}

TEST_P(TamperingTest, SelfDefeatingHandlersGetTheirOwnError) {
  Rig rig(GetParam());
  for (const std::string tampering : kSelfDefeating) {
    for (const char* end : {"return [1, { a: [2] }]", "await 1; return [1, { a: [2] }]"}) {
      const ExecutionResult result = rig.run(tampering + "; " + end);
      if (result.error) {
        EXPECT_EQ(result.error->code, ErrorCode::kExecutionError) << tampering << outcomeOf(result);
      } else {
        EXPECT_EQ(result.value, R"([1,{"a":[2]}])") << tampering;
      }
    }
    for (const char* end :
         {"; return [() => {}]", "; throw new Error('x')", "; await 1; throw [1]"}) {
      const ExecutionResult result = rig.run(tampering + end);
      ASSERT_TRUE(result.error) << tampering << outcomeOf(result);
      EXPECT_EQ(result.error->code, ErrorCode::kExecutionError) << tampering << outcomeOf(result);
    }
    rig.expectNextCallRight();
  }
}

// Inherited by every object: may shape the handler's own result, which must be JSON all the same.
TEST_P(TamperingTest, AnInheritedToJsonShapesOnlyItsOwnCall) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value("Object.prototype.toJSON = () => 'mine'; return {}"), R"("mine")");
  EXPECT_EQ(rig.value("Object.prototype.toJSON = () => 'mine'; return 5"), "5");
  EXPECT_EQ(rig.value("Object.prototype.toJSON = () => 1n; return 's'"), R"("s")");
  EXPECT_EQ(rig.failure("Object.prototype.toJSON = () => { throw new Error('j') }; return []").code,
            ErrorCode::kExecutionError);
  EXPECT_EQ(
      rig.failure("Object.prototype.toJSON = function () { return this }; throw new Error('k')")
          .message,
      "Error: k");
  rig.expectNextCallRight();
}

TEST_P(TamperingTest, AnInheritedThenIsTheHandlersOwnAffair) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value("Object.prototype.then = function (r) { r(7) }; return {}"), "7");
  EXPECT_EQ(rig.failure("Object.prototype.then = function () {}; return {}").code,
            ErrorCode::kExecutionError);
  EXPECT_EQ(rig.value("Object.prototype.then = 5; return [1]"), "[1]");
  EXPECT_EQ(rig.value("Object.prototype.then = function (r) { r(7) }; return 's'"), R"("s")");
  rig.expectNextCallRight();
}

TEST_P(TamperingTest, SettlingTwiceKeepsTheFirst) {
  Rig rig(GetParam());
  EXPECT_EQ(
      rig.value("return { then(resolve, reject) { resolve(1); resolve(2); reject(3); throw 4 } }"),
      "1");
  EXPECT_EQ(rig.value("return { then(a) { a(1); a(2) } }"), "1");
}

// A promise whose class takes part in settling it.
TEST_P(TamperingTest, HostilePromiseClasses) {
  Rig rig(GetParam());
  for (const char* source : {
           "class P extends Promise { then() { return 'no' } } return new P((r) => r(1))",
           "class P extends Promise { static get [Symbol.species]() { throw new Error('s') } }"
           "return P.resolve(1)",
           "const p = Promise.resolve(1); p.constructor = class { constructor() { throw new "
           "Error('c') } };"
           "return p",
           "return Object.create(Promise.prototype)",
           "return new Proxy(Promise.resolve(1), {})",
           "return Object.defineProperty(Promise.resolve(1), 'then', { get() { throw new "
           "Error('g') } })",
       }) {
    const ExecutionResult result = rig.run(source);
    if (result.error) {
      EXPECT_EQ(result.error->code, ErrorCode::kExecutionError) << source;
    } else {
      EXPECT_EQ(outcomeOf(result), "1") << source;
    }
  }
  rig.expectNextCallRight();
}

}  // namespace
}  // namespace nexus::js
