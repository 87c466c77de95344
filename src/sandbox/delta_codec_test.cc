#include "sandbox/delta_codec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace nexus::sandbox {
namespace {

constexpr uint64_t kMemory = 4 * kWasmPageBytes;

Delta make(uint64_t memoryBytes, std::vector<uint64_t> globals, std::vector<DifferenceRun> runs) {
  Delta delta{memoryBytes, std::move(globals), {}};
  for (const DifferenceRun& run : runs) {
    for (uint32_t i = 0; i < run.bytes; ++i) {
      delta.difference.bytes.push_back(static_cast<std::byte>(run.begin + 7 * i));
    }
  }
  delta.difference.runs = std::move(runs);
  return delta;
}

void expectSame(const Delta& left, const Delta& right, const char* name) {
  EXPECT_EQ(left.memoryBytes, right.memoryBytes) << name;
  EXPECT_EQ(left.globals, right.globals) << name;
  ASSERT_EQ(left.difference.runs.size(), right.difference.runs.size()) << name;
  for (size_t i = 0; i < left.difference.runs.size(); ++i) {
    EXPECT_EQ(left.difference.runs[i].begin, right.difference.runs[i].begin) << name;
    EXPECT_EQ(left.difference.runs[i].bytes, right.difference.runs[i].bytes) << name;
  }
  EXPECT_EQ(left.difference.bytes, right.difference.bytes) << name;
}

// What may be applied without a look: ascending, whole words, inside of memory, all bytes there.
void expectSound(const Delta& delta) {
  uint64_t end = 0;
  uint64_t total = 0;
  ASSERT_EQ(delta.memoryBytes % kWasmPageBytes, 0U);
  ASSERT_LE(delta.memoryBytes, uint64_t{1} << 32);
  for (const DifferenceRun& run : delta.difference.runs) {
    ASSERT_EQ((run.begin | run.bytes) % 8, 0U);
    ASSERT_GT(run.bytes, 0U);
    ASSERT_GE(run.begin, end);
    end = uint64_t{run.begin} + run.bytes;
    total += run.bytes;
  }
  ASSERT_LE(end, delta.memoryBytes);
  ASSERT_EQ(total, delta.difference.bytes.size());
}

// Written by hand: numbers of seven bits a byte.
std::string numbers(std::initializer_list<uint64_t> values) {
  std::string bytes;
  for (uint64_t value : values) {
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
  }
  return bytes;
}

TEST(DeltaCodecTest, DecodedItIsTheSame) {
  const struct {
    const char* name;
    Delta delta;
  } rows[] = {
      {"empty", make(kMemory, {}, {})},
      {"globals of every length", make(kMemory, {0, 127, 128, 1ull << 62, UINT64_MAX}, {})},
      {"the first word", make(kMemory, {1}, {{0, 8}})},
      {"the last word", make(kMemory, {1}, {{static_cast<uint32_t>(kMemory) - 8, 8}})},
      {"all of it", make(kMemory, {1}, {{0, static_cast<uint32_t>(kMemory)}})},
      {"many", make(kMemory, {1, 2}, {{8, 8}, {24, 40}, {4096, 8}, {70'000, 800}})},
      {"the last address of all", make(uint64_t{1} << 32, {1}, {{16, 8}, {0xFFFFFFF8, 8}})},
  };
  for (const auto& row : rows) {
    const auto decoded = decodeDelta(encodeDelta(row.delta));
    ASSERT_TRUE(decoded) << row.name;
    expectSame(*decoded, row.delta, row.name);
  }
}

TEST(DeltaCodecTest, ARunCostsAByteOrTwo) {
  std::vector<DifferenceRun> runs;
  for (uint32_t i = 0; i < 100; ++i) runs.push_back({64 * i, 8});
  const Delta delta = make(kMemory, {}, runs);
  EXPECT_LE(encodeDelta(delta).size(), 100 * (8 + 2) + 10U);
}

TEST(DeltaCodecTest, CutAtAnyLengthItIsNone) {
  const std::string bytes = encodeDelta(make(kMemory, {7, 65'536}, {{8, 8}, {4096, 16}}));
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decodeDelta(std::string_view(bytes).substr(0, length))) << length;
  }
  EXPECT_FALSE(decodeDelta(bytes + "x"));
  EXPECT_TRUE(decodeDelta(bytes));
}

TEST(DeltaCodecTest, WhatDoesNotFitIsNone) {
  constexpr uint64_t kMost = UINT64_MAX;
  const std::string word(8, 'x');
  const struct {
    const char* name;
    std::string bytes;
  } rows[] = {
      {"nothing", ""},
      {"half a page of memory", numbers({kMemory + 1, 0, 0})},
      {"more memory than addresses", numbers({(uint64_t{1} << 32) + kWasmPageBytes, 0, 0})},
      {"memory without end", numbers({kMost, 0, 0})},
      {"globals without end", numbers({kMemory, kMost, 0})},
      {"more globals than bytes", numbers({kMemory, 3, 0})},
      {"runs without end", numbers({kMemory, 0, kMost})},
      {"more runs than bytes", numbers({kMemory, 0, 3, 0})},
      {"a run of nothing", numbers({kMemory, 0, 1, 0, 0})},
      {"a run without bytes", numbers({kMemory, 0, 1, 0, 1})},
      {"bytes without a run", numbers({kMemory, 0, 0}) + word},
      {"a gap without end", numbers({kMemory, 0, 1, kMost, 1}) + word},
      {"a gap that wraps around", numbers({kMemory, 0, 1, uint64_t{1} << 61, 1}) + word},
      {"a length without end", numbers({kMemory, 0, 1, 0, kMost}) + word},
      {"a length that wraps around", numbers({kMemory, 0, 1, 0, (uint64_t{1} << 61) + 1}) + word},
      {"over the end", numbers({kMemory, 0, 1, kMemory / 8 - 1, 2}) + word + word},
      {"behind the end", numbers({kMemory, 0, 1, kMemory / 8, 1}) + word},
      {"the second over the end", numbers({kMemory, 0, 2, 0, 1, kMemory / 8 - 1, 1}) + word + word},
      {"a run in no memory", numbers({0, 0, 1, 0, 1}) + word},
      {"a number that does not end", std::string(100, '\xFF')},
  };
  for (const auto& row : rows) EXPECT_FALSE(decodeDelta(row.bytes)) << row.name;
  EXPECT_TRUE(decodeDelta(numbers({kMemory, 0, 1, kMemory / 8 - 1, 1}) + word));
}

TEST(DeltaCodecTest, AnyOneByteMayBeAnyOther) {
  const std::string bytes =
      encodeDelta(make(kMemory, {7, 65'536}, {{8, 8}, {4096, 16}, {9000, 8}}));
  int accepted = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int flip = 1; flip < 256; ++flip) {
      std::string altered = bytes;
      altered[at] = static_cast<char>(altered[at] ^ flip);
      const auto decoded = decodeDelta(altered);
      if (!decoded) continue;
      ++accepted;
      ASSERT_NO_FATAL_FAILURE(expectSound(*decoded)) << "byte " << at << " ^ " << flip;
    }
  }
  EXPECT_GT(accepted, 1000) << "content may be anything";
}

TEST(DeltaCodecTest, AnyBytesMayCome) {
  std::mt19937 random(7);
  int accepted = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string bytes = numbers({random() % 5 * kWasmPageBytes, random() % 3});
    for (auto count = random() % 24; count > 0; --count) {
      bytes += static_cast<char>(random() % 4 == 0 ? random() : random() % 3);
    }
    const auto decoded = decodeDelta(bytes);
    if (!decoded) continue;
    ++accepted;
    ASSERT_NO_FATAL_FAILURE(expectSound(*decoded)) << round;
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace nexus::sandbox
