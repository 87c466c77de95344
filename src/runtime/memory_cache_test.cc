#include "runtime/memory_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

namespace nexus::runtime {
namespace {

using sandbox::Difference;
using sandbox::DifferenceRun;
using sandbox::Image;
using sandbox::kPageBytes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Pointer = std::shared_ptr<CompiledHandler>;
using Loaded = std::shared_ptr<const js::Handler>;

constexpr size_t kBasePages = 64;

// One word on each of so many pages, then more on the last.
Loaded load(const std::shared_ptr<const js::HandlerCode>& code, uint32_t pages, uint32_t words) {
  static const auto base =
      std::move(Image::makeBase(std::vector<std::byte>(kBasePages * kPageBytes), {}, {})).value();
  Difference difference;
  for (uint32_t page = 0; page < pages; ++page) {
    const uint32_t bytes = page + 1 < pages ? 8 : 8 * words;
    difference.runs.push_back({page * static_cast<uint32_t>(kPageBytes), bytes});
    difference.bytes.resize(difference.bytes.size() + bytes);
  }
  return std::make_shared<const js::Handler>(js::Handler{
      code, Image::makeDifference(base, base->memoryBytes(), {}, std::move(difference))});
}

// Of a text, with `bytecode` bytes of code and an image of so many pages.
Pointer make(const std::string& source, size_t bytecode = 100, uint32_t pages = 1) {
  auto code =
      std::make_shared<const js::HandlerCode>(js::HandlerCode{source, std::string(bytecode, 'b')});
  return std::make_shared<CompiledHandler>(load(code, pages, 64));
}

Pointer make(int i) { return make("handler " + std::to_string(10 + i), 1000); }

uint64_t bytesOf(const CompiledHandler& handler) {
  return handler.codeBytes() + CompiledHandler::imageBytes(handler.loaded().get());
}
uint64_t imageBytesOf(const CompiledHandler& handler) {
  return CompiledHandler::imageBytes(handler.loaded().get());
}

// Handlers 0 to 9, all of one size.
class TenHandlersTest : public ::testing::Test {
 protected:
  TenHandlersTest() {
    for (int i = 0; i < 10; ++i) handlers_.push_back(make(i));
    EXPECT_GT(image_, code_ / 2);
  }

  void putAll(MemoryCache& cache) const {
    for (const Pointer& handler : handlers_) EXPECT_EQ(cache.put(handler).evicted, 0u);
  }

  // Without using them.
  std::vector<int> withImage() const {
    std::vector<int> found;
    for (int i = 0; i < 10; ++i) {
      if (handlers_[static_cast<size_t>(i)]->loaded()) found.push_back(i);
    }
    return found;
  }
  std::vector<int> inside(MemoryCache& cache) const {
    std::vector<int> found;
    for (int i = 0; i < 10; ++i) {
      if (cache.find(handlers_[static_cast<size_t>(i)]->code()->source)) found.push_back(i);
    }
    return found;
  }

  const uint64_t code_ = make(0)->codeBytes();
  const uint64_t image_ = imageBytesOf(*make(0));
  const uint64_t all_ = 10 * (code_ + image_);
  std::vector<Pointer> handlers_;
};

TEST(MemoryCacheTest, FindsWhatWasPutByItsText) {
  MemoryCache cache(1 << 20);
  EXPECT_EQ(cache.find("a"), nullptr);
  const Pointer handler = make("a");
  EXPECT_EQ(cache.put(handler).handler, handler);
  EXPECT_EQ(cache.find("a"), handler);
  for (const std::string_view other : {"", "A", "a ", "aa"}) EXPECT_EQ(cache.find(other), nullptr);
}

TEST(MemoryCacheTest, OfTheSameTextTheFirstStays) {
  MemoryCache cache(1 << 20);
  const Pointer first = make("a");
  const Pointer second = make("a", 5000);
  (void)cache.put(first);
  const uint64_t bytes = cache.stats().bytes;
  EXPECT_EQ(cache.put(second).handler, first);
  EXPECT_EQ(cache.find("a"), first);
  EXPECT_EQ(cache.stats().entries, 1u);
  EXPECT_EQ(cache.stats().bytes, bytes);
  EXPECT_EQ(cache.put(first).handler, first) << "itself";
  EXPECT_EQ(cache.stats().bytes, bytes);
}

TEST(MemoryCacheTest, BytesAreThoseOfCodeAndImages) {
  MemoryCache cache(uint64_t{1} << 30);
  uint64_t expected = 0;
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    const Pointer handler = make("handler " + std::to_string(i), random() % 5000,
                                 1 + static_cast<uint32_t>(random() % 20));
    expected += bytesOf(*handler);
    (void)cache.put(handler);
  }
  EXPECT_EQ(cache.stats().bytes, expected);
  EXPECT_EQ(cache.stats().entries, 100u);
  (void)cache.shrinkTo(0);
  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST(MemoryCacheTest, AnImageThatGetsHotIsCountedAtItsNextUse) {
  MemoryCache cache(1 << 20);
  const Pointer handler = make("a", 100, 5);
  (void)cache.put(handler);
  const uint64_t cold = cache.stats().bytes;
  (void)handler->loaded()->image->hotPages();
  EXPECT_EQ(cache.touch(*handler, handler->loaded().get()), 0u);
  EXPECT_EQ(cache.stats().bytes, cold + 5 * kPageBytes);
  EXPECT_EQ(cache.touch(*handler, handler->loaded().get()), 0u) << "once";
  EXPECT_EQ(cache.stats().bytes, cold + 5 * kPageBytes);
}

TEST(MemoryCacheTest, AnImageThatIsLoadedAgainIsCountedAgain) {
  MemoryCache cache(1 << 20);
  const Pointer handler = make("a");
  (void)cache.put(handler);
  const uint64_t before = cache.stats().bytes;
  EXPECT_EQ(cache.shrinkTo(before - 1), 1u);
  EXPECT_EQ(handler->loaded(), nullptr);
  EXPECT_EQ(cache.stats().bytes, handler->codeBytes());
  EXPECT_EQ(cache.keepLoaded(handler, load(handler->code(), 3, 1)), 0u);
  EXPECT_NE(handler->loaded(), nullptr);
  EXPECT_EQ(cache.stats().bytes, bytesOf(*handler));
}

TEST_F(TenHandlersTest, ImagesGoFirstThoseUnusedTheLongest) {
  MemoryCache cache(all_);
  putAll(cache);
  EXPECT_THAT(withImage(), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  // A tenth of everything has to go when the eleventh comes, and that one's size: some images.
  const uint64_t images = (all_ / 10 + code_ + image_ + image_ - 1) / image_;
  EXPECT_EQ(cache.put(make(11)).evicted, images);
  EXPECT_EQ(cache.stats().evictedImages, images);
  EXPECT_EQ(cache.stats().evictedHandlers, 0u);
  EXPECT_EQ(withImage().size(), 10 - images);
  EXPECT_EQ(withImage().back(), 9);
  EXPECT_LE(cache.stats().bytes, all_ * 9 / 10);
  EXPECT_EQ(inside(cache).size(), 10u) << "the code stays";
}

TEST_F(TenHandlersTest, FindingAndTouchingIsUsing) {
  MemoryCache cache(all_);
  putAll(cache);
  EXPECT_NE(cache.find(handlers_[0]->code()->source), nullptr);
  (void)cache.touch(*handlers_[1], handlers_[1]->loaded().get());
  (void)cache.put(handlers_[2]);
  EXPECT_EQ(cache.shrinkTo(all_ - 3 * image_), 3u);
  EXPECT_THAT(withImage(), ElementsAre(0, 1, 2, 6, 7, 8, 9));
}

// Handlers in use go on as fast as before, whatever comes and goes beside them.
TEST_F(TenHandlersTest, TheHalfUsedLastKeepsItsImages) {
  MemoryCache cache(all_);
  putAll(cache);
  // So little room that not even all the code of the older ones has place.
  const uint64_t room = 6 * (code_ + image_);
  EXPECT_GT(cache.shrinkTo(room), 0u);
  EXPECT_LE(cache.stats().bytes, room);
  EXPECT_THAT(withImage(), ElementsAre(7, 8, 9)) << "half of six";
  EXPECT_EQ(inside(cache).back(), 9);
  EXPECT_EQ(cache.stats().evictedImages, 7u);
}

TEST_F(TenHandlersTest, WholeHandlersGoWhenImagesAreNotEnough) {
  MemoryCache cache(all_);
  putAll(cache);
  const uint64_t room = 2 * (code_ + image_) + code_;
  const uint64_t evicted = cache.shrinkTo(room);
  EXPECT_LE(cache.stats().bytes, room);
  EXPECT_EQ(evicted, cache.stats().evictedImages + cache.stats().evictedHandlers);
  EXPECT_EQ(cache.stats().evictedHandlers, 10 - cache.stats().entries);
  const std::vector<int> left = inside(cache);
  ASSERT_THAT(left, ::testing::Not(IsEmpty()));
  for (size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(left[i], static_cast<int>(10 - left.size() + i)) << "the youngest";
  }
  EXPECT_EQ(withImage().back(), 9);
}

TEST_F(TenHandlersTest, ShrinkingToWhatIsThereOrMoreChangesNothing) {
  MemoryCache cache(all_);
  putAll(cache);
  EXPECT_EQ(cache.shrinkTo(all_), 0u);
  EXPECT_EQ(cache.shrinkTo(UINT64_MAX), 0u);
  EXPECT_EQ(withImage().size(), 10u);
  EXPECT_EQ(cache.shrinkTo(0), 20u);
  EXPECT_EQ(cache.shrinkTo(0), 0u);
  EXPECT_EQ(cache.stats().entries, 0u);
}

// However long somebody holds one that had to go, its image is either counted or not there.
TEST_F(TenHandlersTest, OneThatHadToGoComesBackWithItsImage) {
  MemoryCache cache(all_);
  putAll(cache);
  (void)cache.shrinkTo(0);
  EXPECT_EQ(handlers_[0]->loaded(), nullptr);
  EXPECT_EQ(cache.touch(*handlers_[0], nullptr), 0u);
  EXPECT_EQ(cache.stats().bytes, 0u);
  EXPECT_EQ(cache.keepLoaded(handlers_[0], load(handlers_[0]->code(), 5, 1)), 0u);
  EXPECT_EQ(cache.find(handlers_[0]->code()->source), handlers_[0]);
  EXPECT_EQ(cache.stats().bytes, bytesOf(*handlers_[0]));
}

TEST_F(TenHandlersTest, OneWhosePlaceIsTakenKeepsNoImage) {
  MemoryCache cache(all_);
  putAll(cache);
  const uint64_t before = cache.stats().bytes;
  const Pointer twin = std::make_shared<CompiledHandler>(load(handlers_[0]->code(), 5, 1));
  EXPECT_EQ(cache.keepLoaded(twin, load(twin->code(), 5, 1)), 0u);
  EXPECT_EQ(twin->loaded(), nullptr);
  EXPECT_EQ(cache.stats().bytes, before);
}

TEST_F(TenHandlersTest, GettingHotMakesRoomToo) {
  MemoryCache cache(all_);
  putAll(cache);
  (void)handlers_[9]->loaded()->image->hotPages();
  const uint64_t evicted = cache.touch(*handlers_[9], handlers_[9]->loaded().get());
  EXPECT_GT(evicted, 0u);
  EXPECT_LE(cache.stats().bytes, all_ * 9 / 10);
}

TEST_F(TenHandlersTest, OneLargerThanTheCachePushesNobodyOut) {
  MemoryCache cache(all_);
  putAll(cache);
  const Pointer large = make("large", all_ + 1);
  const auto put = cache.put(large);
  EXPECT_EQ(put.handler, large);
  EXPECT_EQ(put.evicted, 0u);
  EXPECT_EQ(cache.find("large"), nullptr);
  EXPECT_EQ(withImage().size(), 10u);
  EXPECT_NE(large->loaded(), nullptr) << "it is usable";
}

TEST(MemoryCacheTest, WithoutRoomNothingStays) {
  MemoryCache cache(0);
  const Pointer handler = make("a");
  EXPECT_EQ(cache.put(handler).handler, handler);
  EXPECT_EQ(cache.find("a"), nullptr);
  EXPECT_EQ(cache.stats().bytes, 0u);
  EXPECT_NE(handler->loaded(), nullptr);
}

TEST(MemoryCacheTest, SeveralThreadsLeaveTheBooksRight) {
  constexpr int kTexts = 40;
  const uint64_t size = bytesOf(*make("text 10"));
  MemoryCache cache(20 * size);
  const auto textOf = [](uint64_t i) { return "text " + std::to_string(10 + i % kTexts); };
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(thread);
      for (int step = 0; step < 2000; ++step) {
        const std::string text = textOf(random());
        Pointer handler = cache.find(text);
        if (handler == nullptr) handler = cache.put(make(text)).handler;
        Loaded loaded = handler->loaded();
        if (loaded == nullptr) {
          loaded = load(handler->code(), 1, 64);
          handler->setLoaded(loaded);
        }
        if (random() % 8 == 0) (void)loaded->image->hotPages();
        (void)cache.touch(*handler, loaded.get());
        if (random() % 100 == 0) (void)cache.shrinkTo(10 * size);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t bytes = 0;
  uint64_t entries = 0;
  for (uint64_t i = 0; i < kTexts; ++i) {
    const Pointer handler = cache.find(textOf(i));
    if (handler == nullptr) continue;
    // What a thread set last may have been set after its touch was overtaken.
    (void)cache.touch(*handler, handler->loaded().get());
  }
  for (uint64_t i = 0; i < kTexts; ++i) {
    const Pointer handler = cache.find(textOf(i));
    if (handler == nullptr) continue;
    bytes += bytesOf(*handler);
    ++entries;
  }
  EXPECT_EQ(cache.stats().bytes, bytes);
  EXPECT_EQ(cache.stats().entries, entries);
  EXPECT_LE(bytes, 20 * size);
  EXPECT_GT(cache.stats().evictedHandlers + cache.stats().evictedImages, 0u);
}

}  // namespace
}  // namespace nexus::runtime
