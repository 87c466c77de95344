// Compiled handlers through the disk: into another process's engine, or not at all.
#include "runtime/handler_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "js/testing/rig.h"
#include "runtime/testing/cache_rig.h"
#include "runtime/testing/faulty_files.h"
#include "runtime/testing/recording_observer.h"

namespace nexus::runtime {
namespace {

namespace fs = std::filesystem;
using js::testing::EngineKind;
using js::testing::HandlerPointer;
using js::testing::outcomeOf;
using js::testing::Rig;
using nexus::testing::readFile;
using ::testing::ElementsAre;
using testing::FaultyFiles;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RecordingObserver;
using testing::seal;

class HandlerStoreTest : public testing::CacheStoreTest,
                         public ::testing::WithParamInterface<EngineKind> {
 protected:
  // What one process has.
  struct Process {
    Process(EngineKind kind, FileSystem& files, const std::string& folder,
            const RuntimeConfig& config = {})
        : rig(kind, config),
          entries(files, folder, testing::kRoomy),
          store(rig.engine(), entries, observer) {}

    HandlerPointer write(std::string_view source) {
      HandlerPointer handler = rig.compile(source);
      if (handler) store.write(*handler);
      return handler;
    }

    RecordingObserver observer;
    Rig rig;
    CacheStore entries;
    HandlerStore store;
  };

  Process start(const RuntimeConfig& config = {}) {
    return {GetParam(), *files_, folder(), config};
  }

  // The file of the only entry.
  std::string entryPath() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder() + "/entries")) {
      if (entry.is_regular_file()) found.push_back(entry.path());
    }
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? "" : found[0];
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, HandlerStoreTest, js::testing::kEveryEngine,
                         js::testing::engineName);

std::string closures(int count) {
  std::string text = "const f = [];\n";
  for (int i = 0; i < count; ++i) {
    text += "f.push((x) => ({n: x + " + std::to_string(i) + ", s: 'text of closure " +
            std::to_string(i) + "'}));\n";
  }
  return text + "return f.map((g) => g($args.a).n).reduce((x, y) => x + y, 0)";
}

TEST_P(HandlerStoreTest, AnotherProcessRunsWhatWasStored) {
  const struct {
    std::string source;
    const char* value;
  } cases[] = {
      {"return $args.a + 1", "42"},
      {"return await Promise.resolve([$args.a])", "[41]"},
      {closures(40), "2420"},
      {"// ünïcödé \xF0\x9F\x98\x80\nreturn '\xF0\x9F\x98\x80'.length", "2"},
      {"class A { #x = 1; get x() { return this.#x + $args.a } } return new A().x", "42"},
  };
  Process first = start();
  Process second = start();
  for (const auto& c : cases) {
    const HandlerPointer written = first.write(c.source);
    ASSERT_NE(written, nullptr);
    const HandlerPointer read = second.store.read(c.source);
    ASSERT_NE(read, nullptr) << c.source;
    EXPECT_THAT(second.observer.take(), ElementsAre("disk hit"));
    EXPECT_EQ(read->code->source, c.source);
    EXPECT_EQ(read->code->bytecode, written->code->bytecode);
    EXPECT_TRUE(js::testing::sameContent(first.rig.contentOf(*written->image),
                                         second.rig.contentOf(*read->image)));
    for (int call = 0; call < 5; ++call) {  // cold, then hot
      EXPECT_EQ(outcomeOf(second.rig.invoke(*read, R"({"a": 41})")), c.value) << c.source;
    }
    // The memory tier may drop the image, and load it again from the code.
    const auto loaded = second.rig.sandbox().load(read->code);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(outcomeOf(second.rig.invoke(**loaded, R"({"a": 41})")), c.value) << c.source;
  }
}

TEST_P(HandlerStoreTest, OnlyTheSameTextIsFound) {
  Process process = start();
  process.write("return 1");
  for (const std::string_view other : {"return 2", "return 1 ", "return 1\n", "return  1", ""}) {
    EXPECT_EQ(process.store.read(other), nullptr) << other;
    EXPECT_THAT(process.observer.take(), ElementsAre("disk miss"));
  }
  EXPECT_NE(process.store.read("return 1"), nullptr);
}

// The stack's size is in the base image.
TEST_P(HandlerStoreTest, AnotherBaseImageIsAMiss) {
  start().write("return 1");
  RuntimeConfig config;
  config.stackSizeBytes = 128 << 10;
  Process other = start(config);
  EXPECT_EQ(other.store.read("return 1"), nullptr);
  EXPECT_THAT(other.observer.take(), ElementsAre("disk miss"));
  other.write("return 1");
  EXPECT_NE(other.store.read("return 1"), nullptr);
  EXPECT_NE(start().store.read("return 1"), nullptr) << "both are kept";
}

// It runs the same guest: on machines where only the checked one works, nothing is compiled twice.
TEST_P(HandlerStoreTest, TheOtherEngineRunsItToo) {
  const std::string source = closures(40);
  start().write(source);
  const auto kind = GetParam() == EngineKind::kNative ? EngineKind::kChecked : EngineKind::kNative;
  Process other(kind, *files_, folder());
  const HandlerPointer read = other.store.read(source);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(outcomeOf(other.rig.invoke(*read, R"({"a": 41})")), "2420");
}

// What these limit is looked at with each call, so they may differ.
TEST_P(HandlerStoreTest, ALimitThatChangesNoImageIsNoOtherConfiguration) {
  start().write("return 1");
  RuntimeConfig config;
  config.timeout = std::chrono::milliseconds(100);
  config.maxOutputBytes = 1000;
  config.memoryLimitBytes = 64 << 20;
  EXPECT_NE(start(config).store.read("return 1"), nullptr);
}

// Its image would never fit, and each call would cost a sandbox.
TEST_P(HandlerStoreTest, AnImageBeyondTheMemoryLimitIsAMiss) {
  const std::string source = closures(4'000);
  const HandlerPointer large = start().write(source);
  ASSERT_NE(large, nullptr);
  RuntimeConfig config;
  config.memoryLimitBytes = large->image->memoryBytes() - 1;
  Process small = start(config);
  ASSERT_GT(large->image->memoryBytes(), small.rig.engine().base().image->memoryBytes());
  EXPECT_EQ(small.store.read(source), nullptr);
  EXPECT_THAT(small.observer.take(), ElementsAre("disk miss"));
  config.memoryLimitBytes = large->image->memoryBytes();
  EXPECT_NE(start(config).store.read(source), nullptr);
}

TEST_P(HandlerStoreTest, WhatIsSealedButNoHandlerIsRejectedAndReplaced) {
  Process process = start();
  process.write("return 1");
  const std::string path = entryPath();
  constexpr size_t kHead = 48;
  const std::string file = readFile(path);
  Digest name{};
  std::memcpy(name.data(), file.data() + 16, name.size());
  const std::string payload = file.substr(kHead, file.size() - kHead - sizeof(Digest));
  uint64_t bytecode = 0;
  std::memcpy(&bytecode, payload.data(), sizeof bytecode);
  const auto withLength = [&](uint64_t length) {
    std::string altered = payload;
    std::memcpy(altered.data(), &length, sizeof length);
    return altered;
  };
  const std::string payloads[] = {"",
                                  "short",
                                  payload.substr(0, 8),
                                  payload.substr(0, 8 + bytecode),
                                  payload.substr(0, payload.size() - 1),
                                  payload + "x",
                                  withLength(bytecode + 1),
                                  withLength(bytecode - 8),
                                  withLength(payload.size()),
                                  withLength(UINT64_MAX)};
  for (const std::string& altered : payloads) {
    plant(path, seal({.key = readKey(), .name = name, .payload = altered}));
    EXPECT_EQ(process.store.read("return 1"), nullptr);
    EXPECT_THAT(process.observer.take(), ElementsAre("disk rejected: it is no handler"));
  }
  process.write("return 1");
  EXPECT_NE(process.store.read("return 1"), nullptr);
}

TEST_P(HandlerStoreTest, WhatIsAlteredIsRejectedAndSaysWhere) {
  Process process = start();
  process.write("return 1");
  std::string file = readFile(entryPath());
  file[file.size() / 2] = static_cast<char>(file[file.size() / 2] ^ 1);
  plant(entryPath(), file);
  EXPECT_EQ(process.store.read("return 1"), nullptr);
  EXPECT_THAT(process.observer.take(), ElementsAre("disk rejected: " + entryPath() +
                                                   ": it was altered, or sealed with another key"));
}

TEST_P(HandlerStoreTest, ADiskThatFailsIsReportedAndCounted) {
  FaultyFiles faulty(*files_);
  Process process(GetParam(), faulty, folder());
  process.write("return 1");
  EXPECT_THAT(process.observer.take(), IsEmpty());
  faulty.setFull(true);
  process.write("return 2");
  EXPECT_THAT(process.observer.take(), ElementsAre(HasSubstr("disk failed: ")));
  EXPECT_NE(process.store.read("return 1"), nullptr);
  faulty.failPercent(100);
  EXPECT_EQ(process.store.read("return 1"), nullptr);
  EXPECT_EQ(process.store.read("return 3"), nullptr);
  const HandlerStoreStats stats = process.store.stats();
  EXPECT_EQ(stats.hits, 1u);
  EXPECT_EQ(stats.misses, 0u);
  EXPECT_EQ(stats.rejected, 0u);
  EXPECT_EQ(stats.failed, 3u);
}

TEST_P(HandlerStoreTest, WhatHadToGoIsReportedAndCounted) {
  Process process = start();
  CacheStore small(*files_, folder() + "-small", 40'000);
  HandlerStore store(process.rig.engine(), small, process.observer);
  for (int i = 0; i < 30; ++i) {
    const auto handler = process.rig.compile("return " + std::to_string(i));
    ASSERT_NE(handler, nullptr);
    store.write(*handler);
  }
  EXPECT_GT(store.stats().evicted, 0u);
  EXPECT_EQ(small.stats()->entries + store.stats().evicted, 30u);
  EXPECT_THAT(process.observer.take(), ::testing::Contains(HasSubstr("disk evicted ")));
}

}  // namespace
}  // namespace nexus::runtime
