#include "app/display.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "app/units.h"
#include "base/text.h"

namespace nexus::app {
namespace {

constexpr std::string_view kRed = "31";
constexpr std::string_view kYellow = "33";
constexpr std::string_view kBlue = "34";
constexpr std::string_view kBold = "1";
constexpr std::string_view kDim = "2";

std::string paint(std::string_view text, std::string_view style, Colour colour) {
  if (colour == Colour::kOff) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", style, text);
}

// Bytes of the control character at the start of `text`, 0 when there is none: C0 but for line end
// and tab, C1 (some terminals take U+009B for ESC [), and what turns the direction of writing.
size_t controlLength(std::string_view text) {
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  if (text[0] != '\n' && text[0] != '\t' && (byte(0) < 0x20 || byte(0) == 0x7F)) return 1;
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) <= 0x9F) return 2;
  const bool embeds = byte(0) == 0xE2 && byte(1) == 0x80 && byte(2) >= 0xAA && byte(2) <= 0xAE;
  const bool isolates = byte(0) == 0xE2 && byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;
  return embeds || isolates ? 3 : 0;
}

// One record is one line.
std::string onOneLine(std::string text) {
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at)) {
    text.replace(at, 1, "\\n");
  }
  return text;
}

// "state total = 21": one line, its end left out where it is long.
std::string showEffect(std::string_view kind, std::string_view name, std::string_view what,
                       Colour colour) {
  constexpr size_t kLongest = 120;
  const std::string line = fmt::format("{}{}{}", name, what.empty() ? "" : " ", what);
  const std::string_view shown = cutUtf8(line, kLongest);
  return fmt::format("{} {}{}\n", paint(fmt::format("{:<5}", kind), kBlue, colour),
                     onOneLine(escapeControls(shown)), shown.size() < line.size() ? "…" : "");
}

// Behind the closing quote of the string at the start of `json`.
size_t stringLength(std::string_view json) {
  size_t length = 1;
  while (json[length] != '"') length += json[length] == '\\' ? 2 : 1;
  return length + 1;
}

// JSON text, a line for each member. What is in it stays as the handler wrote it.
std::string indentJson(std::string_view json) {
  constexpr size_t kStep = 2;
  std::string shown;
  size_t depth = 0;
  const auto startLine = [&] { shown.append(1, '\n').append(depth * kStep, ' '); };
  while (!json.empty()) {
    const char c = json[0];
    const bool opens = c == '{' || c == '[';
    const bool closes = c == '}' || c == ']';
    const bool isEmpty = opens && (json[1] == '}' || json[1] == ']');
    if (closes) {
      --depth;
      startLine();
    }
    const size_t length = c == '"' ? stringLength(json) : isEmpty ? 2 : 1;
    shown += json.substr(0, length);
    json.remove_prefix(length);
    if (c == ':') shown += ' ';
    if (opens && !isEmpty) ++depth;
    if (c == ',' || (opens && !isEmpty)) startLine();
  }
  return shown;
}

std::string_view styleOf(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return kRed;
    case LogLevel::kWarn:
      return kYellow;
    case LogLevel::kDebug:
      return kDim;
    case LogLevel::kInfo:
      break;
  }
  return kBlue;
}

bool isContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Spaces below what is shown of a line up to a column, which counts UTF-16 code units; tabs stay,
// so that the caret stands right.
std::string indentBelow(std::string_view line, uint32_t column) {
  size_t end = 0;
  for (uint32_t at = 1; end < line.size() && (at < column || isContinuation(line[end])); ++end) {
    if (!isContinuation(line[end])) at += static_cast<unsigned char>(line[end]) >= 0xF0 ? 2 : 1;
  }
  std::string indent;
  for (const char c : escapeControls(line.substr(0, end))) {
    if (!isContinuation(c)) indent += c == '\t' ? '\t' : ' ';
  }
  return indent;
}

std::string showPlace(const Error& error, std::string_view file, Colour colour) {
  if (!error.location) return "";
  const std::string line = fmt::format("{}", error.location->line);
  const std::string margin(line.size(), ' ');
  const std::string bar = paint("|", kBlue, colour);
  std::string text = fmt::format("{}{} {}:{}:{}\n", margin, paint("-->", kBlue, colour),
                                 escapeControls(file), line, error.location->column);
  if (error.snippet.empty()) return text;
  text += fmt::format("{} {}\n", margin, bar);
  text += fmt::format("{} {} {}\n", paint(line, kBlue, colour), bar, escapeControls(error.snippet));
  text += fmt::format("{} {} {}{}\n", margin, bar,
                      indentBelow(error.snippet, error.location->column), paint("^", kRed, colour));
  return text;
}

}  // namespace

Colour colourFor(int descriptor) {
  const char* noColour = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): before threads
  const char* terminal = std::getenv("TERM");      // NOLINT(concurrency-mt-unsafe)
  const bool refused = (noColour != nullptr && *noColour != '\0') ||
                       (terminal != nullptr && std::string_view(terminal) == "dumb");
  return isatty(descriptor) != 0 && !refused ? Colour::kOn : Colour::kOff;
}

std::string escapeControls(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const size_t length = controlLength(text);
    if (length == 0) {
      shown += text.front();
      text.remove_prefix(1);
      continue;
    }
    for (const char c : text.substr(0, length)) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    text.remove_prefix(length);
  }
  return shown;
}

std::string showValue(const ExecutionResult& result) {
  return result.value ? escapeControls(indentJson(*result.value)) + "\n" : "(no value)\n";
}

std::string showEffects(const ExecutionResult& result, Colour colour) {
  std::string text;
  for (const StateMutation& mutation : result.stateMutations) {
    text += showEffect("state", mutation.key, mutation.value ? "= " + *mutation.value : "deleted",
                       colour);
  }
  for (const Event& event : result.events) {
    text += showEffect("event", event.name, event.payload.value_or(""), colour);
  }
  for (const ViewCommand& command : result.viewCommands) {
    text += showEffect("view", command.componentId, command.type + " " + command.args, colour);
  }
  for (const ExtensionRequest& request : result.pending) {
    // As the handler wrote it: the array of its arguments without its brackets.
    std::string_view args = request.args;
    if (args.starts_with('[') && args.ends_with(']')) args = args.substr(1, args.size() - 2);
    text += showEffect("waits", fmt::format("#{}", request.id),
                       fmt::format("{}.{}({})", request.extension, request.method, args), colour);
  }
  return text;
}

std::string showMetrics(const ExecutionMetrics& metrics, Colour colour) {
  std::string text =
      fmt::format("executed in {}, compiled in {}; {} of heap, {} of memory; about {} instructions",
                  showMicroseconds(static_cast<double>(metrics.duration.count())),
                  showMicroseconds(static_cast<double>(metrics.compilationTime.count())),
                  showBytes(metrics.memoryUsedBytes), showBytes(metrics.memoryPeakBytes),
                  showCount(metrics.instructionCount));
  const uint64_t calls = metrics.hostCalls.total();
  if (calls > 0) text += fmt::format("; {} host call{}", showCount(calls), calls == 1 ? "" : "s");
  return paint(text, kDim, colour) + "\n";
}

std::string showLog(const LogRecord& record, Colour colour) {
  return fmt::format(
      "{} {}\n", paint(fmt::format("{:<5}", toString(record.level)), styleOf(record.level), colour),
      onOneLine(escapeControls(record.message)));
}

std::string showError(const Error& error, std::string_view file, Colour colour) {
  std::string text =
      fmt::format("{} {}\n", paint(fmt::format("{}:", toString(error.code)), kRed, colour),
                  paint(escapeControls(error.message), kBold, colour));
  text += showPlace(error, file, colour);
  if (!error.stack.empty()) text += paint(escapeControls(error.stack), kDim, colour) + "\n";
  return text;
}

}  // namespace nexus::app
