#pragma once

#include <string_view>

#include "nexus/export.h"

namespace nexus {

// Of the library in use, such as "0.1.0"; it may be newer than the headers that a program was built
// with.
NEXUS_API std::string_view version();

}  // namespace nexus
