#include "base/suggest.h"

#include <algorithm>
#include <vector>

namespace nexus {
namespace {

// Longer names are not compared: the table below has their product as its size.
constexpr size_t kLongest = 100;

// Optimal string alignment distance.
size_t distance(std::string_view left, std::string_view right) {
  const size_t width = right.size() + 1;
  std::vector<size_t> table((left.size() + 1) * width);
  const auto at = [&](size_t i, size_t j) -> size_t& { return table[i * width + j]; };
  for (size_t i = 0; i <= left.size(); ++i) at(i, 0) = i;
  for (size_t j = 0; j <= right.size(); ++j) at(0, j) = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    for (size_t j = 1; j <= right.size(); ++j) {
      const size_t changed = left[i - 1] == right[j - 1] ? 0 : 1;
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + changed});
      const bool swapped =
          i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
      if (swapped) at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return at(left.size(), right.size());
}

}  // namespace

std::optional<std::string_view> closestName(std::string_view name,
                                            std::span<const std::string_view> known) {
  if (name.empty() || name.size() > kLongest) return std::nullopt;
  std::optional<std::string_view> closest;
  size_t shortest = std::max<size_t>(name.size() / 3, 1) + 1;
  for (const std::string_view candidate : known) {
    if (candidate.size() > kLongest) continue;
    const size_t steps = distance(name, candidate);
    if (steps >= shortest) continue;
    shortest = steps;
    closest = candidate;
  }
  return closest;
}

std::string didYouMean(std::string_view name, std::span<const std::string_view> known) {
  const auto likely = closestName(name, known);
  return likely ? ". Did you mean '" + std::string(*likely) + "'?" : "";
}

}  // namespace nexus
