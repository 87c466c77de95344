// Words in which one content of linear memory differs from another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nexus::sandbox {

inline constexpr size_t kPageBytes = 4096;
inline constexpr size_t kWasmPageBytes = 65536;

// An address in linear memory.
using GuestAddress = uint32_t;

struct AddressRange {
  GuestAddress begin = 0;
  GuestAddress end = 0;  // exclusive
};

// Where a difference touches memory. Offsets and lengths are multiples of 8 bytes.
struct DifferenceRun {
  GuestAddress begin = 0;
  uint32_t bytes = 0;
};

// In ascending order of addresses.
struct Difference {
  std::vector<DifferenceRun> runs;
  std::vector<std::byte> bytes;  // of all runs, one after the other

  void applyTo(std::byte* memory) const;
};

// Collects a difference page by page, in ascending order of addresses.
class DifferenceBuilder {
 public:
  // Words in `dead` count as unchanged.
  explicit DifferenceBuilder(std::span<const AddressRange> dead) : dead_(dead) {}

  // Room for so much; more is made as it comes.
  void reserve(size_t runs, size_t bytes) {
    difference_.runs.reserve(runs);
    difference_.bytes.reserve(bytes);
  }
  // `original` null: the base holds zeros there.
  void comparePage(GuestAddress address, const std::byte* current, const std::byte* original);
  // The same; and `current` becomes what `original` is, also where it is dead.
  void takePage(GuestAddress address, std::byte* current, const std::byte* original);
  Difference take() { return std::move(difference_); }

 private:
  enum class Dead { kNothing, kSome, kAll };

  Dead deadPartOf(GuestAddress page) const;
  bool isDead(GuestAddress word) const;
  void compareBlock(GuestAddress at, const std::byte* current, const std::byte* original,
                    Dead dead);
  void append(GuestAddress at, std::span<const std::byte> words);

  std::span<const AddressRange> dead_;
  Difference difference_;
};

// What a sandbox's content has become since it was restored to an image: kept without the image,
// and applied to the same one later.
struct Delta {
  uint64_t memoryBytes = 0;
  std::vector<uint64_t> globals;
  Difference difference;
};

}  // namespace nexus::sandbox
