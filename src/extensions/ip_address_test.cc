#include "extensions/ip_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace nexus::extensions {
namespace {

using namespace std::string_view_literals;  // NOLINT(google-build-using-namespace)

TEST(IpAddressTest, OnlyPublicOnesHaveNoKind) {
  const struct {
    const char* address;
    const char* kind;  // empty: public
  } rows[] = {
      {"1.1.1.1", ""},
      {"8.8.8.8", ""},
      {"93.184.216.34", ""},
      {"223.255.255.255", ""},
      {"0.0.0.0", "the unspecified address"},
      {"0.0.0.1", "of this network"},
      {"0.255.255.255", "of this network"},
      {"1.0.0.0", ""},
      {"9.255.255.255", ""},
      {"10.0.0.0", "private"},
      {"10.255.255.255", "private"},
      {"11.0.0.0", ""},
      {"100.63.255.255", ""},
      {"100.64.0.0", "shared by a carrier's customers"},
      {"100.127.255.255", "shared by a carrier's customers"},
      {"100.128.0.0", ""},
      {"126.255.255.255", ""},
      {"127.0.0.1", "loopback"},
      {"127.255.255.255", "loopback"},
      {"128.0.0.0", ""},
      {"169.253.255.255", ""},
      {"169.254.0.0", "link-local"},
      {"169.254.169.254", "link-local"},  // where clouds keep a machine's credentials
      {"169.254.255.255", "link-local"},
      {"169.255.0.0", ""},
      {"172.15.255.255", ""},
      {"172.16.0.0", "private"},
      {"172.31.255.255", "private"},
      {"172.32.0.0", ""},
      {"191.255.255.255", ""},
      {"192.0.0.0", "reserved for protocols"},
      {"192.0.0.255", "reserved for protocols"},
      {"192.0.1.0", ""},
      {"192.0.2.1", "for documentation"},
      {"192.0.3.0", ""},
      {"192.88.98.255", ""},
      {"192.88.99.1", "a relay of 6to4"},
      {"192.167.255.255", ""},
      {"192.168.0.0", "private"},
      {"192.168.255.255", "private"},
      {"192.169.0.0", ""},
      {"198.17.255.255", ""},
      {"198.18.0.0", "for benchmarks"},
      {"198.19.255.255", "for benchmarks"},
      {"198.20.0.0", ""},
      {"198.51.100.7", "for documentation"},
      {"203.0.113.7", "for documentation"},
      {"224.0.0.0", "multicast"},
      {"239.255.255.255", "multicast"},
      {"240.0.0.0", "reserved"},
      {"255.255.255.254", "reserved"},
      {"255.255.255.255", "broadcast"},

      {"2606:4700:4700::1111", ""},
      {"2a00:1450:4001:81b::200e", ""},
      {"2000::", ""},
      {"3ffe::", ""},
      {"::", "the unspecified address"},
      {"::1", "loopback"},
      {"::2", "IPv4-compatible"},
      {"::127.0.0.1", "IPv4-compatible"},
      {"::8.8.8.8", "IPv4-compatible"},
      {"::1:0:0:0", "reserved"},
      {"::ffff:127.0.0.1", "IPv4-mapped"},
      {"::ffff:8.8.8.8", "IPv4-mapped"},
      {"::fffe:8.8.8.8", "reserved"},
      {"::ffff:0:8.8.8.8", "reserved"},  // IPv4-translated
      {"64:ff9b::8.8.8.8", ""},
      {"64:ff9b::127.0.0.1", "loopback"},
      {"64:ff9b::10.1.2.3", "private"},
      {"64:ff9b::169.254.169.254", "link-local"},
      {"64:ff9b::1:8.8.8.8", "reserved"},
      {"64:ff9b:1::8.8.8.8", "private"},
      {"100::1", "discarded"},
      {"100:0:0:1::1", "reserved"},
      {"1fff:ffff::", "reserved"},
      {"2001::1", "reserved for protocols"},  // Teredo
      {"2001:1ff:ffff::", "reserved for protocols"},
      {"2001:200::", ""},
      {"2001:db8::1", "for documentation"},
      {"2001:db9::", ""},
      {"2002:808:808::1", ""},
      {"2002:7f00:1::", "loopback"},
      {"2002:c0a8:101::1", "private"},
      {"2002:a9fe:a9fe::", "link-local"},
      {"2003::", ""},
      {"3fff::1", "for documentation"},
      {"3fff:fff::", "for documentation"},
      {"3fff:1000::", ""},
      {"4000::", "reserved"},
      {"5f00::1", "reserved"},
      {"fbff::", "reserved"},
      {"fc00::", "private"},
      {"fd12:3456::1", "private"},
      {"fe00::", "reserved"},
      {"fe80::1", "link-local"},
      {"febf::1", "link-local"},
      {"fec0::1", "private"},
      {"feff::1", "private"},
      {"ff02::1", "multicast"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"},
  };
  for (const auto& row : rows) {
    const auto address = IpAddress::parse(row.address);
    ASSERT_TRUE(address) << row.address;
    EXPECT_EQ(nonPublicKind(*address).value_or(""), row.kind) << row.address;
  }
}

TEST(IpAddressTest, OnlyTheUsualSpellingIsOne) {
  for (const char* text :
       {"", "1", "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.0.0.1.", " 127.0.0.1",
        "127.0.0.1 ", "127.0.0.256", "[::1]", "fe80::1%lo", ":::", "1:2:3:4:5:6:7", "localhost"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse("127.0.0.1\0"sv));
}

TEST(IpAddressTest, SpelledTheShortestWay) {
  const struct {
    const char* text;
    const char* shown;
  } rows[] = {
      {"127.0.0.1", "127.0.0.1"},
      {"::1", "::1"},
      {"0:0::0:1", "::1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"::ffff:7f00:1", "::ffff:127.0.0.1"},
  };
  for (const auto& row : rows) {
    const auto address = IpAddress::parse(row.text);
    ASSERT_TRUE(address) << row.text;
    EXPECT_EQ(address->toString(), row.shown);
    EXPECT_EQ(IpAddress::parse(row.shown), address);
  }
}

TEST(IpAddressTest, AFourByteAddressIsNoSixteenByteOne) {
  EXPECT_NE(IpAddress::parse("0.0.0.0"), IpAddress::parse("::"));
}

TEST(IpAddressTest, FromWhatASocketIsConnectedTo) {
  const auto read = [](const auto& address, size_t length) {
    return IpAddress::from(reinterpret_cast<const sockaddr*>(&address), length);
  };
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  inet_pton(AF_INET, "10.1.2.3", &v4.sin_addr);
  EXPECT_EQ(read(v4, sizeof v4), IpAddress::parse("10.1.2.3"));
  EXPECT_EQ(read(v4, sizeof v4 - 1), std::nullopt);
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "fe80::1", &v6.sin6_addr);
  EXPECT_EQ(read(v6, sizeof v6), IpAddress::parse("fe80::1"));
  EXPECT_EQ(read(v6, sizeof v6 - 1), std::nullopt);
  sockaddr_un local = {};
  local.sun_family = AF_UNIX;
  EXPECT_EQ(read(local, sizeof local), std::nullopt);
}

}  // namespace
}  // namespace nexus::extensions
