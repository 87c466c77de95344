#include "extensions/http_request.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>

#include "base/suggest.h"
#include "extensions/http_error.h"

namespace nexus::extensions {
namespace {

// Keeps the order in which a handler wrote the members of a body.
using Json = nlohmann::ordered_json;

constexpr std::string_view kHttpMethods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                             "PATCH", "DELETE", "OPTIONS"};

// A method of $ext.http: what it sends, and whether a body comes behind the URL.
struct Shape {
  std::string_view name;
  std::string_view method;  // empty: `request`, which has all in its options
  bool takesBody;
};

constexpr Shape kShapes[] = {
    {"request", "", false},      {"get", "GET", false}, {"head", "HEAD", false},
    {"post", "POST", true},      {"put", "PUT", true},  {"patch", "PATCH", true},
    {"delete", "DELETE", false},
};

constexpr std::string_view kOptions[] = {"headers", "as", "timeoutMs"};
constexpr std::string_view kRequestOptions[] = {"url",     "method", "body",
                                                "headers", "as",     "timeoutMs"};

// What belongs to the connection, or is said by the length of the body.
constexpr std::string_view kHeadersOfTheConnection[] = {
    "connection", "content-length",    "expect", "host", "keep-alive", "te", "trailer",
    "upgrade",    "transfer-encoding",
};

// Gone when a redirect takes the body away, or leads to somebody else.
constexpr std::string_view kHeadersOfABody[] = {"content-encoding", "content-language",
                                                "content-location", "content-type"};
constexpr std::string_view kHeadersOfAnOrigin[] = {"authorization", "cookie"};

bool isOneOf(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Shape* findShape(std::string_view name) {
  const auto* shape = std::find_if(std::begin(kShapes), std::end(kShapes),
                                   [&](const Shape& each) { return each.name == name; });
  return shape == std::end(kShapes) ? nullptr : shape;
}

std::string shown(const Json& value) {
  constexpr size_t kLongestShown = 60;
  return std::string(cutUtf8(value.dump(), kLongestShown));
}

// RFC 9110, 5.6.2.
bool isToken(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

// Neither another header nor another request can be made of it.
bool isHeaderValue(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

// The parts of a request while its options are read.
struct Draft {
  std::string method;
  std::optional<HttpUrl> url;
  std::vector<std::pair<std::string, std::string>> headers;
  Json body;  // null: none
  HttpRequest::BodyAs bodyAs = HttpRequest::BodyAs::kText;
  std::optional<std::chrono::milliseconds> timeout;
};

Status readUrl(Draft& draft, const Json& value) {
  if (!value.is_string()) return httpError("url is " + shown(value) + "; expected a text");
  auto url = HttpUrl::parse(value.get_ref<const std::string&>());
  if (!url) return std::move(url).error();
  draft.url = std::move(*url);
  return Done{};
}

Status readMethod(Draft& draft, const Json& value) {
  std::string method = value.is_string() ? value.get<std::string>() : "";
  for (char& c : method) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (!isOneOf(method, kHttpMethods)) {
    return httpError("method is " + shown(value) +
                     "; expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS");
  }
  draft.method = std::move(method);
  return Done{};
}

Status readHeader(Draft& draft, const std::string& name, const Json& value) {
  if (!isToken(name)) return httpError("the header " + inQuotes(name) + " has no name of a header");
  std::string lower = toLowerAscii(name);
  if (isOneOf(lower, kHeadersOfTheConnection) || lower.starts_with("proxy-")) {
    return httpError("the header '" + lower + "' cannot be set: it belongs to the connection");
  }
  if (!value.is_string()) {
    return httpError("the header '" + lower + "' is " + shown(value) + "; expected a text");
  }
  const auto& text = value.get_ref<const std::string&>();
  if (!isHeaderValue(text)) {
    return httpError("the header '" + lower +
                     "' has a line end or another control character in it");
  }
  const bool isTwice = std::any_of(draft.headers.begin(), draft.headers.end(),
                                   [&](const auto& header) { return header.first == lower; });
  if (isTwice) return httpError("the header '" + lower + "' is there twice");
  draft.headers.emplace_back(std::move(lower), text);
  return Done{};
}

Status readHeaders(Draft& draft, const Json& value) {
  if (!value.is_object()) {
    return httpError("headers is " + shown(value) + "; expected an object of texts");
  }
  for (const auto& [name, text] : value.items()) {
    auto read = readHeader(draft, name, text);
    if (!read) return read;
  }
  return Done{};
}

Status readBodyAs(Draft& draft, const Json& value) {
  if (value != "text" && value != "base64") {
    return httpError("as is " + shown(value) + "; expected 'text' or 'base64'");
  }
  draft.bodyAs = value == "text" ? HttpRequest::BodyAs::kText : HttpRequest::BodyAs::kBase64;
  return Done{};
}

Status readTimeout(Draft& draft, const Json& value) {
  // More than a day is not told apart from it: the setting is smaller.
  constexpr double kDayMs = 86'400'000;
  const double number = value.is_number() ? value.get<double>() : 0;
  if (!(number >= 1)) {
    return httpError("timeoutMs is " + shown(value) + "; expected milliseconds, at least 1");
  }
  draft.timeout = std::chrono::milliseconds(static_cast<int64_t>(std::min(number, kDayMs)));
  return Done{};
}

Status readOption(Draft& draft, const std::string& name, const Json& value) {
  if (name == "url") return readUrl(draft, value);
  if (name == "method") return readMethod(draft, value);
  if (name == "headers") return readHeaders(draft, value);
  if (name == "as") return readBodyAs(draft, value);
  if (name == "timeoutMs") return readTimeout(draft, value);
  draft.body = value;
  return Done{};
}

Status readOptions(Draft& draft, const Json& value, std::span<const std::string_view> known) {
  if (!value.is_object()) {
    return httpError("the options are " + shown(value) + "; expected an object");
  }
  for (const auto& [name, option] : value.items()) {
    if (!isOneOf(name, known)) {
      return httpError("there is no option " + inQuotes(name) + didYouMean(name, known));
    }
    // undefined arrives as null.
    if (option.is_null()) continue;
    auto read = readOption(draft, name, option);
    if (!read) return read;
  }
  return Done{};
}

Status readArgs(Draft& draft, const Shape& shape, const Json& args) {
  const size_t most = shape.method.empty() ? 1 : shape.takesBody ? 3 : 2;
  if (!args.is_array() || args.empty() || args.size() > most) {
    return httpError("expected " + std::string(shape.name) +
                     (shape.method.empty() ? "(options)"
                      : shape.takesBody    ? "(url, body, options)"
                                           : "(url, options)"));
  }
  if (shape.method.empty()) {
    draft.method = "GET";
    return readOptions(draft, args[0], kRequestOptions);
  }
  draft.method = shape.method;
  auto url = readUrl(draft, args[0]);
  if (!url) return url;
  if (shape.takesBody && args.size() > 1) draft.body = args[1];
  const size_t options = shape.takesBody ? 2 : 1;
  if (args.size() <= options || args[options].is_null()) return Done{};
  return readOptions(draft, args[options], kOptions);
}

void setBody(HttpRequest& request, const Json& body) {
  const bool isText = body.is_string();
  request.body = isText ? body.get<std::string>() : body.dump();
  if (request.hasHeader("content-type")) return;
  request.headers.emplace_back("content-type",
                               isText ? "text/plain;charset=UTF-8" : "application/json");
}

void dropHeaders(HttpRequest& request, std::span<const std::string_view> names) {
  std::erase_if(request.headers, [&](const auto& header) { return isOneOf(header.first, names); });
}

}  // namespace

bool HttpRequest::hasHeader(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& header) { return header.first == name; });
}

bool HttpRequest::hasMethod(std::string_view method) { return findShape(method) != nullptr; }

Result<HttpRequest> HttpRequest::parse(std::string_view method, std::string_view args) {
  const Shape* shape = findShape(method);
  if (shape == nullptr) return httpError("there is no method " + inQuotes(method));
  const Json values = Json::parse(args, nullptr, false);
  Draft draft;
  auto read = readArgs(draft, *shape, values);
  if (!read) return std::move(read).error();
  if (!draft.url) return httpError("the option 'url' is missing");
  HttpRequest request{.method = std::move(draft.method),
                      .url = std::move(*draft.url),
                      .headers = std::move(draft.headers),
                      .body = std::nullopt,
                      .bodyAs = draft.bodyAs,
                      .timeout = draft.timeout};
  if (draft.body.is_null()) return request;
  if (request.method == "GET" || request.method == "HEAD") {
    return httpError("a request with the method " + request.method + " has no body");
  }
  setBody(request, draft.body);
  return request;
}

void HttpRequest::redirect(int status, HttpUrl to) {
  const bool isPost = method == "POST";
  const bool isRead = method == "GET" || method == "HEAD";
  if (((status == 301 || status == 302) && isPost) || (status == 303 && !isRead)) {
    method = "GET";
    body.reset();
    dropHeaders(*this, kHeadersOfABody);
  }
  if (!url.isSameOrigin(to)) dropHeaders(*this, kHeadersOfAnOrigin);
  url = std::move(to);
}

bool isRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace nexus::extensions
