// The hand-made guest of testdata/probe.wat, ready to be called by name in either build.
#pragma once

#include <atomic>
#include <functional>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/engine.h"
#include "sandbox/image.h"
#include "sandbox/native/native_module.h"

extern "C" {
extern const NexusNativeModule nexus_module_probe;
extern const NexusNativeModule nexus_module_probe_checked;
}

namespace nexus::sandbox {

// Results in a failed test's message.
void PrintTo(Trap trap, std::ostream* out);
void PrintTo(const CallResult& result, std::ostream* out);
bool operator==(const CallResult& left, const CallResult& right);

}  // namespace nexus::sandbox

namespace nexus::sandbox::testing {

enum class Build { kNative, kChecked };

std::string toString(Build build);
void PrintTo(Build build, std::ostream* out);

inline constexpr CallResult kDone{};
constexpr CallResult returned(uint64_t value) { return {Trap::kNone, Tainted(value)}; }

// `note` and `echo` do what a test says; the others give back their argument.
class ProbeImports : public HostImports {
 public:
  using Handler = std::function<ImportResult(std::span<const uint64_t> args, Sandbox& sandbox)>;

  Handler onNote = [](std::span<const uint64_t>, Sandbox&) { return ImportResult{}; };
  Handler onEcho = [](std::span<const uint64_t> args, Sandbox&) { return ImportResult{args[1]}; };

  // Which import has which number is the engine's affair.
  void useNumbersOf(const Engine& engine);

  ImportResult onImport(uint32_t import, std::span<const Tainted<uint64_t>> tainted,
                        Sandbox& sandbox) noexcept override;

 private:
  uint32_t note_ = UINT32_MAX;
  uint32_t echo_ = UINT32_MAX;
};

class ProbeEngine {
 public:
  explicit ProbeEngine(Build build);

  Engine& operator*() const { return *engine_; }
  Engine* operator->() const { return engine_.get(); }
  // Aborts when there is no such export: a mistake of the test.
  FunctionId find(std::string_view name) const;

 private:
  std::unique_ptr<Engine> engine_;
};

inline constexpr uint64_t kInitialBytes = 2 * kWasmPageBytes;
inline constexpr SandboxOptions kProbeOptions{.memoryLimitBytes = uint64_t{32} << 20,
                                              .nativeStackBytes = uint64_t{256} << 10};
// Positions in Image::globals().
inline constexpr GlobalId kStackGlobal{0};
inline constexpr GlobalId kCountGlobal{1};
inline constexpr uint64_t kInitialStack = 65536;
inline constexpr uint64_t kInitialCount = 7;
// Far more frames than any stack of these tests has room for.
inline constexpr uint64_t kTooDeep = 100'000'000;

// One sandbox of the probe with its own engine and imports.
class Probe {
 public:
  explicit Probe(Build build, const SandboxOptions& options = kProbeOptions,
                 const std::shared_ptr<const Image>& image = nullptr);

  ProbeImports& imports() { return imports_; }
  ProbeEngine& engine() { return engine_; }
  Sandbox& operator*() { return *sandbox_; }
  Sandbox* operator->() { return sandbox_.get(); }

  CallResult call(std::string_view name, std::initializer_list<uint64_t> args = {});
  std::shared_ptr<const Image> capture(std::initializer_list<AddressRange> dead = {});
  uint32_t load(GuestAddress at);
  // All of linear memory.
  std::vector<std::byte> memory();
  // Whether that is what linear memory holds; quicker than comparing memory().
  bool holds(std::span<const std::byte> expected);

 private:
  ProbeEngine engine_;
  ProbeImports imports_;
  std::unique_ptr<Sandbox> sandbox_;
  std::vector<std::byte> scratch_;
};

// Waits until `condition` holds; false when it did not within a time that no healthy machine needs.
bool eventually(const std::function<bool()>& condition);

}  // namespace nexus::sandbox::testing
