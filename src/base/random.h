// Numbers that nobody can guess, straight from the system.
#pragma once

#include <cstdint>
#include <optional>

namespace nexus {

// Fetches many at a time: two system calls for 64 of them. Nothing when the system gives none.
std::optional<uint64_t> randomNumber();

}  // namespace nexus
