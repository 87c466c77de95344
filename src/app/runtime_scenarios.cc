#include "app/runtime_scenarios.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include "app/measuring.h"
#include "runtime/runtime_parts.h"

namespace nexus::app {
namespace {

namespace fs = std::filesystem;

constexpr char kTrivialSource[] = "return $args.a + 1";
constexpr char kTrivialArgs[] = R"({"a":1})";
constexpr uint64_t kMany = 50'000;
constexpr uint64_t kSome = 2'000;

// 7.7 KB with 40 functions, three of which are called.
std::string realisticSource() {
  std::string source;
  for (int i = 0; i < 40; ++i) {
    source += fmt::format(
        "const step{0} = (order) => {{\n"
        "  const lines = order.lines.map((line) => line.price * line.quantity + {0});\n"
        "  return {{ total: lines.reduce((a, b) => a + b, 0), count: lines.length, step: {0} }};\n"
        "}};\n",
        i);
  }
  return source +
         "const order = { lines: [{ price: 2, quantity: 3 }, { price: 5, quantity: 1 }] };\n"
         "return [step1(order), step20(order), step39(order)].map((r) => r.total + r.count);\n";
}

// Answers at once.
class Echo final : public Extension {
 public:
  void call(ExtensionCall call, ExtensionReply reply) noexcept override {
    reply.result(std::move(call.args));
  }
};

// A source of so many bytes that does what the trivial one does.
std::string sourceOf(size_t bytes) {
  const std::string body = kTrivialSource;
  return "// " + std::string(bytes - body.size() - 4, 'x') + "\n" + body;
}

}  // namespace

Result<std::unique_ptr<RuntimeScenarios>> RuntimeScenarios::make() {
  std::unique_ptr<RuntimeScenarios> made(new RuntimeScenarios);
  std::string pattern = (fs::temp_directory_path() / "nexus-bench-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    return Error{.code = ErrorCode::kUnavailable, .message = "cannot make a folder " + pattern};
  }
  made->folder_ = pattern;
  RuntimeConfig config;
  config.cacheDir = pattern + "/cache";
  config.workerThreads = 2;
  RuntimeOptions options;
  options.extensions["echo"] = std::make_shared<Echo>();
  auto runtime = Runtime::make(config, options);
  if (!runtime) return std::move(runtime).error();
  made->runtime_ = std::move(*runtime);
  made->addCalls();
  made->addCache();
  made->addExtensions();
  return made;
}

RuntimeScenarios::~RuntimeScenarios() {
  runtime_.reset();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void RuntimeScenarios::addCalls() {
  Runtime& runtime = *runtime_;
  const auto call = [&runtime](const Handler& handler) {
    const ExecutionResult result = runtime.execute(handler, {.args = kTrivialArgs});
    if (!result.ok()) failMeasuring(result.error->message);
  };
  const Handler trivial = orFail(runtime.precompile(kTrivialSource));
  scenarios_.push_back({"runtime_execute", [=] { call(trivial); }, nullptr, kMany});
  const Handler realistic = orFail(runtime.precompile(realisticSource()));
  scenarios_.push_back({"realistic_handler", [=] { call(realistic); }, nullptr, kMany});
}

void RuntimeScenarios::addCache() {
  auto& parts = RuntimeAccess::parts(*runtime_);
  const runtime::HandlerCompiler::Request request;
  const auto find = [&parts, request](std::string_view source) {
    return orFail(parts.compiler->find(source, request));
  };
  const auto forget = [&parts] { parts.memory->shrinkTo(0); };
  const auto forgetOnDisk = [&parts, forget] {
    forget();
    (void)orFail(parts.cacheStore->clear());
  };
  const std::string small = sourceOf(1024);
  const std::string large = realisticSource();
  const auto held = find(small).handler;
  // The handler that the caller holds, as execute looks it up.
  scenarios_.push_back({"cache_memory_hit_handler",
                        [&parts, request, held] { orFail(parts.compiler->find(held, request)); },
                        nullptr, kMany});
  scenarios_.push_back({"cache_memory_hit", [=] { find(small); }, nullptr, kMany});
  scenarios_.push_back({"cache_disk_hit", [=] { find(kTrivialSource); }, forget, kSome});
  scenarios_.push_back({"cache_disk_hit_realistic", [=] { find(large); }, forget, kSome});
  constexpr uint64_t kFew = 200;
  scenarios_.push_back({"compile_realistic", [=] { find(large); }, forgetOnDisk, kFew});
}

// Calls that wait: for somebody outside, which takes them out of their instance and puts them back,
// and for an extension that answers at once.
void RuntimeScenarios::addExtensions() {
  Runtime& runtime = *runtime_;
  const HandlerOptions rights{.capabilities = {"ext:*"}};
  const auto run = [&runtime](const Handler& handler) {
    ExecutionResult result = runtime.execute(handler, {.args = kTrivialArgs});
    while (result.status() == CallStatus::kSuspended) {
      std::vector<RequestAnswer> answers;
      for (const ExtensionRequest& request : result.pending)
        answers.push_back({request.id, "1", ""});
      result = runtime.resume(result.suspensionId, answers);
    }
    if (!result.ok()) failMeasuring(result.error->message);
  };
  const Handler one = orFail(runtime.precompile("return await $ext.outside.get('/a')", rights));
  const Handler two = orFail(runtime.precompile(
      "return await Promise.all([$ext.outside.get('/a'), $ext.outside.get('/b')])", rights));
  const Handler three = orFail(runtime.precompile(
      "return [await $ext.echo.a(), await $ext.echo.b(), await $ext.echo.c()]", rights));
  scenarios_.push_back({"suspended_call", [=] { run(one); }, nullptr, kMany});
  scenarios_.push_back({"suspended_call_2_requests", [=] { run(two); }, nullptr, kMany});
  scenarios_.push_back({"async_handler", [=] { run(three); }, nullptr, kMany});
}

double RuntimeScenarios::asyncCallsPerSecond(unsigned inFlight) {
  constexpr auto kDuration = std::chrono::milliseconds(1000);
  const Handler handler = orFail(runtime_->precompile(kTrivialSource));
  std::atomic<uint64_t> calls{0};
  std::atomic<unsigned> running{inFlight};
  const auto start = std::chrono::steady_clock::now();
  // Each one that ends begins the next.
  std::function<void()> next = [&] {
    auto queued =
        runtime_->executeAsync(handler, {.args = kTrivialArgs}, [&](ExecutionResult result) {
          if (!result.ok()) failMeasuring(result.error->message);
          ++calls;
          if (std::chrono::steady_clock::now() - start < kDuration) return next();
          if (--running == 0) running.notify_one();
        });
    if (!queued) failMeasuring(queued.error().message);
  };
  for (unsigned i = 0; i < inFlight; ++i) next();
  for (unsigned left = running; left > 0; left = running) running.wait(left);
  return static_cast<double>(calls) /
         std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

uint64_t RuntimeScenarios::suspendedBytes() {
  constexpr uint64_t kCalls = 50'000;
  const Handler handler = orFail(
      runtime_->precompile("return await $ext.outside.get('/a')", {.capabilities = {"ext:*"}}));
  std::vector<std::string> ids;
  ids.reserve(kCalls);
  const uint64_t before = residentBytes();
  for (uint64_t i = 0; i < kCalls; ++i) {
    ids.push_back(runtime_->execute(handler, {.args = kTrivialArgs}).suspensionId);
  }
  const uint64_t after = residentBytes();
  for (const std::string& id : ids) {
    if (!runtime_->dropSuspended(id)) failMeasuring("a suspension is missing");
  }
  return after <= before ? 0 : (after - before) / kCalls;
}

double RuntimeScenarios::syncCallsPerSecond(unsigned callers) {
  constexpr auto kDuration = std::chrono::milliseconds(500);
  const Handler handler = orFail(runtime_->precompile(kTrivialSource));
  std::atomic<uint64_t> calls{0};
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> running;
  running.reserve(callers);
  for (unsigned i = 0; i < callers; ++i) {
    running.emplace_back([&, until = start + kDuration] {
      uint64_t done = 0;
      for (; std::chrono::steady_clock::now() < until; ++done) {
        const ExecutionResult result = runtime_->execute(handler, {.args = kTrivialArgs});
        if (!result.ok()) failMeasuring(result.error->message);
      }
      calls += done;
    });
  }
  for (std::thread& thread : running) thread.join();
  return static_cast<double>(calls) /
         std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace nexus::app
