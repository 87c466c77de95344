// Eight threads that compile, execute, suspend, cancel, evict and shrink while the clock jumps, the
// disk fails now and then and memory gets short, and a shutdown in the middle of it. Every result
// is right, or one of the errors that it may be. Made for the thread sanitizer.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/testing/temp_folder.h"
#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus {
namespace {

using nexus::testing::TempFolder;
using runtime::testing::codeOf;
using runtime::testing::HookedFiles;
using runtime::testing::makeRuntime;
using runtime::testing::outcomeOf;
using std::chrono::milliseconds;

constexpr uint32_t kThreads = 8;
constexpr uint64_t kMost = 3;  // instances
constexpr int kTexts = 40;

// Random, from any thread.
class SharedRandom {
 public:
  explicit SharedRandom(uint32_t seed) : random_(seed) {}
  uint32_t below(uint32_t end) {
    const MutexLock lock(mutex_);
    return static_cast<uint32_t>(random_() % end);
  }

 private:
  Mutex mutex_;
  std::mt19937 random_ NEXUS_GUARDED_BY(mutex_);
};

// The real one, but for jumps of up to 100 ms.
class JumpingClock final : public Clock {
 public:
  explicit JumpingClock(SharedRandom& random) : random_(random) {}
  Time now() const override {
    if (random_.below(50) == 0) ahead_.fetch_add(random_.below(100));
    return std::chrono::steady_clock::now() + milliseconds(ahead_.load());
  }

 private:
  SharedRandom& random_;
  mutable std::atomic<int64_t> ahead_{0};
};

class FlippingPressure final : public runtime::MemoryPressure {
 public:
  explicit FlippingPressure(SharedRandom& random) : random_(random) {}
  bool isHigh() override { return random_.below(2) == 0; }

 private:
  SharedRandom& random_;
};

class CountingObserver final : public Observer {
 public:
  void onCall(const CallReport&) noexcept override { ++calls; }
  void onCompile(const CompileReport&) noexcept override { ++compilations; }
  void onInstanceDiscarded(uint64_t) noexcept override { ++discarded; }

  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> compilations{0};
  std::atomic<uint64_t> discarded{0};
};

// A stop for the present call of each thread, which others request.
class Stops {
 public:
  std::stop_token renew(size_t thread) {
    const MutexLock lock(mutex_);
    sources_[thread] = std::stop_source();
    return sources_[thread].get_token();
  }
  void request(size_t thread) {
    std::stop_source source;
    {
      const MutexLock lock(mutex_);
      source = sources_[thread];
    }
    source.request_stop();
  }

 private:
  Mutex mutex_;
  std::array<std::stop_source, kThreads> sources_ NEXUS_GUARDED_BY(mutex_);
};

class Soak {
 public:
  explicit Soak(uint32_t seed) : random_(seed) {
    RuntimeDependencies outside;
    outside.observer = observer_;
    outside.clock = std::make_unique<JumpingClock>(random_);
    outside.files = std::make_unique<HookedFiles>([this] { return random_.below(10) != 0; });
    outside.pressure = std::make_unique<FlippingPressure>(random_);
    runtime_ = makeRuntime({.maxInstances = kMost,
                            .memoryLimitBytes = 8 << 20,
                            .timeout = std::chrono::minutes(5),
                            .acquireTimeout = milliseconds(500),
                            .cacheDir = folder_ / "cache",
                            .maxCacheSize = 20'000,
                            .maxDiskCacheBytes = 100'000},
                           std::move(outside));
  }

  // Until the time is over; the runtime ends while all are at work.
  void run(std::chrono::steady_clock::duration time) {
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kThreads; ++i) threads.emplace_back([this, i] { work(i); });
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      stops_.request(random_.below(kThreads));
      checkStats();
    }
    isEnding_ = true;
    (void)runtime_->shutdown(milliseconds(random_.below(20)));
    EXPECT_EQ(runtime_->stats().instancesActive, 0U);
    for (std::thread& thread : threads) thread.join();
    const RuntimeStats stats = runtime_->stats();
    EXPECT_EQ(stats.calls, calls_);
    EXPECT_EQ(observer_->calls, calls_);
    EXPECT_EQ(observer_->compilations, stats.compilations);
    EXPECT_EQ(observer_->discarded, stats.instancesDiscarded);
    EXPECT_EQ(stats.callsWaiting, 0U);
    for (size_t i = 0; i < kSteps; ++i) {
      EXPECT_TRUE(successes_[i] > 0 || calls_ < 500) << "step " << i;
      record("step " + std::to_string(i), successes_[i]);
    }
    record("calls", calls_);
    record("compilations", stats.compilations);
    record("failures of the disk", stats.diskCache.failed);
  }

 private:
  enum Step {
    kSource,
    kHandler,
    kSuspended,
    kEndless,
    kCancelled,
    kBroken,
    kDenied,
    kLeak,
    kSteps
  };

  void work(uint32_t thread) {
    std::mt19937 random(thread + 1);
    std::vector<std::optional<Handler>> handlers(kTexts);
    while (!isOver_) {
      switch (random() % 12) {
        case 0:
        case 1:
        case 2:
          callSource(static_cast<int>(random() % kTexts), static_cast<int>(random() % 1000));
          break;
        case 3:
        case 4:
          callHandler(handlers, static_cast<int>(random() % kTexts));
          break;
        case 5:
          callSuspended();
          break;
        case 6:
          expect(kEndless, runtime_->execute("for (;;);", {}, {.timeout = milliseconds(2)}),
                 "TIMEOUT");
          break;
        case 7:
          // Ended by the one who requests stops, at any moment.
          expect(kCancelled,
                 runtime_->execute("for (;;) $args.x;", {}, {.stop = stops_.renew(thread)}),
                 "CANCELLED");
          break;
        case 8:
          expect(kBroken, runtime_->execute("return (", {}), "COMPILATION_ERROR");
          expect(kDenied, runtime_->execute("$emit('done')", {}), "PERMISSION_DENIED");
          break;
        case 9:
          expect(kLeak,
                 runtime_->execute("const l = typeof leak; globalThis.leak = 1; return l", {}),
                 R"("undefined")");
          break;
        case 10:
          RuntimeAccess::parts(*runtime_).housekeeper->tidyUp();
          break;
        default:
          (void)RuntimeAccess::parts(*runtime_).memory->shrinkTo(random() % 20'000);
      }
    }
  }

  void callSource(int text, int a) {
    expect(kSource,
           runtime_->execute(sourceOf(text), {}, {.args = R"({"a":)" + std::to_string(a) + "}"}),
           std::to_string(a * text));
  }

  static std::string sourceOf(int text) { return "return $args.a * " + std::to_string(text); }

  void callHandler(std::vector<std::optional<Handler>>& handlers, int text) {
    auto& handler = handlers[static_cast<size_t>(text)];
    if (!handler) {
      auto compiled = runtime_->precompile(sourceOf(text));
      if (!compiled) {
        EXPECT_EQ(codeOf(compiled), "UNAVAILABLE");
        return;
      }
      handler = std::move(*compiled);
    }
    expect(kHandler, runtime_->execute(*handler, {.args = R"({"a":3})"}), std::to_string(3 * text));
  }

  void callSuspended() {
    static const HandlerOptions kRights{.capabilities = {"ext:http", "state:write:n"}};
    const ExecutionResult result =
        runtime_->execute("$state.n = 1; return await $ext.http.get('/a')", kRights);
    if (result.ok()) {
      EXPECT_EQ(result.pending.size(), 1U);
      EXPECT_EQ(result.stateMutations.size(), 1U);
    }
    expect(kSuspended, result, "(none)");
  }

  void expect(Step step, const ExecutionResult& result, const std::string& expected) {
    ++calls_;
    const std::string outcome = result.error ? codeOf(result) : outcomeOf(result);
    if (outcome == expected) {
      ++successes_[step];
      return;
    }
    if (outcome == "UNAVAILABLE") {
      if (result.error->message == "the runtime is shutting down") {
        EXPECT_TRUE(isEnding_);
        isOver_ = true;
      }
      return;
    }
    EXPECT_TRUE(outcome == "CANCELLED" && isEnding_)
        << "step " << step << ": " << outcomeOf(result) << ", expected " << expected;
  }

  static void record(const std::string& name, uint64_t count) {
    ::testing::Test::RecordProperty(name, std::to_string(count));
  }

  void checkStats() const {
    const RuntimeStats stats = runtime_->stats();
    EXPECT_LE(stats.instancesActive + stats.instancesAvailable, kMost);
    EXPECT_LE(stats.memoryCache.hits, stats.memoryCache.requests);
    EXPECT_LE(stats.callsWaiting, kThreads);
  }

  const TempFolder folder_;
  SharedRandom random_;
  const std::shared_ptr<CountingObserver> observer_ = std::make_shared<CountingObserver>();
  Stops stops_;
  std::atomic<bool> isEnding_{false};
  std::atomic<bool> isOver_{false};
  std::atomic<uint64_t> calls_{0};
  std::array<std::atomic<uint64_t>, kSteps> successes_{};
  std::unique_ptr<Runtime> runtime_;
};

TEST(RuntimeStressTest, OneSecond) { Soak(1).run(std::chrono::seconds(1)); }

TEST(RuntimeSoak, ThirtySeconds) { Soak(2).run(std::chrono::seconds(30)); }

}  // namespace
}  // namespace nexus
