// Handlers that never end, hoard or dig: each ends with its code, soon after its deadline, and
// leaves a sandbox that works. The tables are long because engines have many ways to forget about
// time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using std::chrono::milliseconds;
using testing::EngineTest;
using testing::outcomeOf;
using testing::Rig;

constexpr milliseconds kTimeout{50};
constexpr double kLateAtMostMs = 10;
// Instrumented, the host's own part of a call (comparing pages, reading reports) takes ten times as
// long: there only the ends are checked.
constexpr bool kChecksLateness = testing::kCountDivisor == 1;
// The machine has other work: one quick try of a few says what the code can do.
constexpr int kTries = 3;

constexpr unsigned kTimedOut = 1, kMemory = 2, kStack = 4, kThrown = 8, kReturned = 16,
                   kRefused = 32;

unsigned endOf(const std::optional<Error>& error) {
  if (!error) return kReturned;
  switch (error->code) {
    case ErrorCode::kTimeout:
      return kTimedOut;
    case ErrorCode::kMemoryLimit:
      return kMemory;
    case ErrorCode::kStackOverflow:
      return kStack;
    case ErrorCode::kExecutionError:
    case ErrorCode::kCompilationError:
      return kThrown;
    case ErrorCode::kResourceLimit:
      return kRefused;
    default:
      return 0;
  }
}

struct Fault {
  const char* name;
  const char* source;
  unsigned ends;  // any of them
};

constexpr unsigned kSlowOrBig = kTimedOut | kMemory;

constexpr Fault kListedFaults[] = {
    {"endless_loop", "while(true){}", kTimedOut},
    {"repeat", R"(for (;;) { "x".repeat(2**29) })", kMemory},
    {"repeat_caught", R"(for (;;) { try { "x".repeat(2**29) } catch {} })", kTimedOut},
    {"regexp_backtracking", R"(return /(a+)+$/.test("a".repeat(40)+"b"))", kTimedOut},
    {"sparse_join", "return new Array(1e9)+''", kSlowOrBig},
    {"bigint_power", "return 2n**(10n**7n)", kThrown | kSlowOrBig},
    {"reverse", "[].reverse.call({length:2**53-1})", kTimedOut},
    {"recursion", "const f = () => f() + 1; return f()", kStack},
    {"recursion_getter", "const o = { get x() { return this.x } }; return o.x", kStack},
    {"recursion_to_json", "const o = { toJSON: () => JSON.stringify(o) }; return JSON.stringify(o)",
     kStack},
    {"recursion_proxies",
     "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x",
     kStack | kReturned | kTimedOut},
    {"recursion_json_parse", "return JSON.parse('['.repeat(1e6))", kStack | kThrown},
    {"recursion_sort", "const s = () => [2, 1].sort(s)[0]; return s()", kStack},
    {"recursion_to_string",
     "const a = []; a[0] = { toString: () => `${a}` + a.map(String) }; return `${a[0]}`", kStack},
    {"recursion_async", "const f = async () => { await f() }; return f()", kStack},
    {"recursion_generator", "const g = function* () { yield* g() }; return [...g()]", kStack},
    {"recursion_constructor", "class A { constructor() { new A() } } new A()", kStack},
    {"recursion_replace", "const f = () => 'a'.replace(/a/, f); return f()", kStack},
    {"recursion_caught", "const f = () => { try { f() } catch { f() } }; f()", kTimedOut | kStack},
    {"deep_list", "let v = []; for (let i = 0; i < 1e5; i++) v = [v]; return JSON.stringify(v)",
     kStack | kTimedOut},
    {"deep_flat", "let v = []; for (let i = 0; i < 1e5; i++) v = [v]; return v.flat(Infinity)",
     kStack | kTimedOut | kReturned},
    {"deep_regexp", "return new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('')",
     kStack | kThrown},
    {"microtasks", "const f = () => Promise.resolve().then(f); return f()", kTimedOut},
    {"microtask_queue", "const f = () => queueMicrotask(f); f(); return 1", kTimedOut},
    {"microtask_await", "for (;;) await null", kTimedOut},
    {"microtask_growth", "const f = () => { queueMicrotask(f); queueMicrotask(f) }; f()",
     kSlowOrBig},
    {"thenables", "const t = { then(r) { r(t) } }; return t", kTimedOut},
    {"hoard_arrays", "const a = []; for (;;) a.push(new Array(100).fill(a.length))", kSlowOrBig},
    {"hoard_objects", "const a = []; for (;;) a.push({ x: a.length, y: [1] })", kSlowOrBig},
    {"hoard_strings", "let s = 'x'; for (;;) s += s", kSlowOrBig | kThrown},
    {"hoard_string_parts", "let s = ''; for (let i = 0; ; i++) s += i", kSlowOrBig},
    {"hoard_map", "const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })", kSlowOrBig},
    {"hoard_typed_arrays", "const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))",
     kSlowOrBig},
    {"hoard_closures", "const a = []; for (let i = 0; ; i++) a.push(() => i)", kSlowOrBig},
    {"hoard_properties", "const o = {}; for (let i = 0; ; i++) o['k' + i] = i", kSlowOrBig},
    {"hoard_symbols", "const a = []; for (let i = 0; ; i++) a.push(Symbol(i))", kSlowOrBig},
    {"hoard_promises", "const a = []; for (;;) a.push(new Promise(() => {}).then(() => {}))",
     kSlowOrBig},
    {"hoard_caught", "const a = []; for (;;) { try { a.push(new Array(1000).fill(0)) } catch {} }",
     kSlowOrBig},
    {"hoard_log", "for (;;) $log('x')", kRefused | kTimedOut},
};

// Builtins that never ask whether to go on.
constexpr Fault kBuiltinFaults[] = {
    {"copy_within", "[].copyWithin.call({ length: 2 ** 53 - 1 }, 1, 0)", kTimedOut},
    {"splice", "[].splice.call({ length: 2 ** 53 - 1 }, 0, 1)", kTimedOut},
    {"shift", "[].shift.call({ length: 2 ** 53 - 1 })", kTimedOut},
    {"unshift", "[].unshift.call({ length: 2 ** 53 - 2 }, 1)", kTimedOut | kThrown},
    {"fill", "[].fill.call({ length: 2 ** 53 - 1 }, 0)", kSlowOrBig},
    {"index_of", "[].indexOf.call({ length: 2 ** 53 - 1 }, 1)", kTimedOut},
    {"last_index_of", "[].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)", kTimedOut},
    {"includes", "[].includes.call({ length: 2 ** 53 - 1 }, 1)", kTimedOut},
    {"join", "[].join.call({ length: 2 ** 31 })", kSlowOrBig},
    {"for_each", "[].forEach.call({ length: 2 ** 53 - 1 }, () => {})", kTimedOut},
    {"concat",
     "const s = { length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true }; [].concat(s, s)",
     kTimedOut | kThrown | kMemory},
    {"slice", "[].slice.call({ length: 2 ** 32 - 1 })", kSlowOrBig},
    {"to_sorted", "[].toSorted.call({ length: 2 ** 32 - 1 })", kSlowOrBig | kThrown},
    {"sort_hole", "[].sort.call({ length: 2 ** 53 - 1 })", kSlowOrBig},
    {"array_from", "return Array.from({ length: 2 ** 31 })", kSlowOrBig | kThrown},
    {"apply", "Math.max.apply(null, { length: 2 ** 31 })", kSlowOrBig | kThrown | kStack},
    {"string_raw", "String.raw({ raw: { length: 2 ** 53 - 1 } })", kTimedOut},
    {"string_index_of", "for (;;) ('a'.repeat(2e6)).indexOf('a'.repeat(1e6) + 'b')", kTimedOut},
    {"string_split", "for (;;) 'ab'.repeat(1e6).split('a')", kSlowOrBig},
    {"pad", "for (;;) 'x'.padEnd(2e7, 'abc')", kSlowOrBig},
    {"replace_all", "for (;;) 'a'.repeat(1e6).replaceAll('a', 'bc')", kSlowOrBig},
    {"normalize", "for (;;) '\\u1E9B\\u0323'.repeat(3e5).normalize('NFKD')", kSlowOrBig},
    {"locale_compare", "const s = 'é'.repeat(1e6); for (;;) s.localeCompare(s + 'x')", kSlowOrBig},
    {"upper_case", "const s = 'ß'.repeat(1e6); for (;;) s.toUpperCase()", kSlowOrBig},
    {"encode_uri", "const s = '😀'.repeat(3e5); for (;;) encodeURIComponent(s)", kSlowOrBig},
    {"bigint_parse", "return BigInt('9'.repeat(3e5)) > 0n", kTimedOut | kReturned},
    {"bigint_text", "return (1n << 1000000n).toString().length", kTimedOut | kReturned},
    {"bigint_multiply", "let b = 3n ** 100000n; for (;;) b * b", kSlowOrBig},
    {"bigint_divide", "const b = 3n ** 300000n, d = 3n ** 150000n; for (;;) b / d", kSlowOrBig},
    {"bigint_power_loop", "for (;;) 3n ** 600000n", kSlowOrBig | kThrown},
    {"typed_array_sort",
     "const a = new Float64Array(3e6).map((_, i) => (i * 7919) % 1e6);"
     "for (;;) a.slice().sort()",
     kSlowOrBig},
    {"typed_array_join", "const a = new Uint8Array(2e6); for (;;) a.join()", kSlowOrBig},
    {"typed_array_fill", "const a = new Uint8Array(2e7); for (;;) a.fill(1)", kTimedOut},
    {"typed_array_from", "return new Uint8Array({ length: 2 ** 31 })", kSlowOrBig | kThrown},
    {"array_sort",
     "const a = Array.from({ length: 2e5 }, (_, i) => (i * 7919) % 1e6); for (;;) a.slice().sort()",
     kSlowOrBig},
    {"json_parse", "const t = '[' + '1,'.repeat(5e5) + '1]'; for (;;) JSON.parse(t)", kSlowOrBig},
    {"json_stringify",
     "const a = Array.from({ length: 1e5 }, () => ({})); for (;;) JSON.stringify(a)", kSlowOrBig},
    {"json_shared_dag",
     "let v = [1]; for (let i = 0; i < 40; i++) v = [v, v]; return JSON.stringify(v)", kSlowOrBig},
    {"regexp_alternation", "return /^(?:a|a|a|a|a)*$/.test('a'.repeat(5000) + 'b')",
     kTimedOut | kStack | kMemory},
    {"regexp_compile", "for (;;) new RegExp('(?:a{0,500}){0,500}'.repeat(50))",
     kSlowOrBig | kThrown},
    {"regexp_global", "const s = 'a'.repeat(1e6); for (;;) s.match(/a/g)", kSlowOrBig},
    {"regexp_lookbehind", "return /(?<=(a+)+b)c/.test('a'.repeat(5000) + 'c')",
     kTimedOut | kReturned},
    {"own_keys",
     "const o = {}; for (let i = 0; i < 5e4; i++) o['k' + i] = 1; for (;;) Object.keys(o)",
     kSlowOrBig},
    {"spread", "const a = new Array(1e6).fill(0); for (;;) [...a]", kSlowOrBig},
    {"freeze", "const a = new Array(1e6).fill(0); for (;;) Object.freeze(a.slice())", kSlowOrBig},
    {"proxy_keys",
     "for (;;) Reflect.ownKeys(new Proxy({}, { ownKeys: () => new Array(1e5).fill('a') }))",
     kSlowOrBig | kThrown},
    {"group_by", "const a = new Array(1e6).fill(0); for (;;) Object.groupBy(a, String)",
     kSlowOrBig},
    {"date_parse", "const s = '1'.repeat(1e6); for (;;) Date.parse(s)", kTimedOut},
    {"number_parse", "const s = '1'.repeat(1e6); for (;;) Number(s)", kSlowOrBig},
    {"flat_map", "[].flatMap.call({ length: 2 ** 53 - 1 }, () => [])", kTimedOut},
    {"at_base64", "const s = 'x'.repeat(3e6); for (;;) atob(btoa(s))", kSlowOrBig},
};

class Lateness {
 public:
  using Clock = std::chrono::steady_clock;

  // The best of a few tries at `run`, in milliseconds past the deadline.
  template <typename Run>
  static double bestOf(Run run) {
    double best = 1e9;
    for (int i = 0; i < kTries; ++i) {
      const auto start = Clock::now();
      run();
      const std::chrono::duration<double, std::milli> late = Clock::now() - start - kTimeout;
      best = std::min(best, late.count());
      if (best <= kLateAtMostMs / 2) break;
    }
    return best;
  }
};

class FaultTiming : public EngineTest {
 protected:
  void expectAllEnd(std::span<const Fault> faults) {
    Rig rig(GetParam(), {.timeout = kTimeout});
    for (const Fault& fault : faults) {
      SCOPED_TRACE(fault.name);
      const auto handler = rig.compile(fault.source);
      ASSERT_TRUE(handler);
      const double late = Lateness::bestOf([&] {
        const ExecutionResult result = rig.sandbox().invoke(*handler, {.args = "null"});
        EXPECT_TRUE(endOf(result.error) & fault.ends) << outcomeOf(result).substr(0, 200);
        EXPECT_LE(result.metrics.memoryPeakBytes, RuntimeConfig{}.memoryLimitBytes);
        // Restoring is not part of the call, but must be quick all the same: the next caller waits.
      });
      report(fault.name, late);
      EXPECT_TRUE(rig.sandbox().restore());
      rig.expectNextCallRight();
    }
  }

  void report(const std::string& name, double lateMs) {
    if (kChecksLateness) {
      EXPECT_LE(lateMs, kLateAtMostMs);
    }
    if (lateMs > 0) RecordProperty(name + "_us_late", static_cast<int>(lateMs * 1000));
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, FaultTiming, testing::kEveryEngine, testing::engineName);

TEST_P(FaultTiming, ListedFaultsEndInTime) { expectAllEnd(kListedFaults); }

TEST_P(FaultTiming, BuiltinsThatNeverPollEndInTime) { expectAllEnd(kBuiltinFaults); }

TEST_P(FaultTiming, CompilationsEndInTime) {
  Rig rig(GetParam(), {.timeout = kTimeout});
  std::string lets, functions, sum = "const a = 1; return a";
  for (int i = 0; i < 70'000; ++i) lets += "let v" + std::to_string(i) + ";";
  for (int i = 0; i < 2000; ++i) functions += "function f(){";
  while (sum.size() < (1u << 20) - 2) sum += "+a";
  const struct {
    const char* name;
    std::string source;
    unsigned ends;
  } rows[] = {
      {"compile_lets", lets, kTimedOut},
      {"compile_functions", functions + std::string(2000, '}'), kStack | kThrown | kTimedOut},
      {"compile_parentheses", std::string(500'000, '('), kStack | kThrown},
      {"compile_sum", sum, kTimedOut | kReturned | kMemory | kStack},
      {"compile_loop", "}); for (;;); (function () {", kTimedOut},
      {"compile_reverse", "}); [].reverse.call({ length: 2 ** 53 - 1 }); (function () {",
       kTimedOut},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const double late = Lateness::bestOf([&] {
      const auto compiled = rig.sandbox().compile(row.source);
      const auto error = compiled ? std::nullopt : std::optional(compiled.error());
      EXPECT_TRUE(endOf(error) & row.ends) << (error ? error->message : "it compiles");
    });
    report(row.name, late);
    rig.expectNextCallRight();
  }
}

TEST_P(FaultTiming, TooMuchTextIsRefusedAtOnce) {
  Rig rig(GetParam());
  const std::string text(100u << 20, 'x');
  const auto start = Lateness::Clock::now();
  EXPECT_EQ(rig.compileError(text).code, ErrorCode::kInvalidHandler);
  EXPECT_LT(Lateness::Clock::now() - start, milliseconds(50));
}

// A normal call between faults, again and again: always the same bytes.
class Alternation {
 public:
  explicit Alternation(testing::EngineKind kind)
      : rig_(kind), hasty_(kind, {.timeout = milliseconds(1)}) {
    for (const char* source :
         {"throw new Error('x')", "return await Promise.reject(new Error('y'))",
          "const f = () => f() + 1; return f()", "'x'.repeat(2 ** 29)",
          "globalThis.a = new Array(1e4).fill({}); a.push(new Uint8Array(2 ** 26))",
          "let s = 'x'; for (;;) s += s", "const o = {}; o.o = o; return o",
          "Object.prototype.toJSON = () => 'mine'; Array.prototype.push = null; throw 1",
          "return new Promise(() => {})", "for (;;) $log('x'.repeat(9999))",
          "const o = { toJSON: () => JSON.stringify(o) }; return o"}) {
      faults_.push_back(rig_.compile(source));
    }
    for (const char* source :
         {"for (;;);", "[].reverse.call({ length: 2 ** 53 - 1 })", "for (;;) await null",
          "const a = []; for (;;) a.push({})", "return /(a+)+$/.test('a'.repeat(40) + 'b')"}) {
      delays_.push_back(compileHastily(source));
    }
    normal_ = rig_.compile(kNormal);
    quick_ = compileHastily("const o = { a: [1, 2], s: `${$args}` }; return o");
  }

  void run(int count) {
    const std::string expected = outcomeOf(rig_.invoke(*normal_, kArgs));
    ASSERT_EQ(expected.find("_ERROR"), std::string::npos) << expected;
    for (int i = 0; i < count; ++i) {
      if (i % 4 == 3) {
        EXPECT_TRUE(rig_.sandbox().restore());
        delay(i);
        continue;
      }
      const ExecutionResult fault = rig_.invoke(*faults_[static_cast<size_t>(i) % faults_.size()]);
      ASSERT_TRUE(fault.error);
      ASSERT_NE(fault.error->code, ErrorCode::kInternalError) << fault.error->message;
      ASSERT_EQ(outcomeOf(rig_.invoke(*normal_, kArgs)), expected) << "after " << i;
    }
  }

 private:
  static constexpr char kArgs[] = R"({"n":20,"words":["b","a","c"]})";
  static constexpr char kNormal[] = R"(
    const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2);
    const index = new Map($args.words.map((w, i) => [w, i]));
    return { f: fib($args.n / 2), sorted: [...$args.words].sort(), index: [...index],
             text: 'a-b-c'.replace(/-(\w)/g, (_, c) => c.toUpperCase()), keys: Object.keys({}.__proto__) };
  )";

  // A machine that is busy for a millisecond says nothing about the code.
  static constexpr int kHastyTries = 100;

  testing::HandlerPointer compileHastily(std::string_view source) {
    for (int i = 0; i < kHastyTries; ++i) {
      auto compiled = hasty_.sandbox().compile(source);
      if (compiled) return std::move(*compiled);
      EXPECT_EQ(compiled.error().code, ErrorCode::kTimeout) << compiled.error().message;
    }
    ADD_FAILURE() << "does not compile in time: " << source;
    return nullptr;
  }

  void delay(int i) {
    const ExecutionResult fault =
        hasty_.invoke(*delays_[static_cast<size_t>(i / 4) % delays_.size()]);
    ASSERT_TRUE(fault.error);
    ASSERT_EQ(fault.error->code, ErrorCode::kTimeout) << fault.error->message;
    std::string outcome;
    for (int tries = 0; tries < kHastyTries; ++tries) {
      outcome = outcomeOf(hasty_.invoke(*quick_, std::to_string(i)));
      if (!outcome.starts_with("TIMEOUT")) break;
    }
    ASSERT_EQ(outcome, R"({"a":[1,2],"s":")" + std::to_string(i) + "\"}");
  }

  Rig rig_;
  Rig hasty_;
  std::vector<testing::HandlerPointer> faults_;
  std::vector<testing::HandlerPointer> delays_;
  testing::HandlerPointer normal_;
  testing::HandlerPointer quick_;
};

class FaultTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, FaultTest, testing::kEveryEngine, testing::engineName);

TEST_P(FaultTest, NormalCallsBetweenFaultsAreAlwaysTheSame) {
  const int count = GetParam() == testing::EngineKind::kNative ? 10'000 : 1000;
  Alternation(GetParam()).run(count / testing::kCountDivisor);
}

class FaultSoak : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, FaultSoak, testing::kEveryEngine, testing::engineName);

TEST_P(FaultSoak, NormalCallsBetweenFaultsAreAlwaysTheSame) { Alternation(GetParam()).run(50'000); }

}  // namespace
}  // namespace nexus::js
