// One configuration of JavaScript on one engine, and one sandbox of it: what nearly every test of
// this room starts from. For one thread, but for cancel().
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "js/js_sandbox.h"

namespace nexus {

// For GoogleTest's messages.
void PrintTo(ErrorCode code, std::ostream* out);
void PrintTo(const SourceLocation& place, std::ostream* out);

namespace js::testing {

enum class EngineKind { kNative, kChecked };

// The suites that run on every engine.
class EngineTest : public ::testing::TestWithParam<EngineKind> {};
std::string engineName(const ::testing::TestParamInfo<EngineKind>& info);
inline const auto kEveryEngine = ::testing::Values(EngineKind::kNative, EngineKind::kChecked);

// Smaller where instrumented code runs: sanitizers are slow, and look for other things.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kCountDivisor = 10;
#else
inline constexpr int kCountDivisor = 1;
#endif

// All that restoring must bring back.
struct Content {
  std::vector<std::byte> memory;
  uint64_t stackPointer = 0;
};

using HandlerPointer = std::shared_ptr<const Handler>;

class Rig {
 public:
  explicit Rig(EngineKind kind, const RuntimeConfig& config = {});

  JsEngine& engine() { return *engine_; }
  JsSandbox& sandbox() { return *sandbox_; }
  std::unique_ptr<JsSandbox> makeSandbox();

  // What must compile.
  HandlerPointer compile(std::string_view source);
  // The error of what must not.
  Error compileError(std::string_view source);

  // Compiles, runs, restores.
  ExecutionResult run(std::string_view source, std::string_view args = "null");
  ExecutionResult invoke(const Handler& handler, std::string_view args = "null");
  ExecutionResult run(std::string_view source, const CallInput& input);
  ExecutionResult invoke(const Handler& handler, const CallInput& input);
  // The value of what must succeed, "(none)" when it has none, else the error's code and message.
  std::string value(std::string_view source, std::string_view args = "null");

  // Compiles or runs what must fail, whichever fails first.
  Error failure(std::string_view source, std::string_view args = "null");

  // What a sandbox of this rig holds, and, worked out from the image alone, what it has to hold
  // when it was restored to that.
  Content contentOf(const JsSandbox& sandbox) const;
  Content contentOf(const sandbox::Image& image) const;

  // Runs a handler that touches much of the language and must always give the same.
  void expectNextCallRight();

 private:
  std::unique_ptr<sandbox::Engine> native_;
  sandbox::DeadlineWatch watch_;
  std::unique_ptr<JsEngine> engine_;
  std::unique_ptr<JsSandbox> sandbox_;
  HandlerPointer probe_;
};

// The value, "(none)", or "CODE: message".
std::string outcomeOf(const ExecutionResult& result);

// EXPECT_EQ on megabytes prints megabytes.
::testing::AssertionResult sameContent(const Content& expected, const Content& actual);

}  // namespace js::testing
}  // namespace nexus
