#include "sandbox/native/quickjs_modules.h"

extern "C" {
extern const NexusNativeModule nexus_module_quickjs;          // NOLINT: named by the build
extern const NexusNativeModule nexus_module_quickjs_checked;  // NOLINT
}

namespace nexus::sandbox {

const NexusNativeModule& nativeQuickJs() { return nexus_module_quickjs; }
const NexusNativeModule& checkedQuickJs() { return nexus_module_quickjs_checked; }

}  // namespace nexus::sandbox
