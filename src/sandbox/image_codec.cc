#include "sandbox/image_codec.h"

#include <cstring>
#include <optional>
#include <type_traits>

namespace nexus::sandbox {
namespace {

constexpr uint64_t kWordBytes = 8;
constexpr uint64_t kMostMemory = uint64_t{1} << 32;

struct Head {
  uint64_t memoryBytes = 0;
  uint64_t globals = 0;
  uint64_t runs = 0;
  uint64_t bytes = 0;
};

template <typename T>
void append(std::string& to, std::span<const T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  to.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

template <typename T>
std::optional<std::vector<T>> take(std::string_view& from, uint64_t count) {
  if (count > from.size() / sizeof(T)) return std::nullopt;
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), from.data(), count * sizeof(T));
  from.remove_prefix(count * sizeof(T));
  return values;
}

// Ascending, in whole words, inside of memory, and as long as the bytes that belong to them.
bool areSound(std::span<const DifferenceRun> runs, uint64_t memoryBytes, uint64_t bytes) {
  uint64_t end = 0;
  uint64_t total = 0;
  for (const DifferenceRun& run : runs) {
    const bool isWords = run.begin % kWordBytes == 0 && run.bytes % kWordBytes == 0;
    if (!isWords || run.bytes == 0 || run.begin < end) return false;
    end = uint64_t{run.begin} + run.bytes;
    total += run.bytes;
  }
  return end <= memoryBytes && total == bytes;
}

}  // namespace

std::string encodeImage(const Image& image) {
  const Difference& difference = image.difference();
  const Head head{image.memoryBytes(), image.globals().size(), difference.runs.size(),
                  difference.bytes.size()};
  std::string bytes;
  append(bytes, std::span(&head, 1));
  append(bytes, image.globals());
  append(bytes, std::span<const DifferenceRun>(difference.runs));
  append(bytes, std::span<const std::byte>(difference.bytes));
  return bytes;
}

std::shared_ptr<const Image> decodeImage(std::string_view bytes,
                                         const std::shared_ptr<const Image>& base) {
  const auto head = take<Head>(bytes, 1);
  if (!head) return nullptr;
  const Head& counts = head->front();
  auto globals = take<uint64_t>(bytes, counts.globals);
  auto runs = globals ? take<DifferenceRun>(bytes, counts.runs) : std::nullopt;
  auto content = runs ? take<std::byte>(bytes, counts.bytes) : std::nullopt;
  if (!content || !bytes.empty()) return nullptr;
  const bool isMemory = counts.memoryBytes % kWasmPageBytes == 0 &&
                        counts.memoryBytes >= base->memoryBytes() &&
                        counts.memoryBytes <= kMostMemory;
  if (!isMemory || globals->size() != base->globals().size()) return nullptr;
  if (!areSound(*runs, counts.memoryBytes, content->size())) return nullptr;
  return Image::makeDifference(base, counts.memoryBytes, std::move(*globals),
                               {std::move(*runs), std::move(*content)});
}

}  // namespace nexus::sandbox
