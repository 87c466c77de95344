// The process-wide handler for SIGSEGV and SIGBUS. A fault of a guest that is running on this
// thread is served (a tracked page opens) or becomes a trap; every other fault goes to the handler
// that was installed before, or to the system's default, as if Nexus were not there.
#pragma once

#include "nexus/result.h"

namespace nexus::sandbox {

// Installs the handler, or installs it again in front of one that somebody else has put there
// since. Any thread.
Status installFaultHandler();

// Once per thread, before it runs guests: an alternate signal stack (the fault may be a stack
// overflow), SIGSEGV not blocked. The thread's previous alternate stack is put back when it ends.
void prepareThreadForFaults();

}  // namespace nexus::sandbox
