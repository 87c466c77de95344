// URLs of the extension `http`, read by the same code that connects to them: what a rule looks at
// is what is done.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "extensions/ip_address.h"
#include "nexus/result.h"

namespace nexus::extensions {

// An absolute http or https URL without credentials. Its host is a name of letters, digits, '-',
// '_' and '.', or an address.
class HttpUrl {
 public:
  // The error says what is wrong with it.
  static Result<HttpUrl> parse(std::string_view text);
  // What a redirect leads to: `reference` may be relative.
  Result<HttpUrl> resolve(std::string_view reference) const;

  // Without the fragment.
  const std::string& text() const { return text_; }
  // In small letters, without the brackets of an address or a dot at the end.
  const std::string& host() const { return host_; }
  // When the host is one, however it was written.
  const std::optional<IpAddress>& address() const { return address_; }
  uint16_t port() const { return port_; }
  uint16_t defaultPort() const { return scheme_ == "https" ? 443 : 80; }
  // Whether requests to both go to the same origin: scheme, host and port.
  bool isSameOrigin(const HttpUrl& other) const;

  // For CURLOPT_CURLU.
  CURLU* handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(CURLU* handle) const { curl_url_cleanup(handle); }
  };
  using Handle = std::unique_ptr<CURLU, Free>;

  explicit HttpUrl(Handle handle) : handle_(std::move(handle)) {}
  static Result<HttpUrl> set(Handle handle, std::string_view text);
  Status read();
  Status readHost();
  std::string part(CURLUPart part, unsigned flags = 0) const;

  Handle handle_;
  std::string text_;
  std::string scheme_;
  std::string host_;
  std::optional<IpAddress> address_;
  uint16_t port_ = 0;
};

}  // namespace nexus::extensions
