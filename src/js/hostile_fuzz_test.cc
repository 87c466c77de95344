// Attacks by chance: programs for the hostile guest, made of what the tables of the other tests
// try one by one. The seeds are fixed, so a failure can be repeated; it names its seed.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "js/testing/hostile_guest.h"

namespace nexus::js {
namespace {

using testing::Attack;
using testing::BoxedAt;
using testing::ClaimedText;
using testing::EngineTest;
using testing::GuestExport;
using testing::GuestImport;
using testing::GuestValue;
using testing::HostileRig;
using testing::kArenaAt;
using testing::kArenaEnd;
using testing::kGuestExports;
using testing::kHostileMemoryBytes;
using testing::Program;
using testing::Turn;
using How = Turn::How;

class HostileFuzzTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, HostileFuzzTest, testing::kEveryEngine, testing::engineName);

class Generator {
 public:
  Generator(uint64_t seed, const Anchors& anchors) : random_(seed), anchors_(anchors) {}

  Program program() {
    Program program;
    offsets_ = {0};
    const uint64_t instructions = 1 + below(12);
    for (uint64_t i = 0; i < instructions; ++i) {
      addInstruction(program);
      offsets_.push_back(program.size());
    }
    return program;
  }

  uint64_t below(uint64_t bound) { return random_() % bound; }

 private:
  template <typename T, size_t kSize>
  const T& oneOf(const T (&list)[kSize]) {
    return list[below(kSize)];
  }

  uint32_t address() {
    const uint32_t places[] = {
        0,
        4096,   // what the guest itself keeps
        4608,   // how its exports behave
        16384,  // its program
        kArenaAt,
        kArenaEnd,
        anchors_.context,
        anchors_.context + 280,
        anchors_.runtime,
        anchors_.scratch,
        anchors_.scratch + kOutParameterAt,
        anchors_.transfer,
        kHostileMemoryBytes,
        0x7FFF'FFFF,
        0xFFFF'FFFF,
    };
    if (below(8) == 0) return static_cast<uint32_t>(random_());
    return oneOf(places) + static_cast<uint32_t>(below(17)) - 8;
  }

  uint32_t length() {
    constexpr uint32_t kLengths[] = {
        0, 1, 2, 7, 64, 4096, 4097, 65536, 65537, kHostileMemoryBytes, 0x7FFF'FFFF, 0xFFFF'FFFF};
    return below(4) == 0 ? static_cast<uint32_t>(below(300)) : oneOf(kLengths);
  }

  uint64_t value() {
    constexpr uint64_t kValues[] = {0,
                                    1,
                                    kTrueValue,
                                    kFalseValue,
                                    kUndefinedValue,
                                    kExceptionValue,
                                    makeValue(Tag::kNull, 0),
                                    UINT64_MAX,
                                    uint64_t{1} << 63};
    switch (below(4)) {
      case 0:
        return random_();
      case 1:
        return testing::stringAt(address());
      case 2:
        return makeValue(static_cast<Tag>(static_cast<int>(below(16)) - 8), address());
      default:
        return oneOf(kValues);
    }
  }

  GuestValue argument() {
    constexpr std::string_view kTexts[] = {
        "seen", "hidden", "mine", "derived", "ping", "focus", "panel",    "svc",
        "get",  "{}",     "[]",   "1",       "",     "\xFF",  "{\"a\":1", "\"\\ud800\""};
    switch (below(8)) {
      case 0:
        return value();
      case 1:
        return ClaimedText{address(), length()};
      case 2:
        return BoxedAt{address()};
      default:
        return oneOf(kTexts);
    }
  }

  // Mostly one that is meant well, but for one argument.
  void addOperation(Program& program) {
    const auto number = static_cast<HostOperation>(below(kHostOperations.size()));
    std::vector<GuestValue> args = testing::wellMeantArguments(number);
    if (!args.empty() && below(3) != 0) args[below(args.size())] = argument();
    program.operation(number, args);
  }

  void addTurn(Program& program) {
    Turn turn{.how = How::kLie,
              .value = value(),
              .out = below(2) == 0 ? length() : address(),
              .after = static_cast<uint32_t>(below(4))};
    if (below(4) == 0) {
      turn.how = How::kPerform;
      turn.value = below(4) == 0 ? below(400) : offsets_[below(offsets_.size())];
    } else if (below(8) == 0) {
      constexpr How kEnds[] = {How::kGiveUp,         How::kRecurse,         How::kHoardAndLie,
                               How::kHoardAndGiveUp, How::kReadOutOfBounds, How::kDivideByZero};
      turn.how = below(8) == 0 ? How::kSpin : oneOf(kEnds);
    }
    program.turn(static_cast<GuestExport>(below(kGuestExports)), turn);
  }

  void addInstruction(Program& program) {
    switch (below(16)) {
      case 0:
        program.import(static_cast<GuestImport>(below(12)),
                       {address(), length(), address(), length(), address()});
        break;
      case 1:
        program.store(address() % kHostileMemoryBytes, value());
        break;
      case 2:
        program.fill(address() % kHostileMemoryBytes, static_cast<uint32_t>(below(5000)),
                     static_cast<uint8_t>(random_()));
        break;
      case 3:
        program.outcome(value());
        break;
      case 4:
        program.outcomeText(argument());
        break;
      case 5:
        addRareInstruction(program);
        break;
      case 6:
      case 7:
      case 8:
        addTurn(program);
        break;
      default:
        addOperation(program);
    }
  }

  void addRareInstruction(Program& program) {
    switch (below(8)) {
      case 0:
        program.grow(static_cast<uint32_t>(below(70)));
        break;
      case 1:
        program.stackPointer(address());
        break;
      case 2:
        program.repeat(offsets_[below(offsets_.size())], static_cast<uint32_t>(below(200)) + 1);
        break;
      case 3:
        program.hostCall(below(6), address());
        break;
      default:
        addBytes(program);
    }
  }

  void addBytes(Program& program) {
    std::string bytes(below(40), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    program.raw(bytes);
  }

  std::mt19937_64 random_;
  const Anchors& anchors_;
  std::vector<uint32_t> offsets_;  // where instructions of the present program begin
};

Attack attack(HostileRig& rig, Generator& generator) {
  const Rights& rights =
      generator.below(2) == 0 ? HostileRig::everyRight() : HostileRig::fewRights();
  const Program program = generator.program();
  switch (generator.below(10)) {
    case 0:
      return rig.compile(program);
    case 1:
      return rig.load(program);
    case 2:
    case 3: {
      Program first = testing::suspending();
      return rig.resume(first.raw(program.bytes()), generator.program(), rights);
    }
    default:
      return rig.invoke(program, rights);
  }
}

TEST_P(HostileFuzzTest, RandomPrograms) {
  constexpr uint64_t kPrograms = 4000 / testing::kCountDivisor;
  HostileRig rig(GetParam(), testing::impatientConfig());
  for (uint64_t seed = 0; seed < kPrograms; ++seed) {
    Generator generator(seed, rig.engine().base().anchors);
    const Attack result = attack(rig, generator);
    ASSERT_EQ(result.breach, "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace nexus::js
