// Files, standard input and values of options.
#pragma once

#include <cstdint>
#include <string>

#include "nexus/result.h"

namespace nexus::app {

// How long an input may be, and what it is called when it is longer.
struct InputLimit {
  ErrorCode code = ErrorCode::kInvalidInput;
  const char* key = "";
  uint64_t bytes = 0;
};

// The content of a file, or of standard input for "-". Stops reading behind the limit.
// kInvalidInput names the file and the reason; the limit's own code says that it is too long.
Result<std::string> readInput(const std::string& path, const InputLimit& limit);

// The value of an option that takes text or @FILE (@- for standard input).
Result<std::string> readTextOrFile(const std::string& value, const InputLimit& limit);

}  // namespace nexus::app
