// What every engine must do, run on every engine: calls, bounds, traps, stops. What restoring must
// do is in restore_test.cc.
#include "sandbox/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <thread>

#include "sandbox/native/native_engine.h"
#include "sandbox/testing/probe.h"

namespace nexus::sandbox {
namespace {

using testing::Build;
using ::testing::ElementsAre;
using testing::kDone;
using testing::kInitialBytes;
using testing::kProbeOptions;
using testing::Probe;
using testing::ProbeEngine;
using testing::ProbeImports;
using testing::returned;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kInitialPages = kInitialBytes / kWasmPageBytes;

class EngineTest : public ::testing::TestWithParam<Build> {};

INSTANTIATE_TEST_SUITE_P(Builds, EngineTest, ::testing::Values(Build::kNative, Build::kChecked),
                         [](const auto& build) { return testing::toString(build.param); });

// Calls.

TEST_P(EngineTest, FindsExportsByNameAndSignature) {
  struct Case {
    const char *name, *signature;
    bool found;
  };
  constexpr Case kCases[] = {
      {"load", "i:i", true},   {"bump", ":j", true},    {"echo", "ijfd:j", true},
      {"store", "ii:v", true}, {"half", "f:f", true},   {"load", "i:j", false},
      {"load", "ii:i", false}, {"load", ":i", false},   {"load", "i:v", false},
      {"load", "", false},     {"store", "ii:", false}, {"absent", "i:i", false},
      {"Load", "i:i", false},  {"loa", "i:i", false},   {"", "i:i", false},
      {"memory", ":v", false}, {"count", ":j", false},
  };
  const ProbeEngine engine(GetParam());
  for (const Case& c : kCases) {
    EXPECT_EQ(engine->findFunction(c.name, c.signature).has_value(), c.found)
        << c.name << " " << c.signature;
  }
}

TEST_P(EngineTest, DescribesItsImports) {
  const ProbeEngine engine(GetParam());
  std::vector<std::string> imports;
  for (const ImportDescription& import : engine->imports()) {
    imports.push_back(std::string(import.module) + "." + std::string(import.name) + " " +
                      std::string(import.signature));
  }
  EXPECT_THAT(imports, UnorderedElementsAre("env.echo ijfd:j", "env.note i:v", "env.sameI i:i",
                                            "env.sameJ j:j", "env.sameF f:f", "env.sameD d:d"));
}

TEST_P(EngineTest, HasNameAndIdentity) {
  const ProbeEngine engine(GetParam());
  EXPECT_EQ(engine->name(), testing::toString(GetParam()));
  EXPECT_GT(engine->guestIdentity().size(), 64u);
}

TEST_P(EngineTest, ValuesTravelThroughImportsAndExportsUnchanged) {
  struct Case {
    const char* function;
    std::vector<uint64_t> values;
  };
  const Case cases[] = {
      {"passI", {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF}},
      {"passJ", {0, 1, 0xFFFFFFFF, uint64_t{1} << 63, UINT64_MAX}},
      // Zeros, denormals, infinities, quiet and signalling NaNs with payload.
      {"passF", {0, 0x80000000, 1, 0x3F800000, 0x7F800000, 0xFF800000, 0x7FC12345, 0x7F812345}},
      {"passD",
       {0, uint64_t{1} << 63, 1, std::bit_cast<uint64_t>(1.5), std::bit_cast<uint64_t>(-0.1),
        0x7FF0000000000000, 0x7FF8000000012345, 0x7FF0000000012345}},
  };
  Probe probe(GetParam());
  for (const Case& c : cases) {
    for (const uint64_t value : c.values) {
      EXPECT_EQ(probe.call(c.function, {value}), returned(value)) << c.function;
    }
  }
}

TEST_P(EngineTest, NarrowValuesAreZeroExtended) {
  Probe probe(GetParam());
  EXPECT_EQ(probe.call("divide", {0xFFFFFFFF, 1}), returned(0xFFFFFFFF));  // -1
  EXPECT_EQ(probe.call("truncate", {std::bit_cast<uint64_t>(-1.0)}), returned(0xFFFFFFFF));
  EXPECT_EQ(probe.call("half", {std::bit_cast<uint32_t>(-3.0F)}),
            returned(std::bit_cast<uint32_t>(-1.5F)));
  // What stands above 32 bits in an argument is not the guest's.
  EXPECT_EQ(probe.call("passI", {0xABCDEF0012345678}), returned(0x12345678));
}

TEST_P(EngineTest, ImportGetsAllArgumentsInOrder) {
  Probe probe(GetParam());
  std::vector<uint64_t> seen;
  Sandbox* caller = nullptr;
  probe.imports().onEcho = [&](std::span<const uint64_t> args, Sandbox& sandbox) {
    seen.assign(args.begin(), args.end());
    caller = &sandbox;
    return ImportResult{~args[1]};
  };
  const uint64_t f = std::bit_cast<uint32_t>(2.5F);
  const uint64_t d = std::bit_cast<uint64_t>(-1e300);
  EXPECT_EQ(probe.call("echo", {0x80000001, 42, f, d}), returned(~uint64_t{42}));
  EXPECT_THAT(seen, ElementsAre(0x80000001, 42, f, d));
  EXPECT_EQ(caller, &*probe);
}

// Bounds of what the host copies.

TEST_P(EngineTest, CopiesOnlyInsideMemory) {
  constexpr uint64_t kEdges[] = {0,
                                 1,
                                 kInitialBytes - 1,
                                 kInitialBytes,
                                 kInitialBytes + 1,
                                 uint64_t{1} << 31,
                                 (uint64_t{1} << 32) - kInitialBytes,
                                 (uint64_t{1} << 32) - 1};
  Probe probe(GetParam());
  std::vector<std::byte> buffer(kInitialBytes);
  for (const uint64_t address : kEdges) {
    for (const uint64_t length : kEdges) {
      const bool inside = address + length <= kInitialBytes;
      const auto at = static_cast<GuestAddress>(address);
      // A length that must be refused need not have so many bytes behind it.
      const std::span<std::byte> bytes(buffer.data(), length);
      EXPECT_EQ(probe->copyOut(at, bytes), inside) << address << " " << length;
      EXPECT_EQ(probe->copyIn(at, bytes), inside) << address << " " << length;
    }
  }
}

TEST_P(EngineTest, RefusedCopiesCopyNothing) {
  Probe probe(GetParam());
  const auto before = probe.memory();
  std::vector<std::byte> bytes(16, std::byte{0xAA});
  EXPECT_FALSE(probe->copyIn(kInitialBytes - 15, bytes));
  EXPECT_EQ(probe.memory(), before);
  EXPECT_FALSE(probe->copyOut(kInitialBytes - 15, bytes));
  EXPECT_EQ(bytes, std::vector<std::byte>(16, std::byte{0xAA}));
}

TEST_P(EngineTest, GuestAndHostSeeTheSameBytes) {
  Probe probe(GetParam());
  EXPECT_EQ(probe.call("load", {65536}), returned(0x626F7270));  // "prob"
  const uint32_t word = 0x01020304;
  ASSERT_TRUE(probe->copyIn(kInitialBytes - 4, std::as_bytes(std::span(&word, 1))));
  EXPECT_EQ(probe.call("load", {kInitialBytes - 4}), returned(word));
  EXPECT_EQ(probe.call("store", {12345, 0xDEADBEEF}), kDone);
  EXPECT_EQ(probe.load(12345), 0xDEADBEEF);
}

TEST_P(EngineTest, StoreAcrossAPageBoundaryIsWhole) {
  Probe probe(GetParam());
  probe.capture();  // from here on both pages may be closed
  EXPECT_EQ(probe.call("store", {2 * kPageBytes - 2, 0x11223344}), kDone);
  EXPECT_EQ(probe.call("load", {2 * kPageBytes - 2}), returned(0x11223344));
  const uint32_t word = 0x55667788;
  ASSERT_TRUE(probe->copyIn(9 * kPageBytes - 1, std::as_bytes(std::span(&word, 1))));
  EXPECT_EQ(probe.call("load", {9 * kPageBytes - 1}), returned(word));
}

// Growth.

TEST_P(EngineTest, GrowthEndsAtTheLimit) {
  struct Case {
    uint64_t delta, result, pages;
    bool refused;
  };
  constexpr uint64_t kRefused = 0xFFFFFFFF;
  constexpr Case kCases[] = {
      {0, 2, 2, false}, {1, 2, 3, false},       {6, kRefused, 3, true},
      {5, 3, 8, true},  {1, kRefused, 8, true}, {0, 8, 8, true},
  };
  // Half a page more than eight is eight.
  Probe probe(GetParam(), {.memoryLimitBytes = 8 * kWasmPageBytes + kWasmPageBytes / 2,
                           .nativeStackBytes = kProbeOptions.nativeStackBytes});
  const auto base = probe.capture();
  for (const Case& c : kCases) {
    EXPECT_EQ(probe.call("grow", {c.delta}), returned(c.result)) << c.delta;
    EXPECT_EQ(probe.call("pages"), returned(c.pages));
    EXPECT_EQ(probe->memoryBytes(), c.pages * kWasmPageBytes);
    EXPECT_EQ(probe->refusedGrowth() > 0, c.refused);
  }
  ASSERT_TRUE(probe->restore(base));
  EXPECT_EQ(probe->refusedGrowth(), 0u);
}

TEST_P(EngineTest, EveryRefusedGrowthIsRemembered) {
  Probe probe(GetParam());
  const auto base = probe.capture();
  const uint64_t limitPages = kProbeOptions.memoryLimitBytes / kWasmPageBytes;
  for (const uint64_t delta : {limitPages - 1, uint64_t{65533}, uint64_t{65534}, uint64_t{65535},
                               uint64_t{65536}, uint64_t{0x7FFFFFFF}, uint64_t{0xFFFFFFFF}}) {
    EXPECT_EQ(probe.call("grow", {delta}), returned(0xFFFFFFFF)) << delta;
    EXPECT_GT(probe->refusedGrowth(), 0u) << delta;
    EXPECT_EQ(probe->memoryBytes(), kInitialBytes);
    ASSERT_TRUE(probe->restore(base));
  }
}

TEST_P(EngineTest, NewPagesAreZeroAndUsableToTheLastByte) {
  Probe probe(GetParam());
  ASSERT_EQ(probe.call("fill", {0, 0xFF, kInitialBytes}), kDone);
  ASSERT_EQ(probe.call("grow", {3}), returned(kInitialPages));
  const auto memory = probe.memory();
  EXPECT_EQ(std::count(memory.begin() + kInitialBytes, memory.end(), std::byte{0}),
            3 * kWasmPageBytes);
  const uint64_t last = kInitialBytes + 3 * kWasmPageBytes - 4;
  EXPECT_EQ(probe.call("store", {last, 1}), kDone);
  EXPECT_EQ(probe.call("load", {last}), returned(1));
  EXPECT_EQ(probe.call("load", {last + 1}).trap, Trap::kOutOfBounds);
}

// The largest memory that the configuration allows.
TEST_P(EngineTest, GrowsToOnePageBelowFourGiB) {
  Probe probe(GetParam(), {.memoryLimitBytes = uint64_t{4} << 30,
                           .nativeStackBytes = kProbeOptions.nativeStackBytes});
  EXPECT_EQ(probe.call("grow", {65536 - kInitialPages}), returned(0xFFFFFFFF));
  ASSERT_EQ(probe.call("grow", {65535 - kInitialPages}), returned(kInitialPages));
  EXPECT_EQ(probe.call("pages"), returned(65535));
  EXPECT_EQ(probe.call("store", {0xFFFEFFFC, 0x12345678}), kDone);
  EXPECT_EQ(probe.call("load", {0xFFFEFFFC}), returned(0x12345678));
  EXPECT_EQ(probe.call("load", {0xFFFEFFFD}).trap, Trap::kOutOfBounds);
}

// wabt #2783: growth moved the memory and left others with its old address.
TEST_P(EngineTest, Wabt2783GrowthDuringAnImportIsSeenByTheCaller) {
  Probe probe(GetParam());
  probe.imports().onNote = [&](std::span<const uint64_t> args, Sandbox&) {
    EXPECT_EQ(probe.call("grow", {100}), returned(kInitialPages));
    EXPECT_EQ(probe.call("store", {args[0], 77}), kDone);
    return ImportResult{};
  };
  EXPECT_EQ(probe.call("noteThenLoad", {kInitialBytes + 99 * kWasmPageBytes}), returned(77));
}

TEST_P(EngineTest, LimitBelowTheModulesOwnMemoryIsRefused) {
  const ProbeEngine engine(GetParam());
  ProbeImports imports;
  for (const uint64_t limit : {uint64_t{0}, kInitialBytes - 1}) {
    const auto sandbox = engine->createSandbox(
        {.memoryLimitBytes = limit, .nativeStackBytes = 65536}, imports, nullptr);
    ASSERT_FALSE(sandbox.ok()) << limit;
    EXPECT_EQ(sandbox.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(sandbox.error().message.find("memory limit"), std::string::npos);
  }
}

// Traps.

struct TrapCase {
  const char* name;
  const char* function;
  std::vector<uint64_t> args;
  Trap trap;
};

std::vector<TrapCase> trapCases() {
  const auto bits = [](double value) { return std::bit_cast<uint64_t>(value); };
  constexpr uint64_t kEnd = kInitialBytes;
  constexpr uint64_t kMinusOne = 0xFFFFFFFF;
  return {
      {"LoadOverTheEnd", "load", {kEnd - 3}, Trap::kOutOfBounds},
      {"LoadAtTheEnd", "load", {kEnd}, Trap::kOutOfBounds},
      {"LoadAtTheLastAddress", "load", {kMinusOne}, Trap::kOutOfBounds},
      {"LoadBelowFourGiB", "loadFar", {0}, Trap::kOutOfBounds},
      {"LoadAtFourGiB", "loadFar", {4}, Trap::kOutOfBounds},
      {"LoadAtEightGiB", "loadFar", {kMinusOne}, Trap::kOutOfBounds},
      {"StoreOverTheEnd", "store", {kEnd - 3, kMinusOne}, Trap::kOutOfBounds},
      {"StoreAtTheEnd", "store", {kEnd, kMinusOne}, Trap::kOutOfBounds},
      {"StoreAtTheLastAddress", "store", {kMinusOne, kMinusOne}, Trap::kOutOfBounds},
      {"FillOverTheEnd", "fill", {kEnd - 1, 0xFF, 2}, Trap::kOutOfBounds},
      {"FillEverything", "fill", {0, 0xFF, kMinusOne}, Trap::kOutOfBounds},
      {"FillWrappingAround", "fill", {kMinusOne, 0xFF, kMinusOne}, Trap::kOutOfBounds},
      {"FillNothingBehindTheEnd", "fill", {kEnd + 1, 0, 0}, Trap::kOutOfBounds},
      {"Unreachable", "giveUp", {}, Trap::kUnreachable},
      {"DivisionByZero", "divide", {1, 0}, Trap::kArithmetic},
      {"DivisionOverflow", "divide", {0x80000000, kMinusOne}, Trap::kArithmetic},
      {"ConversionOfNan", "truncate", {bits(NAN)}, Trap::kArithmetic},
      {"ConversionOfInfinity", "truncate", {bits(INFINITY)}, Trap::kArithmetic},
      {"ConversionTooLarge", "truncate", {bits(2147483648.0)}, Trap::kArithmetic},
      {"ConversionTooSmall", "truncate", {bits(-2147483649.0)}, Trap::kArithmetic},
      {"CallOfNullEntry", "callTable", {0}, Trap::kBadCall},
      {"CallOfUnsetEntry", "callTable", {3}, Trap::kBadCall},
      {"CallOfAnotherType", "callTable", {2}, Trap::kBadCall},
      {"CallBehindTheTable", "callTable", {4}, Trap::kBadCall},
      {"CallFarBehindTheTable", "callTable", {kMinusOne}, Trap::kBadCall},
      {"StackExhausted", "recurse", {testing::kTooDeep}, Trap::kStackExhausted},
      {"StackExhaustedBeforeAnImport", "recurseAndNote", {0}, Trap::kStackExhausted},
  };
}

class TrapTest : public ::testing::TestWithParam<std::tuple<Build, TrapCase>> {
 protected:
  Build build() const { return std::get<0>(GetParam()); }
  const TrapCase& trapCase() const { return std::get<1>(GetParam()); }
};

void PrintTo(const TrapCase& trapCase, std::ostream* out) { *out << trapCase.name; }

INSTANTIATE_TEST_SUITE_P(Builds, TrapTest,
                         ::testing::Combine(::testing::Values(Build::kNative, Build::kChecked),
                                            ::testing::ValuesIn(trapCases())),
                         [](const auto& test) {
                           return testing::toString(std::get<0>(test.param)) +
                                  std::get<1>(test.param).name;
                         });

TEST_P(TrapTest, EndsTheCallAndARestoreMendsAll) {
  Probe probe(build());
  const auto base = probe.capture();
  const auto before = probe.memory();
  const std::vector<uint64_t>& args = trapCase().args;
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(probe.call("store", {100, 1}), kDone);
    const CallResult result = probe->call(probe.engine().find(trapCase().function), args);
    EXPECT_EQ(result.trap, trapCase().trap);
    ASSERT_TRUE(probe->restore(base));
    EXPECT_EQ(probe.memory(), before);
    EXPECT_EQ(probe.call("bump"), returned(testing::kInitialCount + 1));
    EXPECT_EQ(probe.call("recurse", {100}), returned(100));
  }
}

TEST_P(TrapTest, InANestedCallIsSurvivedByTheImport) {
  Probe probe(build());
  const auto base = probe.capture();
  const FunctionId trapping = probe.engine().find(trapCase().function);
  probe.imports().onNote = [&](std::span<const uint64_t> noted, Sandbox& sandbox) {
    if (noted[0] != 4096) return ImportResult{};  // recurseAndNote's own
    EXPECT_EQ(sandbox.call(trapping, trapCase().args).trap, trapCase().trap);
    EXPECT_EQ(probe.call("store", {4096, 5}), kDone);
    return ImportResult{};
  };
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(probe.call("noteThenLoad", {4096}), returned(5));
    ASSERT_TRUE(probe->restore(base));
  }
}

TEST_P(EngineTest, EdgesThatDoNotTrap) {
  Probe probe(GetParam());
  EXPECT_EQ(probe.call("load", {kInitialBytes - 4}), returned(0));
  EXPECT_EQ(probe.call("fill", {kInitialBytes - 1, 0xFF, 1}), kDone);
  EXPECT_EQ(probe.call("fill", {kInitialBytes, 0xFF, 0}), kDone);
  EXPECT_EQ(probe.call("callTable", {1}), returned(7));
  EXPECT_EQ(probe.call("divide", {0x80000000, 1}), returned(0x80000000));
  EXPECT_EQ(probe.call("truncate", {std::bit_cast<uint64_t>(2147483647.9)}), returned(2147483647));
}

TEST_P(EngineTest, AFillThatTrapsWritesNothing) {
  Probe probe(GetParam());
  const auto before = probe.memory();
  EXPECT_EQ(probe.call("fill", {kInitialBytes - 100, 0xFF, 101}).trap, Trap::kOutOfBounds);
  EXPECT_EQ(probe.memory(), before);
  EXPECT_EQ(probe.call("store", {kInitialBytes - 2, 0xFFFFFFFF}).trap, Trap::kOutOfBounds);
  EXPECT_EQ(probe.memory(), before);
}

TEST_P(EngineTest, TrapsWithoutAnImageDoNotHarmTheSandbox) {
  Probe probe(GetParam());
  EXPECT_EQ(probe.call("load", {kInitialBytes}).trap, Trap::kOutOfBounds);
  EXPECT_EQ(probe.call("recurse", {testing::kTooDeep}).trap, Trap::kStackExhausted);
  EXPECT_EQ(probe.call("recurse", {100}), returned(100));
}

TEST_P(EngineTest, HostRefusalEndsTheCall) {
  Probe probe(GetParam());
  const auto base = probe.capture();
  int notes = 0;
  probe.imports().onNote = [&](std::span<const uint64_t>, Sandbox&) {
    return ImportResult{.trap = ++notes == 10 ? Trap::kHostRefused : Trap::kNone};
  };
  EXPECT_EQ(probe.call("noteForever").trap, Trap::kHostRefused);
  EXPECT_EQ(notes, 10);
  ASSERT_TRUE(probe->restore(base));
  EXPECT_EQ(probe.call("noteThenLoad", {65536}), returned(0x626F7270));
}

TEST_P(EngineTest, HostRefusalDeepDownEndsTheCall) {
  Probe probe(GetParam());
  probe.imports().onNote = [](std::span<const uint64_t> args, Sandbox&) {
    return ImportResult{.trap = args[0] == 200 ? Trap::kHostRefused : Trap::kNone};
  };
  EXPECT_EQ(probe.call("recurseAndNote", {0}).trap, Trap::kHostRefused);
  EXPECT_EQ(probe.call("bump"), returned(testing::kInitialCount + 1));
}

TEST_P(EngineTest, AnImportAlwaysHasItsStack) {
  Probe probe(GetParam());
  uint64_t deepest = 0;
  probe.imports().onNote = [&](std::span<const uint64_t> args, Sandbox&) {
    deepest = args[0];
    // What an import was promised, less the frames of the engine and of this test.
    volatile char room[kImportStackBytes - 8192];
    for (size_t i = 0; i < sizeof room; i += 512) room[i] = 1;
    return ImportResult{};
  };
  EXPECT_EQ(probe.call("recurseAndNote", {0}).trap, Trap::kStackExhausted);
  EXPECT_GT(deepest, 100u);
}

TEST_P(EngineTest, NestedCallsGoDeepAndReturn) {
  Probe probe(GetParam());
  uint64_t depth = 0;
  probe.imports().onNote = [&](std::span<const uint64_t> args, Sandbox&) {
    depth = std::max(depth, args[0]);
    if (args[0] < 10) {
      EXPECT_EQ(probe.call("note", {args[0] + 1}), kDone);
    }
    return ImportResult{};
  };
  EXPECT_EQ(probe.call("note", {0}), kDone);
  EXPECT_EQ(depth, 10u);
}

// Each level is a guest call within an import within a guest call: the innermost must trap, not
// crash.
TEST_P(EngineTest, EndlessNestingExhaustsTheStack) {
  Probe probe(GetParam());
  CallResult innermost;
  probe.imports().onNote = [&](std::span<const uint64_t> args, Sandbox&) {
    const CallResult nested = probe.call("note", {args[0] + 1});
    if (!nested.ok()) innermost = nested;
    return ImportResult{};
  };
  EXPECT_EQ(probe.call("note", {0}), kDone);
  EXPECT_EQ(innermost.trap, Trap::kStackExhausted);
  EXPECT_EQ(probe.call("bump"), returned(testing::kInitialCount + 1));
}

TEST_P(EngineTest, AnImportMayCallAnotherSandbox) {
  Probe outer(GetParam());
  Probe inner(GetParam());
  outer.imports().onNote = [&](std::span<const uint64_t>, Sandbox&) {
    EXPECT_EQ(inner.call("recurse", {testing::kTooDeep}).trap, Trap::kStackExhausted);
    EXPECT_EQ(inner.call("load", {kInitialBytes}).trap, Trap::kOutOfBounds);
    EXPECT_EQ(inner.call("bump"), returned(testing::kInitialCount + 1));
    return ImportResult{};
  };
  EXPECT_EQ(outer.call("noteThenLoad", {65536}), returned(0x626F7270));
  EXPECT_EQ(outer.call("load", {kInitialBytes}).trap, Trap::kOutOfBounds);
}

TEST_P(EngineTest, ThreadsWithSmallStacksCanCall) {
  struct Caller {
    Probe probe;
    CallResult deep, tooDeep;
  } caller{Probe(GetParam()), {}, {}};
  const auto run = [](void* opaque) -> void* {
    auto* self = static_cast<Caller*>(opaque);
    self->deep = self->probe.call("recurse", {4000});
    self->tooDeep = self->probe.call("recurse", {testing::kTooDeep});
    return nullptr;
  };
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, size_t{64} << 10), 0);
  pthread_t thread{};
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &caller), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  EXPECT_EQ(caller.deep, returned(4000));
  EXPECT_EQ(caller.tooDeep.trap, Trap::kStackExhausted);
}

// Stops.

TEST_P(EngineTest, AStopStaysInForceUntilItIsCleared) {
  Probe probe(GetParam());
  const auto base = probe.capture();
  probe->requestStop();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(probe.call("spin").trap, Trap::kStopped);
    ASSERT_TRUE(probe->restore(base));
  }
  probe->clearStop();
  EXPECT_EQ(probe.call("countTo", {1000}), returned(1000));
}

TEST_P(EngineTest, AnotherThreadStopsASpinningGuest) {
  Probe probe(GetParam());
  const auto base = probe.capture();
  for (int round = 0; round < 50; ++round) {
    std::atomic<bool> calling{false};
    std::thread stopper([&] {
      while (!calling) std::this_thread::yield();
      probe->requestStop();
    });
    calling = true;
    EXPECT_EQ(probe.call("spin").trap, Trap::kStopped);
    stopper.join();
    probe->clearStop();
    ASSERT_TRUE(probe->restore(base));
    EXPECT_EQ(probe.call("countTo", {1000}), returned(1000));
  }
}

TEST_P(EngineTest, AStopFromWithinAnImportEndsTheCaller) {
  Probe probe(GetParam());
  probe.imports().onNote = [&](std::span<const uint64_t>, Sandbox& sandbox) {
    sandbox.requestStop();
    EXPECT_EQ(probe.call("spin").trap, Trap::kStopped);
    return ImportResult{};
  };
  EXPECT_EQ(probe.call("noteForever").trap, Trap::kStopped);
}

TEST_P(EngineTest, AStopOfOneSandboxIsNotAnothers) {
  Probe stopped(GetParam());
  Probe other(GetParam());
  stopped->requestStop();
  EXPECT_EQ(other.call("countTo", {1000}), returned(1000));
  EXPECT_EQ(stopped.call("spin").trap, Trap::kStopped);
}

// A tree of calls is long without a loop and without depth: 2^n calls, n frames.
TEST_P(EngineTest, AStopEndsBranchingRecursion) {
  Probe probe(GetParam());
  probe->requestStop();
  EXPECT_EQ(probe.call("fibonacci", {25}).trap, Trap::kStopped);
}

// A compiler may turn a call in tail position into a jump: then neither loop header nor stack ends
// it.
TEST_P(EngineTest, AStopOrTheStackEndsTailRecursion) {
  Probe probe(GetParam());
  probe->requestStop();
  const Trap trap = probe.call("recurseInTail", {testing::kTooDeep}).trap;
  EXPECT_TRUE(trap == Trap::kStopped || trap == Trap::kStackExhausted) << toString(trap);
}

// What sandboxes cost and share.

TEST_P(EngineTest, SandboxesShareNothing) {
  Probe first(GetParam());
  Probe second(GetParam());
  EXPECT_EQ(first.call("store", {0, 1}), kDone);
  EXPECT_EQ(first.call("bump"), returned(8));
  EXPECT_EQ(first.call("setStack", {1}), kDone);
  EXPECT_EQ(second.load(0), 0u);
  EXPECT_EQ(second.call("bump"), returned(8));
  EXPECT_EQ(second->global(testing::kStackGlobal).unchecked("a test"), testing::kInitialStack);
}

// wabt #2861: a table without storage kept its size, and every call went through wild memory.
TEST_P(EngineTest, Wabt2861TableWithoutStorageDoesNotStart) {
  const bool native = GetParam() == Build::kNative;
  NexusNativeModule module = native ? nexus_module_probe : nexus_module_probe_checked;
  module.tableOffset = SIZE_MAX;  // nobody assigns the storage
  const auto engine = native ? makeNativeEngine(module) : makeCheckedEngine(module);
  ProbeImports imports;
  const auto sandbox = engine->createSandbox(kProbeOptions, imports, nullptr);
  ASSERT_FALSE(sandbox.ok());
  EXPECT_EQ(sandbox.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace nexus::sandbox
