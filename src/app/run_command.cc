#include "app/run_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "app/command_line.h"
#include "app/display.h"
#include "app/engines.h"
#include "app/input.h"
#include "app/progress.h"
#include "app/report.h"
#include "base/json.h"

namespace nexus::app {
namespace {

using Output = RunOptions::Output;

void print(std::FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
}

// False when standard output is gone or full: then nobody got the result.
bool finishOutput() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

int printError(const Error& error, const RunOptions& options, ExitStatus status) {
  if (options.output == Output::kJson) {
    print(stdout, toJson(error) + "\n");
    return finishOutput() ? status : kFailed;
  }
  print(stderr, showError(error, options.file, colourFor(STDERR_FILENO)));
  return status;
}

struct Inputs {
  std::string source;
  std::string args;
};

Result<Inputs> readInputs(const RunOptions& options) {
  if (options.file == "-" && options.args == "@-") {
    return Error{.code = ErrorCode::kInvalidInput,
                 .message = "the handler and --args cannot both come from standard input"};
  }
  const RuntimeConfig& config = options.config;
  auto source = readInput(options.file,
                          {ErrorCode::kInvalidHandler, "max_source_bytes", config.maxSourceBytes});
  if (!source) return std::move(source).error();
  auto args = readTextOrFile(options.args,
                             {ErrorCode::kResourceLimit, "max_input_bytes", config.maxInputBytes});
  if (!args) return std::move(args).error();
  auto checked = checkJson(*args, "--args");
  if (!checked) {
    // The message names the place; a location is always one in the handler.
    checked.error().location.reset();
    return std::move(checked).error();
  }
  return Inputs{std::move(*source), std::move(*args)};
}

std::string describeWait(const RunOptions& options, int64_t seconds) {
  const auto limit = options.config.timeout.count();
  const std::string until = limit == 0 ? "no time limit" : fmt::format("of at most {} ms", limit);
  return fmt::format("running for {} s, {} (--timeout-ms)", seconds, until);
}

// A failure to compile is a result like any other.
ExecutionResult execute(js::JsSandbox& sandbox, const Inputs& inputs) {
  const auto start = std::chrono::steady_clock::now();
  auto handler = sandbox.compile(inputs.source);
  const auto compilationTime = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - start);
  ExecutionResult result;
  if (handler) {
    result = sandbox.invoke(**handler, inputs.args);
  } else {
    result.error = std::move(handler).error();
  }
  result.metrics.compilationTime = compilationTime;
  return result;
}

void printForPeople(const ExecutionResult& result, const RunOptions& options) {
  if (result.error) {
    print(stderr, showError(*result.error, options.file, colourFor(STDERR_FILENO)));
  } else {
    print(stdout, showValue(result));
  }
  // Two streams on one terminal keep their order.
  std::fflush(stdout);
  const bool ran = result.metrics.instructionCount > 0;
  if (ran) print(stderr, showMetrics(result.metrics, colourFor(STDERR_FILENO)));
}

}  // namespace

int runHandler(const RunOptions& options) {
  auto inputs = readInputs(options);
  if (!inputs) {
    const bool isHandler = inputs.error().code == ErrorCode::kInvalidHandler;
    return printError(inputs.error(), options, isHandler ? kFailed : kUsage);
  }
  auto engines = makeEngines(options.config);
  if (!engines) return printError(engines.error(), options, kUsage);
  if (!engines->notice.empty()) print(stderr, "nexus: " + engines->notice + "\n");
  auto sandbox = js::JsSandbox::make(*engines->js);
  if (!sandbox) return printError(sandbox.error(), options, kFailed);

  const ExecutionResult result = [&] {
    const Progress progress([&](int64_t seconds) { return describeWait(options, seconds); });
    return execute(**sandbox, *inputs);
  }();
  for (const LogRecord& record : result.log) {
    print(stderr, showLog(record, colourFor(STDERR_FILENO)));
  }
  if (options.output == Output::kJson) {
    print(stdout, toJson(result) + "\n");
  } else {
    printForPeople(result, options);
  }
  if (!finishOutput()) {
    print(stderr, "nexus: the result could not be written to standard output\n");
    return kFailed;
  }
  return result.ok() ? kSuccess : kFailed;
}

}  // namespace nexus::app
