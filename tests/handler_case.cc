#include "handler_case.h"

#include <fstream>
#include <stdexcept>
#include <string_view>

namespace nexus::tests {
namespace {

using nlohmann::json;

constexpr std::string_view kTitle = "=== ";
constexpr std::string_view kSection = "--- ";

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), stream_(path) {
    if (!stream_) throw std::runtime_error(path + ": cannot be read");
  }

  std::vector<HandlerCase> read() {
    for (std::string line; std::getline(stream_, line);) {
      ++line_;
      if (line.starts_with(kTitle)) {
        finishCase();
        cases_.push_back({.name = line.substr(kTitle.size()), .line = line_});
      } else if (line.starts_with(kSection)) {
        finishSection();
        section_ = line.substr(kSection.size());
        if (cases_.empty()) fail("a section before the first case");
      } else if (!section_.empty()) {
        content_ += line + "\n";
      } else if (!line.empty() && !line.starts_with('#')) {
        fail("text outside of a section: " + line);
      }
    }
    finishCase();
    return std::move(cases_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(path_ + ":" + std::to_string(line_) + ": " + what);
  }

  void finishSection() {
    if (section_.empty()) return;
    if (!content_.empty()) content_.pop_back();  // the line end before the next section
    HandlerCase& current = cases_.back();
    if (section_ == "handler") {
      current.handler = content_;
    } else if (section_ == "flags") {
      current.flags = content_;
    } else if (section_.starts_with("file ")) {
      current.files.emplace_back(section_.substr(5), content_);
    } else if (section_ == "expect") {
      current.expected = json::parse(content_, nullptr, false);
      if (!current.expected.is_object()) fail("expect is no JSON object");
    } else {
      fail("there is no section '" + section_ + "'");
    }
    section_.clear();
    content_.clear();
  }

  void finishCase() {
    finishSection();
    if (cases_.empty()) return;
    if (!cases_.back().expected.contains("status")) fail("the case above expects no status");
  }

  const std::string path_;
  std::ifstream stream_;
  size_t line_ = 0;
  std::string section_;
  std::string content_;
  std::vector<HandlerCase> cases_;
};

std::string differenceAt(const std::string& path, const json& expected, const json& actual);

std::string textDifference(const std::string& path, const std::string& expected,
                           const json& actual) {
  if (expected == "*") return "";
  if (expected.starts_with('~')) {
    const bool found = actual.is_string() &&
                       actual.get<std::string>().find(expected.substr(1)) != std::string::npos;
    return found ? ""
                 : path + ": expected text with '" + expected.substr(1) + "', got " + actual.dump();
  }
  return actual == expected
             ? ""
             : path + ": expected " + json(expected).dump() + ", got " + actual.dump();
}

std::string objectDifference(const std::string& path, const json& expected, const json& actual) {
  if (!actual.is_object()) return path + ": expected an object, got " + actual.dump();
  for (const auto& [name, value] : expected.items()) {
    const std::string at = path + "." + name;
    const bool isThere = actual.contains(name);
    if (value == "<absent>") {
      if (isThere) return at + ": expected nothing, got " + actual[name].dump();
      continue;
    }
    if (value == "*") continue;
    if (!isThere) return at + ": is missing";
    const std::string found = differenceAt(at, value, actual[name]);
    if (!found.empty()) return found;
  }
  return "";
}

std::string arrayDifference(const std::string& path, const json& expected, const json& actual) {
  if (!actual.is_array() || actual.size() != expected.size()) {
    return path + ": expected " + expected.dump() + ", got " + actual.dump();
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string found =
        differenceAt(path + "[" + std::to_string(i) + "]", expected[i], actual[i]);
    if (!found.empty()) return found;
  }
  return "";
}

std::string differenceAt(const std::string& path, const json& expected, const json& actual) {
  if (expected.is_string()) return textDifference(path, expected.get<std::string>(), actual);
  if (expected.is_object()) return objectDifference(path, expected, actual);
  if (expected.is_array()) return arrayDifference(path, expected, actual);
  return expected == actual ? ""
                            : path + ": expected " + expected.dump() + ", got " + actual.dump();
}

}  // namespace

std::vector<HandlerCase> readHandlerCases(const std::string& path) { return Reader(path).read(); }

std::string difference(const json& expected, const json& actual) {
  json complete = expected;
  // What a case does not mention must not have happened.
  for (const char* effects : {"stateMutations", "events", "viewCommands", "log"}) {
    if (!complete.contains(effects) && actual.contains(effects)) complete[effects] = json::array();
  }
  return differenceAt("result", complete, actual);
}

}  // namespace nexus::tests
