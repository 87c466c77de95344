#include "app/units.h"

#include <gtest/gtest.h>

namespace nexus::app {
namespace {

TEST(ParseBytesTest, TakesNumbersWithUnits) {
  const struct {
    const char* text;
    uint64_t bytes;
  } cases[] = {{"0", 0},
               {"65536", 65536},
               {"7B", 7},
               {"64KiB", 65536},
               {"32MiB", 33554432},
               {"32 MiB", 33554432},
               {"2GiB", 1ull << 31},
               {"18446744073709551615", UINT64_MAX}};
  for (const auto& c : cases) {
    const auto bytes = parseBytes(c.text);
    ASSERT_TRUE(bytes.ok()) << c.text;
    EXPECT_EQ(*bytes, c.bytes) << c.text;
  }
}

TEST(ParseBytesTest, RefusesAnythingElseAndSaysWhatItExpected) {
  for (const char* text : {"", "MiB", "-1", "1.5MiB", "32mb", "32MiBx", "0x10",
                           "18446744073709551616", "18446744073709551615KiB"}) {
    const auto bytes = parseBytes(text);
    ASSERT_FALSE(bytes.ok()) << text;
    EXPECT_EQ(bytes.error().code, ErrorCode::kInvalidInput);
    EXPECT_NE(bytes.error().message.find("32MiB"), std::string::npos) << bytes.error().message;
  }
}

TEST(ShowTest, RoundsForPeople) {
  EXPECT_EQ(showBytes(843), "843 B");
  EXPECT_EQ(showBytes(65536), "64 KiB");
  EXPECT_EQ(showBytes(33554432), "32.0 MiB");
  EXPECT_EQ(showBytes(3ull << 30), "3.0 GiB");
  EXPECT_EQ(showCount(0), "0");
  EXPECT_EQ(showCount(999), "999");
  EXPECT_EQ(showCount(1234567), "1,234,567");
  EXPECT_EQ(showMicroseconds(3.141), "3.14 us");
  EXPECT_EQ(showMicroseconds(312.4), "312 us");
  EXPECT_EQ(showMicroseconds(3124), "3.1 ms");
  EXPECT_EQ(showMicroseconds(1'250'000), "1.25 s");
}

}  // namespace
}  // namespace nexus::app
