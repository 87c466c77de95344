#include "extensions/http_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace nexus::extensions {
namespace {

using namespace std::string_view_literals;  // NOLINT(google-build-using-namespace)
using ::testing::HasSubstr;
using ::testing::StartsWith;

// "host port", or the error.
std::string seen(const Result<HttpUrl>& url) {
  if (!url) return url.error().message;
  return url->host() + " " + std::to_string(url->port()) + (url->address() ? " address" : "");
}

TEST(HttpUrlTest, TheHostIsWhatWouldBeConnected) {
  const struct {
    const char* text;
    const char* host;
  } rows[] = {
      {"http://example.com", "example.com 80"},
      {"https://example.com/", "example.com 443"},
      {"HTTP://EXAMPLE.com:8080/a?b#c", "example.com 8080"},
      {"https://example.com:80/", "example.com 80"},
      {"http://example.com./", "example.com 80"},
      {"http://a_b.example-1.com/", "a_b.example-1.com 80"},
      {"http://xn--bcher-kva.example/", "xn--bcher-kva.example 80"},
      {"http://%65xample.com/", "example.com 80"},
      {"http://example.com\\@evil.example/", "http: the URL has a user name"},
      {"http://example.com#@evil.example/", "example.com 80"},
      {"http://example.com?@evil.example/", "example.com 80"},
      {"http://example.com/@evil.example/", "example.com 80"},
      {"http://127.0.0.1/", "127.0.0.1 80 address"},
      {"http://127.0.0.1./", "127.0.0.1 80 address"},
      // Other spellings of the same address.
      {"http://127.1/", "127.0.0.1 80 address"},
      {"http://0x7f.1/", "127.0.0.1 80 address"},
      {"http://0177.0.0.1/", "127.0.0.1 80 address"},
      {"http://2130706433/", "127.0.0.1 80 address"},
      {"http://0x7f000001/", "127.0.0.1 80 address"},
      {"http://0/", "0.0.0.0 80 address"},
      {"http://[::1]/", "::1 80 address"},
      {"http://[0:0:0:0:0:0:0:1]:81/", "::1 81 address"},
      {"http://[::FFFF:127.0.0.1]/", "::ffff:127.0.0.1 80 address"},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(seen(HttpUrl::parse(row.text)), StartsWith(row.host)) << row.text;
  }
}

TEST(HttpUrlTest, WhatIsNoneIsRefusedWithTheReason) {
  const struct {
    const char* text;
    const char* error;
  } rows[] = {
      {"", "is not an absolute http or https URL"},
      {"/a", "is not an absolute http or https URL"},
      {"example.com", "is not an absolute http or https URL"},
      {"//example.com", "is not an absolute http or https URL"},
      {"http://", "is not an absolute http or https URL"},
      {"http://exa mple.com/", "http: "},
      {"http://example.com/\r\nX: y", "has a control character in it"},
      {"http://example.com\n/", "has a control character in it"},
      {"http://example.com/\x7f", "has a control character in it"},
      {"\thttp://example.com/", "has a control character in it"},
      {"http://example.com:65536/", "is not an absolute http or https URL"},
      {"http://example.com:-1/", "is not an absolute http or https URL"},
      {"http://example.com:x/", "is not an absolute http or https URL"},
      {"http://example.com:0/", "port"},
      {"http://[::1/", "is not an absolute http or https URL"},
      {"http://[::g]/", "is not an absolute http or https URL"},
      {"http://[fe80::1%25lo]/", "is no address that can be reached"},
      {"http://user@example.com/", "http: the URL has a user name or a password in it"},
      {"http://user:secret@example.com/", "http: the URL has a user name or a password in it"},
      {"http://:secret@example.com/", "http: the URL has a user name or a password in it"},
      {"file:///etc/passwd", "http: the scheme 'file' is not http or https"},
      {"ftp://example.com/", "http: the scheme 'ftp' is not http or https"},
      {"gopher://example.com/", "http: the scheme 'gopher' is not http or https"},
      {"ws://example.com/", "http: the scheme 'ws' is not http or https"},
      {"javascript://example.com/", "http: the scheme 'javascript' is not http or https"},
      {"http://b\xc3\xbc"
       "cher.example/",
       "write names of other scripts as xn--"},
      // Small letters of another script that become "localhost".
      {"http://\xe2\x93\x9bocalhost/", "write names of other scripts as xn--"},
  };
  for (const auto& row : rows) {
    const auto url = HttpUrl::parse(row.text);
    ASSERT_FALSE(url.ok()) << row.text << " is " << url->text();
    EXPECT_THAT(url.error().message, HasSubstr(row.error)) << row.text;
    EXPECT_THAT(url.error().message, StartsWith("http: "));
    EXPECT_THAT(url.error().message, Not(HasSubstr("secret")));
  }
  const auto withNul = HttpUrl::parse("http://a.example/\0.b.example/"sv);
  ASSERT_FALSE(withNul.ok());
  EXPECT_THAT(withNul.error().message, HasSubstr("has a control character in it"));
}

TEST(HttpUrlTest, AReferenceIsResolved) {
  const auto base = HttpUrl::parse("https://a.example:8443/b/c?d#e");
  ASSERT_TRUE(base.ok());
  EXPECT_EQ(base->text(), "https://a.example:8443/b/c?d");
  const struct {
    const char* reference;
    const char* text;
  } rows[] = {
      {"x", "https://a.example:8443/b/x"},      {"/x", "https://a.example:8443/x"},
      {"?x", "https://a.example:8443/b/c?x"},   {"../../../x", "https://a.example:8443/x"},
      {"//b.example/x", "https://b.example/x"}, {"http://b.example/x", "http://b.example/x"},
      {"/x y", "https://a.example:8443/x%20y"}, {"/\xc3\xbc", "https://a.example:8443/%c3%bc"},
  };
  for (const auto& row : rows) {
    const auto url = base->resolve(row.reference);
    ASSERT_TRUE(url.ok()) << row.reference << ": " << url.error().message;
    EXPECT_EQ(url->text(), row.text) << row.reference;
  }
  for (const char* reference : {"file:///etc/passwd", "gopher://a.example/", "//u:p@b.example/"}) {
    EXPECT_FALSE(base->resolve(reference).ok()) << reference;
  }
}

TEST(HttpUrlTest, AnOriginIsSchemeHostAndPort) {
  const auto url = HttpUrl::parse("http://a.example/x");
  const struct {
    const char* text;
    bool isSame;
  } rows[] = {
      {"http://A.example:80/y", true},   {"https://a.example/", false},
      {"http://a.example:81/", false},   {"http://b.example/", false},
      {"http://sub.a.example/x", false},
  };
  for (const auto& row : rows) {
    const auto other = HttpUrl::parse(row.text);
    ASSERT_TRUE(url.ok() && other.ok());
    EXPECT_EQ(url->isSameOrigin(*other), row.isSame) << row.text;
  }
}

}  // namespace
}  // namespace nexus::extensions
