// Of the shared library alone: what is linked in statically has the version it was built with.
#include "nexus/version.h"

namespace nexus {

std::string_view version() { return NEXUS_VERSION; }

}  // namespace nexus
