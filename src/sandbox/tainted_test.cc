// A tainted value cannot be used by mistake: what must not compile is asked of the compiler. And
// the ways out of it, which can.
#include "sandbox/tainted.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sandbox/engine.h"

namespace nexus::sandbox {
namespace {

using Number = Tainted<uint64_t>;
using Address = Tainted<uint32_t>;
using Text = Tainted<std::string>;

// --- what must not compile

// Questions to the compiler: how many of these uses there are for operands of certain types.
template <typename... Uses>
struct Questions {
  static constexpr size_t kAll = sizeof...(Uses);
  template <typename... Operands>
  static constexpr size_t allowed() {
    return (size_t{std::is_invocable_v<Uses, Operands&...>} + ...);
  }
};
template <typename... Uses>
constexpr Questions<Uses...> ask(Uses...) {
  return {};
}

constexpr auto kEqual = [](auto& a, auto& b) -> decltype(void(a == b)) {};
constexpr auto kUnequal = [](auto& a, auto& b) -> decltype(void(a != b)) {};
constexpr auto kLess = [](auto& a, auto& b) -> decltype(void(a < b)) {};
constexpr auto kGreater = [](auto& a, auto& b) -> decltype(void(a > b)) {};
constexpr auto kOrder = [](auto& a, auto& b) -> decltype(void(a <=> b)) {};
constexpr auto kAdd = [](auto& a, auto& b) -> decltype(void(a + b)) {};
constexpr auto kSubtract = [](auto& a, auto& b) -> decltype(void(a - b)) {};
constexpr auto kMultiply = [](auto& a, auto& b) -> decltype(void(a * b)) {};
constexpr auto kDivide = [](auto& a, auto& b) -> decltype(void(a / b)) {};
constexpr auto kRemainder = [](auto& a, auto& b) -> decltype(void(a % b)) {};
constexpr auto kAnd = [](auto& a, auto& b) -> decltype(void(a & b)) {};
constexpr auto kOr = [](auto& a, auto& b) -> decltype(void(a | b)) {};
constexpr auto kShiftLeft = [](auto& a, auto& b) -> decltype(void(a << b)) {};
constexpr auto kShiftRight = [](auto& a, auto& b) -> decltype(void(a >> b)) {};
constexpr auto kBoth = [](auto& a, auto& b) -> decltype(void(a && b)) {};
constexpr auto kAssign = [](auto& a, auto& b) -> decltype(void(a = b)) {};
constexpr auto kAddTo = [](auto& a, auto& b) -> decltype(void(a += b)) {};
constexpr auto kOfTwoNumbers =
    ask(kEqual, kUnequal, kLess, kGreater, kOrder, kAdd, kSubtract, kMultiply, kDivide, kRemainder,
        kAnd, kOr, kShiftLeft, kShiftRight, kBoth, kAssign, kAddTo);
constexpr auto kOfTwoTexts = ask(kEqual, kUnequal, kLess, kGreater, kOrder, kAdd, kAssign, kAddTo);

constexpr auto kDecide = [](auto& a) -> decltype(void(a ? 1 : 0)) {};
constexpr auto kNot = [](auto& a) -> decltype(void(!a)) {};
constexpr auto kNegate = [](auto& a) -> decltype(void(-a)) {};
constexpr auto kComplement = [](auto& a) -> decltype(void(~a)) {};
constexpr auto kIncrement = [](auto& a) -> decltype(void(++a)) {};
constexpr auto kDecrement = [](auto& a) -> decltype(void(a--)) {};
constexpr auto kToBool = [](auto& a) -> decltype(void(static_cast<bool>(a))) {};
constexpr auto kToInt = [](auto& a) -> decltype(void(static_cast<int32_t>(a))) {};
constexpr auto kToUint64 = [](auto& a) -> decltype(void(static_cast<uint64_t>(a))) {};
constexpr auto kToDouble = [](auto& a) -> decltype(void(static_cast<double>(a))) {};
constexpr auto kToPointer = [](auto& a) -> decltype(void(reinterpret_cast<void*>(a))) {};
constexpr auto kPrint = [](auto& a) -> decltype(void(std::declval<std::ostream&>() << a)) {};
constexpr auto kToText = [](auto& a) -> decltype(void(std::to_string(a))) {};
constexpr auto kOfArray = [](auto& a) -> decltype(void(std::declval<int*>()[a])) {};
constexpr auto kBehindPointer = [](auto& a) -> decltype(void(std::declval<int*>() + a)) {};
constexpr auto kOfVector = [](auto& a) -> decltype(void(std::vector<int>()[a])) {};
constexpr auto kAtOfVector = [](auto& a) -> decltype(void(std::vector<int>().at(a))) {};
constexpr auto kOfMap = [](auto& a) -> decltype(void(std::map<uint64_t, int>()[a])) {};
constexpr auto kFindInMap = [](auto& a) -> decltype(void(std::map<uint64_t, int>().find(a))) {};
constexpr auto kSizeOfVector = [](auto& a) -> decltype(void(std::vector<int>(a))) {};
constexpr auto kSizeOfArray = [](auto& a) -> decltype(void(new char[a])) {};
constexpr auto kSizeOfText = [](auto& a) -> decltype(void(std::string(a, 'x'))) {};
constexpr auto kPlaceInText = [](auto& a) -> decltype(void(std::string_view().substr(a))) {};
constexpr auto kOfNumber =
    ask(kDecide, kNot, kNegate, kComplement, kIncrement, kDecrement, kToBool, kToInt, kToUint64,
        kToDouble, kToPointer, kPrint, kToText, kOfArray, kBehindPointer, kOfVector, kAtOfVector,
        kOfMap, kFindInMap, kSizeOfVector, kSizeOfArray, kSizeOfText, kPlaceInText);

constexpr auto kSize = [](auto& a) -> decltype(void(a.size())) {};
constexpr auto kData = [](auto& a) -> decltype(void(a.data())) {};
constexpr auto kCharacter = [](auto& a) -> decltype(void(a[0])) {};
constexpr auto kEach = [](auto& a) -> decltype(void(a.begin())) {};
constexpr auto kToView = [](auto& a) -> decltype(void(std::string_view(a))) {};
constexpr auto kToString = [](auto& a) -> decltype(void(std::string(a))) {};
constexpr auto kToSpan = [](auto& a) -> decltype(void(std::span<const char>(a))) {};
constexpr auto kAppend = [](auto& a) -> decltype(void(std::string().append(a))) {};
constexpr auto kOfText =
    ask(kSize, kData, kCharacter, kEach, kToView, kToString, kToSpan, kAppend, kPrint);

template <typename T>
constexpr bool isUnusable() {
  using Of = Tainted<T>;
  return kOfNumber.template allowed<Of>() == 0 && kOfText.template allowed<Of>() == 0 &&
         kOfTwoNumbers.template allowed<Of, T>() == 0 &&
         kOfTwoNumbers.template allowed<T, Of>() == 0 &&
         kOfTwoNumbers.template allowed<Of, int>() == 0 &&
         kOfTwoNumbers.template allowed<int, Of>() == 0;
}
static_assert(isUnusable<uint64_t>());
static_assert(isUnusable<uint32_t>());
static_assert(isUnusable<int32_t>());
static_assert(isUnusable<bool>());
static_assert(isUnusable<std::string>());
// To its like it can be assigned, no more.
static_assert(kOfTwoNumbers.allowed<Number, Number>() == 1);
static_assert(kOfTwoTexts.allowed<Text, Text>() == 1);

// The questions are the right ones: the answers are different where nothing is tainted.
static_assert(kOfNumber.allowed<uint64_t>() == kOfNumber.kAll);
static_assert(kOfText.allowed<std::string>() == kOfText.kAll);
static_assert(kOfTwoNumbers.allowed<uint64_t, uint64_t>() == kOfTwoNumbers.kAll);
static_assert(kOfTwoTexts.allowed<std::string, std::string>() == kOfTwoTexts.kAll);

// No value becomes tainted unnoticed, and no tainted one another.
static_assert(!std::is_convertible_v<uint64_t, Number>);
static_assert(!std::is_convertible_v<std::string, Text>);
static_assert(!std::is_convertible_v<Address, Number> && !std::is_constructible_v<Number, Address>);
static_assert(!std::is_convertible_v<Number, Address> && !std::is_constructible_v<Address, Number>);

// Where a function wants what is known, a tainted value does not go.
constexpr auto kCopyFrom = [](auto& a) -> decltype(void(std::declval<Sandbox&>().copyOut(a, {}))) {
};
constexpr auto kPassToGuest =
    [](auto& a) -> decltype(void(std::declval<Sandbox&>().call(FunctionId{}, std::array{a}))) {};
constexpr auto kAnswerImport = [](auto& a) -> decltype(void(ImportResult{a})) {};
constexpr auto kOfSandbox = ask(kCopyFrom, kPassToGuest, kAnswerImport);
static_assert(kOfSandbox.allowed<uint64_t>() == kOfSandbox.kAll);
static_assert(kOfSandbox.allowed<Number>() == 0 && kOfSandbox.allowed<Address>() == 0);

// What a guest hands out is of such a type.
static_assert(std::is_same_v<decltype(CallResult::value), Number>);
static_assert(std::is_same_v<decltype(std::declval<Sandbox&>().global(GlobalId{})), Number>);

// A check is a predicate of the value, and cannot change it.
constexpr auto kCheck = [](auto& a) -> decltype(void(Number().accept(a))) {};
constexpr auto kCheckingFunction = ask(kCheck);
static_assert(kCheckingFunction.allowed<bool(uint64_t)>() == 1);
static_assert(kCheckingFunction.allowed<bool(const uint64_t&)>() == 1);
static_assert(kCheckingFunction.allowed<bool(uint64_t&)>() == 0);
static_assert(kCheckingFunction.allowed<void(uint64_t)>() == 0);
static_assert(kCheckingFunction.allowed<bool>() == 0);

// --- the ways out

TEST(TaintedTest, IsTellsAKnownValue) {
  EXPECT_TRUE(Number(7).is(7));
  EXPECT_FALSE(Number(7).is(8));
  EXPECT_TRUE(Text("a").is("a"));
  EXPECT_TRUE(Number().is(0));
}

TEST(TaintedTest, AcceptGivesWhatTheCheckAccepts) {
  const auto isEven = [](uint64_t value) { return value % 2 == 0; };
  EXPECT_EQ(Number(4).accept(isEven), uint64_t{4});
  EXPECT_EQ(Number(5).accept(isEven), std::nullopt);
}

TEST(TaintedTest, AcceptMovesOutOfWhatIsGivenUp) {
  std::string text(100, 'x');
  const char* const place = text.data();
  Text tainted(std::move(text));
  const auto copy = tainted.accept([](const std::string&) { return true; });
  const auto moved = std::move(tainted).accept([](const std::string&) { return true; });
  ASSERT_TRUE(copy && moved);
  EXPECT_NE(copy->data(), place);
  EXPECT_EQ(moved->data(), place);
  EXPECT_EQ(Text("no").accept([](const std::string&) { return false; }), std::nullopt);
}

TEST(TaintedTest, AtMostIncludesTheLimit) {
  EXPECT_EQ(Address(10).atMost(10), uint32_t{10});
  EXPECT_EQ(Address(11).atMost(10), std::nullopt);
  EXPECT_EQ(Address(0).atMost(0), uint32_t{0});
  EXPECT_EQ(Number(UINT64_MAX).atMost(UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(Number(uint64_t{1} << 32).atMost(UINT32_MAX), std::nullopt);
  EXPECT_EQ(Tainted<int32_t>(-1).atMost(0), -1);
}

TEST(TaintedTest, MapGivesSomethingAsTainted) {
  const auto doubled = Number(21).map([](uint64_t value) { return value * 2; });
  static_assert(std::is_same_v<decltype(doubled), const Number>);
  EXPECT_TRUE(doubled.is(42));
  const auto length = Text("four").map([](const std::string& text) { return text.size(); });
  static_assert(std::is_same_v<decltype(length), const Tainted<size_t>>);
  EXPECT_TRUE(length.is(4));
}

TEST(TaintedTest, AsCutsLikeAStaticCast) {
  EXPECT_TRUE(Number(0x1'2345'6789).as<uint32_t>().is(0x2345'6789));
  EXPECT_TRUE(Number(0xFFFF'FFFF).as<int32_t>().is(-1));
  EXPECT_TRUE(Address(0xFFFF'FFFF).as<uint64_t>().is(0xFFFF'FFFF));
  static_assert(std::is_same_v<decltype(Number().as<uint32_t>()), Address>);
}

TEST(TaintedTest, MadeSafeGivesWhatATotalFunctionMakes) {
  const auto length = Text("four").madeSafe([](const std::string& text) { return text.size(); });
  EXPECT_EQ(length, 4u);
  EXPECT_EQ(Text("abc").madeSafe([](std::string text) { return text.substr(0, 1); }), "a");
}

TEST(TaintedTest, WhatGoesBackIsWhatCame) {
  EXPECT_EQ(Number(0xDEAD'BEEF).backToGuest(), 0xDEAD'BEEFu);
  EXPECT_EQ(Number(3).unchecked("a test"), 3u);
  const Text text("x");
  EXPECT_EQ(&text.backToGuest(), &text.unchecked("a test"));
}

// Checks may run while the host compiles, too.
static_assert(Number(3).atMost(4) == uint64_t{3});
static_assert(!Number(5).atMost(4));
static_assert(Number(5).as<uint32_t>().is(5));

}  // namespace
}  // namespace nexus::sandbox
