// Whatever a guest did, a restored sandbox holds exactly what its image does: the second half of
// what every engine must do (the first is engine_test.cc).
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "sandbox/engine.h"
#include "sandbox/image.h"
#include "sandbox/testing/probe.h"

namespace nexus::sandbox {
namespace {

using testing::Build;
using testing::kCountGlobal;
using testing::kDone;
using testing::kInitialBytes;
using testing::kInitialCount;
using testing::kInitialStack;
using testing::kProbeOptions;
using testing::kStackGlobal;
using testing::Probe;
using testing::returned;

using ImagePointer = std::shared_ptr<const Image>;
using Bytes = std::vector<std::byte>;

// Numbers of restores beyond which tracking changes its ways (tracked_memory.cc).
constexpr int kUntilHot = 4;
constexpr int kUntilSettled = 300;

class RestoreTest : public ::testing::TestWithParam<Build> {};

INSTANTIATE_TEST_SUITE_P(Builds, RestoreTest, ::testing::Values(Build::kNative, Build::kChecked),
                         [](const auto& build) { return testing::toString(build.param); });

// Writes a word into every page, the value telling who wrote it.
void scribble(Probe& probe, uint32_t value) {
  for (uint64_t at = 0; at < probe->memoryBytes(); at += kPageBytes) {
    ASSERT_EQ(probe.call("store", {at + 8 * (value % 100), value}), kDone);
  }
}

uint64_t countOf(const Bytes& memory, std::byte value) {
  return static_cast<uint64_t>(std::count(memory.begin(), memory.end(), value));
}

TEST_P(RestoreTest, MemoryAndAllGlobalsAreBack) {
  Probe probe(GetParam());
  ASSERT_EQ(probe.call("bump"), returned(8));
  ASSERT_EQ(probe.call("setStack", {1234}), kDone);
  ASSERT_EQ(probe.call("store", {0, 99}), kDone);
  const ImagePointer base = probe.capture();
  const Bytes before = probe.memory();
  for (int round = 0; round < 10; ++round) {
    scribble(probe, 1000u + static_cast<uint32_t>(round));
    ASSERT_EQ(probe.call("bump"), returned(9));
    ASSERT_EQ(probe.call("setStack", {5}), kDone);
    const std::vector<std::byte> junk(100, std::byte{0xEE});
    ASSERT_TRUE(probe->copyIn(70000, junk));
    ASSERT_TRUE(probe->restore(base));
    EXPECT_TRUE(probe.holds(before));
    EXPECT_EQ(probe->global(kStackGlobal).unchecked("a test"), 1234u);
    EXPECT_EQ(probe->global(kCountGlobal).unchecked("a test"), 8u);
  }
}

TEST_P(RestoreTest, AnImageKnowsTheGlobals) {
  Probe probe(GetParam());
  const ImagePointer base = probe.capture();
  ASSERT_EQ(base->globals().size(), 2u);
  EXPECT_EQ(base->globals()[0], kInitialStack);
  EXPECT_EQ(base->globals()[1], kInitialCount);
}

TEST_P(RestoreTest, TheTableIsBackInSandboxesMadeFromAnImage) {
  Probe first(GetParam());
  const ImagePointer base = first.capture();
  Probe second(GetParam(), kProbeOptions, base);
  EXPECT_EQ(second.call("callTable", {1}), returned(7));
  EXPECT_EQ(second.call("callTable", {0}).trap, Trap::kBadCall);
  EXPECT_EQ(second.call("callTable", {2}).trap, Trap::kBadCall);
}

TEST_P(RestoreTest, GrownMemoryShrinksAndIsZeroWhenGrownAgain) {
  Probe probe(GetParam());
  const ImagePointer base = probe.capture();
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(probe.call("grow", {5}), returned(2));
    EXPECT_EQ(countOf(probe.memory(), std::byte{0xFF}), 0u);
    ASSERT_EQ(probe.call("fill", {0, 0xFF, 7 * kWasmPageBytes}), kDone);
    ASSERT_TRUE(probe->restore(base));
    EXPECT_EQ(probe->memoryBytes(), kInitialBytes);
    EXPECT_EQ(probe.call("pages"), returned(2));
    EXPECT_EQ(probe.load(65536), 0x626F7270u);
  }
}

TEST_P(RestoreTest, GrowthOfTwentyMiBIsGone) {
  Probe probe(GetParam());
  const ImagePointer base = probe.capture();
  const Bytes before = probe.memory();
  constexpr uint64_t kPages = (20u << 20) / kWasmPageBytes;
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(probe.call("grow", {kPages}), returned(2));
    ASSERT_EQ(probe.call("fill", {kInitialBytes, 0xFF, kPages * kWasmPageBytes}), kDone);
    ASSERT_TRUE(probe->restore(base));
    EXPECT_TRUE(probe.holds(before));
    ASSERT_EQ(probe.call("grow", {kPages}), returned(2));
    EXPECT_EQ(countOf(probe.memory(), std::byte{0xFF}), 0u);
    ASSERT_TRUE(probe->restore(base));
  }
}

// A guest whose own bounds are broken may reach memory that an earlier call had grown. Whatever it
// writes there, no later call finds it.
TEST_P(RestoreTest, WritesBehindTheEndAreGone) {
  Probe probe(GetParam());
  const ImagePointer base = probe.capture();
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(probe.call("grow", {5}), returned(2));
    ASSERT_EQ(probe.call("fill", {kInitialBytes, 0xFF, 5 * kWasmPageBytes}), kDone);
    ASSERT_TRUE(probe->restore(base));
    for (uint64_t at = kInitialBytes; at < kInitialBytes + 5 * kWasmPageBytes; at += kPageBytes) {
      const CallResult found = probe.call("load", {at});
      EXPECT_TRUE(!found.ok() || found.value.is(0)) << at;
      (void)probe.call("store", {at, 0xFFFFFFFF});
    }
    ASSERT_TRUE(probe->restore(base));
    ASSERT_EQ(probe.call("grow", {5}), returned(2));
    EXPECT_EQ(countOf(probe.memory(), std::byte{0xFF}), 0u);
    ASSERT_TRUE(probe->restore(base));
  }
}

TEST_P(RestoreTest, ADifferenceFitsEverySandboxOfItsBase) {
  Probe first(GetParam());
  const ImagePointer base = first.capture();
  Probe second(GetParam(), kProbeOptions, base);
  ASSERT_EQ(first.call("grow", {3}), returned(2));
  scribble(first, 4242);
  ASSERT_EQ(first.call("bump"), returned(8));
  const ImagePointer image = first.capture();
  EXPECT_FALSE(image->isBase());
  const Bytes content = first.memory();

  ASSERT_TRUE(second->restore(image));
  EXPECT_TRUE(second.holds(content));
  EXPECT_EQ(second->global(kCountGlobal).unchecked("a test"), 8u);
  EXPECT_EQ(second.call("pages"), returned(5));

  Probe third(GetParam(), kProbeOptions, image);
  EXPECT_TRUE(third.holds(content));
  EXPECT_EQ(third->global(kCountGlobal).unchecked("a test"), 8u);
  EXPECT_EQ(third.call("load", {8 * 42}), returned(4242));
}

TEST_P(RestoreTest, ASandboxMadeFromADifferenceCanCaptureAndSwitch) {
  Probe first(GetParam());
  ImagePointer base = first.capture();
  scribble(first, 1);
  ImagePointer image = first.capture();
  Probe second(GetParam(), kProbeOptions, image);
  scribble(second, 2);
  const Bytes content = second.memory();
  const ImagePointer other = second.capture();
  const Image* baseAddress = base.get();
  base.reset();
  ASSERT_TRUE(first->restore(other));
  image.reset();  // what the sandboxes need, they hold
  EXPECT_TRUE(first.holds(content));
  EXPECT_EQ(&other->base(), baseAddress);
  ASSERT_TRUE(second->restore(other));
  EXPECT_TRUE(second.holds(content));
}

TEST_P(RestoreTest, AnImageOfAnImageHoldsOnlyWhatDiffers) {
  Probe probe(GetParam());
  const ImagePointer base = probe.capture();
  EXPECT_TRUE(probe.capture()->difference().runs.empty());
  ASSERT_EQ(probe.call("store", {800, 1}), kDone);
  const ImagePointer image = probe.capture();
  ASSERT_EQ(image->difference().runs.size(), 1u);
  EXPECT_EQ(image->difference().runs[0].begin, 800u);
  EXPECT_EQ(image->difference().runs[0].bytes, 8u);
  // Written back to what it was: no difference any more.
  ASSERT_EQ(probe.call("store", {800, 0}), kDone);
  EXPECT_TRUE(probe.capture()->difference().runs.empty());
}

TEST_P(RestoreTest, SettlesAndSwitchesAndComesBack) {
  Probe probe(GetParam());
  const ImagePointer base = probe.capture();
  const Bytes baseContent = probe.memory();
  scribble(probe, 11);
  const ImagePointer first = probe.capture();
  const Bytes firstContent = probe.memory();
  ASSERT_TRUE(probe->restore(base));
  ASSERT_EQ(probe.call("store", {9 * kPageBytes, 22}), kDone);
  const ImagePointer second = probe.capture();
  const Bytes secondContent = probe.memory();

  struct Stay {
    const ImagePointer& image;
    const Bytes& content;
    int restores;
  };
  const Stay stays[] = {
      {first, firstContent, kUntilSettled},
      {second, secondContent, 1},
      {first, firstContent, kUntilHot},
      {base, baseContent, kUntilSettled},
      {second, secondContent, kUntilSettled},
      {first, firstContent, kUntilSettled},
      {base, baseContent, 1},
      {first, firstContent, 1},
  };
  for (const Stay& stay : stays) {
    for (int i = 0; i < stay.restores; ++i) {
      ASSERT_TRUE(probe->restore(stay.image));
      ASSERT_TRUE(probe.holds(stay.content)) << "after restore " << i;
      ASSERT_EQ(probe.call("store", {static_cast<uint64_t>(i) % 32 * kPageBytes, 0xAA}), kDone);
      ASSERT_EQ(probe.call("bump"), returned(kInitialCount + 1));
    }
  }
}

TEST_P(RestoreTest, DeadRangesComeBackAsZero) {
  Probe probe(GetParam());
  ASSERT_EQ(probe.call("fill", {0, 0xFF, 10 * kPageBytes}), kDone);
  // Within a page, across two, not on word boundaries.
  const ImagePointer base =
      probe.capture({{64, 128}, {kPageBytes - 8, kPageBytes + 8}, {201, 215}});
  const auto expected = [](uint64_t at) {
    const bool dead = (at >= 64 && at < 128) || (at >= 201 && at < 215) ||
                      (at >= kPageBytes - 8 && at < kPageBytes + 8);
    return dead ? std::byte{0} : std::byte{0xFF};
  };
  Probe other(GetParam(), kProbeOptions, base);
  for (Probe* each : {&probe, &other}) {
    ASSERT_TRUE((*each)->restore(base));
    const Bytes memory = each->memory();
    for (uint64_t at = 0; at < 10 * kPageBytes; ++at) ASSERT_EQ(memory[at], expected(at)) << at;
  }
}

TEST_P(RestoreTest, DeadWordsOfADifferenceAreThoseOfItsBase) {
  Probe probe(GetParam());
  ASSERT_EQ(probe.call("fill", {0, 0xFF, 4 * kPageBytes}), kDone);
  probe.capture();
  ASSERT_EQ(probe.call("store", {kPageBytes + 64, 1}), kDone);  // of two pages, one is written
  const ImagePointer image = probe.capture({{0, 16}, {kPageBytes, kPageBytes + 16}});
  ASSERT_TRUE(probe->restore(image));
  EXPECT_EQ(probe.load(0), 0xFFFFFFFFu);
  EXPECT_EQ(probe.load(kPageBytes), 0xFFFFFFFFu);
}

class DeadRangesOfADifference : public ::testing::TestWithParam<std::tuple<Build, AddressRange>> {};

INSTANTIATE_TEST_SUITE_P(
    Builds, DeadRangesOfADifference,
    ::testing::Combine(::testing::Values(Build::kNative, Build::kChecked),
                       ::testing::Values(AddressRange{64, 128}, AddressRange{0, kInitialBytes},
                                         AddressRange{kPageBytes - 8, kPageBytes + 8},
                                         AddressRange{kInitialBytes, kInitialBytes + 4096},
                                         AddressRange{65, 67}, AddressRange{65, 80},
                                         AddressRange{64, 79}, AddressRange{128, 64})),
    [](const auto& test) {
      const AddressRange range = std::get<1>(test.param);
      return testing::toString(std::get<0>(test.param)) + std::to_string(range.begin) + "to" +
             std::to_string(range.end);
    });

TEST_P(DeadRangesOfADifference, WholeWordsComeBackAsInTheBaseAndNothingElseDoes) {
  const auto [build, dead] = GetParam();
  Probe probe(build);
  ASSERT_EQ(probe.call("fill", {0, 0x11, kInitialBytes}), kDone);
  probe.capture();
  ASSERT_EQ(probe.call("grow", {1}), returned(2));
  ASSERT_EQ(probe.call("fill", {0, 0x22, kInitialBytes + kWasmPageBytes}), kDone);
  Bytes expected = probe.memory();
  for (uint64_t word = (dead.begin + 7) / 8 * 8; word + 8 <= dead.end; word += 8) {
    std::memset(&expected[word], word < kInitialBytes ? 0x11 : 0, 8);
  }
  const ImagePointer image = probe.capture({dead});
  for (int i = 0; i < kUntilHot; ++i) {
    ASSERT_TRUE(probe->restore(image));
    ASSERT_TRUE(probe.holds(expected));
  }
}

TEST_P(RestoreTest, TrimKeepsTheContent) {
  Probe probe(GetParam());
  const ImagePointer base = probe.capture();
  ASSERT_EQ(probe.call("grow", {2}), returned(2));
  scribble(probe, 7);
  const ImagePointer grown = probe.capture();
  ASSERT_TRUE(probe->restore(base));
  scribble(probe, 8);
  const ImagePointer small = probe.capture();
  for (const ImagePointer& image : {base, grown, small}) {
    for (const int restores : {1, kUntilHot, kUntilSettled}) {
      Bytes content;
      for (int i = 0; i < restores; ++i) {
        ASSERT_TRUE(probe->restore(image));
        content = probe.memory();
        scribble(probe, 9);
        ASSERT_EQ(probe.call("grow", {1}).trap, Trap::kNone);
      }
      ASSERT_TRUE(probe->restore(image));
      probe->trim();
      EXPECT_TRUE(probe.holds(content));
      EXPECT_EQ(probe.call("recurse", {1000}), returned(1000));
      probe->trim();
      ASSERT_TRUE(probe->restore(image));
      EXPECT_TRUE(probe.holds(content));
    }
  }
}

TEST_P(RestoreTest, TrimBeforeTheFirstCaptureChangesNothing) {
  Probe probe(GetParam());
  scribble(probe, 3);
  const Bytes before = probe.memory();
  probe->trim();
  EXPECT_TRUE(probe.holds(before));
  EXPECT_EQ(probe.call("recurse", {1000}), returned(1000));
}

TEST_P(RestoreTest, AnOutlierIsForgottenWithoutATrace) {
  Probe probe(GetParam());
  ASSERT_EQ(probe.call("grow", {38}), returned(2));  // 640 pages of 4 KiB
  scribble(probe, 5);
  const ImagePointer base = probe.capture();
  ASSERT_EQ(probe.call("store", {100 * kPageBytes, 6}), kDone);
  const ImagePointer image = probe.capture();
  const Bytes content = probe.memory();
  for (int outlier = 0; outlier < 2; ++outlier) {
    scribble(probe, 0xBAD);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(probe->restore(image));
      ASSERT_TRUE(probe.holds(content)) << outlier << " " << i;
      ASSERT_EQ(probe.call("store", {static_cast<uint64_t>(i) * kPageBytes, 1}), kDone);
    }
  }
}

TEST_P(RestoreTest, AnImageBeyondTheSandboxesLimitIsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Probe large(GetParam());
  const ImagePointer base = large.capture();
  ASSERT_EQ(large.call("grow", {64}), returned(2));
  const ImagePointer image = large.capture();
  const SandboxOptions small{.memoryLimitBytes = 4 * kWasmPageBytes,
                             .nativeStackBytes = kProbeOptions.nativeStackBytes};
  // In a process of its own: what it must not do may end it.
  const auto restoreThere = [&] {
    Probe probe(GetParam(), small, base);
    const bool restored = probe->restore(image);
    _exit(restored ? 1 : 0);
  };
  EXPECT_EXIT(restoreThere(), ::testing::ExitedWithCode(0), "");
  const auto createThere = [&] {
    testing::ProbeImports imports;
    const testing::ProbeEngine engine(GetParam());
    const auto made = engine->createSandbox(small, imports, image);
    _exit(!made.ok() && made.error().code == ErrorCode::kUnavailable ? 0 : 1);
  };
  EXPECT_EXIT(createThere(), ::testing::ExitedWithCode(0), "");
}

TEST_P(RestoreTest, TwoThreadsUseTwoSandboxesOfOneBase) {
  Probe first(GetParam());
  const ImagePointer base = first.capture();
  scribble(first, 21);
  const ImagePointer image = first.capture();
  Probe second(GetParam(), kProbeOptions, base);
  const auto work = [&](Probe& probe) {
    for (int i = 0; i < 1000; ++i) {
      const ImagePointer& target = i / 10 % 2 == 0 ? image : base;
      ASSERT_TRUE(probe->restore(target));
      ASSERT_EQ(probe.load(8 * 21), target == image ? 21u : 0u);
      const uint64_t page = static_cast<uint64_t>(i) % 32;
      ASSERT_EQ(probe.call("store", {page * kPageBytes, 1}), kDone);
      ASSERT_EQ(probe.call("bump"), returned(kInitialCount + 1));
      if (i % 100 == 0) {
        ASSERT_EQ(probe.call("load", {kInitialBytes}).trap, Trap::kOutOfBounds);
        ASSERT_EQ(probe.call("recurse", {testing::kTooDeep}).trap, Trap::kStackExhausted);
      }
    }
  };
  std::thread other([&] { work(second); });
  work(first);
  other.join();
}

TEST_P(RestoreTest, ASandboxMayMoveBetweenThreads) {
  Probe probe(GetParam());
  ImagePointer base;
  std::thread([&] { base = probe.capture(); }).join();
  for (int i = 0; i < 20; ++i) {
    std::thread([&] {
      ASSERT_EQ(probe.call("store", {static_cast<uint64_t>(i) * kPageBytes, 1}), kDone);
      ASSERT_EQ(probe.call("recurse", {testing::kTooDeep}).trap, Trap::kStackExhausted);
    }).join();
    ASSERT_TRUE(probe->restore(base));
    EXPECT_EQ(probe.load(static_cast<GuestAddress>(i) * kPageBytes), i == 16 ? 0x626F7270u : 0u);
    EXPECT_EQ(probe.call("bump"), returned(kInitialCount + 1));
  }
}

// Random walks over two sandboxes of one base and their images, beside a model that copies
// everything.

struct Model {
  Bytes memory;
  uint64_t stack = kInitialStack;
  uint64_t count = kInitialCount;
};

struct ModelImage {
  ImagePointer image;
  Model content;
};

class Walk {
 public:
  Walk(Build build, uint32_t seed) : random_(seed), first_(build) {
    images_.push_back({first_.capture(), {first_.memory()}});
    second_.emplace(build, kProbeOptions, images_[0].image);
    models_[0] = models_[1] = images_[0].content;
    for (int i = 0; i < 2; ++i) {
      change();
      captureInto(images_.size());
    }
  }

  void step() {
    side_ = below(2);
    switch (below(8)) {
      case 0:
        captureInto(1 + below(2));
        break;
      case 1:
        stay(below(10));
        break;
      case 2:
        trap();
        break;
      case 3:
        restore(below(3));
        probe()->trim();
        break;
      case 4:
        if (below(40) == 0) stay(kUntilSettled);
        break;
      default:
        restore(below(3));
    }
    for (uint32_t i = below(5); i > 0; --i) change();
  }

  void verify() {
    ASSERT_TRUE(probe().holds(model().memory));
    ASSERT_EQ(probe()->global(kStackGlobal).unchecked("a test"), model().stack);
    ASSERT_EQ(probe()->global(kCountGlobal).unchecked("a test"), model().count);
  }

  // The one that the last step used.
  Probe& probe() { return side_ == 0 ? first_ : *second_; }

 private:
  static constexpr uint64_t kMostBytes = 6 * kWasmPageBytes;

  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }
  Model& model() { return models_[side_]; }

  void change() {
    Bytes& memory = model().memory;
    const auto size = static_cast<uint32_t>(memory.size());
    const uint32_t at = below(size - 4);
    const uint32_t value = below(3) == 0 ? 0 : static_cast<uint32_t>(random_());
    switch (below(7)) {
      case 0: {
        const uint32_t length = below(std::min(size - at, 3 * uint32_t{kPageBytes}));
        ASSERT_EQ(probe().call("fill", {at, value, length}), kDone);
        std::fill_n(memory.begin() + at, length, static_cast<std::byte>(value));
        break;
      }
      case 1: {
        const Bytes bytes(below(std::min(size - at, 5000u)), static_cast<std::byte>(value));
        ASSERT_TRUE(probe()->copyIn(at, bytes));
        std::copy(bytes.begin(), bytes.end(), memory.begin() + at);
        break;
      }
      case 2:
        if (size >= kMostBytes) break;
        ASSERT_EQ(probe().call("grow", {1}), returned(size / kWasmPageBytes));
        memory.resize(size + kWasmPageBytes);
        break;
      case 3:
        ASSERT_EQ(probe().call("bump"), returned(++model().count));
        break;
      case 4:
        ASSERT_EQ(probe().call("setStack", {value}), kDone);
        model().stack = value;
        break;
      default:
        ASSERT_EQ(probe().call("store", {at, value}), kDone);
        std::memcpy(memory.data() + at, &value, sizeof value);
    }
  }

  void restore(uint32_t index) {
    ASSERT_TRUE(probe()->restore(images_[index].image));
    model() = images_[index].content;
    verify();
  }

  void stay(int restores) {
    const uint32_t index = below(3);
    for (int i = 0; i < restores; ++i) {
      restore(index);
      change();
    }
    restore(index);
  }

  void trap() {
    static constexpr const char* kFunctions[] = {"giveUp", "divide", "load", "recurse"};
    const uint64_t args[] = {below(2) == 0 ? 0xFFFFFFFC : testing::kTooDeep, 0};
    const auto function = probe().engine().find(kFunctions[below(4)]);
    ASSERT_FALSE(probe()->call(function, args).ok());
    restore(below(3));
  }

  void captureInto(size_t index) {
    const uint32_t begin = below(kInitialBytes / 8) * 8;
    const AddressRange dead{begin, begin + below(1000) * 8};
    Model content = model();
    const Bytes& base = images_.front().content.memory;
    for (uint64_t at = begin; at < std::min<uint64_t>(dead.end, content.memory.size()); at += 8) {
      if (at < base.size()) {
        std::memcpy(&content.memory[at], &base[at], 8);
      } else {
        std::memset(&content.memory[at], 0, 8);
      }
    }
    ModelImage made{probe().capture({dead}), std::move(content)};
    if (index < images_.size()) {
      images_[index] = std::move(made);
    } else {
      images_.push_back(std::move(made));
    }
  }

  std::mt19937 random_;
  Probe first_;
  std::optional<Probe> second_;
  Model models_[2];
  std::vector<ModelImage> images_;
  uint32_t side_ = 0;
};

constexpr uint32_t kSeed = 20240229;
constexpr int kSteps = 2000;

TEST_P(RestoreTest, RandomWalkAgreesWithTheModel) {
  Walk walk(GetParam(), kSeed);
  for (int i = 0; i < kSteps; ++i) {
    walk.step();
    walk.verify();
    ASSERT_FALSE(HasFatalFailure()) << "step " << i;
  }
}

TEST(Restore, BothEnginesEndInTheSameMemory) {
  Walk native(Build::kNative, kSeed + 1);
  Walk checked(Build::kChecked, kSeed + 1);
  for (int i = 0; i < kSteps / 4; ++i) {
    native.step();
    checked.step();
    ASSERT_TRUE(native.probe().holds(checked.probe().memory())) << "step " << i;
  }
}

// What an idle sandbox keeps.

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// The sanitizers' shadow memory and quarantine count as resident and stay so.
uint64_t residentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t all = 0;
  uint64_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

TEST_P(RestoreTest, IdleSandboxesKeepLittle) {
  Probe first(GetParam());
  const ImagePointer base = first.capture();
  const auto use = [&](Probe& probe) {
    ASSERT_EQ(probe.call("recurse", {3000}), returned(3000));
    scribble(probe, 1);
    ASSERT_EQ(probe.call("grow", {160}), returned(2));  // 10 MiB
    ASSERT_EQ(probe.call("fill", {kInitialBytes, 0xFF, 160 * kWasmPageBytes}), kDone);
    ASSERT_TRUE(probe->restore(base));
  };
  use(first);
  first->trim();
  constexpr size_t kSandboxes = 16;
  std::vector<std::unique_ptr<Probe>> sandboxes;
  const uint64_t before = residentBytes();
  for (size_t i = 0; i < kSandboxes; ++i) {
    sandboxes.push_back(std::make_unique<Probe>(GetParam(), kProbeOptions, base));
    use(*sandboxes.back());
    (*sandboxes.back())->trim();
  }
  const uint64_t after = residentBytes();
  const uint64_t each = (after - std::min(after, before)) / kSandboxes;
  // Restored by copy, a sandbox holds all of its image; the native one only the pages it wrote.
  const uint64_t memory = GetParam() == Build::kChecked ? kInitialBytes : 0;
  EXPECT_LE(each, memory + 96 * 1024);
  RecordProperty("bytesEach", std::to_string(each));
}
#endif

}  // namespace
}  // namespace nexus::sandbox
