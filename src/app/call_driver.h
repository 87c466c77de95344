// Runs a call to its end, or to where nobody answers what it asks for.
#pragma once

#include "app/ext_stub.h"
#include "js/js_sandbox.h"

namespace nexus::app {

// What the call did is put together over its suspensions: of each key the last change, events and
// commands in their order. It stays suspended when the stub answers nothing that it waits for.
ExecutionResult driveCall(js::JsSandbox& sandbox, const js::Handler& handler,
                          const js::CallInput& input, const ExtStub& stub);

}  // namespace nexus::app
