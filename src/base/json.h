// Checks JSON text without building values from it: payloads travel as text.
//
// Accepted is what RFC 8259 calls a JSON text, in valid UTF-8 and without a byte order mark, whose
// escapes make well-formed Unicode too (RFC 7493, 2.1), nested at most kMaxJsonDepth deep. Numbers
// may have any size: what a reader makes of them is its own affair.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nexus/result.h"

namespace nexus {

// Arrays and objects within each other.
inline constexpr size_t kMaxJsonDepth = 256;

// Thread-safe; needs no memory; the time is linear in the text.
bool isJson(std::string_view text);

// The same with an answer for people: kInvalidInput, naming `what` (such as "--args"), what is
// wrong, and the line and column of the first mistake.
Status checkJson(std::string_view text, std::string_view what);

struct JsonMember {
  std::string name;        // its escapes resolved
  std::string_view value;  // JSON text, a part of the text it was found in
};

// The members of an object, in their order. kInvalidInput as from checkJson, and when it is no
// object or has a name twice: which of two values counts must not depend on who reads it.
Result<std::vector<JsonMember>> splitJsonObject(std::string_view text, std::string_view what);

// UTF-8 text as a JSON string, with its quotes.
std::string quoteJson(std::string_view text);

}  // namespace nexus
