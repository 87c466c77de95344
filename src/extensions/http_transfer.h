// One request and its answer on the wire, by libcurl: redirects are somebody else's affair.
//
// What libcurl would take from its surroundings is off: proxies, credentials, cookies, other
// protocols. Every socket is opened here, after a look at the address that it is for.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "extensions/allow_list.h"
#include "extensions/http_request.h"
#include "nexus/result.h"

namespace nexus::extensions {

struct HttpAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in small letters
  std::string body;

  // The first of that name; null when there is none.
  const std::string* header(std::string_view name) const;
};

// What transfers of one request are bound by.
struct TransferRules {
  const AllowList& allow;
  uint64_t maxBytes = 0;
  // For tests: the address of a name, in place of the system's answer. Empty: the system's.
  std::function<std::string(const std::string& host)> resolve;
};

class Transfer {
 public:
  // Of the lines of one answer, those of interim answers and trailers included.
  static constexpr uint64_t kMaxHeaderBytes = 100ull << 10;

  // Begins: `multi` does the work, and names `owner` when it has ended (CURLOPT_PRIVATE). All must
  // outlive it. `received` counts what the request has received before.
  Transfer(CURLM* multi, const HttpRequest& request, const TransferRules& rules, uint64_t received,
           void* owner);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  // At any time: ends it.
  ~Transfer();

  // When it has ended with this code.
  Result<HttpAnswer> finish(CURLcode code);
  uint64_t received() const { return received_; }

 private:
  struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  using List = std::unique_ptr<curl_slist, FreeList>;

  template <typename T>
  void set(CURLoption option, T value);
  void setRules();
  void setRequest();
  static void append(List& list, const std::string& line);

  static size_t onHeader(char* data, size_t size, size_t count, void* self) noexcept;
  static size_t onBody(char* data, size_t size, size_t count, void* self) noexcept;
  static curl_socket_t onOpenSocket(void* self, curlsocktype purpose,
                                    curl_sockaddr* address) noexcept;
  bool takeHeader(std::string_view line);
  bool takeLength(std::string_view value);
  bool takeBody(std::string_view data);
  bool count(size_t bytes);
  curl_socket_t open(const curl_sockaddr& address);
  bool fail(Error error);
  Error tooLarge() const;
  Error explain(CURLcode code) const;
  std::vector<std::pair<std::string, std::string>> headers() const;

  CURLM* const multi_;
  const HttpRequest& request_;
  const TransferRules& rules_;
  const std::unique_ptr<CURL, FreeEasy> easy_;
  List headers_;
  List addresses_;
  uint64_t received_;
  uint64_t headerBytes_ = 0;
  std::optional<uint64_t> length_;  // that was announced
  std::string body_;
  std::optional<Error> failure_;  // why the transfer was broken off here
  std::optional<Error> refusal_;  // of the last address that was refused
  char detail_[CURL_ERROR_SIZE] = {};
};

}  // namespace nexus::extensions
