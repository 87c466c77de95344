// IP addresses, and which of them are no public ones: what a request from the inside must not reach
// by accident, however it is spelled or resolved.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace nexus::extensions {

struct IpAddress {
  enum class Family { kV4, kV6 };

  Family family = Family::kV4;
  std::array<uint8_t, 16> bytes{};  // of a v4 address, the first four

  // As inet_pton(3) has it: no brackets, no zone, four decimal numbers.
  static std::optional<IpAddress> parse(std::string_view text);
  // Of a socket's address of that many bytes; nothing when it is neither IPv4 nor IPv6.
  static std::optional<IpAddress> from(const sockaddr* address, size_t length);

  std::string toString() const;
  bool operator==(const IpAddress&) const = default;
};

// What the address is when it is not a public one, such as "loopback". Of IPv6 addresses that hold
// an IPv4 address for a gateway (NAT64, 6to4), what that one is. The result is a literal.
std::optional<std::string_view> nonPublicKind(const IpAddress& address);

}  // namespace nexus::extensions
