// Runs tests/handlers/*.case and the examples of the documentation on every engine: through the
// flags, the driver and the report of `nexus run`, in this process.
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "app/report.h"
#include "app/run_command.h"
#include "app/run_flags.h"
#include "base/testing/temp_folder.h"
#include "doc_examples.h"
#include "handler_case.h"
#include "runtime/runtime_parts.h"

namespace nexus::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using runtime::EngineChoice;

// A folder with a case's files.
class CaseFolder {
 public:
  explicit CaseFolder(const HandlerCase& test) {
    nexus::testing::writeFile(folder_ / "handler.js", test.handler);
    for (const auto& [name, content] : test.files) {
      nexus::testing::writeFile(folder_ / name, content);
    }
  }

  std::string expand(std::string text) const {
    constexpr std::string_view kPlaceholder = "{dir}";
    for (size_t at = text.find(kPlaceholder); at != std::string::npos;
         at = text.find(kPlaceholder)) {
      text.replace(at, kPlaceholder.size(), folder_.path().string());
    }
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
  }

 private:
  const nexus::testing::TempFolder folder_;
};

json resultOf(Runtime& runtime, const app::RunOptions& options, const app::RunInputs& inputs) {
  const ExecutionResult result =
      runtime.execute(inputs.source, {options.allow}, app::contextOf(options, inputs));
  json report = json::parse(app::toJson(result));
  report["log"] = json::array();
  for (const LogRecord& record : result.log) {
    report["log"].push_back({{"level", toString(record.level)}, {"message", record.message}});
  }
  return report;
}

std::string probe(Runtime& runtime) {
  const ExecutionResult result = runtime.execute(
      "return [typeof leaked, Object.keys($state), $args.a + 1, JSON.stringify({ b: [1] }), "
      "[3, 1, 2].sort(), await Promise.resolve(5)]",
      {}, {.args = R"({"a":1})"});
  return result.value.value_or(result.error ? result.error->message : "(none)");
}

Result<std::unique_ptr<Runtime>> makeRuntime(const app::RunOptions& options,
                                             const app::RunInputs& inputs, EngineChoice choice) {
  RuntimeConfig config = options.config;
  // One instance, so that the next call gets the one that the case used.
  config.maxInstances = 1;
  config.cacheDir.clear();
  RuntimeDependencies dependencies;
  dependencies.engine = choice;
  dependencies.extensions = inputs.extensions;
  return RuntimeAccess::make(config, std::move(dependencies));
}

json run(const HandlerCase& test, EngineChoice choice) {
  const CaseFolder folder(test);
  app::RunFlags flags;
  CLI::App command;
  flags.addTo(command);
  command.parse(folder.expand("{dir}/handler.js " + test.flags));
  const auto options = flags.options();
  if (!options) return json::parse(app::toJson(options.error()));
  auto inputs = app::readInputs(*options);
  if (!inputs) return json::parse(app::toJson(inputs.error()));
  auto runtime = makeRuntime(*options, *inputs, choice);
  if (!runtime) return json::parse(app::toJson(runtime.error()));
  json result = resultOf(**runtime, *options, *inputs);
  // Whatever the case did, the next call must be as in a new sandbox.
  auto fresh = makeRuntime(*options, *inputs, choice);
  EXPECT_EQ(probe(**runtime), fresh ? probe(**fresh) : fresh.error().message);
  return result;
}

class HandlerCaseTest : public ::testing::Test {
 public:
  HandlerCaseTest(HandlerCase test, EngineChoice choice)
      : test_(std::move(test)), choice_(choice) {}

  void TestBody() override {
    const json actual = run(test_, choice_);
    const std::string found = difference(test_.expected, actual);
    EXPECT_EQ(found, "") << "handler:\n" << test_.handler << "\nresult: " << actual.dump();
  }

 private:
  const HandlerCase test_;
  const EngineChoice choice_;
};

// What ctest and filters can name.
std::string identifier(const std::string& text) {
  std::string name;
  bool startsWord = true;
  for (const char c : text) {
    const bool fits = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (fits) name += static_cast<char>(startsWord ? std::toupper(c) : c);
    startsWord = !fits;
  }
  return name;
}

void registerCases(const fs::path& file) {
  const bool isPage = file.extension() == ".md";
  for (const HandlerCase& test :
       isPage ? readDocExamples(file.string()) : readHandlerCases(file.string())) {
    for (const auto choice : {EngineChoice::kNative, EngineChoice::kChecked}) {
      const char* engine = choice == EngineChoice::kNative ? "_Native" : "_Checked";
      ::testing::RegisterTest((identifier(file.stem().string()) + "Cases").c_str(),
                              (identifier(test.name) + engine).c_str(), nullptr, nullptr,
                              file.c_str(), static_cast<int>(test.line),
                              [test, choice] { return new HandlerCaseTest(test, choice); });
    }
  }
}

}  // namespace
}  // namespace nexus::tests

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(NEXUS_HANDLER_CASES)) {
    if (entry.path().extension() == ".case") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const char* page : {"/handlers.md", "/extensions.md"}) {
    files.emplace_back(std::string(NEXUS_DOCS) + page);
  }
  try {
    for (const auto& file : files) nexus::tests::registerCases(file);
  } catch (const std::runtime_error& e) {
    std::cerr << e.what() << '\n';
    return 2;
  }
  return RUN_ALL_TESTS();
}
