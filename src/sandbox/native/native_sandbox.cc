#include "sandbox/native/native_sandbox.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace nexus::sandbox {
namespace {

// One page short of 4 GiB, so that its size in bytes is still a 32-bit number (wabt 1.0.32).
constexpr uint64_t kMostPages = 65535;

size_t toUnits(size_t bytes) {
  return (bytes + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t);
}

int growGuest(void* sandbox, uint64_t newPages) {
  return static_cast<NativeSandbox*>(sandbox)->onGrow(newPages) ? 1 : 0;
}

struct Instantiation {
  const NexusNativeModule* module;
  void* instance;
  void* sandbox;
  bool withData;
};

uint64_t runInstantiation(void* opaque, const uint64_t*) {
  const auto* step = static_cast<const Instantiation*>(opaque);
  step->module->instantiate(step->instance, step->sandbox, step->withData ? 1 : 0);
  return 0;
}

Error unavailable(const char* what) {
  return Error{.code = ErrorCode::kUnavailable,
               .message = std::string("cannot make a sandbox: ") + what};
}

}  // namespace

NativeSandbox::NativeSandbox(const NexusNativeModule& module, HostImports& imports,
                             std::unique_ptr<GuestMemory> memory, NativeStack stack,
                             uint64_t memoryLimitBytes)
    : module_(module),
      imports_(imports),
      memory_(std::move(memory)),
      stack_(std::move(stack)),
      maxPages_(std::min({memoryLimitBytes / kWasmPageBytes, module.maximumPages, kMostPages})),
      instanceStorage_(toUnits(module.instanceBytes)),
      instance_(reinterpret_cast<std::byte*>(instanceStorage_.data())) {
  NexusGuestControl* control = memory_->control();
  control->stackLimit = stack_.limit();
  control->grow = growGuest;
  control->sandbox = this;
  if (module_.tableOffset != SIZE_MAX) {
    // The first member of a wasm2c table is the pointer to its entries.
    std::byte* table = memory_->table();
    std::memcpy(instance_ + module_.tableOffset, &table, sizeof table);
  }
}

Status NativeSandbox::instantiate(const std::shared_ptr<const Image>& image) {
  const std::shared_ptr<const Image> base =
      image == nullptr || image->isBase() ? image
                                          : std::shared_ptr<const Image>(image, &image->base());
  const uint64_t bytes = base ? base->memoryBytes() : module_.initialPages * kWasmPageBytes;
  if (std::max(bytes, image ? image->memoryBytes() : 0) > maxPages_ * kWasmPageBytes) {
    return unavailable("its memory limit is below what the guest needs to start");
  }
  if (!(base ? memory_->populate(base) : memory_->populate(bytes))) {
    return unavailable("the system refused memory");
  }
  setMemoryView(bytes / kWasmPageBytes);
  Instantiation step{&module_, instance_, this, base == nullptr};
  const CallResult result =
      enterGuest({runInstantiation, &step, nullptr}, *memory_, stack_, fiber_);
  if (!result.ok() || !memory_->sealTable()) return unavailable("the module did not start");
  if (image != nullptr && !restore(image)) return unavailable("the system refused memory");
  return Done{};
}

CallResult NativeSandbox::call(FunctionId function, std::span<const uint64_t> args) {
  // Its content is nobody's: not to be run on, whoever missed that a restore failed.
  if (lost_) return {Trap::kTrackingLost};
  const NexusGuestExport& target = module_.exports[static_cast<uint32_t>(function)];
  CallResult result = enterGuest({target.invoke, instance_, args.data()}, *memory_, stack_, fiber_);
  if (result.trap == Trap::kTrackingLost) lost_ = true;
  return result;
}

bool NativeSandbox::copyIn(GuestAddress to, std::span<const std::byte> from) {
  if (from.size() > memory_->size() || to > memory_->size() - from.size()) return false;
  if (from.empty()) return true;
  if (!memory_->prepareWrite(to, from.size())) {
    lost_ = true;
    return false;
  }
  std::memcpy(memory_->base() + to, from.data(), from.size());
  return true;
}

bool NativeSandbox::copyOut(GuestAddress from, std::span<std::byte> to) const {
  if (to.size() > memory_->size() || from > memory_->size() - to.size()) return false;
  if (!to.empty()) std::memcpy(to.data(), memory_->base() + from, to.size());
  return true;
}

Tainted<uint64_t> NativeSandbox::global(GlobalId global) const {
  const NexusGuestGlobal& place = module_.globals[static_cast<uint32_t>(global)];
  uint64_t value = 0;
  std::memcpy(&value, instance_ + place.offset, place.bytes);
  return Tainted(value);
}

Result<std::shared_ptr<const Image>> NativeSandbox::capture(std::span<const AddressRange> dead) {
  const std::shared_ptr<const Image>& current = memory_->current();
  if (current != nullptr) {
    const auto base =
        current->isBase() ? current : std::shared_ptr<const Image>(current, &current->base());
    return Image::makeDifference(base, memory_->size(), readGlobals(), memory_->compare(dead));
  }
  auto image = Image::makeBase({memory_->base(), memory_->size()}, dead, readGlobals());
  if (!image) return image;
  if (!memory_->adopt(*image)) {
    lost_ = true;
    return unavailable("the system refused to map its image");
  }
  return image;
}

bool NativeSandbox::restore(const std::shared_ptr<const Image>& image) {
  if (lost_) return false;
  if (image->memoryBytes() > maxPages_ * kWasmPageBytes) {
    lost_ = true;
    return false;
  }
  if (!memory_->restore(image)) {
    lost_ = true;
    return false;
  }
  finishRestore();
  return true;
}

// What is not in its memory.
void NativeSandbox::finishRestore() {
  writeGlobals(memory_->current()->globals());
  setMemoryView(memory_->size() / kWasmPageBytes);
  refusedGrowth_ = 0;
}

std::optional<Delta> NativeSandbox::takeDelta(std::span<const AddressRange> dead) {
  if (lost_) return std::nullopt;
  Delta delta{memory_->size(), readGlobals(), {}};
  auto changes = memory_->takeChanges(dead);
  if (!changes) {
    lost_ = true;
    return std::nullopt;
  }
  delta.difference = std::move(*changes);
  finishRestore();
  return delta;
}

bool NativeSandbox::apply(const Delta& delta) {
  const bool fits = !lost_ && delta.memoryBytes <= maxPages_ * kWasmPageBytes &&
                    delta.memoryBytes >= memory_->size() &&
                    delta.globals.size() == module_.globalCount && memory_->grow(delta.memoryBytes);
  const auto& runs = delta.difference.runs;
  const bool isInside =
      runs.empty() || uint64_t{runs.back().begin} + runs.back().bytes <= delta.memoryBytes;
  lost_ = lost_ || !fits || !isInside;
  for (size_t i = 0; i < runs.size() && !lost_; ++i) {
    lost_ = !memory_->prepareWrite(runs[i].begin, runs[i].bytes);
  }
  if (lost_) return false;
  delta.difference.applyTo(memory_->base());
  writeGlobals(delta.globals);
  setMemoryView(memory_->size() / kWasmPageBytes);
  return true;
}

void NativeSandbox::trim() {
  if (!memory_->trim()) lost_ = true;
  stack_.discard();
}

void NativeSandbox::requestStop() noexcept {
  __atomic_store_n(&memory_->control()->stop, 1u, __ATOMIC_RELAXED);
}

void NativeSandbox::clearStop() noexcept {
  __atomic_store_n(&memory_->control()->stop, 0u, __ATOMIC_RELAXED);
}

ImportResult NativeSandbox::onImport(uint32_t import,
                                     std::span<const Tainted<uint64_t>> args) noexcept {
  Activation* activation = Activation::current();
  activation->inImport = true;
  const ImportResult result = imports_.onImport(import, args, *this);
  activation->inImport = false;
  return result;
}

bool NativeSandbox::onGrow(uint64_t newPages) noexcept {
  if (newPages <= maxPages_ && memory_->grow(newPages * kWasmPageBytes)) return true;
  // What no 32-bit memory can be counts as the most that one could.
  constexpr uint64_t kMostAsked = uint64_t{1} << 16;
  refusedGrowth_ = std::max(refusedGrowth_, std::min(newPages, kMostAsked) * kWasmPageBytes);
  return false;
}

void NativeSandbox::setMemoryView(uint64_t pages) {
  module_.setMemory(instance_ + module_.memoryOffset,
                    {reinterpret_cast<uint8_t*>(memory_->base()), pages, maxPages_});
}

std::vector<uint64_t> NativeSandbox::readGlobals() const {
  std::vector<uint64_t> values(module_.globalCount);
  for (uint32_t i = 0; i < values.size(); ++i) {
    values[i] = global(GlobalId{i}).unchecked("part of an image, which is the guest's own");
  }
  return values;
}

void NativeSandbox::writeGlobals(std::span<const uint64_t> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const NexusGuestGlobal& global = module_.globals[i];
    std::memcpy(instance_ + global.offset, &values[i], global.bytes);
  }
}

}  // namespace nexus::sandbox

uint64_t nexus_guest_import(void* sandbox, uint32_t index, const uint64_t* args, size_t count) {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (here < nexus::sandbox::Activation::current()->stack->limit()) {
    nexus_guest_trap(NEXUS_TRAP_STACK_EXHAUSTED);
  }
  auto* self = static_cast<nexus::sandbox::NativeSandbox*>(sandbox);
  std::array<nexus::sandbox::Tainted<uint64_t>, NEXUS_MOST_IMPORT_ARGUMENTS> tainted;
  std::transform(args, args + count, tainted.begin(),
                 [](uint64_t value) { return nexus::sandbox::Tainted(value); });
  const nexus::sandbox::ImportResult result = self->onImport(index, {tainted.data(), count});
  if (result.trap != nexus::sandbox::Trap::kNone) {
    nexus_guest_trap(static_cast<int>(result.trap));
  }
  return result.value;
}
