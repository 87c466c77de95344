// Restoring by copying everything: no page faults, no signal handler, no address tricks. Slow,
// plainly right, and what remains where pages cannot be tracked. Goes with the checked build of a
// module, whose accesses never leave size().
#include <algorithm>
#include <cstring>

#include "sandbox/native/guest_memory.h"
#include "sandbox/native/reservation.h"

namespace nexus::sandbox {
namespace {

size_t roundToPages(size_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

class CopiedMemory final : public GuestMemory {
 public:
  CopiedMemory(Reservation region, size_t tableBytes)
      : region_(std::move(region)), memoryAt_(roundToPages(tableBytes) + kPageBytes) {
    base_ = region_.data() + memoryAt_;
    table_ = region_.data();
  }

  bool open() { return region_.protect(0, region_.size(), PageAccess::kReadWrite); }

  bool populate(uint64_t bytes) override { return grow(bytes); }
  bool populate(const std::shared_ptr<const Image>& base) override {
    return base->memoryBytes() <= limit() && adopt(base);
  }
  bool sealTable() override {
    return region_.protect(0, memoryAt_ - kPageBytes, PageAccess::kRead);
  }

  bool grow(uint64_t newSize) override {
    if (newSize > limit()) return false;
    size_ = newSize;
    return true;
  }
  bool prepareWrite(GuestAddress, size_t) override { return true; }
  FaultOutcome onFault(const void*) noexcept override { return FaultOutcome::kForeign; }

  bool adopt(const std::shared_ptr<const Image>& base) override { return restore(base); }

  Difference compare(std::span<const AddressRange> dead) const override {
    DifferenceBuilder builder(dead);
    const auto original = current_->base().file().bytes();
    for (uint64_t at = 0; at < size_; at += kPageBytes) {
      builder.comparePage(static_cast<GuestAddress>(at), base_ + at,
                          at < original.size() ? original.data() + at : nullptr);
    }
    return builder.take();
  }

  std::optional<Difference> takeChanges(std::span<const AddressRange> dead) override {
    DifferenceBuilder builder(dead);
    ImageContent content(*current_);
    for (uint64_t at = 0; at < size_; at += kPageBytes) {
      const auto page = static_cast<GuestAddress>(at);
      builder.comparePage(page, base_ + at, content.page(page));
    }
    if (!restore(current_)) return std::nullopt;
    return builder.take();
  }

  bool restore(const std::shared_ptr<const Image>& image) override {
    const auto content = image->base().file().bytes();
    std::memcpy(base_, content.data(), content.size());
    const uint64_t used = std::max(size_, image->memoryBytes());
    if (used > content.size()) std::memset(base_ + content.size(), 0, used - content.size());
    image->difference().applyTo(base_);
    size_ = image->memoryBytes();
    current_ = image;
    return true;
  }

  bool trim() override {
    return current_ == nullptr || (region_.discard(memoryAt_, region_.size()) && restore(current_));
  }

 private:
  uint64_t limit() const { return region_.size() - memoryAt_; }

  Reservation region_;
  const size_t memoryAt_;
};

}  // namespace

Result<std::unique_ptr<GuestMemory>> makeCopiedMemory(size_t tableBytes, uint64_t limitBytes) {
  auto region = Reservation::make(roundToPages(tableBytes) + kPageBytes + roundToPages(limitBytes));
  if (!region) return std::move(region).error();
  auto memory = std::make_unique<CopiedMemory>(std::move(*region), tableBytes);
  if (!memory->open()) {
    return Error{.code = ErrorCode::kUnavailable,
                 .message = "the system refused memory for a sandbox"};
  }
  return std::unique_ptr<GuestMemory>(std::move(memory));
}

}  // namespace nexus::sandbox
