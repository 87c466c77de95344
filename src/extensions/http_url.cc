#include "extensions/http_url.h"

#include <algorithm>
#include <new>
#include <utility>

#include "extensions/http_error.h"

namespace nexus::extensions {
namespace {

bool isHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool isControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

}  // namespace

std::string HttpUrl::part(CURLUPart part, unsigned flags) const {
  char* text = nullptr;
  if (curl_url_get(handle_.get(), part, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, curl_free);
  return text;
}

Result<HttpUrl> HttpUrl::parse(std::string_view text) { return set(Handle(curl_url()), text); }

Result<HttpUrl> HttpUrl::resolve(std::string_view reference) const {
  return set(Handle(curl_url_dup(handle_.get())), reference);
}

Result<HttpUrl> HttpUrl::set(Handle handle, std::string_view text) {
  if (handle == nullptr) throw std::bad_alloc();
  if (std::any_of(text.begin(), text.end(), isControl)) {
    return httpError("the URL " + inQuotes(text) + " has a control character in it");
  }
  // Spaces and what is not ASCII are encoded, as a browser does it.
  constexpr unsigned kFlags = CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE | CURLU_ALLOW_SPACE;
  const CURLUcode code =
      curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(), kFlags);
  if (code == CURLUE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code != CURLUE_OK) {
    return httpError(inQuotes(text) + " is not an absolute http or https URL (" +
                     curl_url_strerror(code) + ")");
  }
  curl_url_set(handle.get(), CURLUPART_FRAGMENT, nullptr, 0);
  HttpUrl url(std::move(handle));
  auto read = url.read();
  if (!read) return std::move(read).error();
  return url;
}

Status HttpUrl::read() {
  scheme_ = part(CURLUPART_SCHEME);
  if (scheme_ != "http" && scheme_ != "https") {
    return httpError("the scheme " + inQuotes(scheme_) + " is not http or https");
  }
  if (!part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty()) {
    return httpError(
        "the URL has a user name or a password in it, which is refused; send a header "
        "'authorization' instead");
  }
  auto host = readHost();
  if (!host) return host;
  // It was checked to be a number of 16 bits.
  port_ = static_cast<uint16_t>(std::stoul("0" + part(CURLUPART_PORT, CURLU_DEFAULT_PORT)));
  if (port_ == 0) return httpError("the URL's port is 0");
  text_ = part(CURLUPART_URL);
  return Done{};
}

Status HttpUrl::readHost() {
  const std::string written = part(CURLUPART_HOST);
  host_ = toLowerAscii(written);
  if (host_.starts_with('[') && host_.ends_with(']')) {
    // A zone is a network of this machine.
    address_ = IpAddress::parse(std::string_view(host_).substr(1, host_.size() - 2));
    if (!address_ || !part(CURLUPART_ZONEID).empty()) {
      return httpError("the host " + inQuotes(written) + " is no address that can be reached");
    }
    host_ = address_->toString();
    return Done{};
  }
  if (host_.ends_with('.')) host_.pop_back();
  if (host_.empty() || !std::all_of(host_.begin(), host_.end(), isHostCharacter)) {
    return httpError("the host " + inQuotes(written) + " has characters that no name has; write " +
                     "names of other scripts as xn--…");
  }
  address_ = IpAddress::parse(host_);
  return Done{};
}

bool HttpUrl::isSameOrigin(const HttpUrl& other) const {
  return scheme_ == other.scheme_ && host_ == other.host_ && port_ == other.port_;
}

}  // namespace nexus::extensions
