// A guest that is not QuickJS but an attacker (testdata/hostile.wat): every import and every host
// operation with the worst that a guest can say. Whatever it says, the host ends the call with a
// result that keeps rights and limits (HostileRig, findBreach), and the next call is right.
#include "js/testing/hostile_guest.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "js/testing/host_memory.h"

namespace nexus::js {
namespace {

using std::string_view_literals::operator""sv;
using testing::Attack;
using testing::BoxedAt;
using testing::ClaimedText;
using testing::EngineTest;
using testing::GuestImport;
using testing::GuestValue;
using testing::HostileRig;
using testing::kAnswerAt;
using testing::kArenaAt;
using testing::kArenaEnd;
using testing::kBoxedAt;
using testing::kHostileMemoryBytes;
using testing::outcomeOf;
using testing::Program;
using testing::wellMeantArguments;

class HostileGuestTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, HostileGuestTest, testing::kEveryEngine, testing::engineName);

// Addresses and lengths: the ends of memory and of numbers, and an address that is not aligned.
constexpr uint32_t kWorst[] = {
    0,
    1,
    kHostileMemoryBytes - 8,
    kHostileMemoryBytes - 4,
    kHostileMemoryBytes - 1,
    kHostileMemoryBytes,
    kHostileMemoryBytes + 1,
    0x7FFF'FFFF,
    0x8000'0000,
    0xFFFF'FFFC,
    0xFFFF'FFFF,
    kArenaEnd - 7,
};

// --- imports

struct ImportRow {
  const char* name;
  GuestImport which;
  std::vector<uint64_t> args;  // harmless ones
};

const ImportRow kImports[] = {
    {"host_get_timezone_offset", GuestImport::kTimezone, {0, 0}},
    {"host_interrupt", GuestImport::kInterrupt, {}},
    {"host_promise_rejection", GuestImport::kRejection, {kArenaAt, kArenaAt, 1}},
    {"host_module_normalize", GuestImport::kNormalize, {kArenaAt, kArenaAt}},
    {"host_module_load", GuestImport::kLoad, {kArenaAt, kArenaAt}},
    {"clock_time_get", GuestImport::kClock, {0, 0, kArenaAt}},
    {"fd_close", GuestImport::kClose, {1}},
    {"fd_fdstat_get", GuestImport::kStat, {1, kArenaAt}},
    {"fd_seek", GuestImport::kSeek, {1, 0, 0, kArenaAt}},
    {"fd_write", GuestImport::kWrite, {1, kArenaAt, 1, kArenaAt}},
    {"random_get", GuestImport::kRandom, {kArenaAt, 8}},
};

// These answer with a number; the guest goes on.
TEST_P(HostileGuestTest, ImportsAnswerWhateverTheyAreGiven) {
  HostileRig rig(GetParam(), testing::hostileConfig(), HostileRig::Chance::kSystem);
  for (const ImportRow& row : kImports) {
    for (size_t i = 0; i < std::max<size_t>(row.args.size(), 1); ++i) {
      for (size_t j = i; j < std::max<size_t>(row.args.size(), 1); ++j) {
        Program program;
        for (const uint32_t first : kWorst) {
          for (const uint32_t second : kWorst) {
            std::vector<uint64_t> args = row.args;
            args.resize(5);
            args[i] = first;
            args[j] = second;
            program.import(row.which, {args[0], args[1], args[2], args[3], args[4]});
          }
        }
        const Attack attack = rig.invoke(program.outcomeText("\"went on\""sv));
        EXPECT_EQ(attack.breach, "") << row.name << i << j;
        EXPECT_EQ(outcomeOf(attack.result), "\"went on\"") << row.name << i << j;
      }
    }
  }
}

TEST_P(HostileGuestTest, AddressesOutsideOfMemoryAreRefused) {
  HostileRig rig(GetParam(), testing::hostileConfig(), HostileRig::Chance::kSystem);
  const struct {
    GuestImport which;
    std::array<uint64_t, 3> args;
    bool isRefused;
  } rows[] = {
      {GuestImport::kClock, {0, 0, kHostileMemoryBytes - 8}, false},
      {GuestImport::kClock, {0, 0, kHostileMemoryBytes - 7}, true},
      {GuestImport::kClock, {0, 0, 0xFFFF'FFFF}, true},
      {GuestImport::kRandom, {kHostileMemoryBytes - 8, 8, 0}, false},
      {GuestImport::kRandom, {kHostileMemoryBytes - 8, 9, 0}, true},
      {GuestImport::kRandom, {kHostileMemoryBytes, 0, 0}, false},
      {GuestImport::kRandom, {kHostileMemoryBytes + 1, 0, 0}, true},
      {GuestImport::kRandom, {kArenaAt, 256, 0}, false},
      {GuestImport::kRandom, {kArenaAt, 257, 0}, true},
      {GuestImport::kRandom, {0xFFFF'FFFF, 0xFFFF'FFFF, 0}, true},
  };
  for (const auto& row : rows) {
    // The answer, 0 or an error's number, is the level of a log line: 0 is one, 21 is none.
    Program program;
    program.import(row.which, {row.args[0], row.args[1], row.args[2]})
        .operation(HostOperation::kLog, {BoxedAt{kAnswerAt}, "answered"sv});
    const Attack attack = rig.invoke(program);
    EXPECT_EQ(attack.breach, "");
    EXPECT_EQ(attack.result.log.size(), row.isRefused ? 0u : 1u)
        << static_cast<int>(row.which) << ' ' << row.args[0] << ' ' << row.args[1];
  }
}

// --- host_call itself

TEST_P(HostileGuestTest, CountsAndListsOfArguments) {
  HostileRig rig(GetParam());
  for (uint64_t argc = 0; argc < 8; ++argc) {
    for (const uint32_t argv : kWorst) {
      Program program;
      EXPECT_EQ(rig.invoke(program.hostCall(argc, argv)).breach, "") << argc << ' ' << argv;
    }
  }
  for (const uint32_t argc : kWorst) {
    for (const uint32_t argv : kWorst) {
      Program program;
      EXPECT_EQ(rig.invoke(program.hostCall(argc, argv)).breach, "") << argc << ' ' << argv;
    }
  }
}

TEST_P(HostileGuestTest, AListAtTheEndOfMemory) {
  HostileRig rig(GetParam());
  for (uint32_t missing = 0; missing <= 12; ++missing) {
    Program program;
    const std::array<GuestValue, 3> values = {intValue(0), intValue(1), "text"sv};
    const uint32_t firstBox = program.lay(values) + 16;
    std::string list;
    for (uint32_t i = 0; i < values.size(); ++i) {
      const uint32_t box = firstBox + i * 8;
      list.append(reinterpret_cast<const char*>(&box), sizeof box);
    }
    const auto at = static_cast<uint32_t>(kHostileMemoryBytes - list.size() + missing);
    program.copy(at, std::string_view(list).substr(0, list.size() - missing));
    const Attack attack = rig.invoke(program.hostCall(values.size(), at));
    EXPECT_EQ(attack.breach, "") << missing;
    EXPECT_EQ(attack.result.log.size(), missing == 0 ? 1u : 0u) << missing;
  }
}

TEST_P(HostileGuestTest, NumbersOfOperations) {
  HostileRig rig(GetParam());
  for (const uint64_t number :
       {uint64_t{kHostOperations.size()}, uint64_t{255}, uint64_t{UINT32_MAX}, uint64_t{1} << 32,
        uint64_t{1} << 63, UINT64_MAX, kUndefinedValue, kExceptionValue,
        testing::stringAt(kArenaAt), makeValue(Tag::kObject, 0)}) {
    for (size_t args = 0; args <= 3; ++args) {
      Program program;
      std::vector<GuestValue> values(1 + args, intValue(0));
      values[0] = number;
      program.hostCall(values.size(), program.lay(values));
      const Attack attack = rig.invoke(program);
      EXPECT_EQ(attack.breach, "") << number << ' ' << args;
      EXPECT_EQ(attack.result.error->code, ErrorCode::kInternalError) << number;
    }
  }
}

// --- operations

std::vector<HostOperation> everyOperation() {
  std::vector<HostOperation> all;
  for (uint32_t i = 0; i < kHostOperations.size(); ++i) all.push_back(HostOperation{i});
  return all;
}

std::string nameOf(HostOperation number) {
  return std::string(kHostOperations[static_cast<size_t>(number)].name);
}

std::string effectsOf(const ExecutionResult& result) {
  std::string text;
  for (const auto& record : result.log) text += "log " + record.message + ";";
  for (const auto& event : result.events) {
    text += "emit " + event.name + " " + event.payload.value_or("-") + ";";
  }
  for (const auto& mutation : result.stateMutations) {
    text += "set " + mutation.key + " " + mutation.value.value_or("-") + ";";
  }
  for (const auto& view : result.viewCommands) {
    text += "view " + view.type + " " + view.componentId + " " + view.args + ";";
  }
  for (const auto& request : result.pending) {
    text += "request " + request.extension + " " + request.method + " " + request.args + ";";
  }
  return text;
}

// The impostor is good enough: what the bootstrap would pass has its effect, with the right to it.
TEST_P(HostileGuestTest, OperationsThatAreMeantWell) {
  HostileRig rig(GetParam());
  // None for the others.
  std::map<HostOperation, std::string> effects = {
      {HostOperation::kLog, "log text;"},
      {HostOperation::kSet, "set mine 1;"},
      {HostOperation::kRemove, "set mine -;"},
      {HostOperation::kEmit, "emit ping {};"},
      {HostOperation::kView, "view focus panel {};"},
      {HostOperation::kRequest, "request svc get [];"},
  };
  for (const HostOperation number : everyOperation()) {
    Program program;
    program.operation(number, wellMeantArguments(number));
    // A request shows where the call waits for it.
    if (number == HostOperation::kRequest) program.outcome(kFalseValue);
    const Attack attack = rig.invoke(program, HostileRig::fewRights());
    EXPECT_EQ(attack.breach, "") << nameOf(number);
    EXPECT_TRUE(attack.result.ok()) << nameOf(number) << outcomeOf(attack.result);
    EXPECT_EQ(effectsOf(attack.result), effects[number]) << nameOf(number);
  }
}

TEST_P(HostileGuestTest, NothingIsDoneWithoutTheRightToIt) {
  HostileRig rig(GetParam());
  for (const HostOperation number : everyOperation()) {
    Program program;
    program.operation(number, wellMeantArguments(number));
    const Attack attack = rig.invoke(program, Rights());
    EXPECT_EQ(attack.breach, "") << nameOf(number);
    EXPECT_TRUE(attack.result.ok()) << nameOf(number) << outcomeOf(attack.result);
    const bool needsNone = number == HostOperation::kLog;
    EXPECT_EQ(effectsOf(attack.result), needsNone ? "log text;" : "") << nameOf(number);
    // Nor is there anything to wait for.
    EXPECT_FALSE(rig.invoke(program.outcome(kFalseValue), Rights()).result.ok()) << nameOf(number);
  }
}

// Calls `attack` with what is meant well, for each argument of each operation.
void forEachArgument(
    const std::function<void(HostOperation, std::vector<GuestValue>& args, size_t index)>& attack) {
  for (const HostOperation number : everyOperation()) {
    std::vector<GuestValue> args = wellMeantArguments(number);
    for (size_t i = 0; i < args.size(); ++i) {
      const GuestValue kept = args[i];
      attack(number, args, i);
      args[i] = kept;
    }
  }
}

constexpr uint64_t kGarbageValues[] = {
    0,
    1,
    4,
    uint64_t{1} << 31,
    UINT32_MAX,
    uint64_t{1} << 32,
    uint64_t{1} << 63,
    UINT64_MAX,
    0x7FF0'0000'0000'0000,  // infinity
    kUndefinedValue,
    kTrueValue,
    kExceptionValue,
    makeValue(Tag::kNull, 0),
    makeValue(Tag::kString, 0),
    makeValue(Tag::kString, kHostileMemoryBytes - 8),
    makeValue(Tag::kString, kHostileMemoryBytes - 4),
    makeValue(Tag::kString, UINT32_MAX),
    makeValue(Tag::kObject, kArenaAt),
    makeValue(static_cast<Tag>(99), 1),
};

TEST_P(HostileGuestTest, ArgumentsThatAreNoStrings) {
  HostileRig rig(GetParam());
  forEachArgument([&](HostOperation number, std::vector<GuestValue>& args, size_t i) {
    for (const uint64_t garbage : kGarbageValues) {
      args[i] = garbage;
      const Attack attack = rig.invoke(Program().operation(number, args));
      EXPECT_EQ(attack.breach, "") << nameOf(number) << i << ' ' << garbage;
    }
  });
}

TEST_P(HostileGuestTest, BoxesOutsideOfMemory) {
  HostileRig rig(GetParam());
  forEachArgument([&](HostOperation number, std::vector<GuestValue>& args, size_t i) {
    for (const uint32_t at : kWorst) {
      args[i] = BoxedAt{at};
      const Attack attack = rig.invoke(Program().operation(number, args));
      EXPECT_EQ(attack.breach, "") << nameOf(number) << i << ' ' << at;
      if (at <= kHostileMemoryBytes - 8) continue;
      ASSERT_TRUE(attack.result.error) << nameOf(number) << i << ' ' << at;
      EXPECT_EQ(attack.result.error->code, ErrorCode::kInternalError) << nameOf(number) << i;
    }
  });
}

TEST_P(HostileGuestTest, TextsThatAreNotWhereTheySay) {
  HostileRig rig(GetParam());
  forEachArgument([&](HostOperation number, std::vector<GuestValue>& args, size_t i) {
    for (const uint32_t at : kWorst) {
      for (const uint32_t length : kWorst) {
        args[i] = ClaimedText{at, length};
        const Attack attack = rig.invoke(Program().operation(number, args));
        EXPECT_EQ(attack.breach, "") << nameOf(number) << i << ' ' << at << ' ' << length;
        // A level is no text, and at 0 there is none: the guest is to throw.
        const bool isText = at != 0 && (number != HostOperation::kLog || i == 1);
        if (!isText || uint64_t{at} + length <= kHostileMemoryBytes) continue;
        ASSERT_TRUE(attack.result.error) << nameOf(number) << i << ' ' << at << ' ' << length;
        EXPECT_TRUE(attack.result.error->code == ErrorCode::kInternalError ||
                    attack.result.error->code == ErrorCode::kResourceLimit)
            << nameOf(number) << i << ' ' << at << ' ' << length << outcomeOf(attack.result);
      }
    }
  });
}

const std::string kContents[] = {
    "",
    " ",
    "x",
    std::string(1, '\0'),
    std::string("mine\0", 5),
    std::string("\0mine", 5),
    "\xEF\xBB\xBFmine",
    "min\xC3",
    "\x80",
    "\xC0\x80",
    "\xED\xA0\x80",
    "\xF4\x90\x80\x80",
    "\xFF\xFE",
    "\"\xFF\"",
    "\"\\ud800\"",
    std::string("\"\0\"", 3),
    "{",
    "[",
    "{}",
    "[]",
    " {}",
    " []",
    "{}x",
    "[]x",
    std::string("{}\0", 3),
    std::string("[]\0", 3),
    "null",
    "1e999",
    "undefined",
    "'a'",
    R"({"a":1,"a":2})",
    std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']'),
    std::string(kMaxJsonDepth + 1, '[') + std::string(kMaxJsonDepth + 1, ']'),
    std::string(10000, '['),
    std::string(10000, '{'),
    std::string(10000, '\x01'),
    "derived",
    "hidden",
    "*",
    "command",
    std::string(4096, 'n'),
    std::string(4097, 'n'),
};

TEST_P(HostileGuestTest, TextsThatAreNotWhatTheyShouldBe) {
  HostileRig rig(GetParam());
  forEachArgument([&](HostOperation number, std::vector<GuestValue>& args, size_t i) {
    for (const std::string& content : kContents) {
      for (const Rights* rights : {&HostileRig::everyRight(), &HostileRig::fewRights()}) {
        for (const uint64_t outcome : {kTrueValue, kFalseValue}) {
          args[i] = std::string_view(content);
          const Attack attack =
              rig.invoke(Program().operation(number, args).outcome(outcome), *rights);
          EXPECT_EQ(attack.breach, "") << nameOf(number) << i << ' ' << content.substr(0, 20);
        }
      }
    }
  });
}

// A descriptor may name what is still being written: the answer's box, the list, itself.
TEST_P(HostileGuestTest, TextsThatOverlapWithWhatTheHostWrites) {
  HostileRig rig(GetParam());
  const uint32_t scratch = rig.engine().base().anchors.scratch;
  const uint32_t transfer = rig.engine().base().anchors.transfer;
  forEachArgument([&](HostOperation number, std::vector<GuestValue>& args, size_t i) {
    for (const uint32_t at :
         {scratch, scratch + kOutParameterAt, transfer, kAnswerAt, kBoxedAt, kArenaAt}) {
      for (const uint32_t length : {0u, 1u, 64u, 20000u}) {
        args[i] = ClaimedText{at, length};
        EXPECT_EQ(rig.invoke(Program().operation(number, args)).breach, "")
            << nameOf(number) << i << ' ' << at;
      }
      args[i] = BoxedAt{at};
      EXPECT_EQ(rig.invoke(Program().operation(number, args)).breach, "")
          << nameOf(number) << i << ' ' << at;
    }
  });
}

TEST_P(HostileGuestTest, ArgumentsThatAreTooFewOrTooMany) {
  HostileRig rig(GetParam());
  for (const HostOperation number : everyOperation()) {
    const size_t right = wellMeantArguments(number).size();
    for (size_t count = 0; count < kMostHostArguments; ++count) {
      if (count == right) continue;
      std::vector<GuestValue> args = wellMeantArguments(number);
      args.resize(count, "{}"sv);
      const Attack attack = rig.invoke(Program().operation(number, args));
      EXPECT_EQ(attack.breach, "") << nameOf(number) << count;
      ASSERT_TRUE(attack.result.error) << nameOf(number) << count;
      EXPECT_EQ(attack.result.error->code, ErrorCode::kInternalError) << nameOf(number) << count;
    }
  }
}

// A length is nothing to allocate by, where the limits allow more than there is memory.
TEST_P(HostileGuestTest, LengthsBeyondTheMemoryAllocateNothing) {
  RuntimeConfig config = testing::hostileConfig();
  config.maxOutputBytes = config.maxLogBytes = config.maxInputBytes = uint64_t{1} << 30;
  HostileRig rig(GetParam(), config);
  forEachArgument([&](HostOperation number, std::vector<GuestValue>& args, size_t i) {
    if (number == HostOperation::kLog && i == 0) return;  // the level
    for (const uint32_t length : {kHostileMemoryBytes + 1, 0x3FFF'FFFFu, 0xFFFF'FFFFu}) {
      args[i] = ClaimedText{kArenaAt, length};
      const testing::HostBytesPeak peak;
      const Attack attack = rig.invoke(Program().operation(number, args));
      EXPECT_LT(peak.grown(), kHostileMemoryBytes) << nameOf(number) << i << ' ' << length;
      EXPECT_EQ(attack.breach, "") << nameOf(number) << i << ' ' << length;
      ASSERT_TRUE(attack.result.error) << nameOf(number) << i << ' ' << length;
      EXPECT_EQ(attack.result.error->code, ErrorCode::kInternalError) << nameOf(number) << i;
    }
  });
}

// Every operation again and again: a limit ends the call, or, where the host need not hold
// anything, its time or the guest's own memory.
TEST_P(HostileGuestTest, OperationsWithoutEnd) {
  HostileRig patient(GetParam());
  HostileRig impatient(GetParam(), testing::impatientConfig());
  std::map<HostOperation, std::string> limits = {
      {HostOperation::kLog, "max_host_calls"},    {HostOperation::kRead, "max_input_bytes"},
      {HostOperation::kKeys, "max_input_bytes"},  {HostOperation::kSet, "max_host_calls"},
      {HostOperation::kRemove, "max_host_calls"}, {HostOperation::kEmit, "max_events"},
      {HostOperation::kView, "max_host_calls"},   {HostOperation::kRequest, "max_pending_requests"},
  };
  for (const HostOperation number : everyOperation()) {
    const std::string limit = limits[number];
    Program program;
    program.operation(number, wellMeantArguments(number)).repeat(0, 0);
    const Attack attack =
        (limit.empty() ? impatient : patient).invoke(program, HostileRig::fewRights());
    EXPECT_EQ(attack.breach, "") << nameOf(number);
    ASSERT_TRUE(attack.result.error) << nameOf(number);
    ASSERT_TRUE(attack.result.error->limit) << nameOf(number) << outcomeOf(attack.result);
    if (limit.empty()) continue;
    EXPECT_EQ(attack.result.error->limit->name, limit) << nameOf(number);
  }
}

// Names that differ: keys of the state are counted one by one.
TEST_P(HostileGuestTest, KeysWithoutEnd) {
  HostileRig rig(GetParam());
  Program program;
  const std::vector<std::string> keys = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"};
  for (const std::string& key : keys) {
    program.operation(HostOperation::kSet, {std::string_view(key), "1"sv});
  }
  const Attack attack = rig.invoke(program);
  EXPECT_EQ(attack.breach, "");
  ASSERT_TRUE(attack.result.error && attack.result.error->limit);
  EXPECT_EQ(attack.result.error->limit->name, "max_state_mutations");
}

// --- without an input nobody is answered

TEST_P(HostileGuestTest, OperationsWhileCompilingAreRefused) {
  HostileRig rig(GetParam());
  for (const HostOperation number : everyOperation()) {
    Program program;
    program.operation(number, wellMeantArguments(number));
    for (const Attack& attack : {rig.compile(program), rig.load(program)}) {
      EXPECT_EQ(attack.breach, "") << nameOf(number);
      ASSERT_TRUE(attack.result.error) << nameOf(number);
      EXPECT_EQ(attack.result.error->code, ErrorCode::kInternalError) << nameOf(number);
    }
  }
}

}  // namespace
}  // namespace nexus::js
