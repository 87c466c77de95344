// Runs handlers, each a line of standard input, as `nexus run` does, all in one sandbox that is
// restored in between, and prints a line of result for each.
//
//   differential_batch native|checked < HANDLERS > RESULTS
//
// A handler is {"source": "…", "args": "…", "scope": "…", "state": "…", "allow": ["…"],
// "stub": "…", "seed": 1, "clock": 0}: args, scope, state and stub are JSON as text, as flags have
// it; seed and clock may be left out. A result is what `nexus run --json` prints, with "log", a
// list of {"level", "message"}.
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/ext_stub.h"
#include "app/report.h"
#include "base/json.h"
#include "runtime/runtime_parts.h"

namespace nexus::tests {
namespace {

using nlohmann::json;
using runtime::EngineChoice;

// So long that no handler is stopped because the machine is busy.
constexpr std::chrono::minutes kTimeout{10};

std::string textOf(const json& handler, const char* name) {
  return handler.at(name).get<std::string>();
}

// An extension that is another one for each handler: one runtime has the same ones all its life.
class Changing final : public Extension {
 public:
  void become(std::shared_ptr<Extension> extension) { now_ = std::move(extension); }

  bool answers(std::string_view method) const noexcept override {
    return now_ && now_->answers(method);
  }
  void call(ExtensionCall call, ExtensionReply reply) noexcept override {
    now_->call(std::move(call), std::move(reply));
  }

 private:
  std::shared_ptr<Extension> now_;
};

using ChangingByAlias = std::map<std::string, std::shared_ptr<Changing>, std::less<>>;

// One for each alias that some handler's stub has.
Result<ChangingByAlias> makeExtensions(const std::vector<json>& handlers) {
  ChangingByAlias extensions;
  for (const json& handler : handlers) {
    auto stub = app::ExtStub::parse(textOf(handler, "stub"), "stub");
    if (!stub) return std::move(stub).error();
    for (const auto& [alias, extension] : *stub) {
      auto& changing = extensions[alias];
      if (!changing) changing = std::make_shared<Changing>();
    }
  }
  return extensions;
}

std::string describeLog(const std::vector<LogRecord>& log) {
  std::string list = "[";
  for (const LogRecord& record : log) {
    if (list.size() > 1) list += ',';
    list += R"({"level":)" + quoteJson(toString(record.level)) + R"(,"message":)" +
            quoteJson(record.message) + "}";
  }
  return list + "]";
}

Result<ExecutionResult> execute(Runtime& runtime, const ChangingByAlias& extensions,
                                const json& handler) {
  const std::string args = textOf(handler, "args");
  const std::string scope = textOf(handler, "scope");
  for (const auto& [text, name] : {std::pair(&args, "args"), std::pair(&scope, "scope")}) {
    auto checked = checkJson(*text, name);
    if (!checked) return std::move(checked).error();
  }
  auto state = StateSnapshot::parse(textOf(handler, "state"), "state");
  if (!state) return std::move(state).error();
  auto stub = app::ExtStub::parse(textOf(handler, "stub"), "stub");
  if (!stub) return std::move(stub).error();
  for (const auto& [alias, changing] : extensions) {
    const auto found = stub->find(alias);
    changing->become(found == stub->end() ? nullptr : found->second);
  }
  CallContext context{.args = args, .scope = scope, .state = std::move(*state)};
  if (handler.contains("seed")) context.seed = handler["seed"].get<uint64_t>();
  if (handler.contains("clock")) {
    context.clock = std::chrono::milliseconds(handler["clock"].get<int64_t>());
  }
  auto allow = handler.at("allow").get<std::vector<std::string>>();
  return runtime.execute(textOf(handler, "source"), {std::move(allow)}, context);
}

std::string run(Runtime& runtime, const ChangingByAlias& extensions, const json& handler) {
  const auto result = execute(runtime, extensions, handler);
  if (!result) return app::toJson(result.error());
  runtime.dropSuspended(result->suspensionId);
  std::string report = app::toJson(*result);
  report.pop_back();  // the brace
  return report + R"(,"log":)" + describeLog(result->log) + "}";
}

int complain(const std::string& what) {
  std::cerr << "differential_batch: " << what << '\n';
  return 1;
}

int runAll(EngineChoice choice) {
  std::vector<json> handlers;
  for (std::string line; std::getline(std::cin, line);) handlers.push_back(json::parse(line));
  auto extensions = makeExtensions(handlers);
  if (!extensions) return complain(extensions.error().message);
  RuntimeConfig config;
  config.timeout = kTimeout;
  config.maxInstances = 1;
  config.cacheDir.clear();
  RuntimeDependencies outside;
  outside.engine = choice;
  outside.extensions = {extensions->begin(), extensions->end()};
  auto runtime = RuntimeAccess::make(config, std::move(outside));
  if (!runtime) return complain(runtime.error().message);
  // Flushed, so that a crash shows whose it was.
  for (const json& handler : handlers) {
    std::cout << run(**runtime, *extensions, handler) << std::endl;
  }
  const uint64_t discarded = (*runtime)->stats().instancesDiscarded;
  return discarded == 0 ? 0 : complain("the sandbox could not be restored");
}

std::optional<EngineChoice> parseEngine(std::string_view name) {
  if (name == "native") return EngineChoice::kNative;
  if (name == "checked") return EngineChoice::kChecked;
  return std::nullopt;
}

}  // namespace
}  // namespace nexus::tests

int main(int argc, char** argv) {
  const auto engine = argc == 2 ? nexus::tests::parseEngine(argv[1]) : std::nullopt;
  if (!engine) {
    std::cerr << "usage: differential_batch native|checked < HANDLERS > RESULTS\n";
    return 2;
  }
  try {
    return nexus::tests::runAll(*engine);
  } catch (const nlohmann::json::exception& e) {
    std::cerr << "differential_batch: a handler is not as it has to be: " << e.what() << '\n';
    return 2;
  }
}
