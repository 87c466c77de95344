#include "sandbox/image_codec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "sandbox/testing/probe.h"

namespace nexus::sandbox {
namespace {

using testing::Build;
using testing::kDone;
using testing::Probe;
using testing::returned;

using ImagePointer = std::shared_ptr<const Image>;

// What encodeImage writes first.
struct Head {
  uint64_t memoryBytes = 0;
  uint64_t globals = 0;
  uint64_t runs = 0;
  uint64_t bytes = 0;
};

std::string encode(const Head& head, const std::vector<uint64_t>& globals,
                   const std::vector<DifferenceRun>& runs, size_t contentBytes) {
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
  bytes.append(reinterpret_cast<const char*>(globals.data()), globals.size() * sizeof(uint64_t));
  bytes.append(reinterpret_cast<const char*>(runs.data()), runs.size() * sizeof(DifferenceRun));
  return bytes.append(contentBytes, 'x');
}

bool isSame(const Image& left, const Image& right) {
  return left.memoryBytes() == right.memoryBytes() &&
         std::ranges::equal(left.globals(), right.globals()) &&
         std::ranges::equal(left.touchedPages(), right.touchedPages()) &&
         std::ranges::equal(left.difference().runs, right.difference().runs,
                            [](const DifferenceRun& a, const DifferenceRun& b) {
                              return a.begin == b.begin && a.bytes == b.bytes;
                            }) &&
         left.difference().bytes == right.difference().bytes;
}

class ImageCodecTest : public ::testing::TestWithParam<Build> {
 protected:
  // Writes here and there, and bumps a global.
  ImagePointer change(std::initializer_list<uint32_t> addresses, uint32_t pages = 0) {
    EXPECT_TRUE(probe_->restore(base_));
    EXPECT_TRUE(probe_.call("grow", {pages}).ok());
    for (const uint32_t at : addresses) EXPECT_EQ(probe_.call("store", {at, at + 1}), kDone);
    EXPECT_TRUE(probe_.call("bump").ok());
    return probe_.capture();
  }

  Probe probe_{GetParam()};
  const ImagePointer base_ = probe_.capture();
};

TEST_P(ImageCodecTest, ADecodedImageIsTheSame) {
  const struct {
    const char* name;
    ImagePointer image;
  } cases[] = {
      {"a global alone", change({})},
      {"first and last word", change({0, testing::kInitialBytes - 4})},
      {"over a page's end", change({4088, 4092, 4096, 4104})},
      {"growth that nobody wrote to", change({}, 3)},
      {"growth", change({8, testing::kInitialBytes, testing::kInitialBytes + 100'000}, 3)},
  };
  for (const auto& c : cases) {
    const ImagePointer decoded = decodeImage(encodeImage(*c.image), base_);
    ASSERT_NE(decoded, nullptr) << c.name;
    EXPECT_TRUE(isSame(*decoded, *c.image)) << c.name;
    EXPECT_FALSE(decoded->isBase()) << c.name;
    EXPECT_EQ(&decoded->base(), base_.get()) << c.name;
  }
}

// As another process does: an engine of its own, and a base of the same content.
TEST_P(ImageCodecTest, ItRestoresElsewhereToTheSameMemory) {
  const ImagePointer image = change({0, 8, 70'000, testing::kInitialBytes + 20}, 1);
  const std::vector<std::byte> memory = probe_.memory();
  const std::string bytes = encodeImage(*image);

  Probe other(GetParam());
  const ImagePointer otherBase = other.capture();
  const ImagePointer decoded = decodeImage(bytes, otherBase);
  ASSERT_NE(decoded, nullptr);
  EXPECT_EQ(other.call("store", {12345, 1}), kDone);
  for (int round = 0; round < 5; ++round) {  // cold, then hot
    ASSERT_TRUE(other->restore(decoded));
    EXPECT_TRUE(other.holds(memory)) << round;
    EXPECT_EQ(other.call("bump"), returned(testing::kInitialCount + 2)) << round;
    EXPECT_EQ(other.call("fill", {60'000, 7, 20'000}), kDone);
  }
}

TEST_P(ImageCodecTest, CutAtAnyLengthItIsNone) {
  const std::string bytes = encodeImage(*change({0, 64}, 1));
  for (size_t length = 0; length < bytes.size(); ++length) {
    ASSERT_EQ(decodeImage(bytes.substr(0, length), base_), nullptr) << length;
  }
  EXPECT_EQ(decodeImage(bytes + "x", base_), nullptr);
  EXPECT_NE(decodeImage(bytes, base_), nullptr);
}

// Whatever the bytes say: an image that is accepted can be restored, and touches nothing outside.
class Tampering {
 public:
  Tampering(Probe& probe, ImagePointer base) : probe_(probe), base_(std::move(base)) {}

  void expectSound(const std::string& bytes) {
    const ImagePointer image = decodeImage(bytes, base_);
    if (image == nullptr) return;
    ++accepted_;
    ASSERT_EQ(image->globals().size(), base_->globals().size());
    ASSERT_EQ(image->memoryBytes() % kWasmPageBytes, 0u);
    ASSERT_GE(image->memoryBytes(), base_->memoryBytes());
    expectInside(image->difference(), image->memoryBytes());
    (void)image->hotPages();
    if (image->memoryBytes() > kMostMemory) return;  // restoring is refused, for good
    std::vector<std::byte> expected(image->memoryBytes());
    const auto base = base_->file().bytes();
    std::ranges::copy(base, expected.begin());
    image->difference().applyTo(expected.data());
    ASSERT_TRUE(probe_->restore(image));
    ASSERT_TRUE(probe_.holds(expected));
  }

  int accepted() const { return accepted_; }

 private:
  static constexpr uint64_t kMostMemory = 8 * kWasmPageBytes;

  static void expectInside(const Difference& difference, uint64_t memoryBytes) {
    uint64_t end = 0;
    uint64_t total = 0;
    for (const DifferenceRun& run : difference.runs) {
      ASSERT_EQ((run.begin | run.bytes) % 8, 0u);
      ASSERT_GE(run.begin, end);
      end = uint64_t{run.begin} + run.bytes;
      total += run.bytes;
    }
    ASSERT_LE(end, memoryBytes);
    ASSERT_EQ(total, difference.bytes.size());
  }

  Probe& probe_;
  const ImagePointer base_;
  int accepted_ = 0;
};

TEST_P(ImageCodecTest, AnyOneByteMayBeAnyOther) {
  const std::string bytes = encodeImage(*change({0, 4096, 8192}));
  Tampering tampering(probe_, base_);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int flip = 1; flip < 256; flip += at < sizeof(Head) ? 1 : 7) {
      std::string altered = bytes;
      altered[at] = static_cast<char>(altered[at] ^ flip);
      ASSERT_NO_FATAL_FAILURE(tampering.expectSound(altered)) << "byte " << at << " ^ " << flip;
    }
  }
  EXPECT_GT(tampering.accepted(), 100) << "content may be anything";
}

TEST_P(ImageCodecTest, AnyBytesMayComeInAnyOrder) {
  const std::string bytes = encodeImage(*change({0, 64, 4096, 8192, 70'000}));
  Tampering tampering(probe_, base_);
  std::mt19937 random(3);
  for (int round = 0; round < 5'000; ++round) {
    std::string altered = bytes;
    for (auto changes = random() % 8 + 1; changes > 0; --changes) {
      // Whole words at their places: what passes the first checks is what matters.
      const uint32_t value =
          static_cast<uint32_t>(random() % 2 == 0 ? random() % 40 * 8 : random());
      std::memcpy(altered.data() + random() % (altered.size() / 4) * 4, &value, sizeof value);
    }
    ASSERT_NO_FATAL_FAILURE(tampering.expectSound(altered)) << "round " << round;
  }
  EXPECT_GT(tampering.accepted(), 100);
}

constexpr uint64_t kMemory = testing::kInitialBytes;

TEST_P(ImageCodecTest, WhatDoesNotFitIsNone) {
  const std::vector<uint64_t> globals(base_->globals().begin(), base_->globals().end());
  const uint64_t count = globals.size();
  const struct {
    const char* name;
    Head head;
    std::vector<DifferenceRun> runs;
  } cases[] = {
      {"memory below the base's", {kMemory - kWasmPageBytes, count, 0, 0}, {}},
      {"half a page of memory", {kMemory + 1, count, 0, 0}, {}},
      {"more memory than addresses", {(uint64_t{1} << 32) + kWasmPageBytes, count, 0, 0}, {}},
      {"a global less", {kMemory, count - 1, 0, 8}, {}},
      {"globals without end", {kMemory, UINT64_MAX, 0, 0}, {}},
      {"globals that overflow", {kMemory, uint64_t{1} << 61, 0, 0}, {}},
      {"runs that overflow", {kMemory, count, uint64_t{1} << 61, 0}, {}},
      {"runs without end", {kMemory, count, UINT64_MAX, 0}, {}},
      {"bytes without end", {kMemory, count, 0, UINT64_MAX}, {}},
      {"bytes without a run", {kMemory, count, 0, 8}, {}},
      {"a run without bytes", {kMemory, count, 1, 0}, {{0, 8}}},
      {"a run of nothing", {kMemory, count, 1, 0}, {{0, 0}}},
      {"half a word", {kMemory, count, 1, 4}, {{0, 4}}},
      {"between two words", {kMemory, count, 1, 8}, {{4, 8}}},
      {"twice the same", {kMemory, count, 2, 16}, {{8, 8}, {8, 8}}},
      {"one into the other", {kMemory, count, 2, 24}, {{0, 16}, {8, 8}}},
      {"backwards", {kMemory, count, 2, 16}, {{8, 8}, {0, 8}}},
      {"over the end", {kMemory, count, 1, 16}, {{kMemory - 8, 16}}},
      {"behind the end", {kMemory, count, 1, 8}, {{kMemory, 8}}},
      {"over the last address", {kMemory, count, 1, 16}, {{0xFFFFFFF8, 16}}},
      {"longer than all", {kMemory, count, 1, 8}, {{8, 0xFFFFFFF8}}},
  };
  for (const auto& c : cases) {
    std::vector<uint64_t> some = globals;
    if (c.head.globals < some.size()) some.resize(c.head.globals);
    const size_t content = c.head.bytes < 100 ? c.head.bytes : 0;
    EXPECT_EQ(decodeImage(encode(c.head, some, c.runs, content), base_), nullptr) << c.name;
  }
  EXPECT_NE(decodeImage(encode({kMemory, count, 1, 8}, globals, {{kMemory - 8, 8}}, 8), base_),
            nullptr)
      << "the last word fits";
}

TEST_P(ImageCodecTest, ABaseOfAnotherShapeIsNotItsBase) {
  const std::string bytes = encodeImage(*change({0}));
  const std::vector<std::byte> larger(kMemory + kWasmPageBytes);
  const auto globals = base_->globals();
  const auto largerBase =
      std::move(Image::makeBase(larger, {}, {globals.begin(), globals.end()})).value();
  EXPECT_EQ(decodeImage(bytes, largerBase), nullptr);
  const auto fewerGlobals =
      std::move(Image::makeBase(base_->file().bytes(), {}, {globals.begin(), globals.end() - 1}))
          .value();
  EXPECT_EQ(decodeImage(bytes, fewerGlobals), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Builds, ImageCodecTest, ::testing::Values(Build::kNative, Build::kChecked),
                         [](const auto& build) { return testing::toString(build.param); });

}  // namespace
}  // namespace nexus::sandbox
