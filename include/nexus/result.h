// Result<T>: a value or an Error. Reading the wrong half is a bug of the caller and aborts.
#pragma once

#include <cstdlib>
#include <utility>
#include <variant>

#include "nexus/error.h"

namespace nexus {

template <typename T>
class [[nodiscard]] Result {
 public:
  // Implicit, so that a function returns what it has.
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(T value) : outcome_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(Error error) : outcome_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return outcome_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return *checked<0>(); }
  const T& value() const& { return *const_cast<Result*>(this)->template checked<0>(); }
  T&& value() && { return std::move(*checked<0>()); }
  Error& error() & { return *checked<1>(); }
  const Error& error() const& { return *const_cast<Result*>(this)->template checked<1>(); }
  Error&& error() && { return std::move(*checked<1>()); }

  T* operator->() { return checked<0>(); }
  const T* operator->() const { return const_cast<Result*>(this)->template checked<0>(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

 private:
  template <std::size_t kIndex>
  auto* checked() {
    auto* half = std::get_if<kIndex>(&outcome_);
    if (half == nullptr) std::abort();
    return half;
  }

  std::variant<T, Error> outcome_;
};

// For operations that have nothing to return.
struct Done {};
using Status = Result<Done>;

}  // namespace nexus
