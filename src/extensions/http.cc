#include "extensions/http.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/settings.h"
#include "extensions/http_error.h"
#include "sandbox/quiet_thread.h"

namespace nexus::extensions {
namespace {

using Step = Exchange::Step;

// Once a process, before the first handle; never undone, since others may use libcurl as well.
bool startCurl() {
  static const bool kStarted = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return kStarted;
}

// A step that had no memory has ended; its reply says so by itself when it is dropped.
template <typename Run>
Step guarded(Run run) {
  try {
    return run();
  } catch (const std::bad_alloc&) {
    return Step::kEnded;
  }
}

}  // namespace

Result<std::shared_ptr<Http>> Http::make(const HttpOptions& options, Outside outside) {
  auto ranges = checkRanges({.runtime = {}, .http = options});
  if (!ranges) return std::move(ranges).error();
  auto allow = AllowList::parse(options.allow);
  if (!allow) return std::move(allow).error();
  Multi multi(startCurl() ? curl_multi_init() : nullptr);
  if (multi == nullptr) {
    return Error{.code = ErrorCode::kUnavailable, .message = "libcurl does not start"};
  }
  return std::shared_ptr<Http>(
      new Http(options, std::move(*allow), std::move(outside), std::move(multi)));
}

Http::Http(const HttpOptions& options, AllowList allow, Outside outside, Multi multi)
    : options_(options),
      allow_(std::move(allow)),
      rules_{allow_, options.maxBytes, std::move(outside.resolve)},
      multi_(std::move(multi)),
      thread_(sandbox::startQuietThread([this] { run(); })) {}

Http::~Http() {
  {
    const MutexLock lock(mutex_);
    isStopped_ = true;
  }
  curl_multi_wakeup(multi_.get());
  thread_.join();
}

void Http::call(ExtensionCall call, ExtensionReply reply) noexcept {
  try {
    auto request = HttpRequest::parse(call.method, call.args);
    if (!request) return reply.error(std::move(request).error().message);
    Exchanges one;
    one.push_back(std::make_unique<Exchange>(std::move(*request), options_, rules_, multi_.get(),
                                             call.stop, std::move(reply)));
    const MutexLock lock(mutex_);
    came_.splice(came_.end(), one);
  } catch (const std::bad_alloc&) {
    // The reply, which was dropped, has answered with an error.
  }
  curl_multi_wakeup(multi_.get());
}

void Http::run() {
  while (takeWhatCame()) {
    drop(waiting_);
    drop(active_);
    beginWaiting();
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    finishEnded();
    // What has ended made room.
    beginWaiting();
    curl_multi_poll(multi_.get(), nullptr, 0, waitMs(), nullptr);
  }
  // Here, while what their callbacks wake is still there.
  active_.clear();
  waiting_.clear();
}

// False: the end.
bool Http::takeWhatCame() {
  const MutexLock lock(mutex_);
  waiting_.splice(waiting_.end(), came_);
  return !isStopped_;
}

// Those that nobody waits for, and those whose time is over.
void Http::drop(Exchanges& exchanges) {
  const auto now = std::chrono::steady_clock::now();
  exchanges.remove_if([&](const std::unique_ptr<Exchange>& exchange) {
    if (exchange->isCancelled()) return true;
    if (exchange->deadline() > now) return false;
    guarded([&] {
      exchange->timeOut();
      return Step::kEnded;
    });
    return true;
  });
}

void Http::beginWaiting() {
  while (!waiting_.empty() && active_.size() < kMostAtOnce) {
    active_.splice(active_.end(), waiting_, waiting_.begin());
    if (guarded([&] { return active_.back()->begin(); }) == Step::kEnded) active_.pop_back();
  }
}

void Http::finishEnded() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    void* owner = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    auto* exchange = static_cast<Exchange*>(owner);
    const CURLcode code = message->data.result;
    if (guarded([&] { return exchange->onEnd(code); }) == Step::kGoesOn) continue;
    active_.remove_if([&](const auto& each) { return each.get() == exchange; });
  }
}

int Http::waitMs() const {
  // libcurl cuts it short for timers of its own.
  constexpr std::chrono::milliseconds kLongest{60'000};
  auto first = std::chrono::steady_clock::now() + kLongest;
  for (const Exchanges* exchanges : {&waiting_, &active_}) {
    for (const auto& exchange : *exchanges) first = std::min(first, exchange->deadline());
  }
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(first - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp(left, std::chrono::milliseconds(0), kLongest).count());
}

}  // namespace nexus::extensions

namespace nexus {

Status validate(const HttpOptions& options) {
  auto ranges = checkRanges({.runtime = {}, .http = options});
  if (!ranges) return ranges;
  auto allow = extensions::AllowList::parse(options.allow);
  if (!allow) return std::move(allow).error();
  return Done{};
}

Result<std::shared_ptr<Extension>> makeHttp(const HttpOptions& options) {
  auto http = extensions::Http::make(options, {});
  if (!http) return std::move(http).error();
  return std::shared_ptr<Extension>(std::move(*http));
}

}  // namespace nexus
