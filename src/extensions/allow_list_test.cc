#include "extensions/allow_list.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nexus::extensions {
namespace {

AllowList listOf(const std::vector<std::string>& entries) {
  auto list = AllowList::parse(entries);
  EXPECT_TRUE(list.ok()) << list.error().message;
  return list ? *list : AllowList();
}

HttpUrl urlOf(const char* text) {
  auto url = HttpUrl::parse(text);
  EXPECT_TRUE(url.ok()) << text << ": " << url.error().message;
  return url ? std::move(*url) : HttpUrl::parse("http://invalid/").value();
}

TEST(AllowListTest, EntriesThatAreNoneAreNamed) {
  for (const char* entry : {"",
                            "http://a.example",
                            "a.example/",
                            "a.example:",
                            "a.example:0",
                            "a.example:65536",
                            "a.example:x",
                            "a.example:-1",
                            "a.example:80:80",
                            "a b",
                            "a..b",
                            ".a",
                            "a.*",
                            "a*.example",
                            "*a",
                            "**",
                            "*.",
                            "*.*.a",
                            "user@a.example",
                            "10.0.0.0/8",
                            "127.1",
                            "127.0.0.256",
                            "1",
                            "0x7f.1",
                            "[127.0.0.1]",
                            "[::1",
                            "::1]",
                            "[::g]",
                            "[::1]x",
                            "[::1]:",
                            ":80",
                            "b\xc3\xbc.de",
                            "a.example#",
                            "a.example?",
                            "[]",
                            ":",
                            "*.1"}) {
    const std::vector<std::string> entries = {"ok.example", entry};
    const auto list = AllowList::parse(entries);
    ASSERT_FALSE(list.ok()) << entry;
    EXPECT_EQ(list.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(list.error().message,
              "http_allow: '" + std::string(entry) +
                  "' is no host; expected a name, '*.' and a name, '*', or an address, each with "
                  "':PORT' or ':*' behind it or without");
  }
}

TEST(AllowListTest, AHostNeedsAnEntryOfItsNameAndPort) {
  constexpr bool kYes = true;
  constexpr bool kNo = false;
  const struct {
    const char* entry;
    const char* url;
    bool isAllowed;
  } rows[] = {
      {"a.example", "http://a.example/", kYes},
      {"a.example", "https://a.example/", kYes},
      {"a.example", "https://A.EXAMPLE./", kYes},
      {"A.Example.", "http://a.example/", kYes},
      {"a.example", "http://b.example/", kNo},
      {"a.example", "http://sub.a.example/", kNo},
      {"a.example", "http://a.example.evil.example/", kNo},
      {"a.example", "http://xa.example/", kNo},
      {"a.example", "http://a.example:8080/", kNo},
      {"a.example", "http://a.example:443/", kNo},
      {"a.example", "https://a.example:80/", kNo},
      {"a.example:8080", "http://a.example:8080/", kYes},
      {"a.example:8080", "http://a.example/", kNo},
      {"a.example:443", "https://a.example/", kYes},
      {"a.example:*", "https://a.example:12345/", kYes},
      {"a.example:*", "http://a.example/", kYes},
      {"*.example", "http://a.example/", kYes},
      {"*.example", "http://b.a.example/", kYes},
      {"*.example", "http://example/", kNo},
      {"*.example", "http://aexample/", kNo},
      {"*.example", "http://a.example:81/", kNo},
      {"*.example:81", "http://a.example:81/", kYes},
      {"*.a.example", "http://b.example/", kNo},
      {"*", "http://a.example/", kYes},
      {"*", "https://192.0.1.1/", kYes},
      {"*", "http://a.example:81/", kNo},
      {"*:*", "http://a.example:81/", kYes},
      {"127.0.0.1", "http://127.0.0.1/", kYes},
      {"127.0.0.1", "http://2130706433/", kYes},
      {"127.0.0.1", "http://127.0.0.1:81/", kNo},
      {"127.0.0.1:81", "http://127.0.0.1:81/", kYes},
      {"127.0.0.1", "http://127.0.0.2/", kNo},
      {"127.0.0.1", "http://localhost/", kNo},
      {"127.0.0.1", "http://[::ffff:127.0.0.1]/", kNo},
      {"*.0.0.x", "http://127.0.0.1/", kNo},
      {"[::1]", "http://[::1]/", kYes},
      {"[::1]", "http://[0:0::1]/", kYes},
      {"::1", "http://[::1]/", kYes},
      {"[::1]:81", "http://[::1]:81/", kYes},
      {"[::1]:*", "http://[::1]:81/", kYes},
      {"[::1]:81", "http://[::1]/", kNo},
      {"localhost", "http://localhost/", kYes},
  };
  for (const auto& row : rows) {
    const AllowList list = listOf({"other.example", row.entry});
    EXPECT_EQ(list.checkHost(urlOf(row.url)).ok(), row.isAllowed) << row.entry << " " << row.url;
  }
}

TEST(AllowListTest, ARefusalSaysWhichRule) {
  const auto refusal = [](const std::vector<std::string>& entries, const char* url) {
    const Status checked = listOf(entries).checkHost(urlOf(url));
    return checked ? "(none)" : checked.error().message;
  };
  EXPECT_EQ(refusal({}, "http://a.example/"),
            "http: the host 'a.example' is not in http_allow, which is empty");
  EXPECT_EQ(refusal({"b.example"}, "http://A.example:81/"),
            "http: the host 'a.example' is not in http_allow");
  EXPECT_EQ(refusal({"a.example", "a.example:82"}, "http://a.example:81/"),
            "http: the host 'a.example' is in http_allow, but not its port 81");
}

TEST(AllowListTest, AnAddressThatIsNotPublicNeedsAnEntryOfItself) {
  const struct {
    const char* entry;
    const char* url;
    const char* address;
    const char* refusal;  // empty: allowed
  } rows[] = {
      {"a.example", "http://a.example/", "8.8.8.8", ""},
      {"a.example", "http://a.example/", "2606:4700:4700::1111", ""},
      {"a.example", "http://a.example/", "127.0.0.1",
       "http: 'a.example' is the address 127.0.0.1, which is loopback; only an entry of that "
       "address in http_allow allows it"},
      {"localhost", "http://localhost/", "::1",
       "http: 'localhost' is the address ::1, which is loopback; only an entry of that address in "
       "http_allow allows it"},
      {"*:*", "http://a.example:81/", "10.0.0.1",
       "http: 'a.example' is the address 10.0.0.1, which is private; only an entry of that address "
       "in http_allow allows it"},
      {"*", "http://127.1/", "127.0.0.1",
       "http: the address 127.0.0.1 is loopback; only an entry of that address in http_allow "
       "allows it"},
      {"*", "http://[::ffff:8.8.8.8]/", "::ffff:8.8.8.8",
       "http: the address ::ffff:8.8.8.8 is IPv4-mapped; only an entry of that address in "
       "http_allow allows it"},
      {"127.0.0.1", "http://127.0.0.1/", "127.0.0.1", ""},
      {"127.0.0.1", "http://a.example/", "127.0.0.1", ""},
      {"127.0.0.1:81", "http://a.example:81/", "127.0.0.1", ""},
      {"127.0.0.1:81", "http://a.example/", "127.0.0.1",
       "http: 'a.example' is the address 127.0.0.1, which is loopback; only an entry of that "
       "address in http_allow allows it"},
      {"127.0.0.1", "http://a.example/", "::ffff:127.0.0.1",
       "http: 'a.example' is the address ::ffff:127.0.0.1, which is IPv4-mapped; only an entry of "
       "that address in http_allow allows it"},
      {"[::ffff:127.0.0.1]", "http://a.example/", "::ffff:127.0.0.1", ""},
  };
  for (const auto& row : rows) {
    const Status checked = listOf({"other.example", row.entry})
                               .checkAddress(*IpAddress::parse(row.address), urlOf(row.url));
    EXPECT_EQ(checked ? "" : checked.error().message, row.refusal) << row.entry << " " << row.url;
  }
}

}  // namespace
}  // namespace nexus::extensions
