#include "sandbox/difference.h"

#include <algorithm>
#include <cstring>

namespace nexus::sandbox {
namespace {

constexpr size_t kWordBytes = 8;
// Compared at once: most of a page that was written to at all is as it was.
constexpr size_t kBlockBytes = 256;

constexpr std::byte kZeroPage[kPageBytes]{};

bool isSameWord(const std::byte* left, const std::byte* right) {
  return std::memcmp(left, right, kWordBytes) == 0;
}

}  // namespace

void Difference::applyTo(std::byte* memory) const {
  const std::byte* from = bytes.data();
  for (const DifferenceRun& run : runs) {
    std::memcpy(memory + run.begin, from, run.bytes);
    from += run.bytes;
  }
}

void DifferenceBuilder::comparePage(GuestAddress address, const std::byte* current,
                                    const std::byte* original) {
  const Dead dead = deadPartOf(address);
  if (dead == Dead::kAll) return;
  if (original == nullptr) original = kZeroPage;
  for (size_t at = 0; at < kPageBytes; at += kBlockBytes) {
    if (std::memcmp(current + at, original + at, kBlockBytes) == 0) continue;
    compareBlock(static_cast<GuestAddress>(address + at), current + at, original + at, dead);
  }
}

void DifferenceBuilder::takePage(GuestAddress address, std::byte* current,
                                 const std::byte* original) {
  const Dead dead = deadPartOf(address);
  if (dead == Dead::kAll) {
    std::memcpy(current, original, kPageBytes);
    return;
  }
  for (size_t at = 0; at < kPageBytes; at += kBlockBytes) {
    if (std::memcmp(current + at, original + at, kBlockBytes) == 0) continue;
    compareBlock(static_cast<GuestAddress>(address + at), current + at, original + at, dead);
    std::memcpy(current + at, original + at, kBlockBytes);
  }
}

void DifferenceBuilder::compareBlock(GuestAddress at, const std::byte* current,
                                     const std::byte* original, Dead dead) {
  const auto differs = [&](size_t offset) {
    return !isSameWord(current + offset, original + offset) &&
           (dead == Dead::kNothing || !isDead(static_cast<GuestAddress>(at + offset)));
  };
  for (size_t begin = 0; begin < kBlockBytes; begin += kWordBytes) {
    if (!differs(begin)) continue;
    size_t end = begin + kWordBytes;
    while (end < kBlockBytes && differs(end)) end += kWordBytes;
    append(static_cast<GuestAddress>(at + begin), {current + begin, end - begin});
    begin = end;
  }
}

DifferenceBuilder::Dead DifferenceBuilder::deadPartOf(GuestAddress page) const {
  const uint64_t end = uint64_t{page} + kPageBytes;
  Dead part = Dead::kNothing;
  for (const AddressRange& range : dead_) {
    if (range.begin <= page && end <= range.end) return Dead::kAll;
    if (range.begin < end && page < range.end) part = Dead::kSome;
  }
  return part;
}

bool DifferenceBuilder::isDead(GuestAddress word) const {
  return std::any_of(dead_.begin(), dead_.end(), [word](const AddressRange& range) {
    return word >= range.begin && word + kWordBytes <= range.end;
  });
}

void DifferenceBuilder::append(GuestAddress at, std::span<const std::byte> words) {
  auto& runs = difference_.runs;
  if (runs.empty() || runs.back().begin + runs.back().bytes != at) runs.push_back({at, 0});
  runs.back().bytes += static_cast<uint32_t>(words.size());
  difference_.bytes.insert(difference_.bytes.end(), words.begin(), words.end());
}

}  // namespace nexus::sandbox
