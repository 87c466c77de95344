// A program that a test starts, waits for, and kills.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace nexus::testing {

// One thread at a time. What still runs when this ends is killed.
class ChildProcess {
 public:
  // `command` is the program's path and its arguments; what it prints goes to the file `output`.
  ChildProcess(const std::vector<std::string>& command, const std::string& output);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  // Waits for its end for at most so long; whether it has ended.
  bool waitFor(std::chrono::microseconds time);
  // kill -9.
  void kill();
  // Waits for its end, and returns its exit status; -1 when a signal ended it.
  int finish();

 private:
  pid_t process_ = -1;
  int handle_ = -1;  // readable when it has ended
};

}  // namespace nexus::testing
