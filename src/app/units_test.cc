#include "app/units.h"

#include <gtest/gtest.h>

#include <string>

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

TEST(ParseMillisecondsTest, TakesNumbersWithUnits) {
  const struct {
    const char* text;
    uint64_t milliseconds;
  } cases[] = {{"0", 0},
               {"250", 250},
               {"250ms", 250},
               {"250 ms", 250},
               {"2s", 2000},
               {"5min", 300'000},
               {"5  min", 300'000},
               {"1h", 3'600'000},
               {"007", 7},
               {"18446744073709551615", UINT64_MAX},
               {"18446744073709551615ms", UINT64_MAX}};
  for (const auto& c : cases) {
    const auto milliseconds = parseMilliseconds(c.text);
    ASSERT_TRUE(milliseconds.ok()) << c.text;
    EXPECT_EQ(*milliseconds, c.milliseconds) << c.text;
  }
}

TEST(ParseMillisecondsTest, RefusesAnythingElseAndSaysWhatItExpected) {
  for (const char* text : {"",
                           "ms",
                           "soon",
                           "-1",
                           "+1",
                           " 1",
                           "1.5s",
                           "1e3",
                           "1 s s",
                           "1sec",
                           "1S",
                           "1m",
                           "1us",
                           "1d",
                           "1,000",
                           "0x10",
                           "64KiB",
                           "18446744073709551616",
                           "18446744073709551615s",
                           "5124095576030432h"}) {
    const auto milliseconds = parseMilliseconds(text);
    ASSERT_FALSE(milliseconds.ok()) << text;
    EXPECT_EQ(milliseconds.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(milliseconds.error().message,
              std::string("'") + text +
                  "' is not a time; expected milliseconds, such as 250, 250ms, 2s, 5min or 1h");
  }
}

TEST(ParseCountTest, TakesWholeNumbersOnly) {
  const struct {
    const char* text;
    uint64_t count;
  } cases[] = {{"0", 0}, {"10000", 10'000}, {"010", 10}, {"18446744073709551615", UINT64_MAX}};
  for (const auto& c : cases) {
    const auto count = parseCount(c.text);
    ASSERT_TRUE(count.ok()) << c.text;
    EXPECT_EQ(*count, c.count) << c.text;
  }
  for (const char* text : {"", "-1", "+1", " 1", "1.0", "1e3", "1k", "1KiB", "1ms", "1,000", "0x1",
                           "true", "18446744073709551616"}) {
    const auto count = parseCount(text);
    ASSERT_FALSE(count.ok()) << text;
    EXPECT_EQ(count.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(count.error().message, std::string("'") + text + "' is not a whole number");
  }
}

TEST(ParseBytesTest, NothingBehindTheTextIsRead) {
  const std::string_view text = "12KiB";
  EXPECT_EQ(*parseBytes(text.substr(0, 1)), 1u);
  EXPECT_EQ(*parseBytes(text.substr(0, 2)), 12u);
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
