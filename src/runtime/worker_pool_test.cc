#include "runtime/worker_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime {
namespace {

using testing::codeOf;
using testing::eventually;
using testing::Gate;

class Act final : public WorkerPool::Task {
 public:
  explicit Act(std::function<void()> act) : act_(std::move(act)) {}
  void run() noexcept override { act_(); }

 private:
  const std::function<void()> act_;
};

std::shared_ptr<Act> act(std::function<void()> does) {
  return std::make_shared<Act>(std::move(does));
}

TEST(WorkerPoolTest, TasksRunInTheirOrder) {
  std::vector<int> order;
  WorkerPool pool(1, 1000);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(codeOf(pool.submit(act([&order, i] { order.push_back(i); }))), "ok");
  }
  pool.stop();
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(WorkerPoolTest, SoManyThreadsWorkAtOnce) {
  WorkerPool pool(3, 1000);
  Gate gate;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(pool.submit(act([&] { gate.pass(); })).ok());
  EXPECT_TRUE(eventually([&] { return gate.visitors() == 3 && pool.queued() == 2; }));
  gate.open();
  pool.stop();
  EXPECT_EQ(gate.visitors(), 5U);
  EXPECT_EQ(pool.queued(), 0U);
}

TEST(WorkerPoolTest, TheLineIsBounded) {
  WorkerPool pool(1, 2);
  Gate gate;
  std::atomic<int> done{0};
  EXPECT_TRUE(pool.submit(act([&] { gate.pass(); })).ok());
  ASSERT_TRUE(eventually([&] { return gate.visitors() == 1; }));
  const auto count = [&] { return act([&] { ++done; }); };
  EXPECT_TRUE(pool.submit(count()).ok());
  EXPECT_TRUE(pool.submit(count()).ok());
  const auto refused = pool.submit(count());
  ASSERT_EQ(codeOf(refused), "UNAVAILABLE");
  EXPECT_EQ(refused.error().message, "the queue is full: max_queue, 2, calls wait already");
  pool.submitAlways(count());  // what has begun is not kept out
  EXPECT_EQ(pool.queued(), 3U);
  EXPECT_EQ(codeOf(pool.submit(count())), "UNAVAILABLE");
  gate.open();
  EXPECT_TRUE(eventually([&] { return done == 3; }));
  EXPECT_TRUE(pool.submit(count()).ok());
  pool.stop();
  EXPECT_EQ(done, 4);
}

TEST(WorkerPoolTest, ATaskMayStandInTheLineAgain) {
  WorkerPool pool(1, 1);
  std::atomic<int> runs{0};
  std::shared_ptr<Act> again;
  again = act([&] {
    if (++runs < 100) pool.submitAlways(again);
  });
  EXPECT_TRUE(pool.submit(again).ok());
  EXPECT_TRUE(eventually([&] { return runs == 100; }));
  pool.stop();
}

TEST(WorkerPoolTest, ADoneTaskIsLetGo) {
  WorkerPool pool(1, 10);
  const auto held = std::make_shared<int>(1);
  EXPECT_TRUE(pool.submit(act([held] {})).ok());
  EXPECT_TRUE(eventually([&] { return held.use_count() == 1; }));
}

TEST(WorkerPoolTest, RefusingItStillWorks) {
  WorkerPool pool(1, 10);
  Gate gate;
  std::atomic<int> done{0};
  EXPECT_TRUE(pool.submit(act([&] { gate.pass(); })).ok());
  EXPECT_TRUE(pool.submit(act([&] { ++done; })).ok());
  pool.refuse();
  const auto refused = pool.submit(act([&] { ++done; }));
  ASSERT_EQ(codeOf(refused), "UNAVAILABLE");
  EXPECT_EQ(refused.error().message, "the runtime is shutting down");
  pool.submitAlways(act([&] { ++done; }));
  gate.open();
  pool.stop();
  EXPECT_EQ(done, 2);
}

TEST(WorkerPoolTest, StoppingRunsWhatWaits) {
  WorkerPool pool(2, 1000);
  Gate gate;
  std::atomic<int> done{0};
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(pool.submit(act([&] {
                      gate.pass();
                      ++done;
                    }))
                    .ok());
  }
  std::thread stopping([&] { pool.stop(); });
  ASSERT_TRUE(eventually([&] { return codeOf(pool.submit(act([] {}))) == "UNAVAILABLE"; }));
  EXPECT_EQ(done, 0);
  gate.open();
  stopping.join();
  EXPECT_EQ(done, 100);
}

TEST(WorkerPoolTest, SeveralMayStopIt) {
  for (int round = 0; round < 20; ++round) {
    WorkerPool pool(2, 1000);
    std::atomic<int> done{0};
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(pool.submit(act([&] { ++done; })).ok());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        pool.stop();
        EXPECT_EQ(done, 10);
      });
    }
    for (std::thread& thread : threads) thread.join();
    pool.stop();
  }
}

TEST(WorkerPoolTest, TasksFromManyThreads) {
  std::atomic<int> done{0};
  std::atomic<int> taken{0};
  {
    WorkerPool pool(3, 50);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          if (pool.submit(act([&] { ++done; })).ok()) ++taken;
          EXPECT_LE(pool.queued(), 50U);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(done, taken);
  EXPECT_GE(taken, 50);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// Was the end of the process: the threads that had started were not waited for.
TEST(WorkerPoolDeathTest, AThreadThatTheSystemRefusesIsAnException) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto makeTooMany = [] {
    const rlimit little{uint64_t{1} << 30, uint64_t{1} << 30};  // a stack takes 8 MiB of it
    setrlimit(RLIMIT_AS, &little);
    try {
      const WorkerPool pool(1000, 1);
    } catch (const std::system_error&) {
      std::_Exit(7);
    }
  };
  EXPECT_EXIT(makeTooMany(), ::testing::ExitedWithCode(7), "");
}

#endif

}  // namespace
}  // namespace nexus::runtime
