#include "extensions/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace nexus::extensions {
namespace {

using Family = IpAddress::Family;

// From IANA's special-purpose address registries (RFC 6890), and multicast. The first row that
// holds an address counts.
struct Block {
  const char* address;
  unsigned prefix;  // bits
  std::string_view kind;
};

constexpr std::string_view kPublic;

constexpr Block kBlocksV4[] = {
    {"0.0.0.0", 32, "the unspecified address"},
    {"0.0.0.0", 8, "of this network"},
    {"10.0.0.0", 8, "private"},
    {"100.64.0.0", 10, "shared by a carrier's customers"},
    {"127.0.0.0", 8, "loopback"},
    {"169.254.0.0", 16, "link-local"},
    {"172.16.0.0", 12, "private"},
    {"192.0.0.0", 24, "reserved for protocols"},
    {"192.0.2.0", 24, "for documentation"},
    {"192.88.99.0", 24, "a relay of 6to4"},
    {"192.168.0.0", 16, "private"},
    {"198.18.0.0", 15, "for benchmarks"},
    {"198.51.100.0", 24, "for documentation"},
    {"203.0.113.0", 24, "for documentation"},
    {"224.0.0.0", 4, "multicast"},
    {"255.255.255.255", 32, "broadcast"},
    {"240.0.0.0", 4, "reserved"},
    {"0.0.0.0", 0, kPublic},
};

constexpr std::string_view kEmbedded = "IPv4 behind a gateway";

constexpr Block kBlocksV6[] = {
    {"::", 128, "the unspecified address"},
    {"::1", 128, "loopback"},
    {"::ffff:0:0", 96, "IPv4-mapped"},
    {"::", 96, "IPv4-compatible"},
    {"64:ff9b::", 96, kEmbedded},
    {"64:ff9b:1::", 48, "private"},
    {"100::", 64, "discarded"},
    {"2001:db8::", 32, "for documentation"},
    {"2001::", 23, "reserved for protocols"},
    {"2002::", 16, kEmbedded},
    {"3fff::", 20, "for documentation"},
    {"2000::", 3, kPublic},
    {"fc00::", 7, "private"},
    {"fe80::", 10, "link-local"},
    {"fec0::", 10, "private"},
    {"ff00::", 8, "multicast"},
    // What was never given out.
    {"::", 0, "reserved"},
};

bool isIn(const Block& block, const IpAddress& address) {
  const auto base = IpAddress::parse(block.address);
  const unsigned whole = block.prefix / 8;
  if (!std::equal(base->bytes.begin(), base->bytes.begin() + whole, address.bytes.begin())) {
    return false;
  }
  const unsigned rest = block.prefix % 8;
  return rest == 0 || ((base->bytes[whole] ^ address.bytes[whole]) >> (8 - rest)) == 0;
}

// 6to4 has the IPv4 address behind its prefix, NAT64 at the end.
IpAddress embeddedIn(const IpAddress& address) {
  const size_t start = address.bytes[0] == 0x20 ? 2 : 12;
  IpAddress embedded;
  std::copy_n(address.bytes.begin() + start, 4, embedded.bytes.begin());
  return embedded;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  IpAddress address;
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
  address.family = Family::kV6;
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from(const sockaddr* address, size_t length) {
  IpAddress result;
  // Copied, not cast: what holds the address need not be aligned for its kind.
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in v4 = {};
    std::memcpy(&v4, address, sizeof v4);
    std::memcpy(result.bytes.data(), &v4.sin_addr, sizeof v4.sin_addr);
    return result;
  }
  if (address->sa_family != AF_INET6 || length < sizeof(sockaddr_in6)) return std::nullopt;
  sockaddr_in6 v6 = {};
  std::memcpy(&v6, address, sizeof v6);
  std::memcpy(result.bytes.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
  result.family = Family::kV6;
  return result;
}

std::string IpAddress::toString() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family == Family::kV4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

std::optional<std::string_view> nonPublicKind(const IpAddress& address) {
  const std::span<const Block> blocks = address.family == Family::kV4
                                            ? std::span<const Block>(kBlocksV4)
                                            : std::span<const Block>(kBlocksV6);
  const auto block = std::find_if(blocks.begin(), blocks.end(),
                                  [&](const Block& each) { return isIn(each, address); });
  if (block->kind == kEmbedded) return nonPublicKind(embeddedIn(address));
  if (block->kind.empty()) return std::nullopt;
  return block->kind;
}

}  // namespace nexus::extensions
