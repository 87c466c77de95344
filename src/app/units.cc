#include "app/units.h"

#include <fmt/format.h>

#include <charconv>

namespace nexus::app {
namespace {

constexpr uint64_t kKiB = 1024;

Error notASize(std::string_view text) {
  return Error{
      .code = ErrorCode::kInvalidInput,
      .message = fmt::format(
          "'{}' is not a size; expected bytes, such as 33554432, 512KiB, 32MiB or 1GiB", text)};
}

}  // namespace

Result<uint64_t> parseBytes(std::string_view text) {
  uint64_t number = 0;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) return notASize(text);
  std::string_view unit = text.substr(static_cast<size_t>(rest - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const struct {
    std::string_view name;
    uint64_t bytes;
  } units[] = {{"", 1}, {"B", 1}, {"KiB", kKiB}, {"MiB", kKiB * kKiB}, {"GiB", kKiB * kKiB * kKiB}};
  for (const auto& known : units) {
    if (unit != known.name) continue;
    if (number > UINT64_MAX / known.bytes) return notASize(text);
    return number * known.bytes;
  }
  return notASize(text);
}

std::string showBytes(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < kKiB) return fmt::format("{} B", bytes);
  if (bytes < kKiB * kKiB) return fmt::format("{:.0f} KiB", value / kKiB);
  if (bytes < kKiB * kKiB * kKiB) return fmt::format("{:.1f} MiB", value / (kKiB * kKiB));
  return fmt::format("{:.1f} GiB", value / (kKiB * kKiB * kKiB));
}

std::string showCount(uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string showMicroseconds(double microseconds) {
  constexpr double kThousand = 1000;
  if (microseconds < 10) return fmt::format("{:.2f} us", microseconds);
  if (microseconds < kThousand) return fmt::format("{:.0f} us", microseconds);
  if (microseconds < kThousand * kThousand) {
    return fmt::format("{:.1f} ms", microseconds / kThousand);
  }
  return fmt::format("{:.2f} s", microseconds / (kThousand * kThousand));
}

}  // namespace nexus::app
