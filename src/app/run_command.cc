#include "app/run_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "app/command_line.h"
#include "app/display.h"
#include "app/extensions.h"
#include "app/input.h"
#include "app/progress.h"
#include "app/report.h"
#include "base/json.h"
#include "base/rights.h"

namespace nexus::app {
namespace {

void print(std::FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
}

// With the line of the handler that it points at.
int printError(const Error& error, const RunOptions& options, ExitStatus status) {
  if (options.output == Output::kJson) return printError(error, options.output, status);
  print(stderr, showError(error, options.file, colourFor(STDERR_FILENO)));
  return status;
}

// The message names the place; a location is always one in the handler.
Error withoutLocation(Error error) {
  error.location.reset();
  return error;
}

Status checkStandardInput(const RunOptions& options) {
  std::vector<std::string> readers;
  if (options.file == "-") readers.emplace_back("the handler");
  for (const auto& [flag, value] :
       {std::pair("--args", &options.args), std::pair("--state", &options.state),
        std::pair("--scope", &options.scope)}) {
    if (*value == "@-") readers.emplace_back(flag);
  }
  if (options.extStub == "-") readers.emplace_back("--ext-stub");
  if (readers.size() < 2) return Done{};
  return Error{.code = ErrorCode::kInvalidInput,
               .message = fmt::format("{} and {} cannot both come from standard input", readers[0],
                                      readers[1])};
}

InputLimit inputLimit(const RuntimeConfig& config) {
  return {ErrorCode::kResourceLimit, "max_input_bytes", config.maxInputBytes};
}

Result<std::string> readJson(const std::string& value, const char* flag,
                             const RuntimeConfig& config) {
  auto text = readTextOrFile(value, inputLimit(config));
  if (!text) return text;
  auto checked = checkJson(*text, flag);
  if (!checked) return withoutLocation(std::move(checked).error());
  return text;
}

Result<StateSnapshot> readState(const RunOptions& options) {
  auto text = readTextOrFile(options.state, inputLimit(options.config));
  if (!text) return std::move(text).error();
  auto state = StateSnapshot::parse(*text, "--state");
  if (!state) return withoutLocation(std::move(state).error());
  return state;
}

Result<ExtStub::ByAlias> readStub(const RunOptions& options) {
  if (options.extStub.empty()) return ExtStub::ByAlias();
  const bool isText = options.extStub.starts_with('{');
  auto text = isText ? readTextOrFile(options.extStub, inputLimit(options.config))
                     : readInput(options.extStub, inputLimit(options.config));
  if (!text) return std::move(text).error();
  const bool hasFile = !isText && options.extStub != "-";
  auto stub = ExtStub::parse(*text, hasFile ? options.extStub : "--ext-stub");
  if (!stub) return withoutLocation(std::move(stub).error());
  return stub;
}

std::string describeWait(const RunOptions& options, int64_t seconds) {
  const auto limit = options.config.timeout.count();
  // Waiting for an extension is no executing.
  const std::string until =
      limit == 0 ? "without a limit" : fmt::format("of which it may execute {} ms", limit);
  return fmt::format("running for {} s, {} (--timeout-ms)", seconds, until);
}

void printForPeople(const ExecutionResult& result, const RunOptions& options) {
  const Colour colour = colourFor(STDERR_FILENO);
  if (result.status() == CallStatus::kSuccess) print(stdout, showValue(result));
  // Two streams on one terminal keep their order.
  std::fflush(stdout);
  print(stderr, showEffects(result, colour));
  if (result.error) print(stderr, showError(*result.error, options.file, colour));
  if (result.status() == CallStatus::kSuspended) {
    print(stderr, fmt::format("suspended: {}\n", describeRemedy(result.pending)));
  }
  const bool ran = result.metrics.instructionCount > 0;
  if (ran) print(stderr, showMetrics(result.metrics, colour));
}

ExitStatus exitStatusOf(const ExecutionResult& result) {
  switch (result.status()) {
    case CallStatus::kSuccess:
      return kSuccess;
    case CallStatus::kSuspended:
      return kSuspended;
    case CallStatus::kError:
      break;
  }
  return kFailed;
}

}  // namespace

Result<RunInputs> readInputs(const RunOptions& options) {
  auto standardInput = checkStandardInput(options);
  if (!standardInput) return std::move(standardInput).error();
  auto rights = Rights::parse(options.allow);
  if (!rights) return std::move(rights).error();
  auto source = readInput(options.file, {ErrorCode::kInvalidHandler, "max_source_bytes",
                                         options.config.maxSourceBytes});
  if (!source) return std::move(source).error();
  auto args = readJson(options.args, "--args", options.config);
  if (!args) return std::move(args).error();
  auto scope = readJson(options.scope, "--scope", options.config);
  if (!scope) return std::move(scope).error();
  auto state = readState(options);
  if (!state) return std::move(state).error();
  auto stub = readStub(options);
  if (!stub) return std::move(stub).error();
  auto builtIn = makeBuiltIn(options.ext, options.http);
  if (!builtIn) return std::move(builtIn).error();
  return RunInputs{std::move(*source), std::move(*args), std::move(*scope), std::move(*state),
                   stubsFirst(*stub, *builtIn)};
}

CallContext contextOf(const RunOptions& options, const RunInputs& inputs) {
  CallContext context;
  context.args = inputs.args;
  context.scope = inputs.scope;
  context.state = inputs.state;
  context.seed = options.seed;
  context.clock = options.clock;
  return context;
}

int runHandler(const RunOptions& options) {
  auto inputs = readInputs(options);
  if (!inputs) {
    const bool isHandler = inputs.error().code == ErrorCode::kInvalidHandler;
    return printError(inputs.error(), options, isHandler ? kFailed : kUsage);
  }
  RuntimeOptions outside;
  outside.extensions = inputs->extensions;
  auto runtime = Runtime::make(options.config, outside);
  if (!runtime) {
    const bool isSetting = runtime.error().code == ErrorCode::kInvalidInput;
    return printError(runtime.error(), options, isSetting ? kUsage : kFailed);
  }
  const std::string notice = (*runtime)->stats().notice;
  if (!notice.empty()) print(stderr, "nexus: " + notice + "\n");

  const ExecutionResult result = [&] {
    const Progress progress([&](int64_t seconds) { return describeWait(options, seconds); });
    return (*runtime)->execute(inputs->source, {options.allow}, contextOf(options, *inputs));
  }();
  for (const LogRecord& record : result.log) {
    print(stderr, showLog(record, colourFor(STDERR_FILENO)));
  }
  if (options.output == Output::kJson) {
    print(stdout, toJson(result) + "\n");
  } else {
    printForPeople(result, options);
  }
  return finishOutput(exitStatusOf(result));
}

}  // namespace nexus::app
