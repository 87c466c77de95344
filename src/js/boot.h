// Making a base image: the guest started, its limits set, the bootstrap run. Deterministic, so two
// boots with the same settings give the same bytes.
#pragma once

#include <array>
#include <memory>

#include "js/guest.h"
#include "nexus/config.h"
#include "sandbox/engine.h"
#include "sandbox/image.h"

namespace nexus::js {

// What every sandbox of one configuration starts from.
struct Base {
  std::shared_ptr<const sandbox::Image> image;
  Anchors anchors;
  uint32_t stackTop = 0;  // of the guest's own stack, which grows down from here to 0
};

// What no image of this base needs to keep: the unused stack and the buffers.
std::array<sandbox::AddressRange, 3> deadRanges(const Anchors& anchors, uint32_t stackTop);
inline auto deadRanges(const Base& base) { return deadRanges(base.anchors, base.stackTop); }

// How much native stack the guest may use for its JavaScript stack: at worst 12 bytes for one were
// measured (nested JSON.stringify, nested parentheses), 16 leaves a margin.
inline constexpr uint64_t kNativeStackFactor = 16;

sandbox::SandboxOptions sandboxOptions(const RuntimeConfig& config);

Result<Base> boot(sandbox::Engine& engine, const GuestApi& api, const RuntimeConfig& config);

}  // namespace nexus::js
