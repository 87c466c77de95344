// `nexus compile` and `nexus cache`, and what the cache is to `nexus run`.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "cli_fixture.h"

namespace nexus::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CliCacheTest : public CliTest {
 protected:
  CliCacheTest() {
    write("h.js", "return $args.a + 1");
    write("other.js", "return 'other'");
  }

  fs::path cache() const { return folder_ / ".nexus-cache"; }

  // Its value and the tier it came from.
  std::string run(const std::string& flags = "") {
    const Outcome outcome = nexus("run h.js --json --args '{\"a\": 1}' " + flags);
    EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
    const json report = json::parse(outcome.out, nullptr, false);
    if (!report.is_object()) return "no JSON: " + outcome.out;
    const json& metrics = report["metrics"];
    EXPECT_EQ(metrics["cacheHit"], metrics["cacheTier"] != "none");
    return report["value"].dump() + " " + metrics["cacheTier"].get<std::string>();
  }

  std::vector<fs::path> entries() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(cache() / "entries")) {
      if (entry.is_regular_file()) found.push_back(entry.path());
    }
    return found;
  }

  // Flips one bit of each entry.
  void damageAll() const {
    for (const fs::path& path : entries()) {
      std::string bytes = readFile(path);
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
      std::ofstream(path, std::ios::binary) << bytes;
    }
  }

  std::map<std::string, std::string> snapshot() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(cache())) {
      all[entry.path()] = entry.is_regular_file() ? readFile(entry.path()) : "";
    }
    return all;
  }
};

TEST_F(CliCacheTest, TheSecondRunFindsItOnDisk) {
  EXPECT_EQ(run(), "2 none");
  EXPECT_EQ(run(), "2 disk");
  EXPECT_EQ(fs::status(cache()).permissions(), fs::perms::owner_all);
}

TEST_F(CliCacheTest, WhatIsCompiledIsFoundByTheFirstRun) {
  const Outcome first = nexus("compile h.js other.js");
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.out, StartsWith("h.js: compiled in "));
  EXPECT_THAT(first.out, HasSubstr(" of bytecode\nother.js: compiled in "));
  EXPECT_EQ(run(), "2 disk");
  const Outcome second = nexus("compile h.js");
  EXPECT_THAT(second.out, StartsWith("h.js: was compiled before, "));
}

TEST_F(CliCacheTest, CompileSaysWhatBecameOfEachFile) {
  write("bad.js", "let x = ;");
  const Outcome outcome = nexus("compile bad.js h.js missing.js h.js --json");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "");
  const json report = json::parse(outcome.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << outcome.out;
  const json& handlers = report["handlers"];
  ASSERT_EQ(handlers.size(), 4u);
  EXPECT_EQ(handlers[0]["file"], "bad.js");
  EXPECT_EQ(handlers[0]["status"], "error");
  EXPECT_EQ(handlers[0]["error"]["code"], "COMPILATION_ERROR");
  EXPECT_EQ(handlers[0]["error"]["location"], (json{{"line", 1}, {"column", 9}}));
  EXPECT_EQ(handlers[1]["status"], "success");
  EXPECT_EQ(handlers[1]["cacheTier"], "none");
  EXPECT_GT(handlers[1]["bytecodeBytes"], 0);
  EXPECT_EQ(handlers[2]["error"]["code"], "INVALID_INPUT");
  EXPECT_EQ(handlers[3]["cacheTier"], "memory");
  EXPECT_EQ(handlers[3]["compilationTimeUs"], 0);

  const Outcome forPeople = nexus("compile bad.js h.js");
  EXPECT_EQ(forPeople.status, 1);
  EXPECT_THAT(forPeople.err, HasSubstr("--> bad.js:1:9"));
  EXPECT_THAT(forPeople.out, StartsWith("h.js: was compiled before"));
}

TEST_F(CliCacheTest, StatsCountWhatIsThere) {
  const Outcome none = nexus("cache stats --json");
  EXPECT_EQ(none.status, 0);
  EXPECT_EQ(
      json::parse(none.out),
      (json{{"folder", ".nexus-cache"}, {"entries", 0}, {"bytes", 0}, {"maxBytes", 1073741824}}));
  EXPECT_FALSE(fs::exists(cache())) << "looking makes nothing";
  nexus("compile h.js other.js");
  const json some = json::parse(nexus("cache stats --json").out);
  EXPECT_EQ(some["entries"], 2);
  uint64_t bytes = 0;
  for (const fs::path& path : entries()) bytes += fs::file_size(path);
  EXPECT_EQ(some["bytes"], bytes);
  EXPECT_THAT(nexus("cache stats").out, StartsWith(".nexus-cache: 2 entries, "));
}

TEST_F(CliCacheTest, VerifyListsDamageAndChangesNothing) {
  nexus("compile h.js other.js");
  const Outcome sound = nexus("cache verify");
  EXPECT_EQ(sound.status, 0);
  EXPECT_EQ(sound.out, "2 sound, 0 damaged\n");
  damageAll();
  const auto before = snapshot();
  const Outcome damaged = nexus("cache verify");
  EXPECT_EQ(damaged.status, 1);
  EXPECT_THAT(damaged.out, HasSubstr(": it was altered, or sealed with another key\n"));
  EXPECT_THAT(damaged.out, HasSubstr("0 sound, 2 damaged\n"));
  const Outcome asJson = nexus("cache verify --json");
  EXPECT_EQ(asJson.status, 1);
  const json report = json::parse(asJson.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << asJson.out;
  EXPECT_EQ(report["sound"], 0);
  ASSERT_EQ(report["damaged"].size(), 2u);
  EXPECT_TRUE(fs::exists(folder_ / report["damaged"][0]["path"].get<std::string>()));
  EXPECT_EQ(report["damaged"][0]["why"], "it was altered, or sealed with another key");
  EXPECT_TRUE(snapshot() == before);
}

TEST_F(CliCacheTest, ARunRepairsWhatItNeeds) {
  nexus("compile h.js other.js");
  damageAll();
  EXPECT_EQ(run(), "2 none");
  EXPECT_EQ(run(), "2 disk");
  EXPECT_THAT(nexus("cache verify").out, HasSubstr("1 sound, 1 damaged\n"));
}

TEST_F(CliCacheTest, AnAlteredKeyCostsSpeedOnly) {
  EXPECT_EQ(run(), "2 none");
  std::ofstream(cache() / "key", std::ios::binary) << std::string(32, 'k');
  EXPECT_EQ(run(), "2 none");
  EXPECT_EQ(run(), "2 disk");
  EXPECT_EQ(nexus("cache verify").status, 0);
}

TEST_F(CliCacheTest, ClearRemovesAllEntries) {
  EXPECT_EQ(nexus("cache clear --json").out, "{\"removed\":0}\n");
  nexus("compile h.js other.js");
  const Outcome cleared = nexus("cache clear");
  EXPECT_EQ(cleared.status, 0);
  EXPECT_EQ(cleared.out, ".nexus-cache: 2 entries removed\n");
  EXPECT_EQ(json::parse(nexus("cache stats --json").out)["entries"], 0);
  EXPECT_EQ(run(), "2 none");
}

TEST_F(CliCacheTest, WithoutAFolderThereIsNoDiskTier) {
  EXPECT_EQ(run("--set cache_dir="), "2 none");
  EXPECT_EQ(run("--set cache_dir="), "2 none");
  EXPECT_FALSE(fs::exists(cache()));
  for (const char* action : {"stats", "verify", "clear"}) {
    const std::string command = std::string("cache ") + action + " --set cache_dir=";
    const Outcome outcome = nexus(command);
    EXPECT_EQ(outcome.status, 2) << action;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "nexus: there is no disk cache: cache_dir is empty\n");
    const json report = json::parse(nexus(command + " --json").out, nullptr, false);
    ASSERT_TRUE(report.is_object()) << action;
    EXPECT_EQ(report["status"], "error");
  }
}

// Root may write anywhere: here nobody can.
TEST_F(CliCacheTest, AFolderThatCannotBeUsedCostsSpeedOnlyAndSaysWhyWhenAsked) {
  write("file", "in the way");
  fs::create_directory(folder_ / "shared");
  ASSERT_EQ(chmod((folder_ / "shared").c_str(), 0777), 0);
  fs::create_directory_symlink(folder_ / "elsewhere", folder_ / "link");
  const struct {
    const char* folder;
    const char* why;
  } cases[] = {{"file", "file is no folder"},
               {"file/below", "cannot make the folder file/below: Not a directory"},
               {"/proc/nexus", "cannot make the folder /proc/nexus: No such file or directory"},
               {"shared", "shared may be written to by others (chmod go-w)"},
               {"link", "link is a symbolic link"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.folder);
    const std::string flag = std::string("--set cache_dir=") + c.folder;
    EXPECT_EQ(run(flag), "2 none");
    EXPECT_EQ(run(flag), "2 none");
    // Whose only purpose is to fill the cache.
    const Outcome compiled = nexus("compile h.js " + flag);
    EXPECT_EQ(compiled.status, 1);
    EXPECT_EQ(compiled.err, std::string("nexus: not kept: ") + c.why + "\n");
    const Outcome asJson = nexus("compile h.js --json " + flag);
    EXPECT_EQ(asJson.status, 1);
    EXPECT_EQ(json::parse(asJson.out)["notKept"], c.why);
  }
}

// Nobody got the result then.
TEST_F(CliCacheTest, AFullStandardOutputIsAFailure) {
  write("h.js", "return 1");
  for (const char* command :
       {"cache stats", "cache verify --json", "cache clear", "compile h.js", "cache frob --json"}) {
    const Outcome outcome = nexusIntoFullOutput(command);
    EXPECT_EQ(outcome.status, 1) << command;
    EXPECT_THAT(outcome.err, HasSubstr("could not be written to standard output")) << command;
  }
}

// `nexus bench compile` compiled nothing and measured nothing.
TEST_F(CliCacheTest, WhatIsCalledLikeACommandIsNoCommandBehindOne) {
  write("compile", "return 5");
  EXPECT_EQ(nexus("run compile").out, "5\n");
  EXPECT_THAT(nexus("compile compile").out, StartsWith("compile: was compiled before"));
  EXPECT_THAT(nexus("bench run").err, HasSubstr("nexus bench: there is no 'run'"));
}

TEST_F(CliCacheTest, WrongUsageIsStatusTwo) {
  const struct {
    const char* command;
    const char* words;
  } cases[] = {{"compile", "FILE"},
               {"cache", "needs a subcommand; there are stats, verify, clear"},
               {"cache fly", "nexus cache has no 'fly'; there are stats, verify, clear"},
               {"cache stats --fly", "--fly"},
               {"config", "there are show"},
               {"compile h.js --set cache_dir=", "there is no disk cache: cache_dir is empty"},
               {"compile h.js --set max_disk_cache_bytes=0", "max_disk_cache_bytes is 0"},
               {"cache stats --set cache_dri=x", "Did you mean 'cache_dir'"},
               {"compile h.js --set max_disk_cache_bytes=lots", "lots"}};
  for (const auto& c : cases) {
    const Outcome outcome = nexus(c.command);
    EXPECT_EQ(outcome.status, 2) << c.command;
    EXPECT_THAT(outcome.err, HasSubstr(c.words)) << c.command;
  }
}

TEST_F(CliCacheTest, WrongUsageIsOneObjectWithJson) {
  for (const char* command : {"cache fly --json", "cache stats --json --fly", "run --json"}) {
    const Outcome outcome = nexus(command);
    EXPECT_EQ(outcome.status, 2) << command;
    EXPECT_THAT(outcome.out, StartsWith(R"({"status":"error","error":{"code":"INVALID_INPUT")"))
        << command;
  }
}

// A folder's name may be any bytes.
TEST_F(CliCacheTest, WhatIsNoTextIsShownAllTheSame) {
  for (const char* command : {"cache stats --json --set cache_dir=$'x\xff'",
                              "config show --json --set cache_dir=$'x\xff'",
                              "config show --set cache_dir=$'x\x1b[31m'"}) {
    const Outcome outcome = nexus(command);
    EXPECT_EQ(outcome.status, 0) << command << outcome.err;
    EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b"))) << command;
  }
}

TEST_F(CliCacheTest, WhatDoesNotFitIsNotKept) {
  write("h.js", "return 1");
  const Outcome outcome = nexus("compile h.js --set max_disk_cache_bytes=100");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("nexus: not kept: an entry has"));
}

}  // namespace
}  // namespace nexus::tests
