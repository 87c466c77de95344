#include "sandbox/delta_codec.h"

#include <cstring>
#include <utility>

namespace nexus::sandbox {
namespace {

constexpr uint64_t kWordBytes = 8;
constexpr uint64_t kMostMemory = uint64_t{1} << 32;

// LEB128: seven bits a byte, the lowest first.
void appendNumber(std::string& to, uint64_t number) {
  constexpr uint64_t kMore = 0x80;
  for (; number >= kMore; number >>= 7) to += static_cast<char>(number | kMore);
  to += static_cast<char>(number);
}

bool takeNumber(std::string_view& from, uint64_t& number) {
  number = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    number |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool takeGlobals(std::string_view& from, std::vector<uint64_t>& globals) {
  uint64_t count = 0;
  if (!takeNumber(from, count) || count > from.size()) return false;
  globals.resize(count);
  for (uint64_t& global : globals) {
    if (!takeNumber(from, global)) return false;
  }
  return true;
}

// Ascending, and inside of memory.
bool takeRuns(std::string_view& from, Delta& delta) {
  uint64_t count = 0;
  uint64_t at = 0;
  uint64_t total = 0;
  if (!takeNumber(from, count) || count > from.size()) return false;
  delta.difference.runs.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t gap = 0;
    uint64_t words = 0;
    if (!takeNumber(from, gap) || !takeNumber(from, words)) return false;
    const uint64_t room = delta.memoryBytes / kWordBytes;
    if (gap > room || words == 0 || words > room) return false;
    const uint64_t begin = at + gap * kWordBytes;
    at = begin + words * kWordBytes;
    if (at > delta.memoryBytes) return false;
    total += words * kWordBytes;
    delta.difference.runs.push_back(
        {static_cast<GuestAddress>(begin), static_cast<uint32_t>(words * kWordBytes)});
  }
  if (total != from.size()) return false;
  delta.difference.bytes.resize(total);
  if (total > 0) std::memcpy(delta.difference.bytes.data(), from.data(), total);
  return true;
}

}  // namespace

std::string encodeDelta(const Delta& delta) {
  std::string bytes;
  bytes.reserve(delta.difference.bytes.size() + 3 * delta.difference.runs.size() + 64);
  appendNumber(bytes, delta.memoryBytes);
  appendNumber(bytes, delta.globals.size());
  for (const uint64_t global : delta.globals) appendNumber(bytes, global);
  appendNumber(bytes, delta.difference.runs.size());
  uint64_t at = 0;
  for (const DifferenceRun& run : delta.difference.runs) {
    appendNumber(bytes, (run.begin - at) / kWordBytes);
    appendNumber(bytes, run.bytes / kWordBytes);
    at = uint64_t{run.begin} + run.bytes;
  }
  bytes.append(reinterpret_cast<const char*>(delta.difference.bytes.data()),
               delta.difference.bytes.size());
  return bytes;
}

std::optional<Delta> decodeDelta(std::string_view bytes) {
  Delta delta;
  if (!takeNumber(bytes, delta.memoryBytes) || delta.memoryBytes > kMostMemory ||
      delta.memoryBytes % kWasmPageBytes != 0) {
    return std::nullopt;
  }
  if (!takeGlobals(bytes, delta.globals) || !takeRuns(bytes, delta)) return std::nullopt;
  return delta;
}

}  // namespace nexus::sandbox
