// A server that misbehaves in every way that was thought of: each request ends as it should, with
// its answer or an error that says what was wrong, and the next request is none the worse for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "extensions/http.h"
#include "extensions/testing/asked.h"
#include "extensions/testing/loopback_server.h"

namespace nexus::extensions {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Connection = LoopbackServer::Connection;

constexpr uint64_t kKiB = 1024;
// Longer than any of these takes, but those that are to run into a limit of time.
constexpr milliseconds kAmple{20'000};
constexpr milliseconds kShort{150};

struct Way {
  std::string name;
  LoopbackServer::Script script;
  // "= TEXT": the answer is that; "^ TEXT": it begins so; "~ TEXT": it has that in it.
  std::string end;
  milliseconds timeout = kAmple;
  uint64_t maxBytes = 256 * kKiB;
};

std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string redirect(const std::string& to) {
  return "HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n";
}

// Answers every request of a connection with the same.
LoopbackServer::Script always(std::string answer) {
  return [answer = std::move(answer)](Connection& connection) {
    while (!connection.read().empty() && connection.write(answer)) {
    }
  };
}

// Reads a request, writes, and closes.
LoopbackServer::Script once(std::string answer) {
  return [answer = std::move(answer)](Connection& connection) {
    connection.read();
    connection.write(answer);
  };
}

// Reads a request, writes, and never ends.
LoopbackServer::Script andThenNothing(std::string answer) {
  return [answer = std::move(answer)](Connection& connection) {
    connection.read();
    connection.write(answer);
    connection.idle();
  };
}

LoopbackServer::Script flooding(std::string start, std::string rest) {
  return [start = std::move(start), rest = std::move(rest)](Connection& connection) {
    connection.read();
    connection.write(start);
    connection.flood(rest);
  };
}

LoopbackServer::Script dripping(std::string start, std::string rest) {
  return [start = std::move(start), rest = std::move(rest)](Connection& connection) {
    connection.read();
    connection.write(start);
    connection.drip(rest);
  };
}

const char kTooSlow[] = "= http: no response within http_timeout_ms, 150 ms";
const char kTooLarge[] = "= http: the response is larger than http_max_bytes, 65536 bytes";
const char kTooManyHeaders[] = "= http: the headers of the response are too large";
const char kCut[] = "= http: '127.0.0.1' closed the connection before the response was complete";
const char kNoAnswer[] = "= http: '127.0.0.1' closed the connection without a response";
const char kNoHttp[] = "^ http: what '127.0.0.1' sent is not HTTP/1.1 (";
const char kBroken[] = "^ http: the connection to '127.0.0.1' broke off (";

// A gzip of ten million spaces begins like this; it is never unpacked.
const std::string kGzip = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x0d"s;

std::vector<Way> slowWays() {
  return {
      {"never_answers", andThenNothing(""), kTooSlow, kShort},
      {"never_reads",
       [](Connection& connection) {
         connection.write("HTTP/1.1 ");
         connection.idle();
       },
       kTooSlow, kShort},
      {"headers_byte_by_byte", dripping("HTTP/1.1 200 OK\r\n", "X: y\r\n"), kTooSlow, kShort},
      {"body_byte_by_byte", dripping("HTTP/1.1 200 OK\r\n\r\n", "x"), kTooSlow, kShort},
      {"stops_in_the_middle", andThenNothing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
       kTooSlow, kShort},
      {"slow_redirects_to_itself",
       [](Connection& connection) {
         while (!connection.read().empty()) connection.write(redirect("/again"));
       },
       "= http: more redirects than http_max_redirects, 10"},
      {"interim_answers_without_end", dripping("", "HTTP/1.1 102 Processing\r\n\r\n"), kTooSlow,
       kShort},
  };
}

std::vector<Way> largeWays() {
  const std::string line(1000, 'x');
  return {
      {"endless_body", flooding("HTTP/1.1 200 OK\r\n\r\n", line), kTooLarge, kAmple, 64 * kKiB},
      {"endless_chunks",
       flooding("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3e8\r\n" + line + "\r\n"),
       kTooLarge, kAmple, 64 * kKiB},
      {"endless_headers", flooding("HTTP/1.1 200 OK\r\n", "X: " + line + "\r\n"), kTooManyHeaders},
      {"endless_headers_small_limit", flooding("HTTP/1.1 200 OK\r\n", "X: " + line + "\r\n"),
       kTooLarge, kAmple, 64 * kKiB},
      {"endless_header_line", flooding("HTTP/1.1 200 OK\r\nX: ", line), kTooManyHeaders},
      {"endless_interim_answers",
       flooding("", "HTTP/1.1 103 Early Hints\r\nX: " + line + "\r\n\r\n"), kTooManyHeaders},
      {"endless_trailers",
       flooding("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"),
       kTooManyHeaders},
      {"announced_too_large", andThenNothing("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n"),
       kTooLarge, kAmple, 64 * kKiB},
      {"as_large_as_allowed", once(ok(std::string(64 * kKiB - 50, 'x'))), "~ \"status\":200",
       kAmple, 64 * kKiB},
      {"redirects_that_add_up",
       always("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 20000\r\n\r\n" +
              std::string(20'000, 'x')),
       kTooLarge, kAmple, 64 * kKiB},
  };
}

std::vector<Way> wrongLengths() {
  return {
      {"length_too_large", once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), kCut},
      {"length_too_small", once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabcdef"),
       "~ \"body\":\"ab\""},
      {"two_lengths",
       andThenNothing("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
       "= http: the response has two content-lengths, 2 and 3"},
      {"the_same_length_twice",
       once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
       "~ \"body\":\"ab\""},
      {"negative_length", andThenNothing("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
       "~ ontent-"},
      {"length_with_a_sign", andThenNothing("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab"),
       "~ ontent-"},
      {"lengths_in_one_line", andThenNothing("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab"),
       "~ ontent-"},
      {"length_beyond_numbers",
       andThenNothing("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"),
       "= http: the response's content-length is '99999999999999999999'"},
      {"no_length", once("HTTP/1.1 200 OK\r\n\r\nabc"), "~ \"body\":\"abc\""},
      {"body_of_204", once("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc"),
       "~ \"body\":\"\""},
      {"body_of_304", once("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nabc"),
       "~ \"body\":\"\""},
  };
}

std::vector<Way> brokenWays() {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  return {
      {"accepts_and_closes", [](Connection& connection) { connection.read(); }, kNoAnswer},
      {"resets_in_the_middle",
       [](Connection& connection) {
         connection.read();
         connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
         connection.reset();
       },
       kBroken},
      {"chunk_of_no_length", andThenNothing(chunked + "zz\r\nabc\r\n"), kBroken},
      {"chunk_without_its_end", andThenNothing(chunked + "3\r\nabcdef\r\n0\r\n\r\n"), kBroken},
      {"chunk_beyond_numbers", andThenNothing(chunked + "fffffffffffffffffffff\r\nabc"), kBroken},
      {"chunks_that_stop", once(chunked + "5\r\nab"), kCut},
      {"no_status_line", once("hello, world\r\n\r\nwhat is this"), kNoHttp},
      {"http_0_9", once("<html></html>\n"), kNoHttp},
      {"bad_status_line", once("HTTP/1.1 abc\r\nContent-Length: 0\r\n\r\n"), kNoHttp},
      {"nul_in_a_header",
       andThenNothing("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"s), kNoHttp},
      {"unknown_transfer_encoding",
       andThenNothing("HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13\r\n\r\nnopq"),
       "^ http: ", kShort},
      {"body_of_other_bytes", once(ok("\xff\xfe")),
       "= http: the response is not UTF-8; the option as: 'base64' takes any bytes"},
      {"compressed_bomb",
       once("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 14\r\n\r\n" + kGzip),
       "= http: the response is not UTF-8; the option as: 'base64' takes any bytes"},
      {"other_bytes_in_a_header", once("HTTP/1.1 200 OK\r\nX: \xff\r\nContent-Length: 0\r\n\r\n"),
       "~ \"x\":\"\xef\xbf\xbd\""},
      {"the_same_header_often",
       once("HTTP/1.1 200 OK\r\nX: 1\r\nx: 2\r\nX : 3\r\nContent-Length: 0\r\n\r\n"),
       "~ \"x\":\"1, 2"},
      {"a_header_in_a_trailer",
       once(chunked + "3\r\nabc\r\n0\r\nLocation: http://b.example/\r\n\r\n"),
       "~ \"body\":\"abc\""},
  };
}

std::vector<Way> redirects() {
  return {
      {"redirect_to_itself", always(redirect("/a")),
       "= http: more redirects than http_max_redirects, 10"},
      {"redirect_loop",
       [](Connection& connection) {
         for (std::string request; !(request = connection.read()).empty();) {
           connection.write(redirect(request.starts_with("GET /a ") ? "/b" : "/a"));
         }
       },
       "= http: more redirects than http_max_redirects, 10"},
      {"redirect_to_an_empty_place", always(redirect("")), "~ \"status\":302"},
      {"redirect_without_a_place", always("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
       "~ \"status\":302"},
      {"redirect_to_another_host", always(redirect("http://b.example/")),
       "= http: the host 'b.example' is not in http_allow"},
      {"redirect_to_another_port", always(redirect("http://127.0.0.1:1/")),
       "= http: the host '127.0.0.1' is in http_allow, but not its port 1"},
      {"redirect_to_another_address", always(redirect("http://127.0.0.2/")),
       "= http: the host '127.0.0.2' is not in http_allow"},
      {"redirect_to_clouds", always(redirect("http://169.254.169.254/latest/meta-data/")),
       "= http: the host '169.254.169.254' is not in http_allow"},
      {"redirect_to_a_name_of_loopback", always(redirect("http://localhost:9/")),
       "^ http: 'localhost' is the address "},
      {"redirect_to_a_file", always(redirect("file:///etc/passwd")),
       "= http: a redirect of '127.0.0.1' leads nowhere: the scheme 'file' is not http or https"},
      {"redirect_to_gopher", always(redirect("gopher://127.0.0.1:70/_x")),
       "= http: a redirect of '127.0.0.1' leads nowhere: the scheme 'gopher' is not http or https"},
      {"redirect_with_credentials", always(redirect("http://u:p@127.0.0.1/")),
       "^ http: a redirect of '127.0.0.1' leads nowhere: the URL has a user name or a password"},
      {"redirect_to_nonsense", always(redirect("http://[")),
       "^ http: a redirect of '127.0.0.1' leads nowhere: 'http://[' is not an absolute"},
  };
}

void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

class HttpMisbehaviourTest : public testing::TestWithParam<Way> {};

TEST_P(HttpMisbehaviourTest, EndsAsItShould) {
  const Way& way = GetParam();
  LoopbackServer server(way.script);
  LoopbackServer good(always(ok("fine")));
  auto http = Http::make({.allow = {"127.0.0.1:" + std::to_string(server.port()),
                                    "127.0.0.1:" + std::to_string(good.port()), "localhost:*"},
                          .timeout = way.timeout,
                          .maxBytes = way.maxBytes},
                         {});
  ASSERT_TRUE(http.ok()) << http.error().message;
  const std::string answer = ask(**http, "get", "[\"" + server.url("/a") + "\"]");
  const std::string expected = way.end.substr(2);
  switch (way.end.front()) {
    case '=':
      EXPECT_EQ(answer, expected);
      break;
    case '^':
      EXPECT_THAT(answer, StartsWith(expected));
      break;
    default:
      EXPECT_THAT(answer, HasSubstr(expected));
  }
  EXPECT_THAT(ask(**http, "get", "[\"" + good.url("/") + "\"]"), HasSubstr("\"body\":\"fine\""));
}

std::string nameOf(const testing::TestParamInfo<Way>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Slow, HttpMisbehaviourTest, testing::ValuesIn(slowWays()), nameOf);
INSTANTIATE_TEST_SUITE_P(Large, HttpMisbehaviourTest, testing::ValuesIn(largeWays()), nameOf);
INSTANTIATE_TEST_SUITE_P(Lengths, HttpMisbehaviourTest, testing::ValuesIn(wrongLengths()), nameOf);
INSTANTIATE_TEST_SUITE_P(Broken, HttpMisbehaviourTest, testing::ValuesIn(brokenWays()), nameOf);
INSTANTIATE_TEST_SUITE_P(Redirects, HttpMisbehaviourTest, testing::ValuesIn(redirects()), nameOf);

}  // namespace
}  // namespace nexus::extensions
