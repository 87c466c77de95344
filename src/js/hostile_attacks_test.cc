// Attacks of more than one step: a guest that calls back while the host is in the middle of
// something, that asks for what other calls left behind, that makes the host hold or do more than
// it counts.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "js/testing/host_memory.h"
#include "js/testing/hostile_guest.h"

namespace nexus::js {
namespace {

using std::string_view_literals::operator""sv;
using testing::Attack;
using testing::BoxedAt;
using testing::ClaimedText;
using testing::EngineTest;
using testing::GuestExport;
using testing::GuestImport;
using testing::GuestValue;
using testing::HostileRig;
using testing::kArenaEnd;
using testing::kBoxedAt;
using testing::outcomeOf;
using testing::Program;
using testing::Turn;
using How = Turn::How;

class HostileAttacksTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, HostileAttacksTest, testing::kEveryEngine, testing::engineName);

// A long text of digits, which is JSON, too, at the end of what programs may use.
constexpr uint32_t kDigits = 40'000;
constexpr ClaimedText kLongText{kArenaEnd - kDigits, kDigits};
void layLongText(Program& program) { program.fill(kLongText.at, kLongText.length, '1'); }

// `main`, and behind it what it may let an export perform; offsets are those of the parts.
using Part = std::function<void(Program&, const std::vector<uint32_t>& offsets)>;
Program assemble(const std::vector<Part>& parts) {
  std::vector<uint32_t> offsets(parts.size());
  Program program;
  // Sizes do not depend on offsets, so the second time they are right.
  for (int pass = 0; pass < 2; ++pass) {
    program = Program();
    for (size_t i = 0; i < parts.size(); ++i) {
      offsets[i] = program.size();
      parts[i](program, offsets);
      program.end();
    }
  }
  return program;
}

// --- operations within operations

// Each would take as much as all of them may.
TEST_P(HostileAttacksTest, LogLinesWithinLogLines) {
  HostileRig rig(GetParam());
  const auto limit = static_cast<uint32_t>(rig.engine().config().maxLogBytes);
  const ClaimedText text{kLongText.at, limit};
  const auto line = [text](size_t inner) {
    return [text, inner](Program& program, const std::vector<uint32_t>& offsets) {
      const bool isInnermost = inner == offsets.size();
      program.turn(GuestExport::kToText, {.how = isInnermost ? How::kBehave : How::kPerform,
                                          .value = isInnermost ? 0 : offsets[inner]});
      program.operation(HostOperation::kLog, {intValue(1), text});
    };
  };
  const Attack attack = rig.invoke(assemble({line(1), line(2), line(3)}));
  EXPECT_EQ(attack.breach, "");
  ASSERT_TRUE(attack.result.error);
  EXPECT_EQ(attack.result.error->code, ErrorCode::kInternalError);
}

// While one operation holds a long name, the next one takes another, as deep as the stack goes.
TEST_P(HostileAttacksTest, NamesWithinNames) {
  RuntimeConfig config = testing::hostileConfig();
  config.maxHostCalls = 10'000;
  config.stackSizeBytes = 256 << 10;
  HostileRig rig(GetParam(), config);
  for (const HostOperation number :
       {HostOperation::kSet, HostOperation::kEmit, HostOperation::kRequest}) {
    const auto again = [number](Program& program, const std::vector<uint32_t>& offsets) {
      program.turn(GuestExport::kToText, {.how = How::kPerform, .value = offsets[0], .after = 1});
      std::vector<GuestValue> args(kHostOperations[static_cast<size_t>(number)].arguments,
                                   kLongText);
      program.operation(number, args);
    };
    const Attack attack = rig.invoke(assemble({again}));
    EXPECT_EQ(attack.breach, "");
    ASSERT_TRUE(attack.result.error);
  }
}

// Every export that an operation calls, with every operation within.
TEST_P(HostileAttacksTest, OperationsDoNotNest) {
  HostileRig rig(GetParam());
  const auto inner = [](Program& program, const std::vector<uint32_t>&) {
    program.operation(HostOperation::kEmit, {"ping"sv, "1"sv});
  };
  const struct {
    GuestExport within;
    HostOperation outer;
    std::vector<GuestValue> args;
  } rows[] = {
      {GuestExport::kToText, HostOperation::kSet, {"mine"sv, "1"sv}},
      {GuestExport::kFreeText, HostOperation::kSet, {"mine"sv, "1"sv}},
      {GuestExport::kMalloc, HostOperation::kSet, {"mine"sv, "1"sv}},
      {GuestExport::kParseJson, HostOperation::kRead, {"seen"sv}},
      {GuestExport::kNewString, HostOperation::kWhy, {}},
      {GuestExport::kDupValue, HostOperation::kRead, {"hidden"sv}},
  };
  for (const auto& row : rows) {
    const auto outer = [&row](Program& program, const std::vector<uint32_t>& offsets) {
      program.turn(row.within, {.how = How::kPerform, .value = offsets[1]});
      program.operation(row.outer, row.args);
    };
    const Attack attack = rig.invoke(assemble({outer, inner}));
    EXPECT_EQ(attack.breach, "");
    EXPECT_EQ(outcomeOf(attack.result).substr(0, 14), "INTERNAL_ERROR")
        << static_cast<int>(row.within);
  }
}

// Other imports may be called from within: the engine polls while it copies a text.
TEST_P(HostileAttacksTest, OtherImportsMayBeCalledFromWithin) {
  HostileRig rig(GetParam());
  const auto outer = [](Program& program, const std::vector<uint32_t>& offsets) {
    program.turn(GuestExport::kToText, {.how = How::kPerform, .value = offsets[1]});
    program.operation(HostOperation::kSet, {"mine"sv, "1"sv});
  };
  const auto inner = [](Program& program, const std::vector<uint32_t>&) {
    program.import(GuestImport::kInterrupt, {}).import(GuestImport::kClock, {0, 0, kArenaEnd - 8});
  };
  const Attack attack = rig.invoke(assemble({outer, inner}));
  EXPECT_EQ(attack.breach, "");
  EXPECT_EQ(attack.result.stateMutations.size(), 1u) << outcomeOf(attack.result);
}

// The value is taken last, and what is recorded while it is taken counts with it.
TEST_P(HostileAttacksTest, TheValueCountsWithWhatIsHeldWhileItIsTaken) {
  HostileRig rig(GetParam());
  const auto main = [](Program& program, const std::vector<uint32_t>& offsets) {
    layLongText(program);
    program.outcomeText(kLongText).turn(GuestExport::kToText,
                                        {.how = How::kPerform, .value = offsets[1]});
  };
  const auto within = [](Program& program, const std::vector<uint32_t>&) {
    program.turn(GuestExport::kToText, {.how = How::kBehave});
    program.operation(HostOperation::kEmit, {"ping"sv, kLongText});
  };
  const Attack attack = rig.invoke(assemble({main, within}));
  EXPECT_EQ(attack.breach, "");
  ASSERT_TRUE(attack.result.error && attack.result.error->limit) << attack.result.events.size();
  EXPECT_EQ(attack.result.error->code, ErrorCode::kResourceLimit);
  EXPECT_EQ(attack.result.error->limit->name, "max_output_bytes");
  EXPECT_EQ(attack.result.error->limit->observed, 2 * kDigits + "ping"sv.size());
}

// --- what is left behind

// The reason of a refusal names keys: it is for the call that was refused.
TEST_P(HostileAttacksTest, WhyIsNotToldToTheNextCall) {
  HostileRig rig(GetParam());
  Program asking;
  asking.operation(HostOperation::kWhy, {})
      .operation(HostOperation::kLog, {intValue(1), BoxedAt{kBoxedAt}});
  Program refused;
  refused.operation(HostOperation::kRead, {"hidden"sv}).raw(asking.bytes());
  const Attack first = rig.invoke(refused);
  ASSERT_EQ(first.result.log.size(), 1u) << outcomeOf(first.result);
  EXPECT_NE(first.result.log[0].message.find("hidden"), std::string::npos);
  const Attack second = rig.invoke(asking);
  ASSERT_EQ(second.result.log.size(), 1u) << outcomeOf(second.result);
  EXPECT_EQ(second.result.log[0].message, "");
}

TEST_P(HostileAttacksTest, RestoringLetsGoOfWhatACallHeld) {
  HostileRig rig(GetParam());
  const auto holding = [] {
    Program program;
    layLongText(program);
    return program.operation(HostOperation::kEmit, {"ping"sv, kLongText});
  };
  (void)rig.invoke(Program());
  const uint64_t before = testing::hostBytes();
  for (const Program& program : {holding(), holding().giveUp(), holding().recurse()}) {
    const std::string args = program.json();
    (void)rig.sandbox().invoke(rig.handler(), rig.input(args, HostileRig::everyRight()));
    EXPECT_TRUE(rig.sandbox().restore());
  }
  EXPECT_LT(testing::hostBytes(), before + kDigits / 2);
}

// --- what the host makes of long texts

// Three texts of one operation, each as long as all of them may be.
TEST_P(HostileAttacksTest, TextsOfOneOperationShareItsRoom) {
  RuntimeConfig config = testing::hostileConfig();
  config.maxOutputBytes = 512 << 10;
  HostileRig rig(GetParam(), config);
  const auto length = static_cast<uint32_t>(config.maxOutputBytes - 100);
  const ClaimedText text{testing::kHostileMemoryBytes - length, length};
  Program program;
  program.fill(text.at, text.length, '1').operation(HostOperation::kRequest, {text, text, text});
  const testing::HostBytesPeak peak;
  const Attack attack = rig.invoke(program);
  EXPECT_LT(peak.grown(), config.maxOutputBytes + 100'000);
  EXPECT_EQ(attack.breach, "");
  ASSERT_TRUE(attack.result.error && attack.result.error->limit) << outcomeOf(attack.result);
  EXPECT_EQ(attack.result.error->limit->name, "max_output_bytes");
  EXPECT_EQ(attack.result.error->limit->observed, uint64_t{2} * text.length);
}

TEST_P(HostileAttacksTest, LongNamesAreCutInRefusals) {
  HostileRig rig(GetParam());
  // Quoted, each of these is six characters.
  const ClaimedText name{kLongText.at, kDigits};
  const struct {
    HostOperation number;
    std::vector<GuestValue> args;
  } rows[] = {
      {HostOperation::kRead, {name}},
      {HostOperation::kSet, {name, "1"sv}},
      {HostOperation::kEmit, {name, "1"sv}},
      {HostOperation::kView, {"focus"sv, name, "{}"sv}},
      {HostOperation::kRequest, {name, "get"sv, "[]"sv}},
      {HostOperation::kRequest, {"svc"sv, name, "[]"sv}},
  };
  for (const auto& row : rows) {
    Program program;
    program.fill(name.at, name.length, 1)
        .operation(row.number, row.args)
        .operation(HostOperation::kWhy, {})
        .operation(HostOperation::kLog, {intValue(1), BoxedAt{kBoxedAt}});
    const Attack attack = rig.invoke(program, HostileRig::fewRights());
    EXPECT_EQ(attack.breach, "");
    ASSERT_EQ(attack.result.log.size(), 1u) << outcomeOf(attack.result);
    EXPECT_LT(attack.result.log[0].message.size(), 4096u);
    EXPECT_NE(attack.result.log[0].message.find("capability"), std::string::npos);
  }
}

// The call keeps the texts of its first refusals.
TEST_P(HostileAttacksTest, ManyRefusalsOfLongNames) {
  HostileRig rig(GetParam());
  Program program;
  program.fill(kLongText.at, kLongText.length, 1);
  const uint32_t first = program.size();
  program.operation(HostOperation::kRead, {kLongText}).repeat(first, 100);
  const testing::HostBytesPeak peak;
  const Attack attack = rig.invoke(program);
  EXPECT_LT(peak.grown(), 4 * kDigits);
  EXPECT_EQ(attack.breach, "");
  EXPECT_TRUE(attack.result.ok()) << outcomeOf(attack.result);
}

}  // namespace
}  // namespace nexus::js
