// The modules that are part of every Nexus: QuickJS-ng, in both builds.
#pragma once

#include "sandbox/native/native_module.h"

namespace nexus::sandbox {

const NexusNativeModule& nativeQuickJs();
const NexusNativeModule& checkedQuickJs();

}  // namespace nexus::sandbox
