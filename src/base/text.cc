#include "base/text.h"

#include <simdjson.h>

#include <algorithm>

namespace nexus {
namespace {

constexpr size_t kLongestSnippet = 160;

bool isContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Length of the well-formed sequence at the start of `text`, 0 when there is none (Unicode table
// 3-7).
size_t sequenceLength(std::string_view text) {
  const auto byte = [text](size_t i) {
    return static_cast<unsigned char>(i < text.size() ? text[i] : 0);
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                        : first >= 0xE0 && first <= 0xEF ? 3
                        : first >= 0xF0 && first <= 0xF4 ? 4
                                                         : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!isContinuation(text[i])) return 0;
  }
  const unsigned char second = byte(1);
  const bool wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                     (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return wrong ? 0 : length;
}

}  // namespace

std::optional<size_t> findInvalidUtf8(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::nullopt;
  size_t offset = 0;
  while (offset < text.size()) {
    const size_t length = sequenceLength(text.substr(offset));
    if (length == 0) return offset;
    offset += length;
  }
  return std::nullopt;
}

std::string toValidUtf8(std::string text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return text;
  std::string valid;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t length = sequenceLength(rest);
    if (length == 0) {
      valid += "\xEF\xBF\xBD";
      rest.remove_prefix(1);
    } else {
      valid += rest.substr(0, length);
      rest.remove_prefix(length);
    }
  }
  return valid;
}

void appendUtf8(std::string& text, uint32_t character) {
  const auto add = [&text](uint32_t byte) { text += static_cast<char>(byte); };
  const auto continuation = [&](uint32_t shift) { add(0x80 | ((character >> shift) & 0x3F)); };
  if (character < 0x80) {
    add(character);
  } else if (character < 0x800) {
    add(0xC0 | (character >> 6));
    continuation(0);
  } else if (character < 0x10000) {
    add(0xE0 | (character >> 12));
    continuation(6);
    continuation(0);
  } else {
    add(0xF0 | (character >> 18));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

std::string_view cutUtf8(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && isContinuation(text[bytes])) --bytes;
  return text.substr(0, bytes);
}

std::string toLowerAscii(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

SourceLocation locate(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const size_t lineStart = before.rfind('\n') + 1;  // npos + 1 is 0
  SourceLocation place;
  place.line = static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n') + 1);
  place.column = 1;
  for (const char c : before.substr(lineStart)) {
    if (isContinuation(c)) continue;
    // Sequences of four bytes are two UTF-16 code units.
    place.column += static_cast<unsigned char>(c) >= 0xF0 ? 2 : 1;
  }
  return place;
}

std::string lineOf(std::string_view text, uint32_t line) {
  if (line == 0) return "";
  for (uint32_t i = 1; i < line; ++i) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.size() <= kLongestSnippet) return std::string(text);
  return std::string(cutUtf8(text, kLongestSnippet)) + "…";
}

}  // namespace nexus
