#include "child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

// glibc 2.36 forgets that C++ includes this, too.
extern "C" {
#include <sys/pidfd.h>
}

namespace nexus::testing {

ChildProcess::ChildProcess(const std::vector<std::string>& command, const std::string& output) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));  // not changed by posix_spawn
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int refused =
      posix_spawn(&process_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (refused != 0) std::abort();
  handle_ = pidfd_open(process_, 0);
  if (handle_ < 0) std::abort();
}

ChildProcess::~ChildProcess() {
  if (process_ >= 0) {
    kill();
    finish();
  }
  close(handle_);
}

bool ChildProcess::waitFor(std::chrono::microseconds time) {
  pollfd ended{.fd = handle_, .events = POLLIN, .revents = 0};
  const timespec timeout{.tv_sec = time.count() / 1'000'000,
                         .tv_nsec = time.count() % 1'000'000 * 1000};
  return ppoll(&ended, 1, &timeout, nullptr) == 1;
}

void ChildProcess::kill() { pidfd_send_signal(handle_, SIGKILL, nullptr, 0); }

int ChildProcess::finish() {
  int status = 0;
  while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace nexus::testing
