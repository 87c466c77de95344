// Sizes and numbers as people write and read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "nexus/result.h"

namespace nexus::app {

// "65536", "64KiB", "32 MiB", "1GiB": bytes. kInvalidInput says what was expected.
Result<uint64_t> parseBytes(std::string_view text);

// "250", "250ms", "2s", "5 min": milliseconds. kInvalidInput says what was expected.
Result<uint64_t> parseMilliseconds(std::string_view text);

// "10000". kInvalidInput says what was expected.
Result<uint64_t> parseCount(std::string_view text);

// "2.0 MiB", "843 B".
std::string showBytes(uint64_t bytes);

// "1,234,567".
std::string showCount(uint64_t count);

// "12 us", "3.4 ms", "1.2 s".
std::string showMicroseconds(double microseconds);

}  // namespace nexus::app
