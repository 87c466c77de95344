// Engines over modules that were translated to C and compiled ahead of time.
//
// Native: accesses are bounded by guard pages, restoring copies the pages that were written.
// Checked: accesses are bounded by instructions, restoring copies everything; it needs no signal
// handler and is what remains where the native engine cannot work, and the oracle for it in tests.
#pragma once

#include <memory>

#include "sandbox/engine.h"
#include "sandbox/native/native_module.h"

namespace nexus::sandbox {

// `module` is the native (respectively checked) build; it must outlive the engine.
std::unique_ptr<Engine> makeNativeEngine(const NexusNativeModule& module);
std::unique_ptr<Engine> makeCheckedEngine(const NexusNativeModule& module);

}  // namespace nexus::sandbox
