// The linear memory of one translated sandbox, with everything that makes it restorable. Two kinds:
// tracked (page faults tell what was written) and copied (everything is copied back).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "nexus/result.h"
#include "sandbox/image.h"
#include "sandbox/native/native_module.h"

namespace nexus::sandbox {

enum class FaultOutcome {
  kServed,       // the access may be repeated
  kOutOfBounds,  // inside this memory's reservation, but not the guest's
  kLost,         // a page could not be opened
  kForeign,      // not this memory's address
};

// One thread at a time.
class GuestMemory {
 public:
  GuestMemory() = default;
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;
  virtual ~GuestMemory() = default;

  std::byte* base() const { return base_; }
  uint64_t size() const { return size_; }
  NexusGuestControl* control() const { return reinterpret_cast<NexusGuestControl*>(base_) - 1; }
  std::byte* table() const { return table_; }

  // Before the module is instantiated: `bytes` of zeros, or the content of a base image.
  [[nodiscard]] virtual bool populate(uint64_t bytes) = 0;
  [[nodiscard]] virtual bool populate(const std::shared_ptr<const Image>& base) = 0;
  // Nothing writes to the table from here on.
  [[nodiscard]] virtual bool sealTable() = 0;

  // New bytes are zero. False: the system refused.
  [[nodiscard]] virtual bool grow(uint64_t newSize) = 0;
  // Before the host writes to the range, which lies inside size().
  [[nodiscard]] virtual bool prepareWrite(GuestAddress begin, size_t bytes) = 0;
  // From a signal handler, during guest execution.
  virtual FaultOutcome onFault(const void* address) noexcept = 0;

  // Content becomes that of a new base image, from which it differs in nothing but `dead`.
  [[nodiscard]] virtual bool adopt(const std::shared_ptr<const Image>& base) = 0;
  // With the base of the current image.
  virtual Difference compare(std::span<const AddressRange> dead) const = 0;
  [[nodiscard]] virtual bool restore(const std::shared_ptr<const Image>& image) = 0;
  // Restores to the current image, and returns what differed from it. Empty: not restored.
  virtual std::optional<Difference> takeChanges(std::span<const AddressRange> dead) = 0;
  [[nodiscard]] virtual bool trim() = 0;

  const std::shared_ptr<const Image>& current() const { return current_; }

 protected:
  std::byte* base_ = nullptr;
  std::byte* table_ = nullptr;
  uint64_t size_ = 0;
  std::shared_ptr<const Image> current_;  // what restore() made it; null until it has a base
};

Result<std::unique_ptr<GuestMemory>> makeTrackedMemory(size_t tableBytes);
Result<std::unique_ptr<GuestMemory>> makeCopiedMemory(size_t tableBytes, uint64_t limitBytes);

}  // namespace nexus::sandbox
