// Many handlers on disk, some of them hot: those must not notice the others.
//
// NEXUS_SOAK_HANDLERS says how many (a million takes 4 GiB of disk, and some minutes).
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "base/testing/temp_folder.h"
#include "js/testing/rig.h"
#include "nexus/runtime.h"

namespace nexus::runtime {
namespace {

using Clock = std::chrono::steady_clock;
using js::testing::outcomeOf;
using Nanoseconds = std::vector<int64_t>;

constexpr uint64_t kFew = 100;
constexpr uint64_t kHot = 1000;
constexpr int kRounds = 20;
constexpr int kCallsOfARound = 2000;
// One call in so many is of a handler that nobody has used for long.
constexpr uint64_t kColdEvery = 4;
constexpr double kMostSlowdown = 1.5;

uint64_t manyHandlers() {
  const char* wanted = std::getenv("NEXUS_SOAK_HANDLERS");  // NOLINT(concurrency-mt-unsafe)
  return wanted == nullptr ? 20'000 : std::strtoull(wanted, nullptr, 10);
}

std::string sourceOf(uint64_t i) {
  const std::string number = std::to_string(i);
  return "const tax = (net) => net * 0.2;\nconst net = $args.price * " + number +
         ";\nif (net < 0) throw new RangeError('a negative sum');\nreturn {id: " + number +
         ", total: net + tax(net)};";
}

double microseconds(Nanoseconds times, double share) {
  if (times.empty()) return 0;
  const auto at =
      times.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(times.size() - 1));
  std::nth_element(times.begin(), at, times.end());
  return static_cast<double>(*at) / 1000;
}

class Callers {
 public:
  explicit Callers(const std::string& folder) {
    RuntimeConfig config;
    config.cacheDir = folder;
    config.maxDiskCacheBytes = uint64_t{64} << 30;
    auto made = Runtime::make(config);
    EXPECT_TRUE(made) << made.error().message;
    runtime_ = std::move(*made);
  }

  // How long it took; the result must be right.
  int64_t call(uint64_t i) {
    const std::string source = sourceOf(i);
    const auto start = Clock::now();
    const ExecutionResult result = runtime_->execute(source, {}, {.args = R"({"price": 0})"});
    const auto duration = Clock::now() - start;
    EXPECT_EQ(outcomeOf(result), R"({"id":)" + std::to_string(i) + R"(,"total":0})");
    return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
  }

  Runtime& operator*() { return *runtime_; }
  Runtime* operator->() { return runtime_.get(); }

 private:
  std::unique_ptr<Runtime> runtime_;
};

void compileAll(const std::string& folder, uint64_t count) {
  Callers callers(folder);
  for (uint64_t i = 0; i < count; ++i) {
    const auto compiled = callers->precompile(sourceOf(i));
    ASSERT_TRUE(compiled) << compiled.error().message;
  }
  const RuntimeStats stats = callers->stats();
  EXPECT_EQ(stats.compilations, count);
  EXPECT_EQ(stats.diskCache.failed, 0u);
  EXPECT_EQ(stats.diskCache.evictions, 0u);
}

void print(const char* what, const Nanoseconds& times) {
  std::cout << what << ": p50 " << microseconds(times, 0.5) << " us, p99 "
            << microseconds(times, 0.99) << " us, " << times.size() << " calls\n";
}

TEST(ManyHandlersSoak, HotOnesDoNotNoticeTheOthers) {
  const nexus::testing::TempFolder temp;
  const uint64_t count = std::max(manyHandlers(), 2 * kHot);
  const auto start = Clock::now();
  ASSERT_NO_FATAL_FAILURE(compileAll(temp / "many", count));
  const std::chrono::duration<double> filling = Clock::now() - start;
  std::cout << count << " handlers compiled and stored in " << filling.count() << " s\n";

  Callers few(temp / "few");
  Callers many(temp / "many");
  std::mt19937_64 random(1);
  std::vector<uint64_t> hot(kHot);
  for (uint64_t& handler : hot) handler = random() % count;
  for (uint64_t i = 0; i < kFew; ++i) few.call(i);
  for (const uint64_t handler : hot) many.call(handler);

  // In turns, so that whatever else the machine does hits both.
  Nanoseconds fewTimes, hotTimes, coldTimes;
  std::vector<double> slowdowns;
  for (int round = 0; round < kRounds; ++round) {
    Nanoseconds fewNow, hotNow;
    for (int call = 0; call < kCallsOfARound; ++call) fewNow.push_back(few.call(random() % kFew));
    for (int call = 0; call < kCallsOfARound; ++call) {
      hotNow.push_back(many.call(hot[random() % kHot]));
      if (random() % kColdEvery == 0) coldTimes.push_back(many.call(random() % count));
    }
    slowdowns.push_back(microseconds(hotNow, 0.5) / microseconds(fewNow, 0.5));
    fewTimes.insert(fewTimes.end(), fewNow.begin(), fewNow.end());
    hotTimes.insert(hotTimes.end(), hotNow.begin(), hotNow.end());
  }
  print("100 handlers alone", fewTimes);
  print("1,000 hot ones among many", hotTimes);
  print("others, from disk", coldTimes);
  std::nth_element(slowdowns.begin(), slowdowns.begin() + kRounds / 2, slowdowns.end());
  const double slowdown = slowdowns[kRounds / 2];
  const RuntimeStats stats = many->stats();
  std::cout << "slowdown " << slowdown << "; memory tier " << stats.memoryCache.entries
            << " entries, " << stats.memoryCache.bytes << " bytes, hit rate "
            << stats.memoryCache.hitRate() << ", " << stats.memoryCache.evictions << " evictions\n";
  EXPECT_LE(slowdown, kMostSlowdown);
  EXPECT_EQ(stats.compilations, 0u) << "all come from disk";
}

}  // namespace
}  // namespace nexus::runtime
