// Text as people and editors see it: lines, columns, valid UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nexus/error.h"

namespace nexus {

// Offset of the first byte that is not part of well-formed UTF-8 (no surrogates, no overlong
// forms).
std::optional<size_t> findInvalidUtf8(std::string_view text);

// The same text with U+FFFD for every byte that is not part of well-formed UTF-8.
std::string toValidUtf8(std::string text);

// Adds one Unicode character, no surrogate.
void appendUtf8(std::string& text, uint32_t character);

// At most `bytes` of the text, never cutting a character in two.
std::string_view cutUtf8(std::string_view text, size_t bytes);

// With a to z for A to Z; other letters stay.
std::string toLowerAscii(std::string text);

// Line and column of a byte offset; the offset of the end is allowed. Columns count UTF-16 code
// units.
SourceLocation locate(std::string_view text, size_t offset);

// One line of `text` without its end, shortened to what a terminal shows; empty when there is no
// such line.
std::string lineOf(std::string_view text, uint32_t line);

}  // namespace nexus
