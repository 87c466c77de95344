// An engine runs one WebAssembly module in any number of sandboxes.
//
// A sandbox is a linear memory with a guest in it and the native stack that the guest runs on. Its
// content can be captured as an Image; restoring to an image makes memory, globals and table
// exactly what they were, whatever the guest did in between. How an engine finds out what must be
// copied is its own affair; how it stops a guest is, too. Everything above this header knows
// neither.
//
// What the guest hands out (return values, import arguments, globals, memory content) is the
// guest's: it may be anything, at any time. Its type says so (tainted.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "nexus/result.h"
#include "sandbox/difference.h"
#include "sandbox/tainted.h"

namespace nexus::sandbox {

class Image;
class Sandbox;

// Why a guest function did not return.
enum class Trap {
  kNone,
  kStopped,         // requestStop
  kHostRefused,     // an import ended the run for a reason of its own
  kOutOfBounds,     // memory or table access outside of it
  kStackExhausted,  // the native stack
  kUnreachable,     // the guest gave up by itself (abort, assertion)
  kArithmetic,      // division by zero, overflow, invalid conversion
  kBadCall,         // indirect call of nothing or of another type
  kTrackingLost,    // the engine can no longer tell what the guest wrote: discard the sandbox
};

std::string_view toString(Trap trap);

// An exported function, valid for all sandboxes of the engine that found it.
enum class FunctionId : uint32_t {};

// An exported mutable global, likewise.
enum class GlobalId : uint32_t {};

// Values travel as 64 bits: integers zero-extended, floats as their bits.
struct CallResult {
  Trap trap = Trap::kNone;
  Tainted<uint64_t> value{};

  bool ok() const { return trap == Trap::kNone; }
};

struct ImportResult {
  uint64_t value = 0;
  // Other than kNone: ends the guest's run with it. A trap of a nested call is passed on like this.
  Trap trap = Trap::kNone;
};

struct ImportDescription {
  std::string_view module;
  std::string_view name;
  std::string_view signature;  // as in FunctionId lookup
};

// What the guest may call, implemented by the room that knows the guest.
class HostImports {
 public:
  virtual ~HostImports() = default;

  // `import` indexes Engine::imports(). Runs on the sandbox's native stack, of which at least
  // kImportStackBytes are left; may call guest functions of the same sandbox (from another
  // sandbox's import in between, such a call is refused). Must not throw.
  virtual ImportResult onImport(uint32_t import, std::span<const Tainted<uint64_t>> args,
                                Sandbox& sandbox) noexcept = 0;
};

inline constexpr size_t kImportStackBytes = size_t{64} << 10;

struct SandboxOptions {
  uint64_t memoryLimitBytes = 0;  // linear memory never exceeds it
  uint64_t nativeStackBytes = 0;  // what the guest runs on
};

// Not thread-safe, except for requestStop: one thread at a time, any thread.
class Sandbox {
 public:
  Sandbox() = default;
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  virtual ~Sandbox() = default;

  // Runs an exported function to its end on the sandbox's own stack; the caller's needs a few KiB.
  // `args` must match the signature that findFunction was given. After a trap no guest state is to
  // be trusted: restore.
  virtual CallResult call(FunctionId function, std::span<const uint64_t> args) = 0;

  // False, and nothing copied, when the range is not inside linear memory. What was copied out is a
  // copy, and not yet checked.
  [[nodiscard]] virtual bool copyIn(GuestAddress to, std::span<const std::byte> from) = 0;
  [[nodiscard]] virtual bool copyOut(GuestAddress from, std::span<std::byte> to) const = 0;

  // The guest's idea of its memory's end. Behind it accesses trap, or reach zeros that an engine
  // keeps ready for growth and clears at every restore.
  virtual uint64_t memoryBytes() const = 0;
  // The value of a global that Engine::findGlobal found.
  virtual Tainted<uint64_t> global(GlobalId global) const = 0;
  // The largest size that the guest asked for and was refused, in bytes, since the last restore; 0
  // when it was refused none.
  virtual uint64_t refusedGrowth() const = 0;

  // Captures the present content. The first capture of a sandbox is a base image, from which other
  // sandboxes can be made; later ones hold the difference from that base. What is in `dead` (a
  // stack below its pointer, a transfer buffer) does not matter: a base image has zeros there, a
  // difference what its base has, in words of 8 bytes that lie whole in one of the ranges.
  virtual Result<std::shared_ptr<const Image>> capture(std::span<const AddressRange> dead) = 0;

  // Makes memory, globals and table what they were when `image` was captured. The image must
  // descend from the base this sandbox was made from or captured as. False (the system refused
  // memory, or the image does not fit into the memory limit): this sandbox runs nothing any more,
  // discard it.
  [[nodiscard]] virtual bool restore(const std::shared_ptr<const Image>& image) = 0;

  // Restores to the image that was restored last, and returns what the content had added to it;
  // `dead` as in capture(). Empty: as when restore() is false.
  virtual std::optional<Delta> takeDelta(std::span<const AddressRange> dead) = 0;
  // After a restore to that image: the content becomes what it was then, but for what was dead.
  // False as in restore().
  [[nodiscard]] virtual bool apply(const Delta& delta) = 0;

  // Returns memory that the last calls needed but the next need not; the content stays as restored.
  // For instances that have been idle; costs some page faults at the next call.
  virtual void trim() = 0;

  // Any thread, at any time during the sandbox's life: the guest traps with kStopped within
  // microseconds. Stays in force until clearStop, also for calls that begin later.
  virtual void requestStop() noexcept = 0;
  virtual void clearStop() noexcept = 0;
};

// Thread-safe. Outlives its sandboxes.
class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  virtual std::string_view name() const = 0;
  // Identifies guest and translation: images and bytecode made under another identity do not fit.
  virtual std::string_view guestIdentity() const = 0;
  virtual std::span<const ImportDescription> imports() const = 0;

  // `signature` is parameters, colon, result, one letter each: i j f d for i32 i64 f32 f64, v for
  // nothing. Absent when there is no such export or it has another signature.
  virtual std::optional<FunctionId> findFunction(std::string_view name,
                                                 std::string_view signature) const = 0;

  virtual std::optional<GlobalId> findGlobal(std::string_view name) const = 0;

  // A sandbox in the state of `image`, or, without one, of the module just instantiated. `imports`
  // must outlive it. kUnavailable when the system refuses memory.
  virtual Result<std::unique_ptr<Sandbox>> createSandbox(
      const SandboxOptions& options, HostImports& imports,
      const std::shared_ptr<const Image>& image) = 0;
};

}  // namespace nexus::sandbox
