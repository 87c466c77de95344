// Calls that wait, while one allocation after the other is refused: each ends with an error or as
// it should, nothing is counted wrongly, and the process lives.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "js/testing/host_memory.h"
#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/process_memory.h"
#include "runtime/testing/runtime_rig.h"
#include "runtime/testing/test_extension.h"

namespace nexus {
namespace {

using js::testing::FailingAllocation;
using runtime::testing::codeOf;
using runtime::testing::eventually;
using runtime::testing::isMemoryMeasured;
using runtime::testing::outcomeOf;
using runtime::testing::take;
using runtime::testing::TestExtension;

const HandlerOptions kOne{.capabilities = {"ext:*"}};

// The reason of it, by whatever code that place has for it.
bool isOutOfMemory(const ExecutionResult& result) {
  return !result.ok() && outcomeOf(result).find("out of memory") != std::string::npos;
}

class OutOfMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!isMemoryMeasured()) GTEST_SKIP() << "a sanitizer has the allocator";
    outer_ = take(runtime_->precompile(kOuter, {{"ext:*", "state:write:a", "events:emit:e"}}));
    inner_ = take(runtime_->precompile(kInner, {{"ext:*", "state:write:a", "events:emit:e"}}));
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(outcomeOf(runtime_->execute(inner_)), "[1,1,2]");
      EXPECT_EQ(outcomeOf(resume(suspend())), "[7]");
    }
  }

  // Fails the first allocation, the second, … until none is left to fail.
  static void sweep(const std::function<void()>& act, const std::function<void()>& check) {
    int failures = 0;
    for (uint64_t after = 0;; ++after) {
      bool hasFailed = false;
      {
        const FailingAllocation failing(after);
        act();
        hasFailed = failing.hasFailed();
      }
      check();
      if (::testing::Test::HasFailure()) FAIL() << "allocation " << after;
      if (!hasFailed) break;
      ++failures;
    }
    ::testing::Test::RecordProperty("failures", failures);
  }

  std::string suspend() { return runtime_->execute(outer_).suspensionId; }
  ExecutionResult resume(std::string_view id, std::string_view json = "7") {
    answer_.result = json;
    return runtime_->resume(id, {&answer_, 1});
  }

  void checkNothingIsLeft() {
    const RuntimeStats stats = runtime_->stats();
    EXPECT_EQ(stats.instancesActive, 0U);
    EXPECT_EQ(stats.suspended, 0U);
    EXPECT_EQ(stats.suspendedBytes, 0U);
  }
  void packAll() {
    for (int round = 0; round < 3; ++round) RuntimeAccess::parts(*runtime_).suspensions->pack();
  }

  static constexpr char kOuter[] = "$state.a = 1; $emit('e', [1]); return [await $ext.y.get('a')]";
  static constexpr char kInner[] =
      "$state.a = 1; $emit('e', [1]); const two = await Promise.all([$ext.x.get('a'),"
      "$ext.x.get('b')]); return [...two, await $ext.x.get('c') + 1]";

  std::function<void(ExtensionReply)> act_;  // instead of an answer
  const std::shared_ptr<TestExtension> x_ =
      std::make_shared<TestExtension>([this](const ExtensionCall&, ExtensionReply reply) {
        act_ ? act_(std::move(reply)) : reply.result("1");
      });
  const std::unique_ptr<Runtime> runtime_ =
      take(Runtime::make({.workerThreads = 1}, {.extensions = {{"x", x_}}}));
  Handler outer_;
  Handler inner_;
  RequestAnswer answer_{.id = 1, .result = "7"};
};

TEST_F(OutOfMemoryTest, WhileACallIsSuspended) {
  ExecutionResult result;
  sweep([&] { result = runtime_->execute(outer_); },
        [&] {
          if (result.status() == CallStatus::kSuspended) {
            EXPECT_TRUE(runtime_->dropSuspended(result.suspensionId));
          } else {
            EXPECT_TRUE(isOutOfMemory(result)) << outcomeOf(result);
          }
          checkNothingIsLeft();
        });
}

// It goes on, or it still waits and says so, or it has ended.
TEST_F(OutOfMemoryTest, WhileACallIsResumed) {
  for (const bool isPacked : {false, true}) {
    for (const char* json : {"7", "{"}) {
      std::string id;
      ExecutionResult result;
      const auto prepare = [&] {
        id = suspend();
        if (isPacked) packAll();
      };
      prepare();
      sweep([&] { result = resume(id, json); },
            [&] {
              const bool isRight = outcomeOf(result) == "[7]" || codeOf(result) == "INVALID_INPUT";
              EXPECT_TRUE(isRight || isOutOfMemory(result)) << outcomeOf(result);
              if (runtime_->getSuspended(id)) {
                EXPECT_TRUE(result.suspensionId == id || isOutOfMemory(result));
                EXPECT_EQ(outcomeOf(resume(id)), "[7]");
              } else {
                EXPECT_EQ(result.suspensionId, "");
              }
              checkNothingIsLeft();
              prepare();
            });
      EXPECT_TRUE(runtime_->dropSuspended(id));
    }
  }
}

TEST_F(OutOfMemoryTest, WhileExtensionsAnswerInPlace) {
  ExecutionResult result;
  sweep([&] { result = runtime_->execute(inner_); },
        [&] {
          EXPECT_TRUE(outcomeOf(result) == "[1,1,2]" || isOutOfMemory(result)) << outcomeOf(result);
          checkNothingIsLeft();
        });
}

// Put away, packed, and resumed by the thread that has no memory.
TEST_F(OutOfMemoryTest, WhileACallerWaitsForAnAnswer) {
  Mutex mutex;
  std::optional<ExtensionReply> kept;
  act_ = [&](ExtensionReply reply) {
    const MutexLock lock(mutex);
    kept.emplace(std::move(reply));
  };
  std::atomic<bool> isOver{false};
  std::thread answering([&] {
    while (!isOver) {
      std::this_thread::yield();
      const MutexLock lock(mutex);
      if (!kept || runtime_->stats().suspended == 0) continue;
      packAll();
      kept->result("5");
      kept.reset();
    }
  });
  const Handler handler = take(runtime_->precompile("return await $ext.x.get()", kOne));
  ExecutionResult result;
  sweep([&] { result = runtime_->execute(handler); },
        [&] {
          EXPECT_TRUE(result.value == "5" || isOutOfMemory(result)) << outcomeOf(result);
          checkNothingIsLeft();
        });
  isOver = true;
  answering.join();
}

// Or whoever answers has none.
TEST_F(OutOfMemoryTest, WhileSomebodyElseAnswers) {
  std::optional<ExtensionReply> kept;
  act_ = [&](ExtensionReply reply) { kept.emplace(std::move(reply)); };
  const Handler handler = take(runtime_->precompile("return await $ext.x.get()", kOne));
  std::future<ExecutionResult> call;
  const auto prepare = [&] {
    kept.reset();
    call = runtime_->executeAsync(handler, {});
    EXPECT_TRUE(eventually([&] { return runtime_->stats().suspended == 1; }));
  };
  prepare();
  sweep(
      [&] {
        try {
          kept->result("5");
        } catch (const std::bad_alloc&) {
          kept->result("6");  // a text that could not be made
        }
      },
      [&] {
        const ExecutionResult result = call.get();
        EXPECT_TRUE(result.value == "5" || isOutOfMemory(result)) << outcomeOf(result);
        EXPECT_TRUE(eventually([&] { return runtime_->stats().instancesActive == 0; }));
        checkNothingIsLeft();
        prepare();
      });
  kept->result("0");
  (void)call.get();
}

// On a worker's thread, from the moment at which the extension is asked.
TEST_F(OutOfMemoryTest, WhileAWorkerPutsACallAway) {
  std::optional<ExtensionReply> kept;
  std::optional<FailingAllocation> failing;
  uint64_t after = 0;
  std::atomic<bool> isAsked{false};
  act_ = [&](ExtensionReply reply) {
    kept.emplace(std::move(reply));
    failing.emplace(after);
    isAsked = true;
  };
  const Handler handler = take(runtime_->precompile("return await $ext.x.get()", kOne));
  for (bool hasFailed = true; hasFailed; ++after) {
    std::promise<std::pair<ExecutionResult, bool>> promise;
    isAsked = false;
    EXPECT_TRUE(runtime_
                    ->executeAsync(handler, {},
                                   [&](ExecutionResult result) {
                                     const bool failed = failing->hasFailed();
                                     failing.reset();
                                     promise.set_value({std::move(result), failed});
                                   })
                    .ok());
    auto future = promise.get_future();
    EXPECT_TRUE(eventually([&] {
      return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready ||
             runtime_->stats().suspended == 1;
    }));
    kept->result("5");
    const auto [result, failed] = future.get();
    EXPECT_TRUE(result.value == "5" || isOutOfMemory(result)) << outcomeOf(result);
    EXPECT_TRUE(eventually([&] { return runtime_->stats().instancesActive == 0; }));
    checkNothingIsLeft();
    if (HasFailure()) FAIL() << "allocation " << after;
    hasFailed = failed;
  }
}

TEST_F(OutOfMemoryTest, WhileACallIsLeftToTheWorkers) {
  std::optional<Status> status;
  std::atomic<int> completed{0};
  int accepted = 0;
  sweep(
      [&] {
        try {
          status = runtime_->executeAsync(inner_, {}, [&](const ExecutionResult&) { ++completed; });
        } catch (const std::bad_alloc&) {
          status = Error{.code = ErrorCode::kUnavailable};  // its own completion could not be made
        }
      },
      [&] {
        if (status->ok()) {
          ++accepted;
        } else {
          EXPECT_EQ(codeOf(*status), "UNAVAILABLE");
        }
      });
  EXPECT_TRUE(eventually([&] { return completed == accepted; }));
  EXPECT_EQ(accepted, 1);
}

TEST_F(OutOfMemoryTest, WhileTheyArePackedOrExpire) {
  std::string id;
  const auto prepare = [&] {
    id = suspend();
    RuntimeAccess::parts(*runtime_).suspensions->pack();
  };
  prepare();
  sweep(
      [&] {
        try {
          RuntimeAccess::parts(*runtime_).housekeeper->tidyUp();
          RuntimeAccess::parts(*runtime_).housekeeper->tidyUp();
        } catch (const std::bad_alloc&) {
        }
      },
      [&] {
        EXPECT_EQ(outcomeOf(resume(id)), "[7]");
        checkNothingIsLeft();
        prepare();
      });
  EXPECT_TRUE(runtime_->dropSuspended(id));
}

}  // namespace
}  // namespace nexus
