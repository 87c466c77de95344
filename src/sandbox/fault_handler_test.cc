// Faults that are not a guest's end where they would without Nexus; those of a guest never leave
// it. Whatever changes the process's signal handlers runs in a process of its own.
#include "sandbox/native/fault_handler.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "sandbox/native/guest_memory.h"
#include "sandbox/testing/probe.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NEXUS_TEST_SANITIZED 1
#else
#define NEXUS_TEST_SANITIZED 0
#endif

namespace nexus::sandbox {
namespace {

using testing::Build;
using testing::kDone;
using testing::kInitialBytes;
using testing::kTooDeep;
using testing::Probe;
using testing::returned;

constexpr const char* kReport = NEXUS_TEST_SANITIZED ? "SEGV" : "";

// A sanitizer is the previous handler of its process: it reports the fault and exits.
bool diedOfFault(int status) {
#if NEXUS_TEST_SANITIZED
  return WIFEXITED(status) && WEXITSTATUS(status) != 0;
#else
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
#endif
}

__attribute__((no_sanitize("address", "undefined", "thread"), noinline)) void writeTo(
    volatile char* at) {
  *at = 1;
}

__attribute__((no_sanitize("address", "undefined", "thread"), noinline)) void writeToNull() {
  volatile char* volatile null = nullptr;
  *null = 1;
}

void withoutCore() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

// For the end of a child: 0 when everything held.
void check(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "does not hold: %s\n", what);
  _exit(1);
}
#define NEXUS_CHECK(condition) check((condition), #condition)

// Every kind of fault that a guest can have, and calls that go right in between.
void useGuests(Probe& probe, const std::shared_ptr<const Image>& base) {
  for (int i = 0; i < 3; ++i) {
    NEXUS_CHECK(probe->restore(base));
    for (uint64_t page = 0; page < kInitialBytes; page += kPageBytes) {
      NEXUS_CHECK(probe.call("store", {page, 5}) == kDone);  // a page opens by a fault
    }
    NEXUS_CHECK(probe.call("load", {kInitialBytes}).trap == Trap::kOutOfBounds);
    NEXUS_CHECK(probe.call("recurse", {kTooDeep}).trap == Trap::kStackExhausted);
    NEXUS_CHECK(probe.call("recurse", {100}) == returned(100));
    probe->trim();
  }
}

void useGuests() {
  Probe probe(Build::kNative);
  useGuests(probe, probe.capture());
}

class FaultHandler : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// Host faults without a handler.

struct Place {
  const char* name;
  std::function<void()> crash;
};

void PrintTo(const Place& place, std::ostream* out) { *out << place.name; }

std::vector<Place> places() {
  return {
      {"WithoutSandbox", [] { writeToNull(); }},
      {"BesideASandbox",
       [] {
         Probe probe(Build::kNative);
         writeToNull();
       }},
      {"AfterGuestFaults",
       [] {
         useGuests();
         writeToNull();
       }},
      {"InAnotherThread",
       [] {
         useGuests();
         std::thread(writeToNull).join();
       }},
      {"InAnImport",
       [] {
         Probe probe(Build::kNative);
         probe.imports().onNote = [](std::span<const uint64_t>, Sandbox&) {
           writeToNull();
           return ImportResult{};
         };
         (void)probe.call("note", {0});
       }},
      {"InAnImportAfterANestedTrap",
       [] {
         Probe probe(Build::kNative);
         probe.imports().onNote = [&](std::span<const uint64_t>, Sandbox&) {
           NEXUS_CHECK(probe.call("load", {kInitialBytes}).trap == Trap::kOutOfBounds);
           writeToNull();
           return ImportResult{};
         };
         (void)probe.call("note", {0});
       }},
      {"InAnImportOfANestedCall",
       [] {
         Probe probe(Build::kNative);
         probe.imports().onNote = [&](std::span<const uint64_t> args, Sandbox&) {
           if (args[0] == 1) writeToNull();
           (void)probe.call("note", {1});
           return ImportResult{};
         };
         (void)probe.call("note", {0});
       }},
      {"ThroughTheGuestsOwnAddress",
       [] {
         // Host code at a closed page of the sandbox: no guest runs, so nobody's page opens.
         auto memory = std::move(makeTrackedMemory(4096)).value();
         NEXUS_CHECK(memory->populate(kWasmPageBytes) && memory->sealTable());
         (void)installFaultHandler();
         writeTo(reinterpret_cast<volatile char*>(memory->base()) + kWasmPageBytes);
       }},
  };
}

class HostFault : public ::testing::TestWithParam<Place> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

INSTANTIATE_TEST_SUITE_P(Places, HostFault, ::testing::ValuesIn(places()),
                         [](const auto& place) { return std::string(place.param.name); });

TEST_P(HostFault, EndsTheProcess) {
  const auto crash = [] {
    withoutCore();
    GetParam().crash();
    _exit(0);
  };
  EXPECT_EXIT(crash(), diedOfFault, kReport);
}

// Handlers that were there before.

std::atomic<int> gFaults{0};
std::atomic<void*> gFaultAddress{nullptr};
sigjmp_buf gAfterFault;

void jumpBack(int, siginfo_t* info, void*) {
  gFaultAddress = info->si_addr;
  ++gFaults;
  siglongjmp(gAfterFault, 1);
}

void jumpBackWithoutInfo(int) {
  ++gFaults;
  siglongjmp(gAfterFault, 1);
}

void countOnly(int, siginfo_t*, void*) { ++gFaults; }

// Makes the faulting page writable, as a collector or a snapshot library does.
void openPage(int, siginfo_t* info, void*) {
  ++gFaults;
  const auto page = reinterpret_cast<uintptr_t>(info->si_addr) & ~uintptr_t{kPageBytes - 1};
  mprotect(reinterpret_cast<void*>(page), kPageBytes, PROT_READ | PROT_WRITE);
}

struct sigaction install(void (*handler)(int, siginfo_t*, void*), int flags = 0) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  sigaction(SIGSEGV, &action, &before);
  return before;
}

bool faultsAndComesBack() {
  if (sigsetjmp(gAfterFault, 1) != 0) return true;
  writeToNull();
  return false;
}

TEST_F(FaultHandler, APreviousHandlerGetsHostFaultsAndNoOthers) {
  const auto run = [] {
    install(jumpBack);
    useGuests();
    NEXUS_CHECK(gFaults == 0);
    NEXUS_CHECK(faultsAndComesBack());
    NEXUS_CHECK(gFaults == 1 && gFaultAddress == nullptr);
    useGuests();
    NEXUS_CHECK(gFaults == 1);
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, APreviousHandlerThatJumpsAwayGetsTheNextFaultToo) {
  const auto run = [] {
    withoutCore();
    install(jumpBack);
    useGuests();
    for (int i = 1; i <= 5; ++i) {
      NEXUS_CHECK(faultsAndComesBack());
      NEXUS_CHECK(gFaults == i);
      useGuests();
    }
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, APreviousHandlerWithoutInfoIsCalledToo) {
  const auto run = [] {
    signal(SIGSEGV, jumpBackWithoutInfo);
    useGuests();
    NEXUS_CHECK(gFaults == 0);
    NEXUS_CHECK(faultsAndComesBack());
    NEXUS_CHECK(gFaults == 1);
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, APreviousHandlerThatMendsTheFaultIsAskedEachTime) {
  const auto run = [] {
    install(openPage);
    useGuests();
    auto* pages = static_cast<volatile char*>(
        mmap(nullptr, 16 * kPageBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < 8; ++i) writeTo(pages + i * kPageBytes);
    Probe probe(Build::kNative);
    int page = 8;
    probe.imports().onNote = [&](std::span<const uint64_t>, Sandbox&) {
      writeTo(pages + page++ * kPageBytes);
      return ImportResult{};
    };
    for (int i = 0; i < 8; ++i) NEXUS_CHECK(probe.call("note", {0}) == kDone);
    NEXUS_CHECK(gFaults == 16);
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

// Handlers that come later.

struct sigaction gBeforeLater;

// Well behaved: what is not its own goes to the handler that it found.
void chainBack(int signal, siginfo_t* info, void* context) {
  ++gFaults;
  if (gFaults > 100) _exit(3);  // a circle
  gBeforeLater.sa_sigaction(signal, info, context);
}

TEST_F(FaultHandler, ALaterHandlerIsNoticedAtTheNextSandbox) {
  const auto run = [] {
    useGuests();
    install(jumpBack);
    useGuests();  // makes a sandbox first
    NEXUS_CHECK(gFaults == 0);
    NEXUS_CHECK(faultsAndComesBack());
    NEXUS_CHECK(gFaults == 1);
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, OldSandboxesWorkAgainBehindALaterHandler) {
  const auto run = [] {
    Probe old(Build::kNative);
    const auto base = old.capture();
    useGuests(old, base);
    install(jumpBack);
    Probe next(Build::kNative);
    useGuests(old, base);
    NEXUS_CHECK(gFaults == 0);
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, ALaterHandlerThatChainsKeepsGuestsAlive) {
  const auto run = [] {
    Probe probe(Build::kNative);
    const auto base = probe.capture();
    gBeforeLater = install(chainBack, SA_ONSTACK | SA_NODEFER);
    NEXUS_CHECK(probe.call("store", {0, 1}) == kDone);
    NEXUS_CHECK(probe.call("load", {kInitialBytes}).trap == Trap::kOutOfBounds);
    NEXUS_CHECK(probe.call("recurse", {kTooDeep}).trap == Trap::kStackExhausted);
    NEXUS_CHECK(gFaults == 3);
    NEXUS_CHECK(probe->restore(base));
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, ACircleOfHandlersEndsTheProcess) {
  const auto run = [] {
    withoutCore();
    useGuests();
    gBeforeLater = install(chainBack, SA_ONSTACK | SA_NODEFER);
    useGuests();  // from here on each knows the other as its predecessor
    writeToNull();
    _exit(0);
  };
  // What was the default before both is lost with the circle: no sanitizer's report.
  EXPECT_EXIT(run(), ::testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(FaultHandler, InstallingTwiceChangesNothing) {
  const auto run = [] {
    install(jumpBack);
    for (int i = 0; i < 3; ++i) NEXUS_CHECK(installFaultHandler().ok());
    NEXUS_CHECK(faultsAndComesBack());
    NEXUS_CHECK(gFaults == 1);
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

// Signals that somebody sent: the code says that no access was behind them.

void sendToProcess() { kill(getpid(), SIGSEGV); }
void sendToThread() { pthread_kill(pthread_self(), SIGSEGV); }
void sendByRaise() { raise(SIGSEGV); }
void sendWithValue() { sigqueue(getpid(), SIGSEGV, sigval{}); }

struct Sender {
  const char* name;
  void (*send)();
};

void PrintTo(const Sender& sender, std::ostream* out) { *out << sender.name; }

class SentSignal : public ::testing::TestWithParam<Sender> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

INSTANTIATE_TEST_SUITE_P(Ways, SentSignal,
                         ::testing::Values(Sender{"Kill", sendToProcess},
                                           Sender{"PthreadKill", sendToThread},
                                           Sender{"Raise", sendByRaise},
                                           Sender{"Sigqueue", sendWithValue}),
                         [](const auto& sender) { return std::string(sender.param.name); });

TEST_P(SentSignal, EndsTheProcessByDefault) {
  const auto run = [] {
    withoutCore();
    signal(SIGSEGV, SIG_DFL);
    useGuests();
    GetParam().send();
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::KilledBySignal(SIGSEGV), "");
}

TEST_P(SentSignal, IsIgnoredWhereItWasIgnored) {
  const auto run = [] {
    withoutCore();
    signal(SIGSEGV, SIG_IGN);
    Probe probe(Build::kNative);
    const auto base = probe.capture();
    GetParam().send();
    useGuests(probe, base);
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_P(SentSignal, GoesToThePreviousHandler) {
  const auto run = [] {
    install(countOnly);
    Probe probe(Build::kNative);
    const auto base = probe.capture();
    for (int i = 1; i <= 3; ++i) {
      GetParam().send();
      NEXUS_CHECK(gFaults == i);
      useGuests(probe, base);
    }
    NEXUS_CHECK(gFaults == 3);
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, ASignalSentWhileAGuestRunsGoesToThePreviousHandler) {
  const auto run = [] {
    install(countOnly);
    Probe probe(Build::kNative);
    const auto base = probe.capture();
    const pthread_t guestThread = pthread_self();
    std::thread sender([&] {
      // The second only after the first was handled: the guest went on.
      for (int i = 0; i < 2; ++i) {
        pthread_kill(guestThread, SIGSEGV);
        NEXUS_CHECK(testing::eventually([&] { return gFaults == i + 1; }));
      }
      probe->requestStop();
    });
    NEXUS_CHECK(probe.call("spin").trap == Trap::kStopped);
    sender.join();
    probe->clearStop();
    useGuests(probe, base);
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

// Threads.

TEST_F(FaultHandler, AThreadThatBlocksFaultsCanRunGuests) {
  std::thread([] {
    sigset_t faults;
    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGBUS);
    ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &faults, nullptr), 0);
    useGuests();
  }).join();
}

enum class SignalStack { kNone, kSmall, kLarge };

// Lives longer than what a thread's first guest call makes, since it was made earlier.
struct StackObserver {
  StackObserver() { sigaltstack(nullptr, &original); }
  StackObserver(const StackObserver&) = delete;
  StackObserver& operator=(const StackObserver&) = delete;
  ~StackObserver() {
    sigaltstack(nullptr, atEnd);
    sigaltstack(&original, nullptr);
  }
  stack_t original{};
  stack_t* atEnd = nullptr;
};

const char* nameOf(SignalStack stack) {
  return stack == SignalStack::kNone ? "None" : stack == SignalStack::kSmall ? "Small" : "Large";
}

class AlternateStackTest : public ::testing::TestWithParam<SignalStack> {};

INSTANTIATE_TEST_SUITE_P(Stacks, AlternateStackTest,
                         ::testing::Values(SignalStack::kNone, SignalStack::kSmall,
                                           SignalStack::kLarge),
                         [](const auto& test) { return std::string(nameOf(test.param)); });

TEST_P(AlternateStackTest, IsBackAtTheThreadsEnd) {
  const size_t bytes = GetParam() == SignalStack::kNone    ? 0
                       : GetParam() == SignalStack::kSmall ? getauxval(AT_MINSIGSTKSZ)
                                                           : size_t{1} << 20;
  std::vector<char> memory(bytes);
  stack_t own{};
  own.ss_sp = bytes == 0 ? nullptr : memory.data();
  own.ss_size = bytes;
  own.ss_flags = bytes == 0 ? SS_DISABLE : 0;
  stack_t during{};
  stack_t atEnd{};
  std::thread([&] {
    thread_local StackObserver observer;
    observer.atEnd = &atEnd;
    ASSERT_EQ(sigaltstack(&own, nullptr), 0);
    useGuests();
    sigaltstack(nullptr, &during);
  }).join();
  EXPECT_EQ(during.ss_flags & SS_DISABLE, 0);
  if (GetParam() == SignalStack::kLarge) {
    EXPECT_EQ(during.ss_sp, own.ss_sp);
  }
  EXPECT_EQ(atEnd.ss_sp, own.ss_sp);
  EXPECT_EQ(atEnd.ss_size, own.ss_size);
  EXPECT_EQ(atEnd.ss_flags, own.ss_flags);
}

// Storms of the embedder's signals, whose handlers run on whatever stack is in use.

std::atomic<int> gAlarms{0};

void onAlarm(int) { ++gAlarms; }

class Storm {
 public:
  explicit Storm(suseconds_t intervalUs) {
    struct sigaction action {};
    action.sa_handler = onAlarm;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, &before_);
    const itimerval timer{{0, intervalUs}, {0, intervalUs}};
    setitimer(ITIMER_REAL, &timer, nullptr);
  }
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  ~Storm() {
    const itimerval none{};
    setitimer(ITIMER_REAL, &none, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_ {};
};

TEST_F(FaultHandler, AStormOfSignalsChangesNoResult) {
  Probe probe(Build::kNative);
  const auto base = probe.capture();
  const Storm storm(1000);
  for (uint64_t i = 0; i < 20'000; ++i) {
    const uint64_t at = i % 32 * kPageBytes + 8;
    ASSERT_EQ(probe.call("store", {at, i}), kDone);
    ASSERT_EQ(probe.call("countTo", {1000}), returned(1000));
    ASSERT_EQ(probe.call("load", {at}), returned(i));
    ASSERT_EQ(probe.call("load", {kInitialBytes}).trap, Trap::kOutOfBounds);
    ASSERT_TRUE(probe->restore(base));
    ASSERT_EQ(probe.load(static_cast<GuestAddress>(at)), 0u);
    if (i % 100 == 0) probe->trim();
  }
  EXPECT_GT(gAlarms, 0);
}

// A signal that arrives when the guest has used its stack up finds no room for its frame there.
TEST_F(FaultHandler, AStormOfSignalsAtTheStacksEndIsSurvived) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP()
      << "the thread sanitizer's handler runs in front of every other, on the guest's stack";
#endif
  const auto run = [] {
    withoutCore();
    Probe probe(Build::kNative, {.memoryLimitBytes = kInitialBytes, .nativeStackBytes = 4096});
    const Storm storm(200);
    for (int i = 0; i < 50'000; ++i) {
      NEXUS_CHECK(probe.call("recurse", {kTooDeep}).trap == Trap::kStackExhausted);
    }
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

// What the system refuses.

// From here on mprotect fails in this process, as it does when it has too many mappings.
void refuseProtection() {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), const_cast<sock_filter*>(program)};
  NEXUS_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  NEXUS_CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

TEST_F(FaultHandler, APageThatCannotBeOpenedLosesTheSandboxOnly) {
  const auto run = [] {
    Probe probe(Build::kNative);
    const auto base = probe.capture();
    NEXUS_CHECK(probe.call("store", {0, 1}) == kDone);
    refuseProtection();
    NEXUS_CHECK(probe.call("store", {4, 2}) == kDone);  // that page is open
    NEXUS_CHECK(probe.call("store", {kPageBytes, 1}).trap == Trap::kTrackingLost);
    NEXUS_CHECK(!probe->restore(base));
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, ACopyIntoAPageThatCannotBeOpenedIsRefused) {
  const auto run = [] {
    Probe probe(Build::kNative);
    const auto base = probe.capture();
    refuseProtection();
    const std::byte byte{1};
    NEXUS_CHECK(!probe->copyIn(0, {&byte, 1}));
    NEXUS_CHECK(!probe->restore(base));
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, GrowthThatTheSystemRefusesIsRefusedToTheGuest) {
  const auto run = [] {
    Probe probe(Build::kNative);
    const auto base = probe.capture();
    refuseProtection();
    NEXUS_CHECK(probe.call("grow", {1}) == returned(0xFFFFFFFF));
    NEXUS_CHECK(probe.call("pages") == returned(2));
    NEXUS_CHECK(probe->restore(base));
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultHandler, ASandboxThatTheSystemRefusesIsUnavailable) {
  const auto run = [] {
    Probe probe(Build::kNative);
    refuseProtection();
    testing::ProbeImports imports;
    for (const Build build : {Build::kNative, Build::kChecked}) {
      const testing::ProbeEngine engine(build);
      const auto made = engine->createSandbox(testing::kProbeOptions, imports, nullptr);
      NEXUS_CHECK(!made.ok() && made.error().code == ErrorCode::kUnavailable);
    }
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

#if !NEXUS_TEST_SANITIZED
// A sanitizer's own address space is far beyond any limit.
TEST_F(FaultHandler, AddressSpaceThatTheSystemRefusesIsUnavailable) {
  const auto run = [] {
    const rlimit limit{uint64_t{4} << 30, uint64_t{4} << 30};
    setrlimit(RLIMIT_AS, &limit);
    testing::ProbeImports imports;
    const testing::ProbeEngine engine(Build::kNative);
    const auto made = engine->createSandbox(testing::kProbeOptions, imports, nullptr);
    NEXUS_CHECK(!made.ok() && made.error().code == ErrorCode::kUnavailable);
    NEXUS_CHECK(made.error().message.find("ulimit -v") != std::string::npos);
    Probe checked(Build::kChecked);  // the fallback has no such needs
    NEXUS_CHECK(checked.call("recurse", {100}) == returned(100));
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

// A sanitizer asks with a pipe whether an address is readable.
TEST_F(FaultHandler, AnImageWithoutADescriptorIsUnavailable) {
  const auto run = [] {
    Probe probe(Build::kNative);
    const rlimit none{0, 0};
    setrlimit(RLIMIT_NOFILE, &none);
    const auto image = probe->capture({});
    NEXUS_CHECK(!image.ok() && image.error().code == ErrorCode::kUnavailable);
    NEXUS_CHECK(probe.call("recurse", {100}) == returned(100));
    _exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}
#endif

// The table, once sealed, can be read and not written.

class SealedTable : public ::testing::TestWithParam<Build> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  static std::unique_ptr<GuestMemory> make() {
    auto memory = GetParam() == Build::kNative ? makeTrackedMemory(5000)
                                               : makeCopiedMemory(5000, kWasmPageBytes);
    EXPECT_TRUE((*memory)->populate(kWasmPageBytes));
    return std::move(*memory);
  }
};

INSTANTIATE_TEST_SUITE_P(Builds, SealedTable, ::testing::Values(Build::kNative, Build::kChecked),
                         [](const auto& build) { return testing::toString(build.param); });

TEST_P(SealedTable, CanBeReadToItsEnd) {
  const auto memory = make();
  memory->table()[4999] = std::byte{7};
  ASSERT_TRUE(memory->sealTable());
  EXPECT_EQ(memory->table()[0], std::byte{0});
  EXPECT_EQ(memory->table()[4999], std::byte{7});
}

TEST_P(SealedTable, CannotBeWritten) {
  for (const size_t at : {size_t{0}, size_t{4999}}) {
    const auto run = [at] {
      withoutCore();
      const auto memory = make();
      NEXUS_CHECK(memory->sealTable());
      (void)installFaultHandler();
      writeTo(reinterpret_cast<volatile char*>(memory->table()) + at);
      _exit(0);
    };
    EXPECT_EXIT(run(), diedOfFault, kReport);
  }
}

TEST_P(SealedTable, LeavesTheControlBlockWritable) {
  const auto memory = make();
  ASSERT_TRUE(memory->sealTable());
  memory->control()->stop = 1;
  EXPECT_EQ(memory->control()->stop, 1u);
}

}  // namespace
}  // namespace nexus::sandbox
