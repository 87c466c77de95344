#include "layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace nexus::layers {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const fs::path kRepository = NEXUS_SOURCE_DIR;

std::vector<Room> roomsOfThisRepository() {
  return readRooms(readFile(kRepository / "docs/architecture.md"));
}

TEST(LayersTest, TableCanBeFollowed) {
  EXPECT_THAT(checkTable(roomsOfThisRepository()), IsEmpty());
}

TEST(LayersTest, TableAndFoldersAgree) {
  EXPECT_THAT(checkFolders(roomsOfThisRepository(), kRepository), IsEmpty());
}

TEST(LayersTest, SourcesKeepTheOrder) {
  EXPECT_THAT(checkFiles(roomsOfThisRepository(), kRepository), IsEmpty());
}

// From here on, the checker itself is tested.

constexpr std::string_view kSampleTable =
    "| word | meaning |\n"
    "| --- | --- |\n"
    "| room | not the table that is meant |\n"
    "\n"
    "| room | what | may include |\n"
    "| --- | --- | --- |\n"
    "| `include/nexus` | vocabulary | nothing |\n"
    "| `src/base` | bottom | nothing |\n"
    "| `src/sandbox` | middle | `base` |\n"
    "| `src/js` | above | `base` `sandbox` |\n"
    "| `src/app` | top | all |\n"
    "\n"
    "| `src/late` | a later table | `base` |\n";

TEST(LayersCheckerTest, ReadsTheTableOfRooms) {
  const auto rooms = readRooms(kSampleTable);
  ASSERT_EQ(rooms.size(), 5U);
  EXPECT_EQ(rooms[3].name, "js");
  EXPECT_EQ(rooms[3].folder, "src/js");
  EXPECT_THAT(rooms[1].mayInclude, IsEmpty());
  EXPECT_THAT(rooms[3].mayInclude, ElementsAre("base", "sandbox"));
  EXPECT_THAT(rooms[4].mayInclude, ElementsAre("nexus", "base", "sandbox", "js"));
}

TEST(LayersCheckerTest, RefusesTablesThatCannotBeFollowed) {
  const Room base{"base", "src/base", {}};
  const struct {
    std::vector<Room> rooms;
    std::string finding;
  } cases[] = {
      {{}, "no table of rooms"},
      {{base, base}, "twice"},
      {{base, {"js", "src/js", {"sandbox"}}}, "no room above it"},
      {{{"base", "src/base", {"js"}}, {"js", "src/js", {}}}, "no room above it"},
      {{{"base", "src/base", {"base"}}}, "no room above it"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(checkTable(c.rooms), ElementsAre(HasSubstr(c.finding))) << c.finding;
  }
  EXPECT_THAT(checkTable(readRooms(kSampleTable)), IsEmpty());
}

TEST(LayersCheckerTest, JudgesEachInclude) {
  const struct {
    std::string path;
    std::string text;
    std::string finding;  // empty: allowed
  } cases[] = {
      {"src/js/a.cc", "#include \"js/a.h\"", ""},
      {"src/js/a.cc", "#include \"sandbox/memory.h\"", ""},
      {"src/js/a.cc", "#include \"nexus/error.h\"", ""},
      {"src/js/a.cc", "#include <nexus/error.h>", ""},
      {"src/js/a.cc", "#include \"generated.h\"", ""},
      {"src/js/a.cc", "#include <vector>", ""},
      {"src/js/a.cc", "// #include \"app/main.h\"", ""},
      {"src/app/a.cc", "#include \"js/a.h\"", ""},
      {"src/sandbox/native/a.c", "#include <sys/mman.h>", ""},
      {"src/sandbox/native/a.c", "#include \"wasm-rt.h\"", ""},

      {"src/js/a.cc", "#include \"app/main.h\"", "src/js/a.cc:1: app/main.h"},
      {"src/js/a.cc", "\n\n#include \"app/main.h\"", "src/js/a.cc:3: app/main.h"},
      {"src/base/a.h", "#include \"sandbox/memory.h\"", "not for the room base"},
      {"src/base/a.h", "#include <js/a.h>", "not for the room base"},
      {"src/base/a.h", "  #  include\t\"js/a.h\"  // why", "not for the room base"},
      {"src/base/deep/a_test.cc", "#include \"js/a.h\"", "not for the room base"},
      {"src/base/a.h", "#include \"../js/a.h\"", "climbs out"},
      {"include/nexus/a.h", "#include \"base/a.h\"", "not for the room nexus"},
      {"src/js/a.cc", "#include <sys/mman.h>", "for src/sandbox alone"},
      {"src/app/a.cc", "#include <signal.h>", "for src/sandbox alone"},
      {"src/app/a.cc", "#include <csignal>", "for src/sandbox alone"},
      {"src/js/a.cc", "#include \"wasm-rt.h\"", "for src/sandbox alone"},
      {"src/late/a.cc", "", "in no room"},
  };
  const auto rooms = readRooms(kSampleTable);
  for (const auto& c : cases) {
    const Findings findings = checkFile(rooms, c.path, c.text);
    if (c.finding.empty()) {
      EXPECT_THAT(findings, IsEmpty()) << c.path << ": " << c.text;
    } else {
      EXPECT_THAT(findings, ElementsAre(HasSubstr(c.finding))) << c.path << ": " << c.text;
    }
  }
}

// A repository in a temporary folder with one good file, one bad file and a room without a row.
class LayersTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "nexus-layers-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    repository_ = name;
    write("include/nexus/error.h", "#include <string>\n");
    write("src/base/good.h", "#include \"nexus/error.h\"\n");
    write("src/base/deep/bad.cc", "#include \"js/engine.h\"\n");
    write("src/base/notes.md", "#include \"js/engine.h\"\n");
    write("src/cellar/a.cc", "");
  }
  void TearDown() override { fs::remove_all(repository_); }

  void write(const fs::path& path, const std::string& text) {
    fs::create_directories((repository_ / path).parent_path());
    std::ofstream(repository_ / path) << text;
  }

  fs::path repository_;
};

TEST_F(LayersTreeTest, FindsTheBadFile) {
  EXPECT_THAT(checkFiles(readRooms(kSampleTable), repository_),
              ElementsAre(HasSubstr("src/base/deep/bad.cc:1: js/engine.h")));
}

TEST_F(LayersTreeTest, FindsFoldersAndRowsThatMissEachOther) {
  EXPECT_THAT(
      checkFolders(readRooms(kSampleTable), repository_),
      ElementsAre(HasSubstr("src/sandbox: in the table"), HasSubstr("src/js: in the table"),
                  HasSubstr("src/app: in the table"), HasSubstr("src/cellar: not in the table")));
}

}  // namespace
}  // namespace nexus::layers
