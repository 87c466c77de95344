#include "sandbox/image.h"

#include <algorithm>
#include <cstring>

namespace nexus::sandbox {
namespace {

constexpr size_t kWordBytes = 8;

std::vector<uint32_t> pagesBelow(const Difference& difference, uint64_t limit) {
  std::vector<uint32_t> pages;
  for (const DifferenceRun& run : difference.runs) {
    const uint64_t end = std::min<uint64_t>(uint64_t{run.begin} + run.bytes, limit);
    for (uint64_t page = run.begin / kPageBytes; page * kPageBytes < end; ++page) {
      if (pages.empty() || pages.back() < page) pages.push_back(static_cast<uint32_t>(page));
    }
  }
  return pages;
}

}  // namespace

Result<std::shared_ptr<const Image>> Image::makeBase(std::span<const std::byte> memory,
                                                     std::span<const AddressRange> dead,
                                                     std::vector<uint64_t> globals) {
  auto file = MemoryFile::create(memory.size());
  if (!file) return std::move(file).error();
  std::shared_ptr<Image> image(new Image);
  image->memoryBytes_ = memory.size();
  image->globals_ = std::move(globals);
  static constexpr std::byte kZeroPage[kPageBytes]{};
  std::byte page[kPageBytes];
  for (size_t offset = 0; offset < memory.size(); offset += kPageBytes) {
    std::memcpy(page, memory.data() + offset, kPageBytes);
    for (const AddressRange& range : dead) {
      const size_t begin = std::clamp<size_t>(range.begin, offset, offset + kPageBytes);
      const size_t end = std::clamp<size_t>(range.end, offset, offset + kPageBytes);
      if (begin < end) std::memset(page + (begin - offset), 0, end - begin);
    }
    // A page of zeros stays a hole of the file.
    if (std::memcmp(page, kZeroPage, kPageBytes) == 0) continue;
    std::memcpy(file->writable() + offset, page, kPageBytes);
  }
  file->seal();
  image->file_ = std::move(*file);
  return std::shared_ptr<const Image>(std::move(image));
}

std::shared_ptr<const Image> Image::makeDifference(std::shared_ptr<const Image> base,
                                                   uint64_t memoryBytes,
                                                   std::vector<uint64_t> globals,
                                                   Difference difference) {
  std::shared_ptr<Image> image(new Image);
  image->memoryBytes_ = memoryBytes;
  image->globals_ = std::move(globals);
  difference.bytes.shrink_to_fit();
  difference.runs.shrink_to_fit();
  image->difference_ = std::move(difference);
  image->touchedPages_ = pagesBelow(image->difference_, base->memoryBytes());
  image->base_ = std::move(base);
  return image;
}

const std::vector<Image::HotPage>& Image::hotPages() const {
  std::call_once(hotOnce_, [this] {
    const std::byte* original = base().file().bytes().data();
    hotBytes_.resize(touchedPages_.size() * kPageBytes);
    std::byte* to = hotBytes_.data();
    for (const uint32_t page : touchedPages_) {
      std::memcpy(to, original + size_t{page} * kPageBytes, kPageBytes);
      hotPages_.push_back({page, to});
      to += kPageBytes;
    }
    const std::byte* from = difference_.bytes.data();
    const uint64_t limit = base().memoryBytes();
    size_t slot = 0;
    for (const DifferenceRun& run : difference_.runs) {
      // Runs are short and may cross a page; both go upwards, so one walk finds every page.
      for (uint32_t done = 0; done < run.bytes; done += kWordBytes, from += kWordBytes) {
        const uint64_t at = uint64_t{run.begin} + done;
        if (at >= limit) continue;
        while (touchedPages_[slot] < at / kPageBytes) ++slot;
        std::memcpy(hotBytes_.data() + slot * kPageBytes + at % kPageBytes, from, kWordBytes);
      }
    }
    hotSize_.store(hotBytes_.size(), std::memory_order_relaxed);
  });
  return hotPages_;
}

const std::byte* ImageContent::page(GuestAddress at) {
  const Image& base = image_.base();
  const bool inBase = at < base.memoryBytes();
  const std::byte* original = inBase ? base.file().bytes().data() + at : nullptr;
  const Difference& difference = image_.difference();
  const uint64_t end = uint64_t{at} + kPageBytes;
  // Runs that end before this page are done with: pages come in ascending order.
  while (run_ < difference.runs.size() &&
         uint64_t{difference.runs[run_].begin} + difference.runs[run_].bytes <= at) {
    bytesBefore_ += difference.runs[run_].bytes;
    ++run_;
  }
  if (run_ == difference.runs.size() || difference.runs[run_].begin >= end) return original;
  if (original == nullptr) {
    std::memset(page_, 0, kPageBytes);
  } else {
    std::memcpy(page_, original, kPageBytes);
  }
  size_t from = bytesBefore_;
  for (size_t i = run_; i < difference.runs.size() && difference.runs[i].begin < end; ++i) {
    const DifferenceRun& run = difference.runs[i];
    const uint64_t first = std::max<uint64_t>(run.begin, at);
    const uint64_t last = std::min<uint64_t>(uint64_t{run.begin} + run.bytes, end);
    std::memcpy(page_ + (first - at), difference.bytes.data() + from + (first - run.begin),
                last - first);
    from += run.bytes;
  }
  return page_;
}

uint64_t Image::ownBytes() const {
  const uint64_t content = isBase() ? memoryBytes_ : difference_.bytes.size();
  return sizeof(Image) + content + difference_.runs.size() * sizeof(DifferenceRun) +
         touchedPages_.size() * sizeof(uint32_t) + hotSize_.load(std::memory_order_relaxed);
}

}  // namespace nexus::sandbox
