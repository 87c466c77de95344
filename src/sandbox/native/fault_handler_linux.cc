#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "sandbox/native/activation.h"
#include "sandbox/native/fault_handler.h"

namespace nexus::sandbox {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS};

// The handlers that were there before ours. Each (re)installation makes a new pair and keeps the
// old: a handler on another thread may be reading it.
struct PreviousHandlers {
  struct sigaction actions[2] = {};
};
std::atomic<const PreviousHandlers*> gPrevious{nullptr};
Mutex gInstallMutex;

// The fault that is being passed on, so that a previous handler that calls ours back ends in the
// default. It may also jump away; then the next fault is another one, at another depth.
struct PassedOn {
  const void* context;
  const char* frame;
};
__attribute__((tls_model("initial-exec"))) thread_local PassedOn tPassedOn = {nullptr, nullptr};

bool wasSent(const siginfo_t* info) { return info->si_code <= 0; }  // by kill() and its like

// A fault repeats when the handler returns, and ends the process with a report; a signal that was
// sent does not, and is sent again.
void endByDefault(int signal, const siginfo_t* info) {
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  sigaction(signal, &fallback, nullptr);
  if (wasSent(info)) raise(signal);
}

void passOn(int signal, siginfo_t* info, void* context) {
  const struct sigaction& previous =
      gPrevious.load(std::memory_order_acquire)->actions[signal == SIGBUS ? 1 : 0];
  const bool takesInfo = (previous.sa_flags & SA_SIGINFO) != 0;
  if (!takesInfo && previous.sa_handler == SIG_IGN && wasSent(info)) return;
  const auto* frame = static_cast<const char*>(__builtin_frame_address(0));
  const PassedOn outer = tPassedOn;
  const bool isNested = outer.context == context && frame < outer.frame;
  const bool isDefault =
      !takesInfo && (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN);
  if (isNested || isDefault) {
    endByDefault(signal, info);
    return;
  }
  tPassedOn = {context, frame};
  if (takesInfo) {
    previous.sa_sigaction(signal, info, context);
  } else {
    previous.sa_handler(signal);
  }
  tPassedOn = outer;
}

// The thread goes on behind the entry into the guest, as if it had returned this trap.
void landTrap(const Activation& activation, Trap trap, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  registers[REG_RSP] = reinterpret_cast<greg_t>(activation.savedStack);
  registers[REG_RDI] = reinterpret_cast<greg_t>(activation.savedStack);
  registers[REG_RSI] = static_cast<greg_t>(trap);
  registers[REG_RIP] = reinterpret_cast<greg_t>(&nexus_leave_stack);
  constexpr greg_t kDirectionFlag = 0x400;  // calling conventions want it clear
  registers[REG_EFL] &= ~kDirectionFlag;
}

// Where there is no room left on the guest's stack for the frame of some signal's handler, the
// kernel says only that: no address, its own code.
bool isOutOfSignalRoom(const Activation& activation, const siginfo_t* info, void* context) {
  const auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto stack = static_cast<uintptr_t>(registers[REG_RSP]);
  return info->si_code == SI_KERNEL && stack < activation.stack->limit() &&
         stack >= reinterpret_cast<uintptr_t>(activation.stack->guard());
}

void onFault(int signal, siginfo_t* info, void* context) {
  const int savedErrno = errno;
  const Activation* activation = Activation::current();
  if (activation == nullptr || activation->inImport || wasSent(info)) {
    passOn(signal, info, context);
    errno = savedErrno;
    return;
  }
  switch (activation->memory->onFault(info->si_addr)) {
    case FaultOutcome::kServed:
      break;
    case FaultOutcome::kOutOfBounds:
      landTrap(*activation, Trap::kOutOfBounds, context);
      break;
    case FaultOutcome::kLost:
      landTrap(*activation, Trap::kTrackingLost, context);
      break;
    case FaultOutcome::kForeign:
      if (activation->stack->isGuard(info->si_addr) ||
          isOutOfSignalRoom(*activation, info, context)) {
        landTrap(*activation, Trap::kStackExhausted, context);
      } else {
        passOn(signal, info, context);
      }
      break;
  }
  errno = savedErrno;
}

class AlternateStack {
 public:
  AlternateStack() {
    const size_t needed = getauxval(AT_MINSIGSTKSZ) + size_t{64} * 1024;
    stack_t present = {};
    sigaltstack(nullptr, &present);
    if ((present.ss_flags & SS_DISABLE) == 0 && present.ss_size >= needed) return;
    void* memory =
        mmap(nullptr, needed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;  // a fault on the guest's stack guard will end the process
    stack_t ours = {};
    ours.ss_sp = memory;
    ours.ss_size = needed;
    if (sigaltstack(&ours, &previous_) != 0) {
      munmap(memory, needed);
      return;
    }
    memory_ = memory;
    bytes_ = needed;
  }
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;
  ~AlternateStack() {
    if (memory_ == nullptr) return;
    stack_t present = {};
    sigaltstack(nullptr, &present);
    if (present.ss_sp != memory_) return;  // somebody replaced it and may come back to it
    sigaltstack(&previous_, nullptr);
    munmap(memory_, bytes_);
  }

 private:
  void* memory_ = nullptr;
  size_t bytes_ = 0;
  stack_t previous_ = {};
};

void unblockFaults() {
  sigset_t faults;
  sigemptyset(&faults);
  for (const int signal : kSignals) sigaddset(&faults, signal);
  pthread_sigmask(SIG_UNBLOCK, &faults, nullptr);
}

}  // namespace

Status installFaultHandler() {
  const MutexLock lock(gInstallMutex);
  auto previous = std::make_unique<PreviousHandlers>();
  bool isInstalled = true;
  const PreviousHandlers* known = gPrevious.load(std::memory_order_acquire);
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    struct sigaction& present = previous->actions[i];
    sigaction(kSignals[i], nullptr, &present);
    const bool isOurs = (present.sa_flags & SA_SIGINFO) != 0 && present.sa_sigaction == onFault;
    if (isOurs) present = known->actions[i];
    isInstalled = isInstalled && isOurs;
  }
  if (isInstalled) return Done{};
  gPrevious.store(previous.release(), std::memory_order_release);
  struct sigaction ours = {};
  ours.sa_sigaction = onFault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (const int signal : kSignals) {
    if (sigaction(signal, &ours, nullptr) != 0) {
      return Error{.code = ErrorCode::kUnavailable,
                   .message = "the system refused a handler for memory faults"};
    }
  }
  return Done{};
}

void prepareThreadForFaults() {
  thread_local struct Preparation {
    AlternateStack stack;
    Preparation() {
      unblockFaults();
      // Somebody may have put a handler in place of ours since the last sandbox was made.
      (void)installFaultHandler();
    }
  } preparation;
  (void)preparation;
}

}  // namespace nexus::sandbox
