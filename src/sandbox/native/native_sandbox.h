// A sandbox of a translated module: its instance (globals, and where memory and table are), its
// linear memory and its stack.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "sandbox/engine.h"
#include "sandbox/native/activation.h"
#include "sandbox/native/guest_memory.h"
#include "sandbox/native/native_module.h"
#include "sandbox/native/native_stack.h"

namespace nexus::sandbox {

class NativeSandbox final : public Sandbox {
 public:
  NativeSandbox(const NexusNativeModule& module, HostImports& imports,
                std::unique_ptr<GuestMemory> memory, NativeStack stack, uint64_t memoryLimitBytes);

  // Once, before anything else. Without an image the module's own data is the content.
  Status instantiate(const std::shared_ptr<const Image>& image);

  CallResult call(FunctionId function, std::span<const uint64_t> args) override;
  bool copyIn(GuestAddress to, std::span<const std::byte> from) override;
  bool copyOut(GuestAddress from, std::span<std::byte> to) const override;
  uint64_t memoryBytes() const override { return memory_->size(); }
  Tainted<uint64_t> global(GlobalId global) const override;
  uint64_t refusedGrowth() const override { return refusedGrowth_; }
  Result<std::shared_ptr<const Image>> capture(std::span<const AddressRange> dead) override;
  bool restore(const std::shared_ptr<const Image>& image) override;
  std::optional<Delta> takeDelta(std::span<const AddressRange> dead) override;
  bool apply(const Delta& delta) override;
  void trim() override;
  void requestStop() noexcept override;
  void clearStop() noexcept override;

  // For the generated code.
  ImportResult onImport(uint32_t import, std::span<const Tainted<uint64_t>> args) noexcept;
  bool onGrow(uint64_t newPages) noexcept;

 private:
  void setMemoryView(uint64_t pages);
  std::vector<uint64_t> readGlobals() const;
  void finishRestore();
  void writeGlobals(std::span<const uint64_t> values);

  const NexusNativeModule& module_;
  HostImports& imports_;
  std::unique_ptr<GuestMemory> memory_;
  NativeStack stack_;
  SanitizerFiber fiber_;
  const uint64_t maxPages_;
  std::vector<std::max_align_t> instanceStorage_;
  std::byte* instance_;
  uint64_t refusedGrowth_ = 0;  // in bytes
  bool lost_ = false;
};

}  // namespace nexus::sandbox
