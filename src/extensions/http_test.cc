// Requests to a server that behaves; who may be asked; and the end of requests before their answer.
#include "extensions/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "extensions/testing/asked.h"
#include "extensions/testing/loopback_server.h"

namespace nexus::extensions {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace)
using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Connection = LoopbackServer::Connection;

// Answers with the request itself; /redirect/STATUS leads to /end, /away/PORT to another server.
void echo(Connection& connection) {
  for (std::string request; !(request = connection.read()).empty();) {
    const std::string path = request.substr(request.find(' ') + 1);
    if (path.starts_with("/redirect/")) {
      connection.write("HTTP/1.1 " + path.substr(10, 3) +
                       " Elsewhere\r\nLocation: /end\r\nContent-Length: 5\r\n\r\ngo on");
    } else if (path.starts_with("/away/")) {
      connection.write("HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:" +
                       path.substr(6, path.find(' ') - 6) + "/end\r\nContent-Length: 0\r\n\r\n");
    } else {
      const bool isHead = request.starts_with("HEAD ");
      connection.write("HTTP/1.1 201 Made\r\nContent-Length: " + std::to_string(request.size()) +
                       "\r\nX-One: 1\r\nSet-Cookie: a=b\r\n\r\n" + (isHead ? "" : request));
    }
  }
}

std::shared_ptr<Http> makeHttp(const HttpOptions& options, Http::Outside outside = {}) {
  auto http = Http::make(options, std::move(outside));
  EXPECT_TRUE(http.ok()) << http.error().message;
  return http ? *http : nullptr;
}

std::string entryFor(const LoopbackServer& server, const std::string& host = "127.0.0.1") {
  return host + ":" + std::to_string(server.port());
}

class HttpTest : public testing::Test {
 protected:
  // A request to the server, as JSON; an error as a text.
  json request(const std::string& method, const std::string& path, const std::string& more = "") {
    const std::string answer = ask(*http_, method, "[\"" + server_.url(path) + "\"" + more + "]");
    const json parsed = json::parse(answer, nullptr, false);
    return parsed.is_object() ? parsed : json(answer);
  }

  LoopbackServer server_{echo};
  LoopbackServer other_{echo};
  const std::shared_ptr<Http> http_ = makeHttp({.allow = {entryFor(server_), entryFor(other_)}});
};

TEST_F(HttpTest, AnAnswerHasStatusUrlHeadersAndBody) {
  const json answer = request("get", "/a?b=c#d");
  EXPECT_EQ(answer["status"], 201);
  EXPECT_EQ(answer["url"], server_.url("/a?b=c"));
  EXPECT_EQ(answer["headers"]["x-one"], "1");
  EXPECT_EQ(answer["headers"]["set-cookie"], "a=b");
  EXPECT_EQ(answer["body"], "GET /a?b=c HTTP/1.1\r\nHost: " + entryFor(server_) +
                                "\r\nAccept: */*\r\nUser-Agent: nexus\r\n\r\n");
  // No cookies are kept, and the connection is used again.
  EXPECT_THAT(request("get", "/")["body"].get<std::string>(), Not(HasSubstr("ookie")));
  EXPECT_EQ(server_.connections(), 1u);
}

TEST_F(HttpTest, WhatIsSentIsWhatWasAsked) {
  const struct {
    const char* method;
    const char* more;
    const char* line;
    std::vector<const char*> parts;
  } rows[] = {
      {"post",
       ",\"text\"",
       "POST / ",
       {"content-type: text/plain;charset=UTF-8\r\n", "Content-Length: 4\r\n", "\r\n\r\ntext"}},
      {"post", "", "POST / ", {"Content-Length: 0\r\n"}},
      {"put",
       ",{\"b\":[1]}",
       "PUT / ",
       {"content-type: application/json\r\n", "\r\n\r\n{\"b\":[1]}"}},
      {"patch",
       ",\"x\",{\"headers\":{\"Content-Type\":\"a/b\"}}",
       "PATCH / ",
       {"content-type: a/b\r\n"}},
      {"delete", "", "DELETE / ", {}},
      {"get",
       ",{\"headers\":{\"X-Empty\":\"\",\"User-Agent\":\"me\",\"accept\":\"a/b\"}}",
       "GET / ",
       {"x-empty:\r\n", "user-agent: me\r\n", "accept: a/b\r\n"}},
  };
  for (const auto& row : rows) {
    const json answer = request(row.method, "/", row.more);
    ASSERT_TRUE(answer.is_object()) << answer;
    const auto body = answer["body"].get<std::string>();
    EXPECT_THAT(body, StartsWith(row.line));
    for (const char* part : row.parts) EXPECT_THAT(body, HasSubstr(part));
    for (const char* own : {"Expect:", "Content-Type:", "x-www-form"}) {
      EXPECT_THAT(body, Not(HasSubstr(own)));
    }
  }
  EXPECT_THAT(request("get", "/", ",{\"headers\":{\"user-agent\":\"me\"}}")["body"],
              Not(HasSubstr("nexus")));
  const json head = request("head", "/");
  EXPECT_EQ(head["body"], "");
  EXPECT_EQ(head["status"], 201);
}

TEST_F(HttpTest, ALargeBodyArrivesWhole) {
  const std::string body(3 << 20, 'x');
  const json answer = request("post", "/", ",\"" + body + "\"");
  ASSERT_TRUE(answer.is_object()) << answer;
  EXPECT_THAT(answer["body"].get<std::string>().substr(0, 200),
              HasSubstr("Content-Length: 3145728"));
}

TEST_F(HttpTest, Base64TakesAnyBytes) {
  const LoopbackServer bytes([](Connection& connection) {
    connection.read();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x00\xff\x01\xfe"s);
  });
  const auto http = makeHttp({.allow = {entryFor(bytes)}});
  const json answer =
      json::parse(ask(*http, "get", "[\"" + bytes.url("/") + "\",{\"as\":\"base64\"}]"));
  EXPECT_EQ(answer["body"], "AP8B/g==");
}

TEST_F(HttpTest, RedirectsAreFollowed) {
  const struct {
    const char* status;
    const char* line;
    bool keepsBody;
  } rows[] = {{"301", "GET /end ", false},
              {"302", "GET /end ", false},
              {"303", "GET /end ", false},
              {"307", "POST /end ", true},
              {"308", "POST /end ", true}};
  for (const auto& row : rows) {
    const json answer = request("post", std::string("/redirect/") + row.status, ",\"text\"");
    ASSERT_TRUE(answer.is_object()) << answer;
    EXPECT_EQ(answer["url"], server_.url("/end"));
    EXPECT_THAT(answer["body"].get<std::string>(), StartsWith(row.line));
    EXPECT_EQ(answer["body"].get<std::string>().ends_with("text"), row.keepsBody);
  }
  EXPECT_EQ(request("get", "/redirect/300")["status"], 300);
}

TEST_F(HttpTest, CredentialsDoNotGoAlongToAnotherOrigin) {
  const std::string options =
      R"(,{"headers":{"Authorization":"Bearer secret","Cookie":"secret","X-A":"kept"}})";
  const std::string same = request("get", "/redirect/307", options)["body"];
  EXPECT_THAT(same, HasSubstr("authorization: Bearer secret"));
  const std::string away =
      request("get", "/away/" + std::to_string(other_.port()), options)["body"];
  EXPECT_THAT(away, HasSubstr("x-a: kept"));
  EXPECT_THAT(away, Not(HasSubstr("secret")));
}

TEST_F(HttpTest, RedirectsMayBeForbidden) {
  const auto http = makeHttp({.allow = {entryFor(server_)}, .maxRedirects = 0});
  EXPECT_EQ(ask(*http, "get", "[\"" + server_.url("/redirect/302") + "\"]"),
            "http: more redirects than http_max_redirects, 0");
}

TEST_F(HttpTest, ProxiesOfTheEnvironmentAreNotAsked) {
  // NOLINTBEGIN(concurrency-mt-unsafe)
  for (const char* name : {"http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"}) {
    setenv(name, other_.url("").c_str(), 1);
  }
  EXPECT_EQ(request("get", "/")["status"], 201);
  for (const char* name : {"http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"}) unsetenv(name);
  // NOLINTEND(concurrency-mt-unsafe)
  EXPECT_EQ(other_.connections(), 0u);
}

TEST(HttpRulesTest, WithoutAnEntryNothingIsReached) {
  const LoopbackServer server(echo);
  const auto http = makeHttp({});
  EXPECT_EQ(ask(*http, "get", "[\"" + server.url("/") + "\"]"),
            "http: the host '127.0.0.1' is not in http_allow, which is empty");
  EXPECT_EQ(server.connections(), 0u);
}

TEST(HttpRulesTest, EveryNameOfLoopbackIsRefused) {
  const LoopbackServer server(echo);
  const auto http = makeHttp({.allow = {"*:*", "localhost:*"}});
  const std::string port = std::to_string(server.port());
  const std::string rule = "; only an entry of that address in http_allow allows it";
  const struct {
    std::string host;
    std::string refusal;
  } rows[] = {
      {"127.0.0.1", "http: the address 127.0.0.1 is loopback" + rule},
      {"127.1", "http: the address 127.0.0.1 is loopback" + rule},
      {"0x7f.1", "http: the address 127.0.0.1 is loopback" + rule},
      {"2130706433", "http: the address 127.0.0.1 is loopback" + rule},
      {"0", "http: the address 0.0.0.0 is the unspecified address" + rule},
      {"[::1]", "http: the address ::1 is loopback" + rule},
      {"[::]", "http: the address :: is the unspecified address" + rule},
      {"[::ffff:127.0.0.1]", "http: the address ::ffff:127.0.0.1 is IPv4-mapped" + rule},
      {"[64:ff9b::7f00:1]", "http: the address 64:ff9b::7f00:1 is loopback" + rule},
      {"[2002:7f00:1::]", "http: the address 2002:7f00:1:: is loopback" + rule},
      {"10.0.0.1", "http: the address 10.0.0.1 is private" + rule},
      {"169.254.169.254", "http: the address 169.254.169.254 is link-local" + rule},
      {"[fe80::1]", "http: the address fe80::1 is link-local" + rule},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(ask(*http, "get", "[\"http://" + row.host + ":" + port + "/\"]"), row.refusal);
  }
  const std::string localhost = ask(*http, "get", "[\"http://localhost:" + port + "/\"]");
  EXPECT_THAT(localhost, StartsWith("http: 'localhost' is the address "));
  EXPECT_THAT(localhost, HasSubstr(", which is loopback; only an entry of that address"));
  EXPECT_EQ(server.connections(), 0u);
}

// With an entry of the address, its names work too.
TEST(HttpRulesTest, AnEntryOfTheAddressAllowsIt) {
  const LoopbackServer server(echo);
  const auto http = makeHttp({.allow = {entryFor(server), entryFor(server, "localhost")}});
  EXPECT_THAT(ask(*http, "get", "[\"http://localhost:" + std::to_string(server.port()) + "/\"]"),
              HasSubstr("\"status\":201"));
}

// The first look at the name finds an address that is allowed, the second, after a redirect to the
// same name, another one.
TEST(HttpRulesTest, ANameThatChangesItsAddressIsSeen) {
  const LoopbackServer server([](Connection& connection) {
    connection.read();
    connection.write(
        "HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\n"
        "Content-Length: 0\r\n\r\n");
  });
  std::atomic<int> looks{0};
  const auto resolve = [&](const std::string&) { return looks++ == 0 ? "127.0.0.1" : "127.0.0.2"; };
  const auto http =
      makeHttp({.allow = {entryFor(server), entryFor(server, "rebind.test")}}, {resolve});
  EXPECT_EQ(
      ask(*http, "get", "[\"http://rebind.test:" + std::to_string(server.port()) + "/\"]"),
      "http: 'rebind.test' is the address 127.0.0.2, which is loopback; only an entry of that "
      "address in http_allow allows it");
  EXPECT_EQ(looks, 2);
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpRulesTest, WhereNobodyListensTheConnectionFails) {
  uint16_t port = 0;
  {
    const LoopbackServer gone(echo);
    port = gone.port();
  }
  const auto http = makeHttp({.allow = {"127.0.0.1:*"}});
  EXPECT_EQ(ask(*http, "get", "[\"http://127.0.0.1:" + std::to_string(port) + "/\"]"),
            "http: cannot connect to '127.0.0.1', port " + std::to_string(port));
}

TEST(HttpRulesTest, PlainTextIsNoTls) {
  const LoopbackServer server(
      [](Connection& connection) { connection.write("HTTP/1.1 400 Bad Request\r\n\r\n"); });
  const auto http = makeHttp({.allow = {entryFor(server)}});
  EXPECT_THAT(ask(*http, "get", "[\"https://" + entryFor(server) + "/\"]"),
              StartsWith("http: no TLS connection to '127.0.0.1' ("));
}

TEST(HttpRulesTest, OptionsAreChecked) {
  const struct {
    HttpOptions options;
    const char* message;
  } rows[] = {
      {{.allow = {"http://a.example"}}, "http_allow: 'http://a.example' is no host; "},
      {{.timeout = milliseconds(0)}, "http_timeout_ms is 0; expected 1 to 86400000"},
      {{.maxBytes = 0}, "http_max_bytes is 0; expected 1 to "},
      {{.maxRedirects = 101}, "http_max_redirects is 101; expected 0 to 100"},
  };
  EXPECT_TRUE(validate(HttpOptions{}).ok());
  for (const auto& row : rows) {
    const Status valid = validate(row.options);
    ASSERT_FALSE(valid.ok()) << row.message;
    EXPECT_EQ(valid.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(valid.error().message, StartsWith(row.message));
    const auto http = nexus::makeHttp(row.options);
    ASSERT_FALSE(http.ok());
    EXPECT_EQ(http.error().message, valid.error().message);
  }
}

TEST(HttpRulesTest, MistakesAreAnsweredAtOnce) {
  const auto http = makeHttp({});
  EXPECT_EQ(ask(*http, "get", "[\"ftp://a.example/\"]"),
            "http: the scheme 'ftp' is not http or https");
  EXPECT_FALSE(http->answers("fetch"));
  EXPECT_TRUE(http->answers("get"));
}

void neverAnswer(Connection& connection) { connection.idle(); }

TEST(HttpEndTest, TheShorterTimeCounts) {
  const LoopbackServer server(neverAnswer);
  const auto http = makeHttp({.allow = {entryFor(server)}, .timeout = milliseconds(40)});
  const auto get = [&](const std::string& options) {
    return ask(*http, "get", "[\"" + server.url("/") + "\"" + options + "]");
  };
  EXPECT_EQ(get(",{\"timeoutMs\":20}"), "http: no response within timeoutMs, 20 ms");
  EXPECT_EQ(get(",{\"timeoutMs\":5000}"), "http: no response within http_timeout_ms, 40 ms");
}

// Those that wait for a free place have the same time.
TEST(HttpEndTest, TimeRunsWhileARequestWaitsForOthers) {
  const LoopbackServer server(neverAnswer);
  const auto http = makeHttp({.allow = {entryFor(server)}});
  std::vector<std::unique_ptr<Asked>> busy;
  for (size_t i = 0; i < Http::kMostAtOnce; ++i) {
    busy.push_back(std::make_unique<Asked>());
    busy.back()->ask(*http, "get", "[\"" + server.url("/") + "\"]");
  }
  EXPECT_EQ(ask(*http, "get", "[\"" + server.url("/") + "\",{\"timeoutMs\":20}]"),
            "http: no response within timeoutMs, 20 ms");
  Asked waiting;
  waiting.ask(*http, "get", "[\"" + server.url("/") + "\"]");
  waiting.cancel();
  EXPECT_EQ(waiting.wait(), kDropped);
  EXPECT_LE(server.connections(), Http::kMostAtOnce);
  for (auto& asked : busy) asked->cancel();
  for (auto& asked : busy) EXPECT_EQ(asked->wait(), kDropped);
}

TEST(HttpEndTest, ACancelledCallEndsItsTransferAtOnce) {
  Mutex mutex;
  Condition changed;
  int reached = 0;
  int left = 0;
  const LoopbackServer server([&](Connection& connection) {
    connection.read();
    {
      const MutexLock lock(mutex);
      ++reached;
      changed.notifyAll();
    }
    connection.idle();
    const MutexLock lock(mutex);
    ++left;
    changed.notifyAll();
  });
  const auto http = makeHttp({.allow = {entryFor(server)}});
  Asked asked;
  asked.ask(*http, "get", "[\"" + server.url("/") + "\"]");
  {
    const MutexLock lock(mutex);
    while (reached == 0) changed.wait(mutex);
  }
  asked.cancel();
  EXPECT_EQ(asked.wait(), kDropped);
  // The server sees it go.
  const MutexLock lock(mutex);
  while (left == 0) changed.wait(mutex);
}

TEST(HttpEndTest, WhatIsCancelledBeforehandIsNotSent) {
  const LoopbackServer server(echo);
  const auto http = makeHttp({.allow = {entryFor(server)}});
  Asked asked;
  asked.cancel();
  asked.ask(*http, "get", "[\"" + server.url("/") + "\"]");
  EXPECT_EQ(asked.wait(), kDropped);
  EXPECT_EQ(server.connections(), 0u);
}

TEST(HttpEndTest, ItsEndIsAnErrorForWhoWaits) {
  const LoopbackServer server(neverAnswer);
  std::vector<std::unique_ptr<Asked>> all;
  auto http = makeHttp({.allow = {entryFor(server)}});
  for (size_t i = 0; i < 2 * Http::kMostAtOnce; ++i) {
    all.push_back(std::make_unique<Asked>());
    all.back()->ask(*http, "get", "[\"" + server.url("/") + "\"]");
  }
  http.reset();
  for (auto& asked : all) EXPECT_EQ(asked->wait(), kDropped);
}

// Asking, answering and cancelling from many threads at once, and the end in the middle of it.
TEST(HttpEndTest, ManyAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 60;
  const LoopbackServer server(echo);
  const LoopbackServer silent(neverAnswer);
  auto http = makeHttp({.allow = {entryFor(server), entryFor(silent)}});
  std::vector<std::unique_ptr<Asked>> all;
  for (int i = 0; i < kThreads * kEach; ++i) all.push_back(std::make_unique<Asked>());
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Asked& asked = *all[static_cast<size_t>(t * kEach + i)];
        const bool isSilent = i % 5 == 0;
        asked.ask(*http, "post",
                  "[\"" + (isSilent ? silent : server).url("/redirect/307") + "\",1]");
        if (isSilent) {
          asked.cancel();
        } else if (i % 2 == 0) {
          answered += asked.wait().find("\"status\":201") != std::string::npos ? 1 : 0;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  http.reset();
  EXPECT_EQ(answered, kThreads * 24);
  for (auto& asked : all) EXPECT_TRUE(asked->isAnswered());
}

}  // namespace
}  // namespace nexus::extensions
