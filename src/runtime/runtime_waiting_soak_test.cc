// Eight threads that suspend, resume what others suspended, resume twice, wrongly and too late,
// drop, cancel and expire, and call extensions that answer late, twice, wrongly, from another
// thread, or never; and a shutdown in the middle of it. Every result is right, or one of the errors
// that it may be. Made for the thread sanitizer.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"
#include "runtime/testing/test_extension.h"

namespace nexus {
namespace {

using runtime::testing::codeOf;
using runtime::testing::makeRuntime;
using runtime::testing::outcomeOf;
using runtime::testing::take;
using runtime::testing::TestExtension;
using std::chrono::milliseconds;

constexpr uint32_t kThreads = 8;

class CountingObserver final : public Observer {
 public:
  void onCall(const CallReport&) noexcept override { ++calls; }
  void onSuspension(SuspensionOutcome outcome) noexcept override {
    ++outcomes[static_cast<size_t>(outcome)];
  }
  uint64_t of(SuspensionOutcome outcome) const { return outcomes[static_cast<size_t>(outcome)]; }

  std::atomic<uint64_t> calls{0};
  std::array<std::atomic<uint64_t>, kSuspensionOutcomes> outcomes{};
};

// Keeps replies, and answers them on a thread of its own, the last one first now and then.
class Postman {
 public:
  ~Postman() { stop(); }
  void keep(ExtensionReply reply, std::string text) {
    const MutexLock lock(mutex_);
    kept_.push_back({std::move(reply), std::move(text)});
  }
  void stop() {
    isOver_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Letter {
    ExtensionReply reply;
    std::string text;
  };

  void run() {
    while (!isOver_) {
      std::vector<Letter> letters;
      {
        const MutexLock lock(mutex_);
        letters.swap(kept_);
      }
      for (auto letter = letters.rbegin(); letter != letters.rend(); ++letter) {
        letter->reply.result(letter->text);
      }
      std::this_thread::yield();
    }
  }

  Mutex mutex_;
  std::vector<Letter> kept_ NEXUS_GUARDED_BY(mutex_);
  std::atomic<bool> isOver_{false};
  std::thread thread_{[this] { run(); }};
};

class WaitingSoak {
 public:
  WaitingSoak() {
    RuntimeDependencies outside;
    outside.observer = observer_;
    outside.extensions = {
        {"x", std::make_shared<TestExtension>([this](ExtensionCall call, ExtensionReply reply) {
           act(call, std::move(reply));
         })}};
    runtime_ = makeRuntime({.maxInstances = 3,
                            .workerThreads = 3,
                            .maxQueue = 30,
                            .timeout = std::chrono::minutes(5),
                            .acquireTimeout = std::chrono::minutes(1),
                            .maxSuspended = 60,
                            .suspendTimeout = milliseconds(30)},
                           std::move(outside));
    outer_ = take(runtime_->precompile("$state.n = $args.n; return [$args.n, await $ext.y.get()]",
                                       {{"ext:y", "state:write:n"}}));
    for (const char* method : kMethods) {
      inner_.push_back(
          take(runtime_->precompile("const text = $args.n + '';"
                                    "const got = await Promise.all([$ext.x." +
                                        std::string(method) + "(text), $ext.x." + method +
                                        "(text)].map((p) => p.catch((e) => e.name)));"
                                        "return [$args.n, got]",
                                    {{"ext:x"}})));
    }
  }

  // Until the time is over; the runtime ends while all are at work.
  void run(std::chrono::steady_clock::duration time) {
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kThreads; ++i) threads.emplace_back([this, i] { work(i); });
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      RuntimeAccess::parts(*runtime_).suspensions->expire();
      checkStats();
      std::this_thread::yield();
    }
    isEnding_ = true;
    (void)runtime_->shutdown(milliseconds(5));
    EXPECT_EQ(completed_, queued_) << "each exactly once, before the runtime has ended";
    EXPECT_EQ(runtime_->stats().callsQueued, 0U);
    EXPECT_EQ(runtime_->stats().instancesActive, 0U);
    for (std::thread& thread : threads) thread.join();
    checkEnd();
    runtime_.reset();
    postman_.stop();  // answers still came
  }

 private:
  static constexpr const char* kMethods[] = {"now",  "late", "twice", "thread",
                                             "drop", "bad",  "never"};

  void act(const ExtensionCall& call, ExtensionReply reply) {
    const std::string text = call.args.substr(1, call.args.size() - 2);
    if (call.method == "now") return reply.result(text);
    if (call.method == "late" || call.method == "thread")
      return postman_.keep(std::move(reply), text);
    if (call.method == "bad") return reply.result("{" + text);
    if (call.method == "twice") {
      reply.result(text);
      reply.result("\"second\"");
      return reply.error("third");
    }
    if (call.method == "never") {
      const MutexLock lock(mutex_);
      never_.push_back(std::move(reply));
      if (never_.size() > 1000) never_.erase(never_.begin());
    }
  }

  void work(uint32_t thread) {
    std::mt19937 random(thread + 1);
    while (!isOver_) {
      const int n = static_cast<int>(random() % 1000);
      switch (random() % 10) {
        case 0:
        case 1:
          suspend(n);
          break;
        case 2:
        case 3:
          resume(pick(random), false);
          break;
        case 4:
          resume(pick(random), true);
          break;
        case 5:
          resumeAsync(pick(random));
          break;
        case 6:
          (void)runtime_->dropSuspended(pick(random).id);
          (void)runtime_->getSuspended(pick(random).id);
          break;
        case 7:
          callExtension(n, random() % std::size(kMethods), random() % 4 == 0);
          break;
        default:
          callAsync(n, random() % std::size(kMethods), random() % 4 == 0);
      }
    }
  }

  struct Known {
    std::string id = std::string(32, '0');
    int n = 0;
  };

  Known pick(std::mt19937& random) {
    const MutexLock lock(mutex_);
    return ids_.empty() ? Known{} : ids_[random() % ids_.size()];
  }

  void suspend(int n) {
    const std::string args = R"({"n":)" + std::to_string(n) + "}";
    const ExecutionResult result = runtime_->execute(outer_, {.args = args});
    if (result.status() != CallStatus::kSuspended) return expectError(result, {"RESOURCE_LIMIT"});
    EXPECT_EQ(result.stateMutations.size(), 1U);
    const MutexLock lock(mutex_);
    if (ids_.size() > 50) ids_.erase(ids_.begin());
    ids_.push_back({result.suspensionId, n});
  }

  void resume(const Known& known, bool isWrong) {
    const RequestAnswer answer{.id = 1, .result = isWrong ? "{" : "7"};
    check(known, runtime_->resume(known.id, {&answer, 1}), isWrong);
  }

  void resumeAsync(const Known& known) {
    count(runtime_->resumeAsync(known.id, {{.id = 1, .result = "7"}}, {},
                                [this, known](const ExecutionResult& result) {
                                  check(known, result, false);
                                  ++completed_;
                                }));
  }

  void check(const Known& known, const ExecutionResult& result, bool isWrong) {
    if (result.ok()) {
      EXPECT_FALSE(isWrong);
      EXPECT_EQ(outcomeOf(result), "[" + std::to_string(known.n) + ",7]");
      ++resumed_;
      return;
    }
    expectError(result, {isWrong ? "INVALID_INPUT" : "", "NOT_FOUND", "TIMEOUT"});
  }

  // "never" ends by expiring or by a stop; the others with what they answer.
  void checkInner(int n, size_t method, const ExecutionResult& result) {
    if (!result.ok()) {
      return expectError(result, {"TIMEOUT", "CANCELLED", "RESOURCE_LIMIT"});
    }
    const std::string_view name = kMethods[method];
    const bool isError = name == "drop" || name == "bad" || name == "never";
    const std::string each = isError ? R"("ExtensionError")" : '"' + std::to_string(n) + '"';
    EXPECT_EQ(outcomeOf(result), "[" + std::to_string(n) + ",[" + each + "," + each + "]]");
    ++answered_[method];
  }

  void callExtension(int n, size_t method, bool isStopped) {
    const std::string args = R"({"n":)" + std::to_string(n) + "}";
    std::stop_source stop;
    std::thread stopping;
    if (isStopped) stopping = std::thread([stop]() mutable { stop.request_stop(); });
    checkInner(n, method,
               runtime_->execute(inner_[method], {.args = args, .stop = stop.get_token()}));
    if (isStopped) stopping.join();
  }

  void callAsync(int n, size_t method, bool isStopped) {
    std::stop_source stop;
    count(runtime_->executeAsync(
        inner_[method], {.args = R"({"n":)" + std::to_string(n) + "}", .stop = stop.get_token()},
        [this, n, method](const ExecutionResult& result) {
          checkInner(n, method, result);
          ++completed_;
        }));
    if (isStopped) stop.request_stop();
  }

  void count(const Status& status) {
    if (status) {
      ++queued_;
    } else if (status.error().message == "the runtime is shutting down") {
      isOver_ = true;
    } else {
      EXPECT_EQ(codeOf(status), "UNAVAILABLE") << status.error().message;
    }
  }

  void expectError(const ExecutionResult& result, std::initializer_list<std::string_view> codes) {
    const std::string code = codeOf(result);
    if (code == "UNAVAILABLE" && result.error->message == "the runtime is shutting down") {
      EXPECT_TRUE(isEnding_);
      isOver_ = true;
      return;
    }
    for (const std::string_view allowed : codes) {
      if (code == allowed) return;
    }
    EXPECT_TRUE(isEnding_ && code == "CANCELLED") << outcomeOf(result);
  }

  void checkStats() const {
    const RuntimeStats stats = runtime_->stats();
    EXPECT_LE(stats.suspended, 60 + kThreads + 3) << "what is put back may be above the limit";
    EXPECT_EQ(stats.suspended == 0, stats.suspendedBytes == 0);
  }

  void checkEnd() const {
    using Outcome = SuspensionOutcome;
    const RuntimeStats stats = runtime_->stats();
    EXPECT_EQ(observer_->calls, stats.calls);
    EXPECT_EQ(observer_->of(Outcome::kSuspended),
              observer_->of(Outcome::kResumed) + observer_->of(Outcome::kExpired) +
                  observer_->of(Outcome::kDropped) + stats.suspended);
    EXPECT_EQ(observer_->of(Outcome::kResumed), stats.suspensionsResumed);
    EXPECT_EQ(observer_->of(Outcome::kExpired), stats.suspensionsExpired);
    EXPECT_GT(resumed_, 0U);
    ::testing::Test::RecordProperty("calls", std::to_string(stats.calls));
    ::testing::Test::RecordProperty("resumed", std::to_string(resumed_));
    ::testing::Test::RecordProperty("expired", std::to_string(stats.suspensionsExpired));
    for (size_t method = 0; method < std::size(kMethods); ++method) {
      if (std::strcmp(kMethods[method], "never") == 0) continue;
      EXPECT_GT(answered_[method], 0U) << kMethods[method];
    }
  }

  const std::shared_ptr<CountingObserver> observer_ = std::make_shared<CountingObserver>();
  Postman postman_;
  Handler outer_;
  std::vector<Handler> inner_;
  std::atomic<bool> isEnding_{false};
  std::atomic<bool> isOver_{false};
  std::atomic<uint64_t> queued_{0};
  std::atomic<uint64_t> completed_{0};
  std::atomic<uint64_t> resumed_{0};
  std::array<std::atomic<uint64_t>, std::size(kMethods)> answered_{};
  Mutex mutex_;
  std::vector<Known> ids_ NEXUS_GUARDED_BY(mutex_);
  std::vector<ExtensionReply> never_ NEXUS_GUARDED_BY(mutex_);
  std::unique_ptr<Runtime> runtime_;
};

TEST(RuntimeWaitingStressTest, OneSecond) { WaitingSoak().run(std::chrono::seconds(1)); }

TEST(RuntimeWaitingSoak, ThirtySeconds) { WaitingSoak().run(std::chrono::seconds(30)); }

}  // namespace
}  // namespace nexus
