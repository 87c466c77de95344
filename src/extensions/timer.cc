#include "extensions/timer.h"

#include <cmath>
#include <new>
#include <nlohmann/json.hpp>
#include <string>

#include "base/text.h"
#include "nexus/extensions.h"
#include "sandbox/quiet_thread.h"

namespace nexus::extensions {
namespace {

using std::chrono::milliseconds;

constexpr size_t kLongestShown = 60;

Result<milliseconds> parseArgs(std::string_view args) {
  constexpr double kMost = std::chrono::duration<double, std::milli>(Timer::kLongest).count();
  const auto values = nlohmann::json::parse(args, nullptr, false);
  const bool isOne = values.is_array() && values.size() == 1 && values[0].is_number();
  const double number = isOne ? values[0].get<double>() : -1;
  // Rounded up: nobody is woken too early.
  if (number >= 0 && number <= kMost) return milliseconds(static_cast<int64_t>(std::ceil(number)));
  return Error{.code = ErrorCode::kInvalidInput,
               .message = "timer.sleep: expected one number, milliseconds from 0 to " +
                          std::to_string(milliseconds(Timer::kLongest).count()) + "; got " +
                          std::string(cutUtf8(args, kLongestShown))};
}

}  // namespace

Timer::Timer(std::unique_ptr<Clock> clock)
    : clock_(std::move(clock)), thread_(sandbox::startQuietThread([this] { run(); })) {}

Timer::~Timer() {
  {
    const MutexLock lock(mutex_);
    isStopped_ = true;
  }
  changed_.notifyOne();
  thread_.join();
  Sleepers left;
  {
    const MutexLock lock(mutex_);
    left.swap(sleepers_);
  }
  // Here, while what their callbacks touch is still there.
  left.clear();
}

void Timer::call(ExtensionCall call, ExtensionReply reply) noexcept {
  try {
    auto time = parseArgs(call.args);
    if (!time) return reply.error(std::move(time).error().message);
    sleep(*time, call.stop, std::move(reply));
  } catch (const std::bad_alloc&) {
    // The reply, which was dropped, has answered with an error.
  }
}

void Timer::sleep(milliseconds time, const std::stop_token& stop, ExtensionReply reply) {
  Key key{clock_->now() + time, 0};
  {
    const MutexLock lock(mutex_);
    key.second = ++last_;
  }
  // Not under the lock: the callback, which takes it, runs in here when all is over already.
  auto sleeper = std::make_unique<Sleeper>(stop, std::move(reply), Cancel{*this, key});
  {
    const MutexLock lock(mutex_);
    sleepers_.emplace(key, std::move(sleeper));
    // If the callback came before the sleeper was there, nothing was found for it.
    if (stop.stop_requested()) cancelled_.push_back(key);
  }
  changed_.notifyOne();
}

void Timer::cancel(const Key& key) noexcept {
  {
    const MutexLock lock(mutex_);
    cancelled_.push_back(key);
  }
  changed_.notifyOne();
}

size_t Timer::sleeping() const {
  const MutexLock lock(mutex_);
  return sleepers_.size();
}

bool Timer::next(std::vector<Sleepers::node_type>& due,
                 std::vector<Sleepers::node_type>& cancelled) {
  const MutexLock lock(mutex_);
  while (!isStopped_) {
    for (const Key& key : cancelled_) {
      if (auto sleeper = sleepers_.extract(key)) cancelled.push_back(std::move(sleeper));
    }
    cancelled_.clear();
    const Clock::Time now = clock_->now();
    while (!sleepers_.empty() && sleepers_.begin()->first.first <= now) {
      due.push_back(sleepers_.extract(sleepers_.begin()));
    }
    if (!due.empty() || !cancelled.empty()) return true;
    if (sleepers_.empty()) {
      changed_.wait(mutex_);
    } else {
      changed_.waitUntil(mutex_, clock_->real(sleepers_.begin()->first.first));
    }
  }
  return false;
}

void Timer::run() {
  std::vector<Sleepers::node_type> due;
  std::vector<Sleepers::node_type> cancelled;
  while (next(due, cancelled)) {
    for (auto& sleeper : due) sleeper.mapped()->reply.result("null");
    // Without the lock: this waits for callbacks that are running, and they take it.
    due.clear();
    cancelled.clear();
  }
}

}  // namespace nexus::extensions

namespace nexus {

std::shared_ptr<Extension> makeTimer() { return std::make_shared<extensions::Timer>(); }

}  // namespace nexus
