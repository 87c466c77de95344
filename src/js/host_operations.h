// What the bootstrap may ask of the host: hostCall(op.NAME, ...arguments). One list for both sides;
// the bootstrap gets the numbers by name when it boots.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace nexus::js {

enum class HostOperation : uint32_t {
  kLog,       // (level, text)
  kWhy,       // () -> why the last operation was answered with `denied` or `malformed`
  kRead,      // (key) -> value, undefined when there is none
  kHas,       // (key) -> boolean, undefined when the handler may not know
  kKeys,      // () -> the keys that may be read
  kMayWrite,  // (key)
  kCheck,     // (JSON text) -> undefined, or `malformed` as from kSet
  kSet,       // (key, JSON text)
  kRemove,    // (key)
  kEmit,      // (name, JSON text or undefined)
  kView,      // (command, component id, JSON text of an object)
  kRequest,   // (alias, method, JSON text of an array) -> id
};

struct HostOperationInfo {
  std::string_view name;
  size_t arguments;  // as many, no more and no less
};

// By HostOperation.
inline constexpr std::array<HostOperationInfo, 12> kHostOperations = {{
    {"log", 2},
    {"why", 0},
    {"read", 1},
    {"has", 1},
    {"keys", 0},
    {"mayWrite", 1},
    {"check", 1},
    {"set", 2},
    {"remove", 1},
    {"emit", 2},
    {"view", 3},
    {"request", 3},
}};

// Of any operation, its number among them.
inline constexpr size_t kMostHostArguments = 4;

}  // namespace nexus::js
