// A runtime's place in a process: forks, small stacks, and a system that gives nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "base/testing/temp_folder.h"
#include "nexus/runtime.h"
#include "runtime/runtime_parts.h"
#include "runtime/testing/runtime_rig.h"

namespace nexus {
namespace {

using runtime::testing::codeOf;
using runtime::testing::eventually;
using runtime::testing::makeRuntime;
using runtime::testing::outcomeOf;
using runtime::testing::take;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsInstrumented = true;
#else
constexpr bool kIsInstrumented = false;
#endif

constexpr char kSum[] = "return $args.a + 1";

// The exit status of a fork that did this; -1 when it did not exit by itself.
int statusOfFork(const std::function<int()>& child) {
  const pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

// Which of these do not hold, as bits.
int failures(std::initializer_list<bool> conditions) {
  int bits = 0;
  int bit = 1;
  for (const bool holds : conditions) {
    bits |= holds ? 0 : bit;
    bit *= 2;
  }
  return bits;
}

TEST(RuntimeForkTest, AForkGetsAClearErrorAndTheParentGoesOn) {
  auto runtime = makeRuntime();
  const Handler handler = take(runtime->precompile(kSum));
  const std::string message =
      "INTERNAL_ERROR: this process is a fork of the one that made the runtime: it may only exec; "
      "make a runtime after fork, or use posix_spawn";
  EXPECT_EQ(statusOfFork([&] {
              const auto refused = runtime->precompile(kSum);
              const RuntimeStats stats = runtime->stats();
              return failures({outcomeOf(runtime->execute(handler)) == message,
                               outcomeOf(runtime->execute(kSum, {})) == message,
                               codeOf(refused) == "INTERNAL_ERROR", stats.engine == "native",
                               runtime->shutdown(milliseconds(0))});
            }),
            0);
  EXPECT_EQ(outcomeOf(runtime->execute(handler, {.args = R"({"a":1})"})), "2");
}

TEST(RuntimeForkTest, AForkMayDestroyWhatItCannotUse) {
  auto runtime = makeRuntime();
  auto handler = std::make_unique<Handler>(take(runtime->precompile(kSum)));
  EXPECT_EQ(statusOfFork([&] {
              runtime.reset();
              handler.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(outcomeOf(runtime->execute(*handler, {.args = R"({"a":1})"})), "2");
}

// Whatever the other threads are in the middle of.
TEST(RuntimeForkTest, AForkAmidCallsHangsOnNothing) {
  auto runtime = makeRuntime({.maxInstances = 2});
  const Handler handler = take(runtime->precompile(kSum));
  std::atomic<bool> isOver{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      for (int turn = 0; !isOver; ++turn) {
        EXPECT_EQ(outcomeOf(runtime->execute(handler, {.args = R"({"a":1})"})), "2");
        (void)runtime->execute("return " + std::to_string(turn), {});
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(statusOfFork([&] {
                (void)runtime->stats();
                const bool isRefused = codeOf(runtime->execute(handler)) == "INTERNAL_ERROR";
                (void)runtime->shutdown(milliseconds::max());
                runtime.reset();
                return failures({isRefused});
              }),
              0);
  }
  isOver = true;
  for (std::thread& caller : callers) caller.join();
}

TEST(RuntimeForkTest, AForkMayMakeItsOwn) {
  if (kIsInstrumented) GTEST_SKIP() << "sanitizers allow no threads in a fork";
  const auto runtime = makeRuntime();
  EXPECT_EQ(
      statusOfFork([&] {
        const auto own = Runtime::make({});
        if (!own) return 1;
        return failures({outcomeOf((*own)->execute(kSum, {}, {.args = R"({"a":1})"})) == "2"});
      }),
      0);
}

// Runs something on a thread with a stack of so many bytes.
void onStack(size_t bytes, const std::function<void()>& work) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, bytes), 0);
  pthread_t thread{};
  const auto run = [](void* argument) -> void* {
    (*static_cast<const std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(
      pthread_create(&thread, &attributes, run, const_cast<void*>(static_cast<const void*>(&work))),
      0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(RuntimeStackTest, ASmallStackOfTheCallerIsEnough) {
  // Instrumented code needs more for itself.
  constexpr size_t kStack = kIsInstrumented ? size_t{512} << 10 : size_t{64} << 10;
  const nexus::testing::TempFolder folder;
  std::unique_ptr<Runtime> runtime;
  std::vector<std::string> outcomes;
  onStack(kStack, [&] {
    runtime = makeRuntime({.cacheDir = folder / "cache"});
    const Handler handler = take(runtime->precompile(kSum));
    outcomes.push_back(outcomeOf(runtime->execute(handler, {.args = R"({"a":1})"})));
    outcomes.push_back(codeOf(runtime->execute("const f = () => f() + 1; return f()", {})));
    outcomes.push_back(codeOf(runtime->execute(std::string(100'000, '('), {})));
    outcomes.push_back(codeOf(runtime->execute("for (;;);", {}, {.timeout = milliseconds(5)})));
    (void)runtime->stats();
  });
  EXPECT_THAT(outcomes, ::testing::ElementsAre("2", "STACK_OVERFLOW", ::testing::_, "TIMEOUT"));
  EXPECT_NE(outcomes[2], "INTERNAL_ERROR");
  onStack(kStack, [&] { runtime.reset(); });
}

TEST(RuntimeSystemTest, AThreadThatTheSystemRefusesIsAnError) {
  pthread_attr_t before;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  pthread_attr_t huge;
  pthread_attr_init(&huge);
  pthread_attr_setstacksize(&huge, size_t{1} << 46);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  const auto made = Runtime::make({});
  ASSERT_EQ(pthread_setattr_default_np(&before), 0);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&before);
  ASSERT_EQ(codeOf(made), "UNAVAILABLE");
  EXPECT_THAT(made.error().message, HasSubstr("thread"));
  EXPECT_EQ(codeOf(Runtime::make({})), "ok");
}

TEST(RuntimeSystemTest, WithoutAddressSpaceTheCheckedEngineServes) {
  if (kIsInstrumented) GTEST_SKIP() << "sanitizers need address space themselves";
  EXPECT_EQ(
      statusOfFork([] {
        const rlimit little{.rlim_cur = rlim_t{4} << 30, .rlim_max = RLIM_INFINITY};
        if (setrlimit(RLIMIT_AS, &little) != 0) return 64;
        const auto made = Runtime::make({});
        if (!made) return 32;
        const RuntimeStats stats = (*made)->stats();
        return failures({stats.engine == "checked",
                         stats.notice.starts_with("running on the slower checked engine: "),
                         outcomeOf((*made)->execute(kSum, {}, {.args = R"({"a":1})"})) == "2"});
      }),
      0);
}

TEST(RuntimeSystemTest, MemoryThatTheSystemRefusesIsAnError) {
  if (kIsInstrumented) GTEST_SKIP() << "sanitizers need address space themselves";
  EXPECT_EQ(statusOfFork([] {
              const rlimit little{.rlim_cur = rlim_t{1} << 30, .rlim_max = RLIM_INFINITY};
              if (setrlimit(RLIMIT_AS, &little) != 0) return 64;
              const auto made = Runtime::make({.minInstances = 8, .memoryLimitBytes = 512 << 20});
              return failures({codeOf(made) == "UNAVAILABLE"});
            }),
            0);
}

}  // namespace
}  // namespace nexus
