// From what the guest says of an error to what users are told. The guest's report is text that it
// may have forged: nothing of it is believed but that it is about the handler's own run.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "nexus/error.h"

namespace nexus::js {

// What the bootstrap wrote about a thrown value, read and bounded.
struct ThrownValue {
  std::string name;  // "TypeError"; empty for values that are no errors
  std::string message;
  std::string stack;  // the engine's, with the wrapper's line still counted
  bool isNull = false;
  std::optional<uint64_t> denial;  // which of the host's denials it says it was

  bool isOutOfMemory() const;
  bool isStackOverflow() const;
};

// Empty when the text is not such a report.
std::optional<ThrownValue> readReport(std::string_view json);

// Lines that the wrapper puts before the handler's first.
inline constexpr uint32_t kWrapperLines = 1;

// An error about `thrown`, with stack, location and snippet in the coordinates of `source`.
Error makeError(ErrorCode code, const ThrownValue& thrown, std::string_view source);

// Adds place and snippet to an error.
void pointAt(Error& error, SourceLocation place, std::string_view source);

}  // namespace nexus::js
