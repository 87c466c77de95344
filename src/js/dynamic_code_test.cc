// No text becomes code, and nothing of what a handler may not have is there.
#include <gtest/gtest.h>

#include <string>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using testing::EngineTest;
using testing::Rig;

class DynamicCodeTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, DynamicCodeTest, testing::kEveryEngine, testing::engineName);

TEST_P(DynamicCodeTest, EveryRouteIsRefused) {
  Rig rig(GetParam());
  const std::string prelude =
      "const AsyncFunction = (async () => {}).constructor;"
      "const GeneratorFunction = (function* () {}).constructor;"
      "const AsyncGeneratorFunction = (async function* () {}).constructor;"
      "const body = 'globalThis.leaked = 1; return 1';";
  for (const char* attempt : {
           "eval('globalThis.leaked = 1')",
           "(0, eval)('globalThis.leaked = 1')",
           "globalThis.eval('globalThis.leaked = 1')",
           "globalThis['ev' + 'al']('globalThis.leaked = 1')",
           "Reflect.get(globalThis, 'eval').call(null, 'globalThis.leaked = 1')",
           "Function(body)()",
           "new Function(body)()",
           "new Function('a', 'b', body)()",
           "Function.call(null, body)()",
           "Function.apply(null, [body])()",
           "Function.bind(null, body)()()",
           "(() => {}).constructor(body)()",
           "$log.constructor(body)()",
           "$log.constructor.constructor(body)()",
           "[].map.constructor(body)()",
           "Object.getPrototypeOf(Function.prototype).constructor.constructor(body)()",
           "[].constructor.constructor(body)()",
           "''.sub.constructor(body)()",
           "Math.max.constructor(body)()",
           "(class extends Function {}).constructor(body)()",
           "new (class extends Function {})(body)()",
           "new (class extends Function { constructor() { super(body) } })()()",
           "AsyncFunction(body)()",
           "new AsyncFunction(body)()",
           "new (class extends AsyncFunction {})(body)()",
           "GeneratorFunction(body)().next()",
           "new GeneratorFunction(body)().next()",
           "AsyncGeneratorFunction(body)().next()",
           "new AsyncGeneratorFunction(body)().next()",
           "Reflect.construct(Function, [body])()",
           "Reflect.construct(AsyncFunction, [body])()",
           "Reflect.construct(Function, [body], Object)()",
           "Reflect.construct(Object, [body], Function)()",
           "Reflect.apply(Function, null, [body])()",
           "Function.prototype.constructor(body)()",
           "Object.getOwnPropertyDescriptor(Function.prototype, 'constructor').value(body)()",
           "new Proxy(Function, {})(body)()",
           "new (new Proxy(Function, {}))(body)()",
           "[body].map(Function)[0]()",
           "Array.from([body], Function)[0]()",
           "JSON.parse(JSON.stringify([body]), (k, v) => typeof v === 'string' ? Function(v) : "
           "v)[0]()",
           "'x'.replace('x', Function)()",
           "setTimeout(body, 0)",
           "setInterval(body, 0)",
           "setImmediate(body)",
           "new ShadowRealm().evaluate('1')",
           "Function('return this')()",
           "Object.defineProperty(() => {}, 'x', { get: Function(body) }).x",
           "Function('}); globalThis.leaked = 1; (function () {')",
           "Function('/*', '*/){ globalThis.leaked = 1')()",
       }) {
    const std::string source =
        prelude + "try { " + attempt +
        "; return 'ran' } catch (e) { return typeof leaked === 'undefined' && typeof e.name }";
    EXPECT_EQ(rig.value(source), R"("string")") << attempt;
  }
}

TEST_P(DynamicCodeTest, ImportRejects) {
  Rig rig(GetParam());
  for (const char* specifier : {"'x'", "'./handler.js'", "'handler.js'", "'nexus.js'", "'std'",
                                "'os'", "'data:text/javascript,export default 1'", "''",
                                "{ toString() { return 'x' } }", "'file:///etc/passwd'"}) {
    EXPECT_EQ(rig.value("return await import(" + std::string(specifier) +
                        ").then(() => 'loaded', (e) => 'refused')"),
              R"("refused")")
        << specifier;
  }
  EXPECT_EQ(rig.value("return import('x').then(() => 'loaded', (e) => 'refused')"), R"("refused")");
  EXPECT_EQ(rig.failure("import x from 'y'").code, ErrorCode::kCompilationError);
  EXPECT_EQ(rig.failure("export default 1").code, ErrorCode::kCompilationError);
}

TEST_P(DynamicCodeTest, WhatAHandlerMayNotHaveIsNotThere) {
  Rig rig(GetParam());
  for (const char* name : {"eval",
                           "performance",
                           "SharedArrayBuffer",
                           "Atomics",
                           "WebAssembly",
                           "ShadowRealm",
                           "setTimeout",
                           "setInterval",
                           "setImmediate",
                           "clearTimeout",
                           "requestAnimationFrame",
                           "fetch",
                           "XMLHttpRequest",
                           "WebSocket",
                           "Worker",
                           "importScripts",
                           "require",
                           "process",
                           "module",
                           "exports",
                           "__dirname",
                           "global",
                           "window",
                           "self",
                           "document",
                           "console",
                           "print",
                           "std",
                           "os",
                           "bjson",
                           "scriptArgs",
                           "gc",
                           "load",
                           "read",
                           "readFile",
                           "host",
                           "hostLog",
                           "nexus",
                           "handler",
                           "api",
                           "__host_call"}) {
    EXPECT_EQ(rig.value("return [typeof " + std::string(name) + ", '" + name + "' in globalThis]"),
              R"(["undefined",false])")
        << name;
  }
}

// A list that must be read again when the guest changes: each name is something handlers can reach.
TEST_P(DynamicCodeTest, TheGlobalsAreKnown) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value("return Reflect.ownKeys(globalThis).map(String).sort().join(' ')"),
            R"("AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array )"
            R"(BigUint64Array Boolean DOMException DataView Date DisposableStack Error )"
            R"(EvalError FinalizationRegistry Float16Array Float32Array Float64Array Function )"
            R"(Infinity Int16Array Int32Array Int8Array InternalError Iterator JSON Map Math )"
            R"(NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set )"
            R"(String SuppressedError Symbol Symbol(Symbol.toStringTag) SyntaxError TypeError )"
            R"(URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef )"
            R"(WeakSet atob btoa decodeURI decodeURIComponent encodeURI encodeURIComponent )"
            R"(escape globalThis isFinite isNaN parseFloat parseInt queueMicrotask undefined )"
            R"(unescape")");
}

TEST_P(DynamicCodeTest, NoSharedMemoryThroughTheBackDoor) {
  Rig rig(GetParam());
  EXPECT_EQ(
      rig.value("return [Object.getOwnPropertyNames(ArrayBuffer.prototype).includes('grow'),"
                "typeof new ArrayBuffer(8, { maxByteLength: 16 }).constructor.prototype.grow]"),
      R"([false,"undefined"])");
}

// The host's only functions are behind $log; through stack traces a handler may find the bootstrap,
// and must find nothing there that it could not do anyway.
TEST_P(DynamicCodeTest, StackTracesLeadNowhere) {
  Rig rig(GetParam());
  EXPECT_EQ(rig.value(R"(
      if (globalThis.entered) return 0;
      globalThis.entered = true;
      const found = [];
      Error.prepareStackTrace = (error, sites) => {
        for (const site of sites) {
          const f = site.getFunction?.();
          if (typeof f === 'function') found.push(f);
        }
        return '';
      };
      $log({ toString() { new Error().stack; return 'x' }, toJSON() { new Error().stack } });
      void new Error().stack;
      return found.every((f) => { try { f('globalThis.leaked = 1', 'x') } catch {} return typeof leaked === 'undefined' })
    )"),
            "true");
  rig.expectNextCallRight();
}

TEST_P(DynamicCodeTest, OnlyDuringCompilation) {
  Rig rig(GetParam());
  // Evaluating a compiled text runs what closes the wrapper early; with dynamic code off even
  // there.
  const Error error =
      rig.compileError("});\nnew Function('globalThis.leaked = 1')();\n(function () {");
  EXPECT_EQ(error.code, ErrorCode::kCompilationError);
  EXPECT_EQ(rig.value("try { new Function('return 1')() } catch (e) { return typeof leaked }"),
            R"("undefined")");
}

}  // namespace
}  // namespace nexus::js
