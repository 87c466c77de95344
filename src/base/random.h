// Numbers that nobody can guess, straight from the system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace nexus {

// Fetches many at a time: two system calls for 64 of them. Nothing when the system gives none.
std::optional<uint64_t> randomNumber();
// False when the system gives none.
bool fillRandomly(std::span<std::byte> bytes);

}  // namespace nexus
