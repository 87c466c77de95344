#include "app/units.h"

#include <fmt/format.h>

#include <charconv>
#include <span>

namespace nexus::app {
namespace {

constexpr uint64_t kKiB = 1024;

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// A whole number and, behind it, one of the units; `expected` is for the error.
Result<uint64_t> parseQuantity(std::string_view text, std::span<const Unit> units,
                               std::string_view expected) {
  const Error error{.code = ErrorCode::kInvalidInput,
                    .message = fmt::format("'{}' is not {}", text, expected)};
  uint64_t number = 0;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) return error;
  std::string_view unit = text.substr(static_cast<size_t>(rest - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const Unit& known : units) {
    if (unit != known.name) continue;
    if (number > UINT64_MAX / known.factor) return error;
    return number * known.factor;
  }
  return error;
}

}  // namespace

Result<uint64_t> parseBytes(std::string_view text) {
  static constexpr Unit kUnits[] = {
      {"", 1}, {"B", 1}, {"KiB", kKiB}, {"MiB", kKiB * kKiB}, {"GiB", kKiB * kKiB * kKiB}};
  return parseQuantity(text, kUnits,
                       "a size; expected bytes, such as 33554432, 512KiB, 32MiB or 1GiB");
}

Result<uint64_t> parseMilliseconds(std::string_view text) {
  static constexpr Unit kUnits[] = {
      {"", 1}, {"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}};
  return parseQuantity(text, kUnits,
                       "a time; expected milliseconds, such as 250, 250ms, 2s, 5min or 1h");
}

Result<uint64_t> parseCount(std::string_view text) {
  static constexpr Unit kUnits[] = {{"", 1}};
  return parseQuantity(text, kUnits, "a whole number");
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
