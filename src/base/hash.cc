#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <charconv>
#include <cstdlib>
#include <memory>

namespace nexus {
namespace {

// Fetching the algorithm takes longer than hashing a kilobyte: once a thread.
class Sha256 {
 public:
  void begin() { must(EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr)); }
  void add(std::span<const std::byte> bytes) {
    must(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
  }
  Digest end() {
    Digest digest;
    must(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()),
                            nullptr));
    return digest;
  }

 private:
  // These fail for want of memory, or of OpenSSL's default provider.
  static void must(int succeeded) {
    if (succeeded != 1) std::abort();
  }

  std::unique_ptr<EVP_MD, void (*)(EVP_MD*)> algorithm_{EVP_MD_fetch(nullptr, "SHA256", nullptr),
                                                        EVP_MD_free};
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256& ownSha256() {
  thread_local Sha256 own;
  return own;
}

}  // namespace

Digest sha256(std::span<const std::byte> bytes) {
  return sha256(std::span<const std::span<const std::byte>>(&bytes, 1));
}

Digest sha256(std::span<const std::span<const std::byte>> pieces) {
  Sha256& hash = ownSha256();
  hash.begin();
  for (const auto piece : pieces) hash.add(piece);
  return hash.end();
}

Digest hmacSha256(std::span<const std::byte> key, std::span<const std::byte> bytes) {
  Digest digest;
  const auto* text = reinterpret_cast<const unsigned char*>(bytes.data());
  auto* to = reinterpret_cast<unsigned char*>(digest.data());
  // Fails like the hash itself.
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), text, bytes.size(), to,
           nullptr) == nullptr) {
    std::abort();
  }
  return digest;
}

bool isSameDigest(const Digest& left, std::span<const std::byte> right) {
  return right.size() == left.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string toHex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

bool fromHex(std::string_view text, std::span<std::byte> bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  for (size_t i = 0; i < bytes.size(); ++i) {
    unsigned byte = 0;
    const char* from = text.data() + 2 * i;
    const auto [end, problem] = std::from_chars(from, from + 2, byte, 16);
    if (problem != std::errc() || end != from + 2) return false;
    bytes[i] = static_cast<std::byte>(byte);
  }
  return true;
}

}  // namespace nexus
