// What calls that wait cost, and that nothing of them is left, whichever way they go.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "js/testing/host_memory.h"
#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/process_memory.h"
#include "runtime/testing/runtime_rig.h"
#include "runtime/testing/test_extension.h"

namespace nexus {
namespace {

using js::testing::hostBytes;
using runtime::testing::codeOf;
using runtime::testing::eventually;
using runtime::testing::isMemoryMeasured;
using runtime::testing::makeRuntime;
using runtime::testing::outcomeOf;
using runtime::testing::residentBytes;
using runtime::testing::take;
using runtime::testing::TestClock;
using runtime::testing::TestExtension;
using std::chrono::milliseconds;

const HandlerOptions kAll{.capabilities = {"ext:*"}};
constexpr uint64_t kMostEach = 4096;

std::string argsOf(uint64_t n) { return R"({"n":)" + std::to_string(n) + "}"; }
std::string outcomeOfCall(uint64_t n) {
  return "[" + std::to_string(n) + "," + std::to_string(n + 1) + "]";
}

struct Rig {
  explicit Rig(const RuntimeConfig& config = {}) {
    RuntimeDependencies outside;
    auto owned = std::make_unique<TestClock>();
    clock = owned.get();
    outside.clock = std::move(owned);
    outside.extensions = {{"x", x}};
    runtime = makeRuntime(config, std::move(outside));
    outer = take(runtime->precompile("return [$args.n, await $ext.y.get()]", kAll));
    inner = take(runtime->precompile("return [$args.n, await $ext.x.get($args.n)]", kAll));
  }

  std::string suspend(uint64_t n) {
    const std::string args = argsOf(n);
    ExecutionResult result = runtime->execute(outer, {.args = args});
    EXPECT_EQ(result.status(), CallStatus::kSuspended) << outcomeOf(result);
    return std::move(result.suspensionId);
  }
  ExecutionResult resume(std::string_view id, std::string json) {
    const RequestAnswer answer{.id = 1, .result = std::move(json)};
    return runtime->resume(id, {&answer, 1});
  }
  runtime::SuspensionStore& store() { return *RuntimeAccess::parts(*runtime).suspensions; }
  void packAll() {
    for (int round = 0; round < 3; ++round) store().pack();
  }
  void expireAll() {
    clock->advance(std::chrono::hours(1));
    store().expire();
  }

  const std::shared_ptr<TestExtension> x = std::make_shared<TestExtension>();
  TestClock* clock = nullptr;
  std::unique_ptr<Runtime> runtime;
  Handler outer;  // waits for somebody outside
  Handler inner;  // for the extension
};

void record(const std::string& name, uint64_t count) {
  ::testing::Test::RecordProperty(name, std::to_string(count));
  std::printf("  %s: %llu\n", name.c_str(), static_cast<unsigned long long>(count));
}

// So many at once, resumed in any order, each with its own values.
void suspendMany(uint64_t count) {
  Rig rig({.maxInstances = 2});
  for (uint64_t n = 0; n < 100; ++n) EXPECT_TRUE(rig.resume(rig.suspend(n), "0").ok());
  std::vector<runtime::SuspensionId> ids(count);
  std::vector<uint64_t> order(count);
  rig.packAll();
  const uint64_t before = residentBytes();
  const uint64_t hostBefore = hostBytes();
  for (uint64_t n = 0; n < count; ++n) {
    ids[n] = runtime::SuspensionId::parse(rig.suspend(n)).value();
    if (n % 1000 == 0) rig.store().pack();
    order[n] = n;
  }
  rig.packAll();
  const RuntimeStats stats = rig.runtime->stats();
  EXPECT_EQ(stats.suspended, count);
  EXPECT_LE(stats.suspendedBytes / count, kMostEach);
  record("counted bytes each", stats.suspendedBytes / count);
  record("allocated bytes each", (hostBytes() - hostBefore) / count);
  if (isMemoryMeasured() && count >= 100'000) {
    const uint64_t each = (residentBytes() - before) / count;
    EXPECT_LE(each, kMostEach);
    record("resident bytes each", each);
  }
  if (isMemoryMeasured()) {
    EXPECT_LE((hostBytes() - hostBefore) / count, stats.suspendedBytes / count) << "all is counted";
  }
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  uint64_t right = 0;
  for (const uint64_t n : order) {
    const ExecutionResult result = rig.resume(ids[n].toString(), std::to_string(n + 1));
    right += result.value == outcomeOfCall(n) ? 1 : 0;
  }
  EXPECT_EQ(right, count);
  EXPECT_EQ(rig.runtime->stats().suspended, 0U);
  EXPECT_EQ(rig.runtime->stats().suspendedBytes, 0U);
}

TEST(SuspensionMemoryTest, ManyAtOnce) { suspendMany(5'000); }
TEST(SuspensionMemorySoak, TwoHundredThousandAtOnce) { suspendMany(200'000); }

// The same for those that an extension will answer: with the call that is left to the workers, its
// inbox, and the reply that the extension keeps.
void waitWithMany(uint64_t count) {
  Rig rig({.maxInstances = 2, .workerThreads = 2, .maxQueue = count});
  const uint64_t hostBefore = hostBytes();
  const uint64_t before = residentBytes();
  std::atomic<uint64_t> right{0};
  std::atomic<uint64_t> ended{0};
  for (uint64_t n = 0; n < count; ++n) {
    const auto queued = rig.runtime->executeAsync(
        rig.inner, {.args = argsOf(n)}, [&, n](const ExecutionResult& result) {
          right += result.value == outcomeOfCall(n) ? 1 : 0;
          ++ended;
        });
    EXPECT_TRUE(queued.ok());
    if (n % 1000 == 0) {
      EXPECT_TRUE(eventually([&] { return rig.x->kept() + 1000 > n; }));
      rig.store().pack();
    }
  }
  EXPECT_TRUE(eventually([&] { return rig.runtime->stats().suspended == count; }));
  rig.packAll();
  record("allocated bytes each", (hostBytes() - hostBefore) / count);
  EXPECT_LE((hostBytes() - hostBefore) / count, kMostEach);
  if (isMemoryMeasured() && count >= 100'000) {
    const uint64_t each = (residentBytes() - before) / count;
    EXPECT_LE(each, kMostEach);
    record("resident bytes each", each);
  }
  std::vector<TestExtension::Request> requests;
  for (uint64_t n = 0; n < count; ++n) requests.push_back(rig.x->take());
  std::shuffle(requests.begin(), requests.end(), std::mt19937(1));
  for (TestExtension::Request& request : requests) {
    const auto n = std::stoull(request.call.args.substr(1));
    request.reply.result(std::to_string(n + 1));
  }
  EXPECT_TRUE(eventually([&] { return ended == count; }));
  EXPECT_EQ(right, count);
  EXPECT_EQ(rig.runtime->stats().suspendedBytes, 0U);
}

TEST(SuspensionMemoryTest, ManyThatWait) { waitWithMany(5'000); }
TEST(SuspensionMemorySoak, TwoHundredThousandThatWait) { waitWithMany(200'000); }

// One after the other, so often; nothing is left of any.
void leaveNothing(uint64_t count) {
  const struct {
    const char* name;
    RuntimeConfig config;
    std::function<void(Rig& rig, uint64_t n)> once;
  } rows[] = {
      {"suspended and resumed",
       {},
       [](Rig& rig, uint64_t n) {
         EXPECT_EQ(rig.resume(rig.suspend(n), std::to_string(n + 1)).value, outcomeOfCall(n));
       }},
      {"suspended and expired",
       {},
       [](Rig& rig, uint64_t n) {
         const std::string id = rig.suspend(n);
         if (n % 50 != 0) return;
         rig.expireAll();
         EXPECT_EQ(codeOf(rig.resume(id, "1")), "TIMEOUT");
       }},
      {"suspended and dropped",
       {},
       [](Rig& rig, uint64_t n) { EXPECT_TRUE(rig.runtime->dropSuspended(rig.suspend(n))); }},
      {"refused to be resumed",
       {},
       [id = std::string()](Rig& rig, uint64_t n) mutable {
         if (!rig.runtime->getSuspended(id)) id = rig.suspend(n);
         EXPECT_EQ(rig.resume(id, "{").suspensionId, id);
       }},
      {"unknown",
       {},
       [](Rig& rig, uint64_t n) {
         EXPECT_EQ(codeOf(rig.resume(runtime::SuspensionId{{n, n}}.toString(), "1")), "NOT_FOUND");
       }},
      {"refused to be suspended",
       {.maxSuspended = 0},
       [](Rig& rig, uint64_t) {
         EXPECT_EQ(codeOf(rig.runtime->execute(rig.outer)), "RESOURCE_LIMIT");
       }},
      {"answered by an extension",
       {},
       [](Rig& rig, uint64_t n) {
         auto call = rig.runtime->executeAsync(rig.inner, {.args = argsOf(n)});
         rig.x->take().reply.result(std::to_string(n + 1));
         EXPECT_EQ(call.get().value, outcomeOfCall(n));
       }},
      {"answered by nobody",
       {},
       [](Rig& rig, uint64_t n) {
         std::stop_source stop;
         auto call =
             rig.runtime->executeAsync(rig.inner, {.args = argsOf(n), .stop = stop.get_token()});
         const TestExtension::Request request = rig.x->take();
         if (n % 2 == 0) {
           stop.request_stop();
         } else {
           EXPECT_TRUE(eventually([&] { return rig.runtime->stats().suspended == 1; }));
           rig.expireAll();
         }
         EXPECT_EQ(codeOf(call.get()), n % 2 == 0 ? "CANCELLED" : "TIMEOUT");
       }},
  };
  for (const auto& row : rows) {
    Rig rig(row.config);
    auto once = row.once;
    const auto repeat = [&](uint64_t times) {
      for (uint64_t n = 0; n < times; ++n) once(rig, n);
      rig.expireAll();
      rig.packAll();
      EXPECT_TRUE(eventually([&] { return rig.runtime->stats().instancesActive == 0; }));
      EXPECT_EQ(rig.runtime->stats().suspended, 0U) << row.name;
      EXPECT_EQ(rig.runtime->stats().suspendedBytes, 0U) << row.name;
    };
    for (uint64_t n = 0; n < 20 && row.config.maxSuspended > 0; ++n) {
      EXPECT_TRUE(rig.runtime->dropSuspended(rig.suspend(n)));  // images are made whole
    }
    repeat(1500);  // more than what is remembered of those that expired
    const uint64_t cache = rig.runtime->stats().memoryCache.bytes;
    const uint64_t host = hostBytes();
    const uint64_t resident = residentBytes();
    repeat(count);
    EXPECT_EQ(rig.runtime->stats().memoryCache.bytes, cache) << row.name;
    EXPECT_LE(hostBytes(), host + 32'768) << row.name;
    if (!isMemoryMeasured()) continue;
    EXPECT_LE(residentBytes(), resident + (uint64_t{4} << 20)) << row.name;
  }
}

TEST(SuspensionMemoryTest, NothingIsLeft) { leaveNothing(1'500); }
TEST(SuspensionMemorySoak, NothingIsLeftAfterAHundredThousand) { leaveNothing(100'000); }

}  // namespace
}  // namespace nexus
