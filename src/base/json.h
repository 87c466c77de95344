// Checks JSON text without building values from it: payloads travel as text.
//
// Accepted is what RFC 8259 calls a JSON text, in valid UTF-8 and without a byte order mark, whose
// escapes make well-formed Unicode too (RFC 7493, 2.1), nested at most kMaxJsonDepth deep. Numbers
// may have any size: what a reader makes of them is its own affair.
#pragma once

#include <string_view>

#include "nexus/result.h"

namespace nexus {

// Arrays and objects within each other.
inline constexpr size_t kMaxJsonDepth = 256;

// Thread-safe; needs no memory; the time is linear in the text.
bool isJson(std::string_view text);

// The same with an answer for people: kInvalidInput, naming `what` (such as "--args"), what is
// wrong, and the line and column of the first mistake.
Status checkJson(std::string_view text, std::string_view what);

}  // namespace nexus
