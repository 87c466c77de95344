// Images: the content of a sandbox at one moment, immutable, shared by all sandboxes that are made
// from it or restored to it.
//
//   base image        every byte, in a memory file that sandboxes map privately
//   difference        the 8-byte words in which memory differs from its base: 1.7 KB for a small
//                     handler, where the pages it touches would be 72 KiB
//
//   base:  |####|####|####|....|          difference:  words 3..5, 9, 512..515
//           page 0                                      on pages 0 and 1
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "nexus/result.h"
#include "sandbox/difference.h"
#include "sandbox/engine.h"
#include "sandbox/memory_file.h"

namespace nexus::sandbox {

// Thread-safe: immutable but for the cache behind hotPages.
class Image {
 public:
  // The pages of a difference that lie in its base's range, whole. `bytes` lives as long as the
  // image.
  struct HotPage {
    uint32_t index = 0;
    const std::byte* bytes = nullptr;
  };

  static Result<std::shared_ptr<const Image>> makeBase(std::span<const std::byte> memory,
                                                       std::span<const AddressRange> dead,
                                                       std::vector<uint64_t> globals);
  static std::shared_ptr<const Image> makeDifference(std::shared_ptr<const Image> base,
                                                     uint64_t memoryBytes,
                                                     std::vector<uint64_t> globals,
                                                     Difference difference);

  bool isBase() const { return base_ == nullptr; }
  const Image& base() const { return base_ ? *base_ : *this; }
  uint64_t memoryBytes() const { return memoryBytes_; }
  std::span<const uint64_t> globals() const { return globals_; }
  // Content of a base image; of a difference, use base().
  const MemoryFile& file() const { return file_; }
  const Difference& difference() const { return difference_; }
  // Pages below the base's size that the difference touches, ascending.
  std::span<const uint32_t> touchedPages() const { return touchedPages_; }

  // Makes the whole pages on first use; from then on the image holds them as well.
  const std::vector<HotPage>& hotPages() const;
  // Bytes that this image alone keeps in memory.
  uint64_t ownBytes() const;

 private:
  Image() = default;

  std::shared_ptr<const Image> base_;
  uint64_t memoryBytes_ = 0;
  std::vector<uint64_t> globals_;
  MemoryFile file_;
  Difference difference_;
  std::vector<uint32_t> touchedPages_;

  mutable std::once_flag hotOnce_;
  mutable std::vector<std::byte> hotBytes_;
  mutable std::vector<HotPage> hotPages_;
  mutable std::atomic<uint64_t> hotSize_{0};
};

// Reads an image page by page, in ascending order of addresses.
class ImageContent {
 public:
  // The image must outlive it.
  explicit ImageContent(const Image& image) : image_(image) {}

  // Valid until the next call; null: zeros.
  const std::byte* page(GuestAddress at);

 private:
  const Image& image_;
  size_t run_ = 0;          // the first one that is not wholly behind
  size_t bytesBefore_ = 0;  // of the runs before it
  std::byte page_[kPageBytes];
};

}  // namespace nexus::sandbox
