#include <pthread.h>
#include <signal.h>

#include <utility>

#include "sandbox/quiet_thread.h"

namespace nexus::sandbox {

std::thread startQuietThread(std::function<void()> run) {
  // A thread inherits its maker's mask. Faults of its own stay deliverable.
  sigset_t quiet = {};
  sigfillset(&quiet);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&quiet, fault);
  sigset_t before = {};
  pthread_sigmask(SIG_BLOCK, &quiet, &before);
  try {
    std::thread thread(std::move(run));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
}

}  // namespace nexus::sandbox
