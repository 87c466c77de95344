// One request of a handler, from its beginning to its answer, over all redirects.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>

#include "extensions/http_request.h"
#include "extensions/http_transfer.h"
#include "nexus/extension.h"
#include "nexus/extensions.h"

namespace nexus::extensions {

// For the thread that works on transfers, but for its making.
class Exchange {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Wakes that thread, when nobody waits for the answer any more.
  struct Wake {
    CURLM* multi;
    void operator()() const noexcept { curl_multi_wakeup(multi); }
  };

  // All must outlive it. Its time begins now.
  Exchange(HttpRequest request, const HttpOptions& options, const TransferRules& rules,
           CURLM* multi, const std::stop_token& stop, ExtensionReply reply);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() = default;

  Time deadline() const { return deadline_; }
  bool isCancelled() const { return stop_.stop_requested(); }

  enum class Step { kGoesOn, kEnded };

  // Sends the request.
  Step begin();
  // The transfer has ended: answers, or follows a redirect.
  Step onEnd(CURLcode code);
  // At the deadline.
  void timeOut();

 private:
  Step fail(const Error& error);
  Step answer(const HttpAnswer& answer);
  Step follow(const HttpAnswer& answer, const std::string& location);

  HttpRequest request_;
  const HttpOptions& options_;
  const TransferRules& rules_;
  CURLM* const multi_;
  const std::stop_token stop_;
  ExtensionReply reply_;
  Time deadline_;
  uint64_t redirects_ = 0;
  uint64_t received_ = 0;  // bytes, by the transfers that have ended
  std::unique_ptr<Transfer> transfer_;
  const std::stop_callback<Wake> onStop_;
};

}  // namespace nexus::extensions
