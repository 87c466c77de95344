#include "extensions/http_transfer.h"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <new>

#include "base/text.h"
#include "extensions/http_error.h"

namespace nexus::extensions {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// CURLE_TOO_LARGE of libcurl 8.6 and later.
constexpr auto kTooLarge = static_cast<CURLcode>(100);

// By the limit here, or one of libcurl's for a line or for trailers.
Error tooManyHeaders() { return httpError("the headers of the response are too large"); }

}  // namespace

const std::string* HttpAnswer::header(std::string_view name) const {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == headers.end() ? nullptr : &found->second;
}

Transfer::Transfer(CURLM* multi, const HttpRequest& request, const TransferRules& rules,
                   uint64_t received, void* owner)
    : multi_(multi),
      request_(request),
      rules_(rules),
      easy_(curl_easy_init()),
      received_(received) {
  if (easy_ == nullptr) throw std::bad_alloc();
  set(CURLOPT_PRIVATE, owner);
  setRules();
  setRequest();
  if (curl_multi_add_handle(multi_, easy_.get()) != CURLM_OK) throw std::bad_alloc();
}

Transfer::~Transfer() { curl_multi_remove_handle(multi_, easy_.get()); }

// These options fail only when there is no memory, or no such protocol in this libcurl.
template <typename T>
void Transfer::set(CURLoption option, T value) {
  if (curl_easy_setopt(easy_.get(), option, value) != CURLE_OK) throw std::bad_alloc();
}

void Transfer::append(List& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  (void)list.release();
  list.reset(longer);
}

void Transfer::setRules() {
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  // Nothing from the environment or the home folder.
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  // What is sent and received is what is counted: nothing is unpacked.
  set(CURLOPT_HTTP_CONTENT_DECODING, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  // Letting go does not wait for a name server.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(detail_));
  set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::onOpenSocket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Transfer::onHeader);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Transfer::onBody);
  set(CURLOPT_WRITEDATA, this);
}

void Transfer::setRequest() {
  const HttpUrl& url = request_.url;
  set(CURLOPT_CURLU, url.handle());
  if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request_.method != "GET") {
    set(CURLOPT_POST, 1L);
    const std::string_view body = request_.body ? std::string_view(*request_.body) : "";
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    set(CURLOPT_POSTFIELDS, body.data());
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
  // libcurl's own, which a body or its lack would bring.
  append(headers_, "Expect:");
  append(headers_, "Content-Type:");
  if (!request_.hasHeader("user-agent")) append(headers_, "User-Agent: nexus");
  for (const auto& [name, value] : request_.headers) {
    // An empty value has a spelling of its own; one without it takes libcurl's header away.
    const bool isEmpty = trimmed(value).empty();
    append(headers_, std::string(name).append(isEmpty ? ";" : ": ").append(isEmpty ? "" : value));
  }
  set(CURLOPT_HTTPHEADER, headers_.get());
  const std::string address = rules_.resolve ? rules_.resolve(url.host()) : "";
  if (address.empty()) return;
  append(addresses_, url.host() + ":" + std::to_string(url.port()) + ":" + address);
  set(CURLOPT_RESOLVE, addresses_.get());
}

// --- what comes

// Anything but the number of bytes ends the transfer. Nothing may be thrown through libcurl.
size_t Transfer::onHeader(char* data, size_t size, size_t count, void* self) noexcept {
  try {
    return static_cast<Transfer*>(self)->takeHeader({data, size * count}) ? size * count : 0;
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

size_t Transfer::onBody(char* data, size_t size, size_t count, void* self) noexcept {
  try {
    return static_cast<Transfer*>(self)->takeBody({data, size * count}) ? size * count : 0;
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

bool Transfer::fail(Error error) {
  failure_ = std::move(error);
  return false;
}

Error Transfer::tooLarge() const {
  return httpError("the response is larger than http_max_bytes, " +
                   std::to_string(rules_.maxBytes) + " bytes");
}

bool Transfer::count(size_t bytes) {
  received_ += bytes;
  return received_ <= rules_.maxBytes || fail(tooLarge());
}

bool Transfer::takeHeader(std::string_view line) {
  if (!count(line.size())) return false;
  headerBytes_ += line.size();
  if (headerBytes_ > kMaxHeaderBytes) {
    return fail(tooManyHeaders());
  }
  if (line.starts_with("HTTP/")) length_.reset();
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  const bool isLength =
      toLowerAscii(std::string(trimmed(line.substr(0, colon)))) == "content-length";
  return !isLength || takeLength(trimmed(line.substr(colon + 1)));
}

// Where two readers may disagree about the end of an answer, there is none.
bool Transfer::takeLength(std::string_view value) {
  uint64_t length = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (value.empty() || error != std::errc() || end != value.data() + value.size()) {
    return fail(httpError("the response's content-length is " + inQuotes(value)));
  }
  if (length_ && *length_ != length) {
    return fail(httpError("the response has two content-lengths, " + std::to_string(*length_) +
                          " and " + std::to_string(length)));
  }
  length_ = length;
  // Of an answer to HEAD it is no length of anything that comes.
  const bool comes = request_.method != "HEAD";
  return !comes || length <= rules_.maxBytes - std::min(received_, rules_.maxBytes) ||
         fail(tooLarge());
}

bool Transfer::takeBody(std::string_view data) {
  if (!count(data.size())) return false;
  body_ += data;
  return true;
}

// --- where it goes

curl_socket_t Transfer::onOpenSocket(void* self, curlsocktype /*purpose*/,
                                     curl_sockaddr* address) noexcept {
  try {
    return static_cast<Transfer*>(self)->open(*address);
  } catch (const std::bad_alloc&) {
    return CURL_SOCKET_BAD;
  }
}

curl_socket_t Transfer::open(const curl_sockaddr& address) {
  const auto ip = IpAddress::from(&address.addr, address.addrlen);
  if (!ip) return CURL_SOCKET_BAD;
  auto checked = rules_.allow.checkAddress(*ip, request_.url);
  if (!checked) {
    refusal_ = std::move(checked).error();
    return CURL_SOCKET_BAD;
  }
  return socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
}

// --- how it ends

Result<HttpAnswer> Transfer::finish(CURLcode code) {
  if (code != CURLE_OK) return explain(code);
  HttpAnswer answer;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  answer.headers = headers();
  answer.body = std::move(body_);
  return answer;
}

std::vector<std::pair<std::string, std::string>> Transfer::headers() const {
  std::vector<std::pair<std::string, std::string>> headers;
  curl_header* header = nullptr;
  constexpr int kLast = -1;
  while ((header = curl_easy_nextheader(easy_.get(), CURLH_HEADER, kLast, header)) != nullptr) {
    headers.emplace_back(toValidUtf8(toLowerAscii(std::string(header->name))),
                         toValidUtf8(std::string(trimmed(header->value))));
  }
  return headers;
}

Error Transfer::explain(CURLcode code) const {
  if (failure_) return *failure_;
  const std::string host = inQuotes(request_.url.host());
  const std::string why = *detail_ != '\0' ? detail_ : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return httpError("the name " + host + " has no address");
    case CURLE_COULDNT_CONNECT:
      if (refusal_) return *refusal_;
      return httpError("cannot connect to " + host + ", port " +
                       std::to_string(request_.url.port()));
    case CURLE_GOT_NOTHING:
      return httpError(host + " closed the connection without a response");
    case CURLE_PARTIAL_FILE:
      return httpError(host + " closed the connection before the response was complete");
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return httpError("the connection to " + host + " broke off (" + why + ")");
    case CURLE_OUT_OF_MEMORY:  // what libcurl 7 calls it
    case kTooLarge:
      return tooManyHeaders();
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
      return httpError("what " + host + " sent is not HTTP/1.1 (" + why + ")");
    case CURLE_PEER_FAILED_VERIFICATION:
      return httpError("the certificate of " + host + " is not to be trusted (" + why + ")");
    case CURLE_SSL_CONNECT_ERROR:
      return httpError("no TLS connection to " + host + " (" + why + ")");
    default:
      return httpError("the request to " + host + " failed (" + why + ")");
  }
}

}  // namespace nexus::extensions
