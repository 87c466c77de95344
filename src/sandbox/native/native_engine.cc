#include "sandbox/native/native_engine.h"

#include <mutex>
#include <string>
#include <vector>

#include "sandbox/native/fault_handler.h"
#include "sandbox/native/native_sandbox.h"

namespace nexus::sandbox {
namespace {

static_assert(static_cast<int>(Trap::kStopped) == NEXUS_TRAP_STOPPED);
static_assert(static_cast<int>(Trap::kOutOfBounds) == NEXUS_TRAP_OUT_OF_BOUNDS);
static_assert(static_cast<int>(Trap::kStackExhausted) == NEXUS_TRAP_STACK_EXHAUSTED);
static_assert(static_cast<int>(Trap::kUnreachable) == NEXUS_TRAP_UNREACHABLE);
static_assert(static_cast<int>(Trap::kArithmetic) == NEXUS_TRAP_ARITHMETIC);
static_assert(static_cast<int>(Trap::kBadCall) == NEXUS_TRAP_BAD_CALL);

enum class Kind { kNative, kChecked };

// A module's function types are process-wide data of the generated code.
void initializeTypesOnce(const NexusNativeModule& module) {
  static std::mutex mutex;
  static std::vector<const NexusNativeModule*> initialized;
  const std::lock_guard lock(mutex);
  for (const NexusNativeModule* known : initialized) {
    if (known == &module) return;
  }
  if (module.initializeTypes != nullptr) module.initializeTypes();
  initialized.push_back(&module);
}

class NativeEngine final : public Engine {
 public:
  NativeEngine(const NexusNativeModule& module, Kind kind)
      : module_(module),
        kind_(kind),
        identity_(std::string(module.sha256) + " " + module.translator) {
    initializeTypesOnce(module);
    for (size_t i = 0; i < module.importCount; ++i) {
      const NexusGuestImport& import = module.imports[i];
      imports_.push_back({import.module, import.name, import.signature});
    }
  }

  std::string_view name() const override { return kind_ == Kind::kNative ? "native" : "checked"; }
  std::string_view guestIdentity() const override { return identity_; }
  std::span<const ImportDescription> imports() const override { return imports_; }

  std::optional<FunctionId> findFunction(std::string_view name,
                                         std::string_view signature) const override {
    for (size_t i = 0; i < module_.exportCount; ++i) {
      if (module_.exports[i].name == name && module_.exports[i].signature == signature) {
        return FunctionId{static_cast<uint32_t>(i)};
      }
    }
    return std::nullopt;
  }

  std::optional<GlobalId> findGlobal(std::string_view name) const override {
    for (size_t i = 0; i < module_.globalCount; ++i) {
      if (module_.globals[i].name == name) return GlobalId{static_cast<uint32_t>(i)};
    }
    return std::nullopt;
  }

  Result<std::unique_ptr<Sandbox>> createSandbox(
      const SandboxOptions& options, HostImports& imports,
      const std::shared_ptr<const Image>& image) override {
    if (kind_ == Kind::kNative) {
      auto installed = installFaultHandler();
      if (!installed) return std::move(installed).error();
    }
    auto memory = kind_ == Kind::kNative
                      ? makeTrackedMemory(module_.tableBytes)
                      : makeCopiedMemory(module_.tableBytes, options.memoryLimitBytes);
    if (!memory) return std::move(memory).error();
    auto stack = NativeStack::make(options.nativeStackBytes);
    if (!stack) return std::move(stack).error();
    auto sandbox = std::make_unique<NativeSandbox>(module_, imports, std::move(*memory),
                                                   std::move(*stack), options.memoryLimitBytes);
    auto started = sandbox->instantiate(image);
    if (!started) return std::move(started).error();
    return std::unique_ptr<Sandbox>(std::move(sandbox));
  }

 private:
  const NexusNativeModule& module_;
  const Kind kind_;
  const std::string identity_;
  std::vector<ImportDescription> imports_;
};

}  // namespace

std::unique_ptr<Engine> makeNativeEngine(const NexusNativeModule& module) {
  return std::make_unique<NativeEngine>(module, Kind::kNative);
}

std::unique_ptr<Engine> makeCheckedEngine(const NexusNativeModule& module) {
  return std::make_unique<NativeEngine>(module, Kind::kChecked);
}

}  // namespace nexus::sandbox
