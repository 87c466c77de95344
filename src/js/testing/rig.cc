#include "js/testing/rig.h"

#include <algorithm>

#include "sandbox/native/native_engine.h"
#include "sandbox/native/quickjs_modules.h"

namespace nexus {

void PrintTo(ErrorCode code, std::ostream* out) { *out << toString(code); }

void PrintTo(const SourceLocation& place, std::ostream* out) {
  *out << place.line << ':' << place.column;
}

namespace js::testing {
namespace {

constexpr std::string_view kProbe = R"(
  class Counter { #n = 0; add(x) { this.#n += x; return this; } get n() { return this.#n; } }
  const counter = new Counter();
  const byWord = new Map();
  for (const [, word] of $args.text.matchAll(/(\w+)/g)) byWord.set(word, (byWord.get(word) ?? 0) + 1);
  [5, 3, 11, 1].sort((a, b) => a - b).forEach((x) => counter.add(x));
  $log('probe', { n: counter.n });
  return await Promise.all([
    { ...Object.fromEntries(byWord) }, counter.n, `${2n ** 70n}`, [1, [2, [3]]].flat(Infinity),
    JSON.parse('{"a":[null,true]}'), 'ß'.toUpperCase(), new Date(0).toISOString(), typeof leaked,
    Object.keys(Object.prototype), Number('0x10') / 3,
  ]);
)";
constexpr std::string_view kProbeArgs = R"({"text": "to be or not to be"})";
constexpr std::string_view kProbeValue =
    R"([{"to":2,"be":2,"or":1,"not":1},20,"1180591620717411303424",[1,2,3],{"a":[null,true]},"SS",)"
    R"("1970-01-01T00:00:00.000Z","undefined",[],5.333333333333333])";

std::unique_ptr<sandbox::Engine> makeEngine(EngineKind kind) {
  return kind == EngineKind::kNative ? sandbox::makeNativeEngine(sandbox::nativeQuickJs())
                                     : sandbox::makeCheckedEngine(sandbox::checkedQuickJs());
}

template <typename T>
T take(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << toString(result.error().code) << ": " << result.error().message;
    return T{};
  }
  return std::move(*result);
}

}  // namespace

std::string engineName(const ::testing::TestParamInfo<EngineKind>& info) {
  return info.param == EngineKind::kNative ? "Native" : "Checked";
}

Rig::Rig(EngineKind kind, const RuntimeConfig& config)
    : native_(makeEngine(kind)),
      engine_(take(JsEngine::make(*native_, watch_, config))),
      sandbox_(makeSandbox()) {}

std::unique_ptr<JsSandbox> Rig::makeSandbox() { return take(JsSandbox::make(*engine_)); }

HandlerPointer Rig::compile(std::string_view source) { return take(sandbox_->compile(source)); }

Error Rig::compileError(std::string_view source) {
  auto compiled = sandbox_->compile(source);
  if (!compiled) return std::move(compiled).error();
  ADD_FAILURE() << "compiles: " << source.substr(0, 200);
  return Error{.message = "(it compiles)"};
}

ExecutionResult Rig::invoke(const Handler& handler, std::string_view args) {
  return invoke(handler, CallInput{.args = args});
}

ExecutionResult Rig::invoke(const Handler& handler, const CallInput& input) {
  ExecutionResult result = sandbox_->invoke(handler, input);
  EXPECT_TRUE(sandbox_->restore());
  return result;
}

ExecutionResult Rig::run(std::string_view source, const CallInput& input) {
  const auto handler = compile(source);
  if (handler) return invoke(*handler, input);
  return ExecutionResult{.error = Error{.message = "(it does not compile)"}};
}

ExecutionResult Rig::run(std::string_view source, std::string_view args) {
  const auto handler = compile(source);
  if (handler) return invoke(*handler, args);
  return ExecutionResult{.error = Error{.message = "(it does not compile)"}};
}

std::string Rig::value(std::string_view source, std::string_view args) {
  return outcomeOf(run(source, args));
}

Error Rig::failure(std::string_view source, std::string_view args) {
  auto compiled = sandbox_->compile(source);
  if (!compiled) return std::move(compiled).error();
  ExecutionResult result = invoke(**compiled, args);
  if (result.error) return std::move(*result.error);
  ADD_FAILURE() << "succeeds with " << outcomeOf(result).substr(0, 200);
  return Error{.message = "(it succeeds)"};
}

void Rig::expectNextCallRight() {
  if (!probe_) probe_ = compile(kProbe);
  if (!probe_) return;
  const ExecutionResult result = invoke(*probe_, kProbeArgs);
  EXPECT_EQ(outcomeOf(result), kProbeValue);
  ASSERT_EQ(result.log.size(), 1u);
  EXPECT_EQ(result.log[0].message, R"(probe {"n":20})");
}

std::string outcomeOf(const ExecutionResult& result) {
  if (result.error) return std::string(toString(result.error->code)) + ": " + result.error->message;
  return result.value.value_or("(none)");
}

Content Rig::contentOf(const JsSandbox& sandbox) const {
  Content content;
  content.memory.resize(sandbox.raw().memoryBytes());
  EXPECT_TRUE(sandbox.raw().copyOut(0, content.memory));
  content.stackPointer = sandbox.raw().global(engine_->api().stackPointer).unchecked("a test");
  return content;
}

Content Rig::contentOf(const sandbox::Image& image) const {
  Content content;
  const auto base = image.base().file().bytes();
  content.memory.assign(base.begin(), base.end());
  content.memory.resize(image.memoryBytes());
  if (!image.isBase()) image.difference().applyTo(content.memory.data());
  content.stackPointer = engine_->base().stackTop;
  return content;
}

::testing::AssertionResult sameContent(const Content& expected, const Content& actual) {
  if (expected.memory.size() != actual.memory.size()) {
    return ::testing::AssertionFailure()
           << "memory has " << actual.memory.size() << " bytes, not " << expected.memory.size();
  }
  const auto [want, got] =
      std::mismatch(expected.memory.begin(), expected.memory.end(), actual.memory.begin());
  if (want != expected.memory.end()) {
    return ::testing::AssertionFailure()
           << "memory differs at " << want - expected.memory.begin() << ": "
           << std::to_integer<int>(*got) << ", not " << std::to_integer<int>(*want);
  }
  if (expected.stackPointer != actual.stackPointer) {
    return ::testing::AssertionFailure()
           << "the stack pointer is " << actual.stackPointer << ", not " << expected.stackPointer;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace js::testing
}  // namespace nexus
