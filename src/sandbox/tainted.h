// What came out of a sandbox: chosen by the guest, whatever the guest is supposed to be.
//
// A Tainted<T> is a copy in the host's memory, so the guest cannot change it any more, and that is
// all that is known of it. It converts to nothing, compares with nothing and indexes nothing; the
// ways out say what was done about it. Giving it back to the guest, or using it as an address that
// the sandbox checks, needs no way out.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace nexus::sandbox {

template <typename T>
class [[nodiscard]] Tainted {
 public:
  constexpr Tainted() = default;
  constexpr explicit Tainted(T value) : value_(std::move(value)) {}

  // Whether it is one that the host knows. Telling known values apart is no use of an unknown one.
  constexpr bool is(const T& known) const { return value_ == known; }

  // The value, when `check` accepts it.
  template <std::predicate<const T&> Check>
  constexpr std::optional<T> accept(Check&& check) const& {
    return std::forward<Check>(check)(std::as_const(value_)) ? std::optional<T>(value_)
                                                             : std::nullopt;
  }
  template <std::predicate<const T&> Check>
  constexpr std::optional<T> accept(Check&& check) && {
    return std::forward<Check>(check)(std::as_const(value_)) ? std::optional<T>(std::move(value_))
                                                             : std::nullopt;
  }
  constexpr std::optional<T> atMost(const T& limit) const {
    return accept([&limit](const T& value) { return value <= limit; });
  }

  // The result of a function that is right for every value there is (replaces, cuts, counts).
  template <typename Total>
  constexpr auto madeSafe(Total&& total) && {
    return std::forward<Total>(total)(std::move(value_));
  }

  // Something made of it, as little known as itself.
  template <typename Function>
  constexpr auto map(Function&& function) const {
    return Tainted<std::decay_t<decltype(function(value_))>>(
        std::forward<Function>(function)(value_));
  }
  template <typename U>
  constexpr Tainted<U> as() const {
    return map([](const T& value) { return static_cast<U>(value); });
  }

  // To whom it came from.
  constexpr const T& backToGuest() const { return value_; }

  // For what needs no check. `why` is for the reader, and for grep.
  constexpr const T& unchecked(const char* /*why*/) const { return value_; }

 private:
  T value_{};
};

}  // namespace nexus::sandbox
