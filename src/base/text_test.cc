#include "base/text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

namespace nexus {
namespace {

using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;

// Unicode table 3-7, written down a second time.
struct Utf8Row {
  unsigned char first[2], second[2];
  int length;
};
constexpr Utf8Row kTable37[] = {
    {{0x00, 0x7F}, {0, 0}, 1},       {{0xC2, 0xDF}, {0x80, 0xBF}, 2},
    {{0xE0, 0xE0}, {0xA0, 0xBF}, 3}, {{0xE1, 0xEC}, {0x80, 0xBF}, 3},
    {{0xED, 0xED}, {0x80, 0x9F}, 3}, {{0xEE, 0xEF}, {0x80, 0xBF}, 3},
    {{0xF0, 0xF0}, {0x90, 0xBF}, 4}, {{0xF1, 0xF3}, {0x80, 0xBF}, 4},
    {{0xF4, 0xF4}, {0x80, 0x8F}, 4},
};

bool inRow(const unsigned char (&range)[2], int byte) {
  return byte >= range[0] && byte <= range[1];
}

bool isWellFormed(int first, int second, int length) {
  for (const Utf8Row& row : kTable37) {
    if (row.length == length && inRow(row.first, first)) {
      return length == 1 || inRow(row.second, second);
    }
  }
  return false;
}

std::string sequence(int first, int second, int length) {
  std::string text{static_cast<char>(first)};
  if (length > 1) text += static_cast<char>(second);
  if (length > 2) text.append(static_cast<size_t>(length - 2), '\xBF');
  return text;
}

// Where "ab" + sequence + "c" has its first wrong byte: at the sequence, or behind a shorter one
// that was well-formed already.
std::optional<size_t> expectedMistake(int first, int second, int length) {
  if (isWellFormed(first, second, length)) return std::nullopt;
  for (int shorter = 1; shorter < length; ++shorter) {
    if (isWellFormed(first, second, shorter)) return 2 + static_cast<size_t>(shorter);
  }
  return 2;
}

TEST(FindInvalidUtf8, AgreesWithTable37OnEveryFirstAndSecondByte) {
  for (int length = 1; length <= 4; ++length) {
    for (int first = 0; first < 256; ++first) {
      for (int second = 0; second < (length == 1 ? 1 : 256); ++second) {
        // An ASCII byte is complete; what follows it is judged on its own.
        if (first < 0x80 && length > 1) continue;
        const std::string text = "ab" + sequence(first, second, length) + "c";
        EXPECT_EQ(findInvalidUtf8(text), expectedMistake(first, second, length))
            << length << ": " << first << " " << second;
      }
    }
  }
}

TEST(FindInvalidUtf8, NamesTheFirstByteOfTheMistake) {
  struct Case {
    std::string_view text;
    std::optional<size_t> offset;
    const char* why;
  };
  const Case cases[] = {
      {"", {}, "empty"},
      {"\0"sv, {}, "NUL is a character"},
      {"aé€😀", {}, "one of each length"},
      {"\xF4\x8F\xBF\xBF", {}, "U+10FFFF"},
      {"\xF4\x90\x80\x80", 0, "beyond U+10FFFF"},
      {"a\xED\xA0\x80", 1, "a surrogate"},
      {"ab\xC0\x80", 2, "overlong NUL"},
      {"\xE0\x9F\xBF", 0, "overlong, three bytes"},
      {"\xF0\x8F\xBF\xBF", 0, "overlong, four bytes"},
      {"é\x80", 2, "a continuation on its own"},
      {"abc\xC3", 3, "cut in two"},
      {"abc\xE2\x82", 3, "cut in three"},
      {"abc\xF0\x9F\x98", 3, "cut in four"},
      {"\xF0\x9F\x98x", 0, "interrupted"},
      {"\xFE", 0, "never a byte of UTF-8"},
  };
  for (const Case& c : cases) EXPECT_EQ(findInvalidUtf8(c.text), c.offset) << c.why;
}

TEST(FindInvalidUtf8, FindsOneByteInLongText) {
  // Longer than any vector register; a mistake at every offset.
  std::string text(200, 'x');
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = '\xFF';
    EXPECT_EQ(findInvalidUtf8(text), i);
    text[i] = 'x';
  }
}

TEST(ToValidUtf8, ReplacesEveryWrongByte) {
  struct Case {
    std::string text, valid;
  };
  const Case cases[] = {
      {"", ""},
      {"plain é€😀", "plain é€😀"},
      {"\0a"s, "\0a"s},
      {"\xFF", "\uFFFD"},
      {"a\xFFz", "a\uFFFDz"},
      {"\xC3", "\uFFFD"},
      {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
      {"\xF0\x9F\x98", "\uFFFD\uFFFD\uFFFD"},
      {"\xE2\x82é", "\uFFFD\uFFFDé"},
      {"\xC3\xC3\xA9", "\uFFFDé"},
  };
  for (const Case& c : cases) EXPECT_EQ(toValidUtf8(c.text), c.valid) << c.valid;
}

TEST(ToValidUtf8, AnyBytesBecomeValid) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    const std::string valid = toValidUtf8(text);
    EXPECT_EQ(findInvalidUtf8(valid), std::nullopt);
    EXPECT_EQ(valid == text, findInvalidUtf8(text) == std::nullopt);
  }
}

TEST(AppendUtf8, OneCharacterOfEachLength) {
  const struct {
    uint32_t character;
    std::string text;
  } rows[] = {
      {0, "\0"s},
      {'a', "a"},
      {0x7F, "\x7F"},
      {0x80, "\xC2\x80"},
      {0xE9, "é"},
      {0x7FF, "\xDF\xBF"},
      {0x800, "\xE0\xA0\x80"},
      {0x20AC, "€"},
      {0xFFFF, "\xEF\xBF\xBF"},
      {0x10000, "\xF0\x90\x80\x80"},
      {0x1F600, "😀"},
      {0x10FFFF, "\xF4\x8F\xBF\xBF"},
  };
  for (const auto& row : rows) {
    std::string text = "x";
    appendUtf8(text, row.character);
    EXPECT_EQ(text, "x" + row.text) << row.character;
  }
}

TEST(AppendUtf8, EveryCharacterIsWellFormed) {
  std::string text;
  size_t length = 0;
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    appendUtf8(text, c);
    length += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  }
  EXPECT_EQ(findInvalidUtf8(text), std::nullopt);
  EXPECT_EQ(text.size(), length);
}

TEST(CutUtf8, NeverCutsACharacter) {
  constexpr std::string_view kText = "aé€😀";  // ends of characters: 0 1 3 6 10
  constexpr size_t kExpected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (size_t bytes = 0; bytes < std::size(kExpected); ++bytes) {
    EXPECT_EQ(cutUtf8(kText, bytes), kText.substr(0, kExpected[bytes])) << bytes;
  }
  EXPECT_EQ(cutUtf8(kText, SIZE_MAX), kText);
  EXPECT_EQ(cutUtf8("", 0), "");
}

TEST(CutUtf8, TextOfContinuationsOnlyDoesNotRunAway) {
  EXPECT_EQ(cutUtf8("\x80\x80\x80\x80", 2), "");
}

TEST(ToLowerAscii, LeavesEverythingElse) {
  EXPECT_EQ(toLowerAscii("AZ@[`{az09-É"), "az@[`{az09-É");
  EXPECT_EQ(toLowerAscii(std::string("A\0B", 3)), std::string("a\0b", 3));
}

TEST(Locate, CountsLinesAndUtf16Units) {
  struct Case {
    std::string_view text;
    size_t offset;
    SourceLocation place;
  };
  const Case cases[] = {
      {"", 0, {1, 1}},           {"abc", 0, {1, 1}},  {"abc", 2, {1, 3}},    {"abc", 3, {1, 4}},
      {"abc", 4, {1, 4}},                              // beyond the end is the end
      {"abc", SIZE_MAX, {1, 4}}, {"a\nb", 1, {1, 2}},  // the line's end belongs to the line
      {"a\nb", 2, {2, 1}},       {"a\n", 2, {2, 1}},  {"\n\n\n", 3, {4, 1}}, {"a\r\nb", 3, {2, 1}},
      {"éx", 2, {1, 2}},         {"€x", 3, {1, 2}},   {"😀x", 4, {1, 3}},  // two UTF-16 code units
      {"é😀\n€😀x", 14, {2, 4}},
  };
  for (const Case& c : cases) {
    const SourceLocation place = locate(c.text, c.offset);
    EXPECT_EQ(place, c.place) << '"' << c.text << "\" at " << c.offset << ": " << place.line << ":"
                              << place.column;
  }
}

TEST(Locate, TextThatIsNotUtf8HasPlacesToo) {
  EXPECT_EQ(locate("a\xFF\xFF\n\x80z", 5).line, 2u);
  EXPECT_EQ(locate("\x80\x80", 2).line, 1u);
}

TEST(LineOf, ReturnsOneLineWithoutItsEnd) {
  struct Case {
    std::string_view text;
    uint32_t line;
    std::string_view expected;
  };
  const Case cases[] = {
      {"", 1, ""},         {"one", 1, "one"},     {"one\ntwo", 1, "one"},  {"one\ntwo", 2, "two"},
      {"one\ntwo", 3, ""}, {"one\ntwo\n", 3, ""}, {"a\r\nb\r\n", 1, "a"},  {"a\r\nb\r\n", 2, "b"},
      {"a\n\nb", 2, ""},   {"a\rb", 1, "a\rb"},   {"one", UINT32_MAX, ""}, {"one\ntwo", 0, ""},
  };
  for (const Case& c : cases) EXPECT_EQ(lineOf(c.text, c.line), c.expected) << c.line;
}

TEST(LineOf, LongLinesAreShortenedBetweenCharacters) {
  EXPECT_EQ(lineOf(std::string(160, 'x'), 1), std::string(160, 'x'));
  EXPECT_EQ(lineOf(std::string(161, 'x'), 1), std::string(160, 'x') + "…");
  // The 160th byte is the middle of the character.
  EXPECT_EQ(lineOf(std::string(158, 'x') + "€€", 1), std::string(158, 'x') + "…");
  EXPECT_LT(lineOf(std::string(1 << 20, 'x'), 1).size(), 200u);
}

}  // namespace
}  // namespace nexus
