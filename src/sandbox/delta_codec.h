// A delta as bytes: to be kept in large numbers, or outside of the process.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sandbox/difference.h"

namespace nexus::sandbox {

// Places as steps from one run to the next, a byte or two each.
std::string encodeDelta(const Delta& delta);

// Nothing when the bytes are none that encodeDelta made. They are checked as far as the host's
// safety goes; that they are the right ones is for the caller to know.
std::optional<Delta> decodeDelta(std::string_view bytes);

}  // namespace nexus::sandbox
