#include "app/scenarios.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "app/compute_sources.h"
#include "app/measuring.h"
#include "base/rights.h"

namespace nexus::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kTrivialSource[] = "return $args.a + 1";
constexpr char kTrivialArgs[] = R"({"a":1})";

}  // namespace

// A sandbox, the handler that it runs, and what that gets.
struct Scenarios::Prepared {
  std::unique_ptr<js::JsSandbox> sandbox;
  std::shared_ptr<const js::Handler> handler;
  js::CallInput input{.args = kTrivialArgs};
  Rights rights;

  void call() {
    const ExecutionResult result = sandbox->invoke(*handler, input);
    if (!result.ok()) failMeasuring(result.error->message);
  }
  void restore() {
    if (!sandbox->restore()) failMeasuring("a sandbox could not be restored");
  }
};

Result<std::unique_ptr<Scenarios>> Scenarios::make() {
  RuntimeConfig config;
  // Long enough for the compute scenarios under a sanitizer; armed as in every call.
  config.timeout = std::chrono::minutes(5);
  auto engines = runtime::makeEngines(config);
  if (!engines) return std::move(engines).error();
  std::unique_ptr<Scenarios> made(new Scenarios(std::move(*engines)));
  made->addCalls();
  made->addState();
  made->addRights();
  made->addCompute("compute_fib", kComputeFib);
  made->addCompute("compute_loop", kComputeLoop);
  made->addCompute("compute_objects", kComputeObjects);
  made->addCompute("compute_sort", kComputeSort);
  return made;
}

std::shared_ptr<Scenarios::Prepared> Scenarios::prepare(const std::string& source) {
  auto prepared = std::make_shared<Prepared>();
  prepared->sandbox = orFail(js::JsSandbox::make(*engines_.js));
  prepared->handler = orFail(prepared->sandbox->compile(source));
  return prepared;
}

void Scenarios::addCalls() {
  constexpr uint64_t kMany = 50'000;
  constexpr uint64_t kSome = 1'000;
  const auto trivial = prepare(kTrivialSource);
  scenarios_.push_back({"isolated_call",
                        [trivial] {
                          trivial->call();
                          trivial->restore();
                        },
                        nullptr, kMany});
  scenarios_.push_back(
      {"bare_call", [trivial] { trivial->call(); }, [trivial] { trivial->restore(); }, kMany});
  scenarios_.push_back({"compile",
                        [trivial] {
                          if (!trivial->sandbox->compile(kTrivialSource))
                            failMeasuring("does not compile");
                        },
                        nullptr, kSome});
  auto last = std::make_shared<std::unique_ptr<js::JsSandbox>>();
  scenarios_.push_back({"sandbox_create",
                        [this, last] { *last = orFail(js::JsSandbox::make(*engines_.js)); },
                        [last] { last->reset(); }, kSome});
}

// One small key of a state of 4 MiB.
void Scenarios::addState() {
  constexpr uint64_t kMany = 20'000;
  constexpr size_t kKeys = 64;
  constexpr size_t kBytesEach = size_t{64} << 10;
  std::string state = R"({"a":1)";
  for (size_t i = 0; i < kKeys; ++i) {
    state += fmt::format(R"(,"large{}":"{}")", i, std::string(kBytesEach, 'x'));
  }
  const auto prepared = prepare("return $state.a + 1");
  prepared->input.state = orFail(StateSnapshot::parse(state + "}"));
  prepared->rights.add({.kind = Capability::Kind::kStateRead, .name = "a"});
  prepared->input.rights = &prepared->rights;
  scenarios_.push_back({"large_state_call",
                        [prepared] {
                          prepared->call();
                          prepared->restore();
                        },
                        nullptr, kMany});
}

// A thousand checks of declared keys, among twenty.
void Scenarios::addRights() {
  constexpr uint64_t kMany = 20'000;
  constexpr size_t kChecks = 1000;
  std::vector<std::string> keys;
  Rights rights;
  for (int i = 0; i < 20; ++i) {
    keys.push_back(fmt::format("key_{}_of_the_state", i));
    rights.add({.kind = Capability::Kind::kStateWrite, .name = keys.back()});
  }
  scenarios_.push_back({"rights_check_1000",
                        [keys, rights] {
                          for (size_t i = 0; i < kChecks; ++i) {
                            if (!rights.mayWrite(keys[i % keys.size()]))
                              failMeasuring("a right is missing");
                          }
                        },
                        nullptr, kMany});
}

void Scenarios::addCompute(const char* name, std::string_view source) {
  constexpr uint64_t kFew = 5;
  const auto prepared = prepare(std::string(source));
  scenarios_.push_back(
      {name, [prepared] { prepared->call(); }, [prepared] { prepared->restore(); }, kFew});
}

double Scenarios::isolatedCallsPerSecond(unsigned threads) {
  constexpr auto kDuration = std::chrono::milliseconds(500);
  std::vector<std::shared_ptr<Prepared>> prepared;
  for (unsigned i = 0; i < threads; ++i) prepared.push_back(prepare(kTrivialSource));
  std::atomic<uint64_t> calls{0};
  const auto start = Clock::now();
  std::vector<std::thread> running;
  running.reserve(threads);
  for (const auto& own : prepared) {
    running.emplace_back([&calls, own, until = start + kDuration] {
      uint64_t done = 0;
      while (Clock::now() < until) {
        own->call();
        own->restore();
        ++done;
      }
      calls += done;
    });
  }
  for (std::thread& thread : running) thread.join();
  return static_cast<double>(calls) / std::chrono::duration<double>(Clock::now() - start).count();
}

uint64_t Scenarios::idleInstanceBytes() {
  constexpr size_t kInstances = 64;
  const uint64_t before = residentBytes();
  std::vector<std::shared_ptr<Prepared>> idle;
  for (size_t i = 0; i < kInstances; ++i) {
    idle.push_back(prepare(kTrivialSource));
    idle.back()->call();
    idle.back()->restore();
    idle.back()->sandbox->trim();
  }
  const uint64_t after = residentBytes();
  return after <= before ? 0 : (after - before) / kInstances;
}

}  // namespace nexus::app
