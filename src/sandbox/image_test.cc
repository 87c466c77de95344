#include "sandbox/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <thread>

namespace nexus::sandbox {

bool operator==(const DifferenceRun& left, const DifferenceRun& right) {
  return left.begin == right.begin && left.bytes == right.bytes;
}
void PrintTo(const DifferenceRun& run, std::ostream* out) { *out << run.begin << "+" << run.bytes; }

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Bytes = std::vector<std::byte>;
using ImagePointer = std::shared_ptr<const Image>;

Bytes pagesOf(size_t pages, uint8_t value) {
  return Bytes(pages * kPageBytes, static_cast<std::byte>(value));
}

void put(Bytes& memory, size_t at, uint64_t word) {
  std::memcpy(memory.data() + at, &word, sizeof word);
}

uint64_t get(const std::byte* memory, size_t at) {
  uint64_t word = 0;
  std::memcpy(&word, memory + at, sizeof word);
  return word;
}

// Pages of `now` beyond those of `before` are compared with zeros, as those of grown memory are.
Difference compare(const Bytes& now, const Bytes& before, std::span<const AddressRange> dead = {}) {
  DifferenceBuilder builder(dead);
  for (size_t at = 0; at < now.size(); at += kPageBytes) {
    builder.comparePage(static_cast<GuestAddress>(at), now.data() + at,
                        at < before.size() ? before.data() + at : nullptr);
  }
  return builder.take();
}

ImagePointer makeBase(const Bytes& memory, std::span<const AddressRange> dead = {}) {
  return std::move(Image::makeBase(memory, dead, {1, 2})).value();
}

ImagePointer makeDifference(const ImagePointer& base, const Bytes& before, const Bytes& now) {
  return Image::makeDifference(base, now.size(), {3, 4}, compare(now, before));
}

TEST(DifferenceBuilder, SamePagesMakeNoRuns) {
  const Bytes memory = pagesOf(3, 7);
  const Difference difference = compare(memory, memory);
  EXPECT_THAT(difference.runs, IsEmpty());
  EXPECT_THAT(difference.bytes, IsEmpty());
}

TEST(DifferenceBuilder, NeighbouringWordsMergeAlsoAcrossPages) {
  struct Case {
    const char* name;
    std::vector<size_t> words;
    std::vector<DifferenceRun> runs;
  };
  const Case cases[] = {
      {"one", {0}, {{0, 8}}},
      {"two beside each other", {8, 16}, {{8, 16}}},
      {"two apart", {8, 24}, {{8, 8}, {24, 8}}},
      {"last of a page and first of the next", {4088, 4096}, {{4088, 16}}},
      {"last of a page and second of the next", {4088, 4104}, {{4088, 8}, {4104, 8}}},
      {"far apart", {0, 12280}, {{0, 8}, {12280, 8}}},
  };
  const Bytes before = pagesOf(3, 0);
  for (const Case& c : cases) {
    Bytes now = before;
    for (const size_t word : c.words) put(now, word, word + 1);
    const Difference difference = compare(now, before);
    EXPECT_EQ(difference.runs, c.runs) << c.name;
    EXPECT_EQ(difference.bytes.size(), 8 * c.words.size()) << c.name;
    for (size_t i = 0; i < c.words.size(); ++i) {
      EXPECT_EQ(get(difference.bytes.data(), 8 * i), c.words[i] + 1) << c.name;
    }
  }
}

TEST(DifferenceBuilder, OneBitMakesOneWord) {
  const Bytes before = pagesOf(1, 0xFF);
  for (const size_t at : {0u, 7u, 8u, 4095u}) {
    Bytes now = before;
    now[at] = std::byte{0xFE};
    EXPECT_THAT(compare(now, before).runs,
                ElementsAre(DifferenceRun{static_cast<GuestAddress>(at / 8 * 8), 8}));
  }
}

TEST(DifferenceBuilder, WordsThatBecameZeroAreKept) {
  const Bytes before = pagesOf(1, 5);
  Bytes now = before;
  put(now, 16, 0);
  const Difference difference = compare(now, before);
  EXPECT_THAT(difference.runs, ElementsAre(DifferenceRun{16, 8}));
  EXPECT_EQ(get(difference.bytes.data(), 0), 0u);
}

TEST(DifferenceBuilder, GrowthIsComparedWithZeros) {
  Bytes now = pagesOf(3, 0);
  put(now, 2 * kPageBytes, 9);
  EXPECT_THAT(compare(now, pagesOf(1, 0)).runs, ElementsAre(DifferenceRun{2 * kPageBytes, 8}));
}

TEST(DifferenceBuilder, DeadWordsCountAsUnchanged) {
  struct Case {
    const char* name;
    uint64_t before, now;
    bool dead;
    std::vector<DifferenceRun> runs;
    uint64_t kept;
  };
  const Case cases[] = {
      {"written and alive", 0, 5, false, {{64, 8}}, 5},
      {"written and dead, zero before", 0, 5, true, {}, 0},
      {"written and dead, not zero before", 3, 5, true, {}, 0},
      {"zeroed and dead", 3, 0, true, {}, 0},
      {"untouched and dead", 0, 0, true, {}, 0},
  };
  for (const Case& c : cases) {
    Bytes before = pagesOf(1, 0);
    put(before, 64, c.before);
    Bytes now = before;
    put(now, 64, c.now);
    const AddressRange dead[] = {{64, c.dead ? 72u : 64u}};
    const Difference difference = compare(now, before, dead);
    EXPECT_EQ(difference.runs, c.runs) << c.name;
    if (!c.runs.empty()) {
      EXPECT_EQ(get(difference.bytes.data(), 0), c.kept) << c.name;
    }
  }
}

TEST(DifferenceBuilder, OnlyTheDeadPartIsLeftOut) {
  const AddressRange dead[] = {{8, 16}, {kPageBytes - 8, kPageBytes + 8}, {5000, 4000}};
  const Difference difference = compare(pagesOf(2, 1), pagesOf(2, 0), dead);
  EXPECT_THAT(difference.runs, ElementsAre(DifferenceRun{0, 8}, DifferenceRun{16, 4072},
                                           DifferenceRun{kPageBytes + 8, kPageBytes - 8}));
}

TEST(Difference, AppliedToItsOriginalMakesTheContent) {
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    Bytes before = pagesOf(4, static_cast<uint8_t>(random()));
    Bytes now(6 * kPageBytes);
    std::copy(before.begin(), before.end(), now.begin());
    for (uint64_t writes = random() % 200; writes > 0; --writes) {
      put(now, random() % (now.size() / 8) * 8, random() % 3);
    }
    const Difference difference = compare(now, before);
    before.resize(now.size());
    difference.applyTo(before.data());
    ASSERT_TRUE(before == now);
  }
}

TEST(BaseImage, HoldsContentGlobalsAndNoDifference) {
  Bytes memory = pagesOf(4, 0);
  put(memory, 2 * kPageBytes, 42);
  const ImagePointer image = makeBase(memory);
  EXPECT_TRUE(image->isBase());
  EXPECT_EQ(&image->base(), image.get());
  EXPECT_EQ(image->memoryBytes(), memory.size());
  EXPECT_THAT(image->globals(), ElementsAre(1, 2));
  EXPECT_THAT(image->touchedPages(), IsEmpty());
  EXPECT_THAT(image->hotPages(), IsEmpty());
  const auto bytes = image->file().bytes();
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), memory.begin(), memory.end()));
}

TEST(BaseImage, DeadBytesAreZeroToTheByte) {
  const AddressRange dead[] = {{3, 5}, {kPageBytes - 1, 2 * kPageBytes + 1}, {100, 100}};
  Bytes memory = pagesOf(3, 0xFF);
  const ImagePointer image = makeBase(memory, dead);
  for (const AddressRange& range : dead) {
    std::fill(memory.begin() + range.begin, memory.begin() + range.end, std::byte{0});
  }
  EXPECT_EQ(std::memcmp(image->file().bytes().data(), memory.data(), memory.size()), 0);
}

TEST(BaseImage, PagesOfZerosCostNothing) {
  Bytes memory = pagesOf(1024, 0);
  put(memory, 5 * kPageBytes, 1);
  const ImagePointer image = makeBase(memory);
  const auto inMemory = [](int descriptor) {
    // A hole reads as zeros and has no page; the first data is where the first written page is.
    return lseek(descriptor, 0, SEEK_DATA);
  };
  EXPECT_EQ(inMemory(image->file().descriptor()), static_cast<off_t>(5 * kPageBytes));
}

TEST(BaseImage, NobodyCanWriteToItsFile) {
  const ImagePointer image = makeBase(pagesOf(2, 1));
  const int file = image->file().descriptor();
  const char byte = 0;
  EXPECT_EQ(pwrite(file, &byte, 1, 0), -1);
  EXPECT_EQ(ftruncate(file, 3 * kPageBytes), -1);
  EXPECT_EQ(mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), MAP_FAILED);
  EXPECT_EQ(image->file().bytes()[0], std::byte{1});
}

TEST(DifferenceImage, KnowsItsBaseAndTouchedPages) {
  const Bytes before = pagesOf(4, 0);
  Bytes now = before;
  now.resize(6 * kPageBytes);
  put(now, 0, 1);
  put(now, 2 * kPageBytes - 8, 2);
  put(now, 2 * kPageBytes, 3);
  put(now, 5 * kPageBytes, 4);  // growth is not the base's page
  ImagePointer base = makeBase(before);
  const Image* baseAddress = base.get();
  const ImagePointer image = makeDifference(base, before, now);
  base.reset();
  EXPECT_FALSE(image->isBase());
  EXPECT_EQ(&image->base(), baseAddress);
  EXPECT_EQ(image->memoryBytes(), now.size());
  EXPECT_THAT(image->globals(), ElementsAre(3, 4));
  EXPECT_THAT(image->touchedPages(), ElementsAre(0, 1, 2));
}

TEST(DifferenceImage, HotPagesEqualTheAppliedDifference) {
  std::mt19937 random(11);
  for (int round = 0; round < 100; ++round) {
    Bytes before = pagesOf(8, 0);
    for (size_t at = 0; at < before.size(); at += 8) put(before, at, random());
    Bytes now = before;
    now.resize((8 + round % 3) * kPageBytes);
    for (uint64_t writes = random() % 50; writes > 0; --writes) {
      // Runs of several words, some of them over a page's end.
      const size_t at = random() % (now.size() / 8 - 20) * 8;
      for (size_t word = 0; word < random() % 20; ++word) put(now, at + 8 * word, random());
    }
    const ImagePointer image = makeDifference(makeBase(before), before, now);
    std::vector<uint32_t> indexes;
    for (const Image::HotPage& page : image->hotPages()) {
      indexes.push_back(page.index);
      ASSERT_EQ(std::memcmp(page.bytes, now.data() + page.index * kPageBytes, kPageBytes), 0);
    }
    ASSERT_TRUE(std::ranges::equal(indexes, image->touchedPages()));
    for (uint32_t page = 0; page < 8; ++page) {
      const bool differs = std::memcmp(before.data() + page * kPageBytes,
                                       now.data() + page * kPageBytes, kPageBytes) != 0;
      ASSERT_EQ(std::ranges::count(indexes, page), differs ? 1 : 0);
    }
  }
}

TEST(DifferenceImage, OwnBytesGrowWhenHotAndOnlyOnce) {
  const Bytes before = pagesOf(4, 0);
  Bytes now = before;
  put(now, 0, 1);
  put(now, 3 * kPageBytes, 1);
  const ImagePointer base = makeBase(before);
  const ImagePointer image = makeDifference(base, before, now);
  const uint64_t cold = image->ownBytes();
  EXPECT_LT(cold, 1024u);
  (void)image->hotPages();
  EXPECT_EQ(image->ownBytes(), cold + 2 * kPageBytes);
  (void)image->hotPages();
  EXPECT_EQ(image->ownBytes(), cold + 2 * kPageBytes);
  EXPECT_GE(base->ownBytes(), before.size());
}

TEST(DifferenceImage, SeveralThreadsMayMakeItHotAtOnce) {
  const Bytes before = pagesOf(64, 0);
  const Bytes now = pagesOf(64, 9);
  const ImagePointer image = makeDifference(makeBase(before), before, now);
  std::vector<std::thread> threads;
  std::array<const std::vector<Image::HotPage>*, 4> seen{};
  for (auto& pages : seen) threads.emplace_back([&] { pages = &image->hotPages(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto* pages : seen) {
    ASSERT_EQ(pages, seen[0]);
    ASSERT_EQ(pages->size(), 64u);
  }
}

}  // namespace
}  // namespace nexus::sandbox
