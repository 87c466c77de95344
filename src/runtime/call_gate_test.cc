#include "runtime/call_gate.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/testing/runtime_rig.h"

namespace nexus::runtime {
namespace {

using Visit = CallGate::Visit;
using testing::eventually;

TEST(CallGateTest, AnEmptyGateClosesAtOnce) {
  CallGate gate;
  { const Visit visit(gate); }
  gate.close();
  gate.waitUntilEmpty();
  EXPECT_FALSE(Visit(gate));
  gate.close();  // twice is as good as once
  gate.waitUntilEmpty();
}

TEST(CallGateTest, WhoeverClosesItWaitsForAllInside) {
  CallGate gate;
  std::optional<Visit> one(std::in_place, gate);
  std::optional<Visit> two(std::in_place, gate);
  EXPECT_TRUE(*one && *two);
  gate.close();
  EXPECT_FALSE(Visit(gate));
  std::vector<std::future<void>> closers;
  for (int i = 0; i < 2; ++i) {
    closers.push_back(std::async(std::launch::async, [&] { gate.waitUntilEmpty(); }));
  }
  one.reset();
  EXPECT_EQ(closers[0].wait_for(std::chrono::milliseconds(5)), std::future_status::timeout);
  two.reset();
  for (auto& closer : closers) closer.get();
}

// What is inside uses what whoever closes the gate then destroys.
TEST(CallGateTest, NobodyIsInsideAfterwards) {
  for (int round = 0; round < 50; ++round) {
    CallGate gate;
    auto used = std::make_unique<int>(7);
    std::atomic<int> begun{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        while (true) {
          const Visit visit(gate);
          ++begun;
          if (!visit) return;
          EXPECT_EQ(*used, 7);
        }
      });
    }
    EXPECT_TRUE(eventually([&] { return begun >= 3 + round % 3; }));
    gate.close();
    gate.waitUntilEmpty();
    used.reset();
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace nexus::runtime
