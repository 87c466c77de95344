#include "sandbox/engine.h"

namespace nexus::sandbox {

std::string_view toString(Trap trap) {
  switch (trap) {
    case Trap::kNone:
      return "none";
    case Trap::kStopped:
      return "stopped";
    case Trap::kHostRefused:
      return "refused by the host";
    case Trap::kOutOfBounds:
      return "out-of-bounds access";
    case Trap::kStackExhausted:
      return "stack exhausted";
    case Trap::kUnreachable:
      return "unreachable code";
    case Trap::kArithmetic:
      return "arithmetic fault";
    case Trap::kBadCall:
      return "bad indirect call";
    case Trap::kTrackingLost:
      return "page tracking lost";
  }
  return "unknown";
}

}  // namespace nexus::sandbox
