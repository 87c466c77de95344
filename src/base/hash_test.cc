#include "base/hash.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace nexus {
namespace {

using std::string_view_literals::operator""sv;

std::span<const std::byte> bytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string hex(const Digest& digest) { return toHex(digest); }

std::string repeat(std::string_view text, size_t times) {
  std::string repeated;
  while (times-- > 0) repeated += text;
  return repeated;
}

// NIST's examples for FIPS 180-4 (SHA256.pdf), and the million letters of FIPS 180-2.
TEST(Sha256, KnownVectors) {
  const struct {
    std::string text;
    const char* digest;
  } cases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
       "lmnopqrsmnopqrstnopqrstu",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string(1'000'000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& c : cases) EXPECT_EQ(hex(sha256(c.text)), c.digest) << c.text.substr(0, 60);
}

TEST(Sha256, NulIsAByteLikeAnother) {
  EXPECT_NE(sha256("a\0b"sv), sha256("a"sv));
  EXPECT_NE(sha256("a\0b"sv), sha256("ab"sv));
}

// The pieces' borders leave no trace: who joins texts must mark them.
TEST(Sha256, PiecesAreHashedAsOne) {
  const struct {
    std::vector<std::string_view> pieces;
    std::string_view whole;
  } cases[] = {{{}, ""}, {{""}, ""}, {{"a", "bc"}, "abc"}, {{"ab", "", "c"}, "abc"}};
  for (const auto& c : cases) {
    std::vector<std::span<const std::byte>> pieces;
    for (const auto piece : c.pieces) pieces.push_back(bytesOf(piece));
    EXPECT_EQ(sha256(pieces), sha256(c.whole)) << c.whole;
  }
}

TEST(Sha256, EachThreadHashesForItself) {
  const std::string text(100'000, 'x');
  const Digest expected = sha256(text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int& mistakes : wrong) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) mistakes += sha256(text) == expected ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

// RFC 4231, 4.2 to 4.8; of the fifth, which asks for 128 bits, those. The last: no key, no text.
TEST(HmacSha256, KnownVectors) {
  const struct {
    std::string key;
    std::string text;
    const char* digest;
  } cases[] = {
      {repeat("\x0b", 20), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {repeat("\xaa", 20), repeat("\xdd", 50),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16"
       "\x17\x18\x19",
       repeat("\xcd", 50), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {repeat("\x0c", 20), "Test With Truncation", "a3b6167473100ee06e0c796c2955552b"},
      {repeat("\xaa", 131), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {repeat("\xaa", 131),
       "This is a test using a larger than block-size key and a larger than block-size data. The "
       "key needs to be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
      {"", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
  };
  for (const auto& c : cases) {
    const std::string_view expected = c.digest;
    const std::string digest = hex(hmacSha256(bytesOf(c.key), bytesOf(c.text)));
    EXPECT_EQ(digest.substr(0, expected.size()), expected) << c.text;
  }
}

TEST(IsSameDigest, EveryBitAndTheLengthCount) {
  const Digest digest = sha256("some text"sv);
  EXPECT_TRUE(isSameDigest(digest, digest));
  for (size_t bit = 0; bit < 8 * digest.size(); ++bit) {
    Digest other = digest;
    other[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(isSameDigest(digest, other)) << bit;
  }
  EXPECT_FALSE(isSameDigest(digest, std::span(digest).first(31)));
  EXPECT_FALSE(isSameDigest(digest, {}));
  std::vector<std::byte> longer(digest.begin(), digest.end());
  longer.push_back(std::byte{0});
  EXPECT_FALSE(isSameDigest(digest, longer));
}

TEST(ToHex, TwoLowerCaseDigitsAByte) {
  EXPECT_EQ(toHex({}), "");
  EXPECT_EQ(toHex(bytesOf("\x00\x09\x0a\x7f\x80\xff"sv)), "00090a7f80ff");
}

TEST(FromHex, TakesWhatToHexGives) {
  std::array<std::byte, 6> bytes{};
  EXPECT_TRUE(fromHex("00090A7f80fF", bytes));
  EXPECT_EQ(toHex(bytes), "00090a7f80ff");
  EXPECT_TRUE(fromHex("", {}));
  for (const char* text : {"", "00090a7f80f", "00090a7f80ff0", "00090a7f80fg", "0x090a7f80ff",
                           "-0090a7f80ff", "00 90a7f80ff"}) {
    EXPECT_FALSE(fromHex(text, bytes)) << text;
  }
}

}  // namespace
}  // namespace nexus
