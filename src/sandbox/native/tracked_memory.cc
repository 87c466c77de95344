// Restoring by copying back only what was ever written.
//
//   |table|control| image, mapped privately from its file | growth | nothing ... 8 GiB |
//    sealed         read-only, a page opens at its first     zeros
//                   write and then stays open
//
// The first write to a page of the image faults; the page opens and joins the set that every
// restore copies back. The set therefore holds every page that may differ, no scan is needed, and
// once it has settled a restore makes no system call. An unusual call (a deep recursion) makes it
// large for good, so it is forgotten and learned anew when it stays larger than a usual one: less
// and less often when that turns out to be in vain.
//
// Addresses are 32 bits plus a 32-bit offset, so 8 GiB of nothing behind the base bounds every
// access. Growth is committed from the image's end upwards and zeroed as a whole, also above the
// present size: a corrupted guest can write there without a fault.
#include <algorithm>
#include <cstring>
#include <vector>

#include "sandbox/native/guest_memory.h"
#include "sandbox/native/reservation.h"

namespace nexus::sandbox {
namespace {

constexpr size_t kAddressable = (size_t{8} << 30) + kWasmPageBytes;
// An image that one sandbox restores to this often in a row gets whole pages, and then a set of
// open pages that holds only what calls write, not what switching to the image wrote.
constexpr uint32_t kRestoresUntilHot = 3;
constexpr uint32_t kRestoresUntilSettled = 256;
// A set up to this size (256 KiB, about 10 us to copy) is kept without asking.
constexpr size_t kAllowedPages = 64;
constexpr uint32_t kFirstPatience = 32;
// What a small handler that waits has changed: some hundred runs, three kilobytes.
constexpr size_t kUsualRuns = 128;
constexpr size_t kUsualBytes = 3584;
constexpr uint32_t kLongestPatience = 1u << 16;
// Growth that no call has used for so many restores is given back, and more than this always.
constexpr uint32_t kGrowthPatience = 8;
constexpr uint64_t kKeptGrowthBytes = uint64_t{8} << 20;

size_t roundToPages(size_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

class TrackedMemory final : public GuestMemory {
 public:
  TrackedMemory(Reservation region, size_t tableBytes)
      : region_(std::move(region)), memoryAt_(roundToPages(tableBytes) + kPageBytes) {
    base_ = region_.data() + memoryAt_;
    table_ = region_.data();
  }

  bool open() { return region_.protect(0, memoryAt_, PageAccess::kReadWrite); }

  bool populate(uint64_t bytes) override { return grow(bytes); }

  bool populate(const std::shared_ptr<const Image>& base) override { return adopt(base); }

  bool sealTable() override {
    return region_.protect(0, memoryAt_ - kPageBytes, PageAccess::kRead);
  }

  bool grow(uint64_t newSize) override {
    if (newSize > committedEnd_) {
      if (!protect(committedEnd_, newSize, PageAccess::kReadWrite)) return false;
      committedEnd_ = newSize;
    }
    size_ = newSize;
    return true;
  }

  bool prepareWrite(GuestAddress begin, size_t bytes) override {
    const size_t end =
        std::min<size_t>((begin + bytes + kPageBytes - 1) / kPageBytes, isOpen_.size());
    for (size_t page = begin / kPageBytes; page < end; ++page) {
      if (isOpen_[page] == 0 && !openPage(page)) return false;
    }
    return true;
  }

  FaultOutcome onFault(const void* address) noexcept override {
    const auto* at = static_cast<const std::byte*>(address);
    if (at < region_.data() || at >= region_.data() + region_.size()) return FaultOutcome::kForeign;
    if (at < base_) return FaultOutcome::kOutOfBounds;
    const size_t page = static_cast<size_t>(at - base_) / kPageBytes;
    if (page >= isOpen_.size() || isOpen_[page] != 0) return FaultOutcome::kOutOfBounds;
    return openPage(page) ? FaultOutcome::kServed : FaultOutcome::kLost;
  }

  bool adopt(const std::shared_ptr<const Image>& base) override;
  Difference compare(std::span<const AddressRange> dead) const override;
  bool restore(const std::shared_ptr<const Image>& image) override;
  std::optional<Difference> takeChanges(std::span<const AddressRange> dead) override;
  bool trim() override;

 private:
  bool protect(uint64_t begin, uint64_t end, PageAccess access) noexcept {
    return region_.protect(memoryAt_ + begin, memoryAt_ + end, access);
  }
  bool openPage(size_t page) noexcept;
  bool switchTo(const std::shared_ptr<const Image>& image);
  bool openTouchedPages();
  void useHotPages();
  bool settle();
  void closeAllPages();
  void copyBack();
  bool restoreGrowth(uint64_t imageBytes);
  bool forgetWhenTooLarge();
  bool forget();
  uint64_t baseBytes() const { return isOpen_.size() * kPageBytes; }

  Reservation region_;
  const size_t memoryAt_;
  uint64_t committedEnd_ = 0;  // readable and writable from baseBytes() to here
  bool lost_ = false;

  // One entry for each page of the base image.
  std::vector<uint8_t> isOpen_;
  std::vector<const std::byte*> source_;  // what a restore copies there
  std::vector<uint32_t> openPages_;       // never reallocates: the fault handler appends

  bool hot_ = false;  // source_ holds the current image's whole pages
  uint32_t restoresOfCurrent_ = 0;
  size_t largestSet_ = 0;
  uint32_t quietRestores_ = 0;
  uint32_t patience_ = kFirstPatience;
  uint32_t restoresWithoutGrowth_ = 0;
};

bool TrackedMemory::openPage(size_t page) noexcept {
  const uint64_t at = page * kPageBytes;
  if (!protect(at, at + kPageBytes, PageAccess::kReadWrite)) {
    lost_ = true;
    return false;
  }
  isOpen_[page] = 1;
  openPages_.push_back(static_cast<uint32_t>(page));
  return true;
}

bool TrackedMemory::adopt(const std::shared_ptr<const Image>& base) {
  const uint64_t bytes = base->memoryBytes();
  const size_t pages = bytes / kPageBytes;
  isOpen_.assign(pages, 0);
  openPages_.clear();
  openPages_.reserve(pages);
  source_.resize(pages);
  const std::byte* content = base->file().bytes().data();
  for (size_t page = 0; page < pages; ++page) source_[page] = content + page * kPageBytes;
  if (!region_.mapFile(memoryAt_, base->file().descriptor(), bytes)) {
    lost_ = true;
    return false;
  }
  committedEnd_ = bytes;
  size_ = bytes;
  current_ = base;
  hot_ = false;
  return true;
}

Difference TrackedMemory::compare(std::span<const AddressRange> dead) const {
  DifferenceBuilder builder(dead);
  std::vector<uint32_t> pages = openPages_;
  const auto touched = current_->touchedPages();
  pages.insert(pages.end(), touched.begin(), touched.end());
  std::sort(pages.begin(), pages.end());
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  const std::byte* original = current_->base().file().bytes().data();
  for (const uint32_t page : pages) {
    const size_t at = size_t{page} * kPageBytes;
    builder.comparePage(static_cast<GuestAddress>(at), base_ + at, original + at);
  }
  for (uint64_t at = baseBytes(); at < size_; at += kPageBytes) {
    builder.comparePage(static_cast<GuestAddress>(at), base_ + at, nullptr);
  }
  return builder.take();
}

bool TrackedMemory::restore(const std::shared_ptr<const Image>& image) {
  if (lost_) return false;
  if (image != current_) {
    if (!switchTo(image)) return false;
  } else if (++restoresOfCurrent_ == kRestoresUntilHot) {
    useHotPages();
  }
  if (!forgetWhenTooLarge()) return false;
  copyBack();
  if (hot_ && restoresOfCurrent_ == kRestoresUntilSettled && !settle()) return false;
  return restoreGrowth(image->memoryBytes());
}

// A hot page is put back where it is compared: a call that waits changes little of most pages.
std::optional<Difference> TrackedMemory::takeChanges(std::span<const AddressRange> dead) {
  if (lost_) return std::nullopt;
  DifferenceBuilder builder(dead);
  builder.reserve(kUsualRuns, kUsualBytes);
  // Mostly as they were sorted the last time.
  if (!std::is_sorted(openPages_.begin(), openPages_.end())) {
    std::sort(openPages_.begin(), openPages_.end());
  }
  ImageContent content(*current_);
  for (const uint32_t page : openPages_) {
    const auto at = static_cast<GuestAddress>(page * kPageBytes);
    if (hot_) {
      builder.takePage(at, base_ + at, source_[page]);
    } else {
      builder.comparePage(at, base_ + at, content.page(at));
    }
  }
  for (uint64_t at = baseBytes(); at < size_; at += kPageBytes) {
    const auto page = static_cast<GuestAddress>(at);
    builder.comparePage(page, base_ + at, content.page(page));
  }
  if (!hot_) copyBack();
  if (!restoreGrowth(current_->memoryBytes())) return std::nullopt;
  return builder.take();
}

bool TrackedMemory::switchTo(const std::shared_ptr<const Image>& image) {
  if (hot_) {
    // A closed page may hold the old image's content.
    if (!openTouchedPages()) return false;
    const std::byte* content = image->base().file().bytes().data();
    for (const uint32_t page : current_->touchedPages())
      source_[page] = content + size_t{page} * kPageBytes;
    hot_ = false;
  }
  current_ = image;
  restoresOfCurrent_ = 0;
  return openTouchedPages();
}

bool TrackedMemory::openTouchedPages() {
  for (const uint32_t page : current_->touchedPages()) {
    if (isOpen_[page] == 0 && !openPage(page)) return false;
  }
  return true;
}

void TrackedMemory::useHotPages() {
  // A difference that reaches beyond the base's pages is applied run by run for good: it is large,
  // and its growth is zeroed at every restore anyway.
  if (current_->isBase() || current_->memoryBytes() > baseBytes()) return;
  for (const Image::HotPage& page : current_->hotPages()) source_[page.index] = page.bytes;
  hot_ = true;
}

// Every page holds what the current image has there; the next calls open those that they write.
bool TrackedMemory::settle() {
  if (!protect(0, baseBytes(), PageAccess::kRead)) {
    lost_ = true;
    return false;
  }
  closeAllPages();
  return true;
}

void TrackedMemory::closeAllPages() {
  std::fill(isOpen_.begin(), isOpen_.end(), uint8_t{0});
  openPages_.clear();
  largestSet_ = 0;
}

void TrackedMemory::copyBack() {
  for (const uint32_t page : openPages_) {
    std::memcpy(base_ + size_t{page} * kPageBytes, source_[page], kPageBytes);
  }
}

bool TrackedMemory::restoreGrowth(uint64_t imageBytes) {
  const uint64_t begin = baseBytes();
  if (committedEnd_ > begin) {
    restoresWithoutGrowth_ = size_ > imageBytes ? 0 : restoresWithoutGrowth_ + 1;
    uint64_t keep = std::min(committedEnd_, std::max(imageBytes, begin + kKeptGrowthBytes));
    if (restoresWithoutGrowth_ >= kGrowthPatience) keep = std::min(committedEnd_, imageBytes);
    if (keep < committedEnd_) {
      if (!region_.discard(memoryAt_ + keep, memoryAt_ + committedEnd_) ||
          !protect(keep, committedEnd_, PageAccess::kNone)) {
        lost_ = true;
        return false;
      }
      committedEnd_ = keep;
    }
    std::memset(base_ + begin, 0, committedEnd_ - begin);
  }
  if (!grow(std::max(imageBytes, begin))) return false;
  if (!hot_) current_->difference().applyTo(base_);
  return true;
}

bool TrackedMemory::forgetWhenTooLarge() {
  const size_t pages = openPages_.size();
  if (pages > largestSet_) {
    largestSet_ = pages;
    quietRestores_ = 0;
    return true;
  }
  if (++quietRestores_ < patience_) return true;
  quietRestores_ = 0;
  if (pages <= kAllowedPages) {
    patience_ = kFirstPatience;
    return true;
  }
  patience_ = std::min(patience_ * 2, kLongestPatience);
  return forget();
}

// All pages show the file again; those that the current image touches are opened, to be copied.
bool TrackedMemory::forget() {
  if (!region_.discard(memoryAt_, memoryAt_ + baseBytes()) ||
      !protect(0, baseBytes(), PageAccess::kRead)) {
    lost_ = true;
    return false;
  }
  closeAllPages();
  return openTouchedPages();
}

bool TrackedMemory::trim() {
  if (lost_ || current_ == nullptr) return !lost_;
  patience_ = kFirstPatience;
  restoresWithoutGrowth_ = kGrowthPatience;
  if (!forget()) return false;
  copyBack();
  return restoreGrowth(current_->memoryBytes());
}

}  // namespace

Result<std::unique_ptr<GuestMemory>> makeTrackedMemory(size_t tableBytes) {
  auto region = Reservation::make(roundToPages(tableBytes) + kPageBytes + kAddressable);
  if (!region) return std::move(region).error();
  auto memory = std::make_unique<TrackedMemory>(std::move(*region), tableBytes);
  if (!memory->open()) {
    return Error{.code = ErrorCode::kUnavailable,
                 .message = "the system refused memory for a sandbox (see vm.max_map_count)"};
  }
  return std::unique_ptr<GuestMemory>(std::move(memory));
}

}  // namespace nexus::sandbox
