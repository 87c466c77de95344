#include "base/suggest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nexus {
namespace {

using Names = std::vector<std::string_view>;

const Names kKnown = {"timeout_ms", "max_events", "max_host_calls", "get", "put"};

TEST(SuggestTest, TheNearestNameWithinAThirdOfTheLetters) {
  const struct {
    std::string name;
    std::string_view closest;  // empty: none
    const char* why;
  } rows[] = {
      {"timeout_ms", "timeout_ms", "the name itself"},
      {"timeoutms", "timeout_ms", "one left out"},
      {"timeout__ms", "timeout_ms", "one added"},
      {"timeout-ms", "timeout_ms", "one changed"},
      {"tiemout_ms", "timeout_ms", "two swapped are one step"},
      {"itmeuo_tsm", "", "four swaps and more: beyond three of ten letters"},
      {"itmeuot_sm", "timeout_ms", "three swaps: three of ten letters"},
      {"TIMEout_ms", "", "four of ten letters"},
      {"TIMeout_ms", "timeout_ms", "three of ten letters"},
      {"max_event", "max_events", "one of nine"},
      {"max_calls", "", "five of nine"},
      {"gte", "get", "a swap in a short name"},
      {"gt", "get", "a short name may have one step"},
      {"gxx", "", "two of three letters"},
      {"xyz", "", "nothing in common"},
      {"", "", "no letters"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(closestName(row.name, kKnown).value_or(""), row.closest) << row.name << row.why;
  }
}

TEST(SuggestTest, OfSeveralTheNearestThenTheFirst) {
  EXPECT_EQ(closestName("state", Names{"stat", "states"}), "stat");
  EXPECT_EQ(closestName("state", Names{"states", "stat"}), "states");
  EXPECT_EQ(closestName("statee", Names{"stat", "state"}), "state");
  EXPECT_EQ(closestName("state", Names{"stat", "state"}), "state");
}

TEST(SuggestTest, NothingIsKnown) {
  EXPECT_EQ(closestName("state", Names{}), std::nullopt);
  EXPECT_EQ(closestName("s", Names{""}), "") << "one letter may be left out";
  EXPECT_EQ(closestName("state", Names{""}), std::nullopt);
}

TEST(SuggestTest, PointsToTheKnownName) {
  EXPECT_EQ(closestName("gte", kKnown)->data(), kKnown[3].data());
}

// Comparing costs time with the product of the lengths: nobody's text may ask for that.
TEST(SuggestTest, LongNamesAreNotCompared) {
  const std::string longest(100, 'x');
  const std::string tooLong(101, 'x');
  EXPECT_EQ(closestName(longest, Names{longest}), longest);
  EXPECT_EQ(closestName(tooLong, Names{longest}), std::nullopt);
  EXPECT_EQ(closestName(longest, Names{tooLong}), std::nullopt);
  EXPECT_EQ(closestName(std::string(10'000'000, 'x'), Names{longest}), std::nullopt);
}

TEST(SuggestTest, BytesOfAnyKind) {
  using std::string_literals::operator""s;
  EXPECT_EQ(closestName("g\0t"s, kKnown), "get");
  EXPECT_EQ(closestName("\xFF\xFE", kKnown), std::nullopt);
}

TEST(SuggestTest, TheWordsBehindAMessage) {
  EXPECT_EQ(didYouMean("max_evnets", kKnown), ". Did you mean 'max_events'?");
  EXPECT_EQ(didYouMean("color", kKnown), "");
}

}  // namespace
}  // namespace nexus
