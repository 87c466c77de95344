// A line on the terminal while something takes long, so that nobody wonders.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "base/mutex.h"

namespace nexus::app {

// From two seconds on, once a second: shows what `describe` makes of the whole seconds passed, on
// standard error, and takes it away at the end. Silent where that is no terminal.
class Progress {
 public:
  using Describe = std::function<std::string(int64_t seconds)>;

  explicit Progress(Describe describe);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

 private:
  void show();

  const Describe describe_;
  Mutex mutex_;
  Condition ended_;
  bool isOver_ NEXUS_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace nexus::app
