// Exports of the hostile guest that return garbage, trap, hang or hoard: whichever of them, at
// every stage of a handler's life. The call ends with the error that fits or with a result that is
// right, and the next call is right.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "js/testing/hostile_guest.h"

namespace nexus::js {
namespace {

using std::string_view_literals::operator""sv;
using testing::Attack;
using testing::EngineTest;
using testing::GuestExport;
using testing::HostileRig;
using testing::kArenaAt;
using testing::kGuestExports;
using testing::kHostileMemoryBytes;
using testing::outcomeOf;
using testing::Program;
using testing::Turn;
using How = Turn::How;

class HostileExportsTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, HostileExportsTest, testing::kEveryEngine, testing::engineName);

constexpr Tag kTags[] = {Tag::kString, Tag::kObject,    Tag::kInt,       Tag::kBool,
                         Tag::kNull,   Tag::kUndefined, Tag::kException, static_cast<Tag>(99)};

std::vector<uint64_t> makeLies() {
  std::vector<uint64_t> lies = {
      0,
      1,
      2,
      kHostileMemoryBytes - 1,
      kHostileMemoryBytes,
      kHostileMemoryBytes + 1,
      0x7FFF'FFFF,
      0x8000'0000,
      0xFFFF'FFFF,
      uint64_t{1} << 32,
      uint64_t{1} << 63,
      UINT64_MAX,
      0x7FF8'0000'0000'0000,
      0xD1B5'4A32'D192'ED03,
  };
  for (const Tag tag : kTags) {
    for (const uint32_t payload : {1u, kHostileMemoryBytes - 4, UINT32_MAX}) {
      lies.push_back(makeValue(tag, payload));
    }
  }
  return lies;
}

// What comes back beside a result: lengths, mostly.
constexpr uint32_t kOuts[] = {0,
                              1,
                              kHostileMemoryBytes - kArenaAt,
                              kHostileMemoryBytes,
                              kHostileMemoryBytes + 1,
                              0x7FFFFFFF,
                              0x8000'0000,
                              0xFFFF'FFFF};

bool hasOutParameter(GuestExport which) {
  return which == GuestExport::kWriteObject || which == GuestExport::kToText ||
         which == GuestExport::kExecutePendingJob;
}

// Where in a handler's life a guest turns on its host.
enum class Stage { kCompile, kLoad, kInvoke, kResume, kSuspended };
constexpr Stage kStages[] = {Stage::kCompile, Stage::kLoad, Stage::kInvoke, Stage::kResume,
                             Stage::kSuspended};

const char* nameOf(Stage stage) {
  constexpr const char* kNames[] = {"compile", "load", "invoke", "resume", "suspended"};
  return kNames[static_cast<size_t>(stage)];
}

Attack attackAt(Stage stage, HostileRig& rig, const Program& program) {
  switch (stage) {
    case Stage::kCompile:
      return rig.compile(program);
    case Stage::kLoad:
      return rig.load(program);
    case Stage::kInvoke:
      return rig.invoke(program);
    case Stage::kResume:
      return rig.resume(testing::suspending(), program);
    case Stage::kSuspended:
      break;
  }
  // Turned in the call, with effect on the resume.
  Program first = testing::suspending();
  return rig.resume(first.raw(program.bytes()), Program().outcome(kTrueValue));
}

// Uses an operation of each kind, so that the host calls all it ever calls.
void useOperations(Program& program) {
  program.operation(HostOperation::kLog, {intValue(1), "log"sv})
      .operation(HostOperation::kRead, {"seen"sv})
      .operation(HostOperation::kRead, {"hidden"sv})
      .operation(HostOperation::kWhy, {})
      .operation(HostOperation::kMayWrite, {"mine"sv})
      .operation(HostOperation::kSet, {"mine"sv, "1"sv});
}

void lieAt(Stage stage, GuestExport which, HostileRig& rig) {
  static const std::vector<uint64_t> kLies = makeLies();
  for (const uint64_t lie : kLies) {
    for (const uint32_t out : kOuts) {
      for (const uint32_t after : {0u, 1u, 3u}) {
        Program program;
        program.turn(which, {.how = How::kLie, .value = lie, .out = out, .after = after});
        if (stage == Stage::kInvoke || stage == Stage::kResume) useOperations(program);
        if (stage == Stage::kResume) program.outcomeText("[1]"sv);
        const Attack attack = attackAt(stage, rig, program);
        EXPECT_EQ(attack.breach, "")
            << nameOf(stage) << static_cast<int>(which) << ' ' << lie << ' ' << out << ' ' << after;
      }
      if (!hasOutParameter(which)) break;
    }
  }
}

TEST_P(HostileExportsTest, Lies) {
  // JS_ExecutePendingJob may say for ever that it has done one.
  HostileRig rig(GetParam(), testing::impatientConfig());
  for (const Stage stage : kStages) {
    for (size_t i = 0; i < kGuestExports; ++i) {
      const auto which = static_cast<GuestExport>(i);
      if (which != GuestExport::kExecutePendingJob) lieAt(stage, which, rig);
    }
  }
}

TEST_P(HostileExportsTest, JobsWithoutEnd) {
  HostileRig rig(GetParam());
  HostileRig impatient(GetParam(), testing::impatientConfig());
  for (const Stage stage : {Stage::kInvoke, Stage::kResume, Stage::kSuspended}) {
    const auto attack = [stage](HostileRig& attacked, uint64_t jobs) {
      Program program;
      // What suspends the call looks for jobs, too.
      const uint32_t after = stage == Stage::kSuspended ? 1 : 0;
      program.turn(GuestExport::kExecutePendingJob,
                   {.value = jobs, .out = UINT32_MAX, .after = after});
      return attackAt(stage, attacked, program);
    };
    for (const uint64_t jobs : {1u, 2u, 0x7FFF'FFFFu}) {
      const Attack endless = attack(impatient, jobs);
      EXPECT_EQ(endless.breach, "") << nameOf(stage) << jobs;
      ASSERT_TRUE(endless.result.error) << nameOf(stage) << jobs;
      EXPECT_EQ(endless.result.error->code, ErrorCode::kTimeout) << nameOf(stage) << jobs;
    }
    for (const uint64_t jobs : {0x8000'0000u, 0xFFFF'FFFFu}) {
      const Attack thrown = attack(rig, jobs);
      EXPECT_EQ(thrown.breach, "") << nameOf(stage) << jobs;
      EXPECT_EQ(outcomeOf(thrown.result), "EXECUTION_ERROR: no") << nameOf(stage) << jobs;
    }
  }
}

struct End {
  How how;
  ErrorCode code;
};
constexpr End kEnds[] = {
    {How::kGiveUp, ErrorCode::kInternalError},
    {How::kSpin, ErrorCode::kTimeout},
    {How::kRecurse, ErrorCode::kStackOverflow},
    {How::kHoardAndGiveUp, ErrorCode::kMemoryLimit},
    {How::kReadOutOfBounds, ErrorCode::kInternalError},
    {How::kDivideByZero, ErrorCode::kInternalError},
};

// Each export that is called ends the call in its way; at least these are called.
bool isCalledAt(Stage stage, GuestExport which) {
  switch (which) {
    case GuestExport::kCall:
      return true;
    case GuestExport::kEvalFunction:
      return stage == Stage::kCompile || stage == Stage::kLoad;
    case GuestExport::kWriteObject:
    case GuestExport::kNewString:
      return stage == Stage::kCompile;
    case GuestExport::kToText:
    case GuestExport::kFreeText:
      return stage == Stage::kInvoke || stage == Stage::kResume;
    case GuestExport::kMalloc:
    case GuestExport::kDupValue:
      return stage == Stage::kInvoke;
    case GuestExport::kParseJson:
      return stage == Stage::kSuspended;
    case GuestExport::kExecutePendingJob:
      return stage != Stage::kCompile;
    default:
      return false;
  }
}

TEST_P(HostileExportsTest, TrapsLoopsAndHoarding) {
  HostileRig patient(GetParam());
  HostileRig impatient(GetParam(), testing::impatientConfig());
  for (const Stage stage : kStages) {
    for (size_t i = 0; i < kGuestExports; ++i) {
      const auto which = static_cast<GuestExport>(i);
      for (const End& end : kEnds) {
        Program program;
        program.turn(which, {.how = end.how});
        if (stage == Stage::kInvoke) useOperations(program);
        if (stage == Stage::kInvoke || stage == Stage::kResume) program.outcomeText("[1]"sv);
        HostileRig& rig = end.code == ErrorCode::kTimeout ? impatient : patient;
        const Attack attack = attackAt(stage, rig, program);
        EXPECT_EQ(attack.breach, "") << nameOf(stage) << i << static_cast<int>(end.how);
        if (attack.result.error) {
          EXPECT_EQ(attack.result.error->code, end.code)
              << nameOf(stage) << i << outcomeOf(attack.result);
        } else {
          EXPECT_FALSE(isCalledAt(stage, which)) << nameOf(stage) << i << static_cast<int>(end.how);
        }
      }
    }
  }
}

// A guest that has used up its memory may say what it likes about it.
TEST_P(HostileExportsTest, HoardingAndLying) {
  HostileRig rig(GetParam());
  for (const Stage stage : kStages) {
    for (size_t i = 0; i < kGuestExports; ++i) {
      for (const uint64_t lie : {uint64_t{0}, kExceptionValue, kUndefinedValue, UINT64_MAX}) {
        Program program;
        program.turn(static_cast<GuestExport>(i), {.how = How::kHoardAndLie, .value = lie});
        EXPECT_EQ(attackAt(stage, rig, program).breach, "") << nameOf(stage) << i << ' ' << lie;
      }
    }
  }
}

TEST_P(HostileExportsTest, ProgramsThatEndTheCallAtOnce) {
  HostileRig patient(GetParam());
  HostileRig impatient(GetParam(), testing::impatientConfig());
  for (const Stage stage : {Stage::kCompile, Stage::kLoad, Stage::kInvoke, Stage::kResume}) {
    const std::pair<Program, ErrorCode> rows[] = {
        {Program().giveUp(), ErrorCode::kInternalError},
        {Program().spin(), ErrorCode::kTimeout},
        {Program().recurse(), ErrorCode::kStackOverflow},
        {Program().store(UINT32_MAX - 3, 1), ErrorCode::kInternalError},
        {Program().stackPointer(UINT32_MAX).store(UINT32_MAX, 1), ErrorCode::kStackOverflow},
        {Program().grow(65536).giveUp(), ErrorCode::kMemoryLimit},
    };
    for (const auto& [program, code] : rows) {
      HostileRig& rig = code == ErrorCode::kTimeout ? impatient : patient;
      const Attack attack = attackAt(stage, rig, program);
      EXPECT_EQ(attack.breach, "") << nameOf(stage);
      ASSERT_TRUE(attack.result.error) << nameOf(stage) << toString(code);
      EXPECT_EQ(attack.result.error->code, code) << nameOf(stage) << outcomeOf(attack.result);
    }
  }
}

// Memory that the host reads or that says how the next call is to run, spoiled as a whole.
TEST_P(HostileExportsTest, SpoiledMemory) {
  HostileRig rig(GetParam(), testing::impatientConfig());
  const Anchors& anchors = rig.engine().base().anchors;
  const std::pair<uint32_t, uint32_t> ranges[] = {
      {anchors.scratch, kScratchBytes},
      {anchors.transfer, kTransferBytes},
      {anchors.context, 512},
      {anchors.runtime, 64},
      {anchors.fileName, 16},
      {0, 4096},
      {0, 16384},
      {testing::kArenaEnd, kHostileMemoryBytes - testing::kArenaEnd},
      {kArenaAt, kHostileMemoryBytes - kArenaAt},
      {0, kHostileMemoryBytes},
  };
  for (const Stage stage : kStages) {
    for (const auto& [at, length] : ranges) {
      for (const uint8_t byte :
           {uint8_t{0}, uint8_t{0x01}, uint8_t{0x40}, uint8_t{0x80}, uint8_t{0xFF}}) {
        for (const uint32_t pages : {0u, 1u, 64u}) {
          Program program;
          program.stackPointer(byte * 0x0101'0101u).grow(pages).fill(at, length, byte);
          EXPECT_EQ(attackAt(stage, rig, program).breach, "")
              << nameOf(stage) << at << ' ' << length << ' ' << int{byte};
        }
      }
    }
  }
}

// --- what `run` and `poll` may say

TEST_P(HostileExportsTest, OutcomesOfEveryKind) {
  HostileRig rig(GetParam());
  for (const uint64_t outcome : makeLies()) {
    for (const bool hasRequest : {false, true}) {
      Program program = hasRequest ? testing::suspending() : Program();
      program.outcome(outcome);
      EXPECT_EQ(rig.invoke(program).breach, "") << outcome;
      EXPECT_EQ(rig.resume(testing::suspending(), Program().outcome(outcome)).breach, "")
          << outcome;
    }
  }
}

TEST_P(HostileExportsTest, ResultsThatAreNotJson) {
  HostileRig rig(GetParam());
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("1 2"), std::string("\"\xFF\""),
        std::string("null\0", 5), std::string(5000, '['), std::string("\xEF\xBB\xBF{}")}) {
    Program program;
    const Attack attack = rig.invoke(program.outcomeText(std::string_view(text)));
    EXPECT_EQ(attack.breach, "");
    ASSERT_TRUE(attack.result.error) << text;
    EXPECT_EQ(attack.result.error->code, ErrorCode::kExecutionError) << text;
  }
}

// The text of an error, and where in the source it claims to be from.
TEST_P(HostileExportsTest, Reports) {
  HostileRig rig(GetParam());
  const std::string million(40'000, 'x');
  for (const std::string& report : {
           std::string(),
           std::string("{}"),
           std::string("null"),
           std::string("[]"),
           std::string("{\"message\":1,\"name\":[],\"stack\":{}}"),
           std::string("{\"message\":\"\xFF\xC0\"}"),
           std::string(30000, '['),
           "{\"message\":\"" + million + "\"}",
           "{\"name\":\"" + million + "\"}",
           std::string("{\"denial\":0,\"message\":\"m\"}"),
           std::string("{\"denial\":18446744073709551615,\"message\":\"m\"}"),
           std::string("{\"denial\":-1,\"message\":\"m\"}"),
           std::string("{\"stack\":\"at handler.js:4294967295:4294967295\",\"message\":\"m\"}"),
           std::string("{\"stack\":\"at handler.js:99999999999:1\",\"message\":\"m\"}"),
           std::string("{\"stack\":\"at handler.js:0:0\\nat handler.js:1:1\",\"message\":\"m\"}"),
           std::string("{\"stack\":\"at \\u0000\\u001b[2J (handler.js:2:9\",\"message\":\"m\"}"),
           std::string("{\"isNull\":true,\"name\":\"InternalError\"}"),
           std::string("{\"name\":\"InternalError\",\"message\":\"out of memory\"}"),
           std::string("{\"name\":\"RangeError\",\"message\":\"stack overflow\"}"),
       }) {
    // `run` returns null, which is a failure, and the next function tells why.
    Program program;
    const uint64_t text = program.lay(std::string_view(report));
    program.outcome(makeValue(Tag::kNull, 0)).turn(GuestExport::kCall, {.value = text});
    const Attack attack = rig.invoke(program);
    EXPECT_EQ(attack.breach, "") << report.substr(0, 60);
    ASSERT_TRUE(attack.result.error) << report.substr(0, 60);
    EXPECT_TRUE(attack.result.error->code == ErrorCode::kExecutionError ||
                attack.result.error->code == ErrorCode::kStackOverflow ||
                attack.result.error->code == ErrorCode::kInternalError)
        << report.substr(0, 60) << outcomeOf(attack.result);
  }
}

// --- while booting

// The guest is told the size of its stack, and takes the last bits of it as what to do from then
// on, while it boots and in all that comes later.
uint32_t inStackSize(uint32_t which, How how, uint32_t zeros) {
  return zeros << 8 | static_cast<uint32_t>(how) << 5 | which;
}

TEST_P(HostileExportsTest, BootingAGuestThatLies) {
  for (uint32_t which = 0; which < kGuestExports; ++which) {
    for (const How how :
         {How::kLie, How::kGiveUp, How::kRecurse, How::kHoardAndLie, How::kHoardAndGiveUp}) {
      for (const uint32_t zeros : {0u, 1u, 4u, 8u, 15u}) {
        RuntimeConfig config = testing::impatientConfig();
        config.stackSizeBytes += inStackSize(which, how, zeros);
        const auto engine = testing::makeHostileEngine(GetParam());
        sandbox::DeadlineWatch watch;
        auto js = JsEngine::make(*engine, watch, config);
        if (!js) {
          EXPECT_EQ(js.error().code, ErrorCode::kInternalError) << js.error().message;
          continue;
        }
        auto sandbox = std::move(JsSandbox::make(**js)).value();
        auto handler = sandbox->compile("return 1");
        if (!handler) {
          EXPECT_EQ(testing::findBreach(handler.error()), "") << which;
          continue;
        }
        const ExecutionResult result = sandbox->invoke(**handler, {.args = "[1]"});
        EXPECT_EQ(testing::findBreach(result, Rights(), config), "") << which;
        EXPECT_TRUE(sandbox->restore());
      }
    }
  }
}

// The difference from the smallest of all numbers is none of the same type.
TEST_P(HostileExportsTest, BootingWithAnImpossibleInterruptCounter) {
  constexpr uint32_t kProgramAtItsBeginning = 8;
  RuntimeConfig config = testing::hostileConfig();
  config.stackSizeBytes += inStackSize(static_cast<uint32_t>(GuestExport::kNewString),
                                       How::kPerform, kProgramAtItsBeginning);
  const auto engine = testing::makeHostileEngine(GetParam());
  sandbox::DeadlineWatch watch;
  const auto js = JsEngine::make(*engine, watch, config);
  ASSERT_FALSE(js);
  EXPECT_EQ(js.error().message, "the guest does not boot: the interrupt counter is elsewhere");
}

}  // namespace
}  // namespace nexus::js
