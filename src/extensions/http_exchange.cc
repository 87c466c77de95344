#include "extensions/http_exchange.h"

#include <openssl/evp.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "extensions/http_error.h"

namespace nexus::extensions {
namespace {

std::string toBase64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and the NUL that is written, too
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

// Those of one name have commas between (RFC 9110, 5.3).
std::string headersToJson(const HttpAnswer& answer) {
  std::map<std::string, std::string> byName;
  for (const auto& [name, value] : answer.headers) {
    std::string& values = byName[name];
    values += (values.empty() ? "" : ", ") + value;
  }
  std::string json = "{";
  for (const auto& [name, values] : byName) {
    json += (json.size() > 1 ? "," : "") + quoteJson(name) + ":" + quoteJson(values);
  }
  return json + "}";
}

}  // namespace

Exchange::Exchange(HttpRequest request, const HttpOptions& options, const TransferRules& rules,
                   CURLM* multi, const std::stop_token& stop, ExtensionReply reply)
    : request_(std::move(request)),
      options_(options),
      rules_(rules),
      multi_(multi),
      stop_(stop),
      reply_(std::move(reply)),
      deadline_(std::chrono::steady_clock::now() +
                std::min(options.timeout, request_.timeout.value_or(options.timeout))),
      onStop_(stop, Wake{multi}) {}

Exchange::Step Exchange::begin() {
  auto allowed = rules_.allow.checkHost(request_.url);
  if (!allowed) return fail(allowed.error());
  transfer_ = std::make_unique<Transfer>(multi_, request_, rules_, received_, this);
  return Step::kGoesOn;
}

Exchange::Step Exchange::onEnd(CURLcode code) {
  auto answered = transfer_->finish(code);
  received_ = transfer_->received();
  // It looks at the request, which a redirect changes.
  transfer_.reset();
  if (!answered) return fail(answered.error());
  const std::string* location = answered->header("location");
  const bool hasPlace = location != nullptr && !location->empty();
  if (isRedirect(answered->status) && hasPlace) return follow(*answered, *location);
  return answer(*answered);
}

Exchange::Step Exchange::follow(const HttpAnswer& answer, const std::string& location) {
  if (redirects_ == options_.maxRedirects) {
    return fail(httpError("more redirects than http_max_redirects, " +
                          std::to_string(options_.maxRedirects)));
  }
  ++redirects_;
  auto to = request_.url.resolve(location);
  if (!to) {
    return fail(httpError("a redirect of " + inQuotes(request_.url.host()) +
                          " leads nowhere: " + to.error().message.substr(kHttpPrefix.size())));
  }
  request_.redirect(answer.status, std::move(*to));
  return begin();
}

Exchange::Step Exchange::answer(const HttpAnswer& answer) {
  const bool isText = request_.bodyAs == HttpRequest::BodyAs::kText;
  if (isText && findInvalidUtf8(answer.body)) {
    return fail(httpError("the response is not UTF-8; the option as: 'base64' takes any bytes"));
  }
  reply_.result("{\"status\":" + std::to_string(answer.status) +
                ",\"url\":" + quoteJson(toValidUtf8(request_.url.text())) +
                ",\"headers\":" + headersToJson(answer) +
                ",\"body\":" + quoteJson(isText ? answer.body : toBase64(answer.body)) + "}");
  return Step::kEnded;
}

Exchange::Step Exchange::fail(const Error& error) {
  reply_.error(error.message);
  return Step::kEnded;
}

void Exchange::timeOut() {
  const bool isOwn = request_.timeout && *request_.timeout < options_.timeout;
  fail(httpError("no response within " + std::string(isOwn ? "timeoutMs" : "http_timeout_ms") +
                 ", " + std::to_string((isOwn ? *request_.timeout : options_.timeout).count()) +
                 " ms"));
}

}  // namespace nexus::extensions
