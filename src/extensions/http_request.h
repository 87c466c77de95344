// What a handler asks the extension `http` for: its arguments, read and checked.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "extensions/http_url.h"
#include "nexus/result.h"

namespace nexus::extensions {

struct HttpRequest {
  enum class BodyAs { kText, kBase64 };

  std::string method = "GET";
  HttpUrl url;
  std::vector<std::pair<std::string, std::string>> headers;  // names in small letters
  std::optional<std::string> body;
  BodyAs bodyAs = BodyAs::kText;  // of the answer
  std::optional<std::chrono::milliseconds> timeout;

  bool hasHeader(std::string_view name) const;

  // Whether there is such a method of $ext.http.
  static bool hasMethod(std::string_view method);
  // From the arguments of $ext.http.METHOD: JSON text of an array.
  static Result<HttpRequest> parse(std::string_view method, std::string_view args);

  // What goes on after a redirect, by the rules of
  // https://fetch.spec.whatwg.org/#http-redirect-fetch.
  void redirect(int status, HttpUrl to);
};

// Whether an answer with this status leads elsewhere, when it says where.
bool isRedirect(int status);

}  // namespace nexus::extensions
