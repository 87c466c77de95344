#include "app/cache_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "app/display.h"
#include "app/input.h"
#include "app/report.h"
#include "app/units.h"
#include "base/json.h"
#include "runtime/runtime_parts.h"

namespace nexus::app {
namespace {

using Json = nlohmann::ordered_json;

std::string showEntries(uint64_t count) {
  return showCount(count) + (count == 1 ? " entry" : " entries");
}

// What cannot be trusted to be text.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Null when there is a disk tier.
const char* whyNoDiskCache(const RuntimeConfig& config) {
  if (config.cacheDir.empty()) return "there is no disk cache: cache_dir is empty";
  if (config.maxDiskCacheBytes == 0) return "there is no disk cache: max_disk_cache_bytes is 0";
  return nullptr;
}

std::string_view showTier(CacheTier tier) {
  return tier == CacheTier::kNone ? "compiled" : "was compiled before";
}

// Why the disk tier did not work, if it did not.
class CacheTrouble final : public Observer {
 public:
  void onCache(const CacheReport& report) noexcept override {
    if (report.result == CacheReport::Result::kFailed) why_ = report.detail;
  }
  const std::string& why() const { return why_; }

 private:
  std::string why_;
};

// What became of one file.
struct Outcome {
  std::string file;
  Result<runtime::HandlerCompiler::Found> found;
};

void print(const Outcome& outcome) {
  if (!outcome.found) {
    fmt::print(stderr, "{}",
               showError(outcome.found.error(), outcome.file, colourFor(STDERR_FILENO)));
    return;
  }
  const auto& found = *outcome.found;
  fmt::print("{}: {}", escapeControls(outcome.file), showTier(found.tier));
  if (found.tier == CacheTier::kNone) {
    fmt::print(" in {}", showMicroseconds(static_cast<double>(found.compilationTime.count())));
  }
  fmt::print(", {} of bytecode\n", showBytes(found.handler->code()->bytecode.size()));
}

Json describe(const Outcome& outcome) {
  Json json{{"file", outcome.file}, {"status", outcome.found ? "success" : "error"}};
  if (outcome.found) {
    json["cacheTier"] = toString(outcome.found->tier);
    json["compilationTimeUs"] = outcome.found->compilationTime.count();
    json["bytecodeBytes"] = outcome.found->handler->code()->bytecode.size();
  } else {
    json["error"] = Json::parse(toJson(outcome.found.error()))["error"];
  }
  return json;
}

std::string showDamage(const runtime::CacheStore::Verified& verified) {
  std::string text;
  for (const auto& damage : verified.damaged) {
    text += fmt::format("{}: {}\n", escapeControls(damage.path), escapeControls(damage.why));
  }
  return text + fmt::format("{} sound, {} damaged\n", showCount(verified.sound),
                            showCount(verified.damaged.size()));
}

int showStats(runtime::CacheStore& store, const RuntimeConfig& config, Output output) {
  const auto stats = store.stats();
  if (!stats) return printError(stats.error(), output, kFailed);
  if (output == Output::kJson) {
    const Json json{{"folder", config.cacheDir},
                    {"entries", stats->entries},
                    {"bytes", stats->bytes},
                    {"maxBytes", config.maxDiskCacheBytes}};
    fmt::print("{}\n", dump(json));
  } else {
    fmt::print("{}: {}, {} of at most {}\n", escapeControls(config.cacheDir),
               showEntries(stats->entries), showBytes(stats->bytes),
               showBytes(config.maxDiskCacheBytes));
  }
  return finishOutput(kSuccess);
}

int verify(runtime::CacheStore& store, Output output) {
  const auto verified = store.verify();
  if (!verified) return printError(verified.error(), output, kFailed);
  if (output == Output::kJson) {
    Json json{{"sound", verified->sound}, {"damaged", Json::array()}};
    for (const auto& damage : verified->damaged) {
      json["damaged"].push_back({{"path", damage.path}, {"why", damage.why}});
    }
    fmt::print("{}\n", dump(json));
  } else {
    fmt::print("{}", showDamage(*verified));
  }
  return finishOutput(verified->damaged.empty() ? kSuccess : kFailed);
}

int clear(runtime::CacheStore& store, const RuntimeConfig& config, Output output) {
  const auto removed = store.clear();
  if (!removed) return printError(removed.error(), output, kFailed);
  if (output == Output::kJson) {
    fmt::print("{}\n", Json{{"removed", *removed}}.dump());
  } else {
    fmt::print("{}: {} removed\n", escapeControls(config.cacheDir), showEntries(*removed));
  }
  return finishOutput(kSuccess);
}

}  // namespace

int compileFiles(const std::vector<std::string>& files, const RuntimeConfig& config,
                 Output output) {
  if (const char* why = whyNoDiskCache(config)) {
    return printError(Error{.code = ErrorCode::kInvalidInput, .message = why}, output, kUsage);
  }
  const auto trouble = std::make_shared<CacheTrouble>();
  auto runtime = RuntimeAccess::make(config, {.observer = trouble});
  if (!runtime) return printError(runtime.error(), output, kFailed);
  auto& parts = RuntimeAccess::parts(**runtime);
  Json report{{"handlers", Json::array()}};
  bool failed = false;
  for (const std::string& file : files) {
    auto source =
        readInput(file, {ErrorCode::kInvalidHandler, "max_source_bytes", config.maxSourceBytes});
    const Outcome outcome{file, source ? parts.compiler->find(*source, {})
                                       : Result<runtime::HandlerCompiler::Found>(source.error())};
    failed = failed || !outcome.found;
    if (output == Output::kJson) {
      report["handlers"].push_back(describe(outcome));
    } else {
      print(outcome);
    }
  }
  const std::string& notKept = trouble->why();
  if (output == Output::kJson) {
    if (!notKept.empty()) report["notKept"] = notKept;
    fmt::print("{}\n", dump(report));
  } else if (!notKept.empty()) {
    fmt::print(stderr, "nexus: not kept: {}\n", escapeControls(notKept));
  }
  return finishOutput(failed || !notKept.empty() ? kFailed : kSuccess);
}

int runCacheAction(CacheAction action, const RuntimeConfig& config, Output output) {
  if (const char* why = whyNoDiskCache(config)) {
    return printError(Error{.code = ErrorCode::kInvalidInput, .message = why}, output, kUsage);
  }
  const auto files = makePosixFileSystem();
  runtime::CacheStore store(*files, config.cacheDir, config.maxDiskCacheBytes);
  switch (action) {
    case CacheAction::kVerify:
      return verify(store, output);
    case CacheAction::kClear:
      return clear(store, config, output);
    case CacheAction::kStats:
      break;
  }
  return showStats(store, config, output);
}

}  // namespace nexus::app
