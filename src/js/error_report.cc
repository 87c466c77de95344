#include "js/error_report.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/text.h"
#include "js/guest.h"

namespace nexus::js {
namespace {

constexpr size_t kLongestMessage = 4096;
constexpr size_t kLongestStack = 8192;
constexpr size_t kMostFrames = 32;

std::string field(const nlohmann::json& report, const char* name, size_t longest) {
  const auto found = report.find(name);
  if (found == report.end() || !found->is_string()) return "";
  return std::string(cutUtf8(found->get_ref<const std::string&>(), longest));
}

// One line of the engine's stack: "    at name (handler.js:4:11)" or "    at handler.js:4:11".
struct Frame {
  std::string_view name;
  SourceLocation place;
};

bool readNumber(std::string_view& text, uint32_t& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

std::optional<Frame> readFrame(std::string_view line) {
  constexpr std::string_view kFile = "handler.js:";
  const size_t at = line.find("at ");
  const size_t file = line.find(kFile);
  if (at == std::string_view::npos || file == std::string_view::npos || file < at)
    return std::nullopt;
  Frame frame;
  const std::string_view before = line.substr(at + 3, file - at - 3);
  frame.name = before.substr(0, before.find(" ("));
  std::string_view numbers = line.substr(file + kFile.size());
  if (!readNumber(numbers, frame.place.line) || !numbers.starts_with(':')) return std::nullopt;
  numbers.remove_prefix(1);
  if (!readNumber(numbers, frame.place.column) || frame.place.line <= kWrapperLines) {
    return std::nullopt;
  }
  frame.place.line -= kWrapperLines;
  return frame;
}

// The engine counts columns in bytes. What lies outside of the source (the wrapper's last line,
// where a text fails that ends too early, and whatever a handler made up) becomes its nearest
// place.
class Places {
 public:
  explicit Places(std::string_view source) : source_(source) {
    for (size_t at = 0; at != std::string_view::npos;) {
      starts_.push_back(at);
      at = source.find('\n', at);
      if (at != std::string_view::npos) ++at;
    }
  }

  SourceLocation nearest(SourceLocation place) const {
    const size_t line = std::min<size_t>(place.line, starts_.size());
    std::string_view text = source_.substr(starts_[line - 1]);
    text = text.substr(0, text.find('\n'));
    if (text.ends_with('\r')) text.remove_suffix(1);
    const bool isBeyond = place.line > line;
    const size_t offset = isBeyond ? text.size() : std::max<uint32_t>(place.column, 1) - 1;
    const SourceLocation within = locate(text, std::min(offset, text.size()));
    return {static_cast<uint32_t>(line), within.column};
  }

 private:
  std::string_view source_;
  std::vector<size_t> starts_;
};

void addStack(Error& error, std::string_view stack, std::string_view source) {
  if (stack.empty()) return;
  const Places places(source);
  for (size_t frames = 0; !stack.empty() && frames < kMostFrames;) {
    const std::string_view line = stack.substr(0, stack.find('\n'));
    stack.remove_prefix(std::min(line.size() + 1, stack.size()));
    const auto frame = readFrame(line);
    if (!frame) continue;
    ++frames;
    const SourceLocation place = places.nearest(frame->place);
    if (!error.location) pointAt(error, place, source);
    if (!error.stack.empty()) error.stack += '\n';
    error.stack += "    at ";
    if (!frame->name.empty()) error.stack += std::string(frame->name) + " (";
    error.stack += "handler.js:" + std::to_string(place.line) + ":" + std::to_string(place.column);
    if (!frame->name.empty()) error.stack += ')';
  }
}

}  // namespace

bool ThrownValue::isOutOfMemory() const {
  // The second when there was no memory for the first.
  return isNull || (name == "InternalError" &&
                    (message == "out of memory" || message == "Invalid error message"));
}

bool ThrownValue::isStackOverflow() const {
  return (name == "RangeError" || name == "InternalError") &&
         (message == "Maximum call stack size exceeded" || message == "stack overflow");
}

std::optional<ThrownValue> readReport(std::string_view json) {
  // Only what is looked for is kept, so that a forged report costs no more than reading it once.
  using Json = nlohmann::json;
  const auto keep = [](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key) {
      static constexpr std::string_view kKnown[] = {"name", "message", "stack", "isNull", "denial"};
      const auto& key = parsed.get_ref<const std::string&>();
      return depth == 1 && std::find(std::begin(kKnown), std::end(kKnown), key) != std::end(kKnown);
    }
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    return depth == 0 || !opens;
  };
  const auto report = Json::parse(json, keep, false);
  if (!report.is_object()) return std::nullopt;
  ThrownValue thrown;
  thrown.name = field(report, "name", kLongestMessage);
  thrown.message = field(report, "message", kLongestMessage);
  thrown.stack = field(report, "stack", kLongestStack);
  const auto isNull = report.find("isNull");
  thrown.isNull = isNull != report.end() && isNull->is_boolean() && isNull->get<bool>();
  const auto denial = report.find("denial");
  if (denial != report.end() && denial->is_number_unsigned()) {
    thrown.denial = denial->get<uint64_t>();
  }
  return thrown;
}

void pointAt(Error& error, SourceLocation place, std::string_view source) {
  error.location = place;
  error.snippet = lineOf(source, place.line);
}

Error makeError(ErrorCode code, const ThrownValue& thrown, std::string_view source) {
  Error error{.code = code};
  error.message = thrown.name.empty()      ? thrown.message
                  : thrown.message.empty() ? thrown.name
                                           : thrown.name + ": " + thrown.message;
  addStack(error, thrown.stack, source);
  return error;
}

}  // namespace nexus::js
