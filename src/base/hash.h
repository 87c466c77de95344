// SHA-256 and HMAC-SHA256 (FIPS 180-4, RFC 2104).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace nexus {

using Digest = std::array<std::byte, 32>;

// Thread-safe. Aborts when the process is out of memory, or OpenSSL without its default provider.
Digest sha256(std::span<const std::byte> bytes);
inline Digest sha256(std::string_view text) { return sha256(std::as_bytes(std::span(text))); }

// Of several pieces, one after the other, as if they were one.
Digest sha256(std::span<const std::span<const std::byte>> pieces);

Digest hmacSha256(std::span<const std::byte> key, std::span<const std::byte> bytes);

// Takes the same time wherever two digests differ.
bool isSameDigest(const Digest& left, std::span<const std::byte> right);

// Lower case hexadecimal.
std::string toHex(std::span<const std::byte> bytes);
// Either case; false when it is not the digits of that many bytes.
bool fromHex(std::string_view text, std::span<std::byte> bytes);

}  // namespace nexus
