#include "extensions/http_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace nexus::extensions {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

HttpRequest requestOf(const char* method, const char* args) {
  auto request = HttpRequest::parse(method, args);
  EXPECT_TRUE(request.ok()) << method << args << ": " << request.error().message;
  return request ? std::move(*request)
                 : HttpRequest{.url = HttpUrl::parse("http://invalid/").value()};
}

TEST(HttpRequestTest, AMethodOfItsOwnForEachOfHttp) {
  const struct {
    const char* name;
    const char* args;
    const char* method;
    const char* body;  // null: none
  } rows[] = {
      {"get", R"(["http://a.example/"])", "GET", nullptr},
      {"get", R"(["http://a.example/",{}])", "GET", nullptr},
      {"get", R"(["http://a.example/",null])", "GET", nullptr},
      {"head", R"(["http://a.example/"])", "HEAD", nullptr},
      {"post", R"(["http://a.example/"])", "POST", nullptr},
      {"post", R"(["http://a.example/",null,{}])", "POST", nullptr},
      {"post", R"(["http://a.example/","text"])", "POST", "text"},
      {"post", R"(["http://a.example/",""])", "POST", ""},
      {"put", R"(["http://a.example/",{"b":1,"a":[1.5,"\u00fc"]}])", "PUT",
       "{\"b\":1,\"a\":[1.5,\"\xc3\xbc\"]}"},
      {"patch", R"(["http://a.example/",[1]])", "PATCH", "[1]"},
      {"put", R"(["http://a.example/",0])", "PUT", "0"},
      {"delete", R"(["http://a.example/"])", "DELETE", nullptr},
      {"request", R"([{"url":"http://a.example/"}])", "GET", nullptr},
      {"request", R"([{"url":"http://a.example/","method":"delete","body":"x"}])", "DELETE", "x"},
      {"request", R"([{"url":"http://a.example/","method":"OPTIONS","body":null}])", "OPTIONS",
       nullptr},
  };
  for (const auto& row : rows) {
    EXPECT_TRUE(HttpRequest::hasMethod(row.name));
    const HttpRequest request = requestOf(row.name, row.args);
    EXPECT_EQ(request.method, row.method) << row.args;
    EXPECT_EQ(request.url.host(), "a.example");
    EXPECT_EQ(request.body.has_value(), row.body != nullptr) << row.args;
    if (row.body != nullptr) {
      EXPECT_EQ(request.body, row.body);
    }
  }
  for (const char* name : {"", "GET", "options", "fetch", "connect"}) {
    EXPECT_FALSE(HttpRequest::hasMethod(name)) << name;
  }
}

TEST(HttpRequestTest, ABodySaysWhatItIsUnlessToldOtherwise) {
  EXPECT_THAT(requestOf("post", R"(["http://a.example/","x"])").headers,
              ElementsAre(Pair("content-type", "text/plain;charset=UTF-8")));
  EXPECT_THAT(requestOf("post", R"(["http://a.example/",{}])").headers,
              ElementsAre(Pair("content-type", "application/json")));
  EXPECT_THAT(
      requestOf("post", R"(["http://a.example/",{},{"headers":{"Content-Type":"a/b"}}])").headers,
      ElementsAre(Pair("content-type", "a/b")));
  EXPECT_THAT(requestOf("post", R"(["http://a.example/"])").headers, IsEmpty());
}

TEST(HttpRequestTest, OptionsAreRead) {
  const HttpRequest request = requestOf("get", R"(["http://a.example/",
                 {"headers":{"X-A":"1","x-b":""},"as":"base64","timeoutMs":1500.5}])");
  EXPECT_THAT(request.headers, ElementsAre(Pair("x-a", "1"), Pair("x-b", "")));
  EXPECT_EQ(request.bodyAs, HttpRequest::BodyAs::kBase64);
  EXPECT_EQ(request.timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(requestOf("get", R"(["http://a.example/",{"timeoutMs":1e300}])").timeout,
            std::chrono::hours(24));
  EXPECT_EQ(requestOf("get", R"(["http://a.example/",{"as":"text","timeoutMs":null}])").timeout,
            std::nullopt);
}

TEST(HttpRequestTest, WhatIsWrongIsNamed) {
  const struct {
    const char* name;
    const char* args;
    const char* error;
  } rows[] = {
      {"get", "[]", "expected get(url, options)"},
      {"get", "{}", "expected get(url, options)"},
      {"get", R"(["http://a.example/",{},{}])", "expected get(url, options)"},
      {"post", R"(["http://a.example/","",{},1])", "expected post(url, body, options)"},
      {"request", R"(["http://a.example/"])",
       "the options are \"http://a.example/\"; expected an object"},
      {"request", "[{},{}]", "expected request(options)"},
      {"request", "[{}]", "the option 'url' is missing"},
      {"get", "[5]", "url is 5; expected a text"},
      {"get", R"(["http://a.example/",[]])", "the options are []; expected an object"},
      {"get", R"(["http://a.example/",{"header":{}}])",
       "there is no option 'header'. Did you mean 'headers'?"},
      {"get", R"(["http://a.example/",{"body":"x"}])", "there is no option 'body'"},
      {"get", R"(["http://a.example/",{"method":"PUT"}])", "there is no option 'method'"},
      {"request", R"([{"url":"http://a.example/","method":"CONNECT"}])",
       "method is \"CONNECT\"; expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"},
      {"request", R"([{"url":"http://a.example/","method":"GET / HTTP/1.1\r\nX: y"}])",
       "method is \"GET / HTTP/1.1\\r\\nX: y\"; expected GET, HEAD, POST, PUT, PATCH, DELETE or "
       "OPTIONS"},
      {"request", R"([{"url":"http://a.example/","body":"x"}])",
       "a request with the method GET has no body"},
      {"request", R"([{"url":"http://a.example/","method":"head","body":""}])",
       "a request with the method HEAD has no body"},
      {"get", R"(["http://a.example/",{"as":"json"}])",
       "as is \"json\"; expected 'text' or 'base64'"},
      {"get", R"(["http://a.example/",{"timeoutMs":0}])",
       "timeoutMs is 0; expected milliseconds, at least 1"},
      {"get", R"(["http://a.example/",{"timeoutMs":"5"}])",
       "timeoutMs is \"5\"; expected milliseconds, at least 1"},
      {"get", R"(["http://a.example/",{"headers":[]}])",
       "headers is []; expected an object of texts"},
      {"get", R"(["http://a.example/",{"headers":{"a":1}}])",
       "the header 'a' is 1; expected a text"},
      {"get", R"(["http://a.example/",{"headers":{"":"1"}}])",
       "the header '' has no name of a header"},
      {"get", R"(["http://a.example/",{"headers":{"a b":"1"}}])",
       "the header 'a b' has no name of a header"},
      {"get", R"(["http://a.example/",{"headers":{"a:":"1"}}])",
       "the header 'a:' has no name of a header"},
      {"get", R"(["http://a.example/",{"headers":{"a\r\nb":"1"}}])",
       "the header 'a\r\nb' has no name of a header"},
      {"get", R"(["http://a.example/",{"headers":{"a":"1\r\nb: 2"}}])",
       "the header 'a' has a line end or another control character in it"},
      {"get", R"(["http://a.example/",{"headers":{"a":"1\nb"}}])",
       "the header 'a' has a line end or another control character in it"},
      {"get", R"(["http://a.example/",{"headers":{"a":"1\u0000"}}])",
       "the header 'a' has a line end or another control character in it"},
      {"get", R"(["http://a.example/",{"headers":{"A":"1","a":"2"}}])",
       "the header 'a' is there twice"},
      {"get", R"(["http://a.example/",{"headers":{"Host":"b.example"}}])",
       "the header 'host' cannot be set: it belongs to the connection"},
      {"get", R"(["http://a.example/",{"headers":{"Content-Length":"5"}}])",
       "the header 'content-length' cannot be set: it belongs to the connection"},
      {"get", R"(["http://a.example/",{"headers":{"Transfer-Encoding":"chunked"}}])",
       "the header 'transfer-encoding' cannot be set: it belongs to the connection"},
      {"get", R"(["http://a.example/",{"headers":{"Proxy-Authorization":"x"}}])",
       "the header 'proxy-authorization' cannot be set: it belongs to the connection"},
      {"get", R"(["http://a.example/",{"headers":{"connection":"upgrade"}}])",
       "the header 'connection' cannot be set: it belongs to the connection"},
  };
  for (const auto& row : rows) {
    const auto request = HttpRequest::parse(row.name, row.args);
    ASSERT_FALSE(request.ok()) << row.name << row.args;
    EXPECT_EQ(request.error().message, std::string("http: ") + row.error) << row.args;
  }
}

TEST(HttpRequestTest, ARedirectKeepsWhatTheFetchStandardKeeps) {
  const struct {
    const char* method;
    int status;
    const char* after;
    bool keepsBody;
  } rows[] = {
      {"POST", 301, "GET", false},     {"POST", 302, "GET", false}, {"POST", 303, "GET", false},
      {"POST", 307, "POST", true},     {"POST", 308, "POST", true}, {"PUT", 301, "PUT", true},
      {"PUT", 302, "PUT", true},       {"PUT", 303, "GET", false},  {"DELETE", 303, "GET", false},
      {"DELETE", 301, "DELETE", true}, {"GET", 303, "GET", true},   {"HEAD", 303, "HEAD", true},
      {"HEAD", 301, "HEAD", true},
  };
  for (const auto& row : rows) {
    EXPECT_TRUE(isRedirect(row.status));
    HttpRequest request{.method = row.method,
                        .url = HttpUrl::parse("http://a.example/x").value(),
                        .headers = {{"content-type", "a/b"}, {"cookie", "c"}, {"x", "y"}},
                        .body = "body"};
    request.redirect(row.status, request.url.resolve("/y").value());
    EXPECT_EQ(request.method, row.after) << row.method << row.status;
    EXPECT_EQ(request.body.has_value(), row.keepsBody) << row.method << row.status;
    EXPECT_EQ(request.hasHeader("content-type"), row.keepsBody) << row.method << row.status;
    EXPECT_TRUE(request.hasHeader("cookie") && request.hasHeader("x"));
    EXPECT_EQ(request.url.text(), "http://a.example/y");
  }
  for (const int status : {200, 204, 300, 304, 305, 306, 400, 500})
    EXPECT_FALSE(isRedirect(status));
}

TEST(HttpRequestTest, CredentialsStayWithTheirOrigin) {
  for (const char* to : {"https://a.example/", "http://a.example:81/", "http://b.a.example/"}) {
    HttpRequest request{.url = HttpUrl::parse("http://a.example/").value(),
                        .headers = {{"authorization", "a"}, {"cookie", "c"}, {"x", "y"}}};
    request.redirect(307, HttpUrl::parse(to).value());
    EXPECT_THAT(request.headers, ElementsAre(Pair("x", "y"))) << to;
  }
}

}  // namespace
}  // namespace nexus::extensions
