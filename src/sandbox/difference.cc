#include "sandbox/difference.h"

#include <algorithm>
#include <cstring>

namespace nexus::sandbox {
namespace {

constexpr size_t kWordBytes = 8;
// Compared at once: a cache line.
constexpr size_t kBlockBytes = 64;

constexpr std::byte kZeroPage[kPageBytes]{};

uint64_t loadWord(const std::byte* from) {
  uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Without branches, so that the compiler takes whole registers.
bool isSameBlock(const std::byte* left, const std::byte* right) {
  uint64_t differing = 0;
  for (size_t at = 0; at < kBlockBytes; at += kWordBytes) {
    differing |= loadWord(left + at) ^ loadWord(right + at);
  }
  return differing == 0;
}

}  // namespace

void Difference::applyTo(std::byte* memory) const {
  const std::byte* from = bytes.data();
  for (const DifferenceRun& run : runs) {
    std::memcpy(memory + run.begin, from, run.bytes);
    from += run.bytes;
  }
}

bool DifferenceBuilder::isDead(GuestAddress word) const {
  return std::any_of(dead_.begin(), dead_.end(), [word](const AddressRange& range) {
    return word >= range.begin && word + kWordBytes <= range.end;
  });
}

void DifferenceBuilder::append(GuestAddress word, const std::byte* from) {
  auto& runs = difference_.runs;
  if (runs.empty() || runs.back().begin + runs.back().bytes != word) runs.push_back({word, 0});
  runs.back().bytes += kWordBytes;
  difference_.bytes.insert(difference_.bytes.end(), from, from + kWordBytes);
}

bool DifferenceBuilder::isWhollyDead(GuestAddress page) const {
  return std::any_of(dead_.begin(), dead_.end(), [page](const AddressRange& range) {
    return page >= range.begin && uint64_t{page} + kPageBytes <= range.end;
  });
}

void DifferenceBuilder::comparePage(GuestAddress address, const std::byte* current,
                                    const std::byte* original) {
  if (isWhollyDead(address)) return;
  if (original == nullptr) original = kZeroPage;
  for (size_t offset = 0; offset < kPageBytes; offset += kBlockBytes) {
    if (isSameBlock(current + offset, original + offset)) continue;
    compareBlock(static_cast<GuestAddress>(address + offset), current + offset, original + offset);
  }
}

void DifferenceBuilder::compareBlock(GuestAddress at, const std::byte* current,
                                     const std::byte* original) {
  for (size_t offset = 0; offset < kBlockBytes; offset += kWordBytes) {
    const auto word = static_cast<GuestAddress>(at + offset);
    if (loadWord(current + offset) == loadWord(original + offset) || isDead(word)) continue;
    append(word, current + offset);
  }
}

}  // namespace nexus::sandbox
