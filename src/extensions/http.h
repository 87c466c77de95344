// The extension `http`: requests to the hosts that are allowed, and to no others.
//
//   call ──► came_ ──► waiting_ ──► active_ ──► the reply
//            (any thread)  (the thread: at most kMostAtOnce transfers, driven by one curl multi
//            handle)
#pragma once

#include <curl/curl.h>

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "extensions/allow_list.h"
#include "extensions/http_exchange.h"
#include "nexus/extension.h"
#include "nexus/extensions.h"
#include "nexus/result.h"

namespace nexus::extensions {

class Http final : public Extension {
 public:
  // Each may hold http_max_bytes.
  static constexpr size_t kMostAtOnce = 64;

  // What it uses that is not its own, for tests.
  struct Outside {
    // The address of a name, in place of the system's answer; empty: the system's. Called by the
    // thread.
    std::function<std::string(const std::string& host)> resolve;
  };

  static Result<std::shared_ptr<Http>> make(const HttpOptions& options, Outside outside);
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;
  // Whoever waits for an answer gets an error.
  ~Http() override;

  bool answers(std::string_view method) const noexcept override {
    return HttpRequest::hasMethod(method);
  }
  void call(ExtensionCall call, ExtensionReply reply) noexcept override;

 private:
  struct FreeMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  using Multi = std::unique_ptr<CURLM, FreeMulti>;
  using Exchanges = std::list<std::unique_ptr<Exchange>>;

  Http(const HttpOptions& options, AllowList allow, Outside outside, Multi multi);
  void run();
  bool takeWhatCame();
  void drop(Exchanges& exchanges);
  void beginWaiting();
  void finishEnded();
  int waitMs() const;

  const HttpOptions options_;
  const AllowList allow_;
  const TransferRules rules_;
  const Multi multi_;

  Mutex mutex_;
  Exchanges came_ NEXUS_GUARDED_BY(mutex_);
  bool isStopped_ NEXUS_GUARDED_BY(mutex_) = false;

  // The thread's own.
  Exchanges waiting_;
  Exchanges active_;

  std::thread thread_;
};

}  // namespace nexus::extensions
