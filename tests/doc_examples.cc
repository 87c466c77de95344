#include "doc_examples.h"

#include <cctype>
#include <fstream>
#include <stdexcept>
#include <string_view>

namespace nexus::tests {
namespace {

using nlohmann::json;

constexpr std::string_view kCommand = "// nexus run FILE";
constexpr std::string_view kOutcome = "// → ";

bool isCode(std::string_view word) {
  for (const char c : word) {
    if (c != '_' && std::isupper(static_cast<unsigned char>(c)) == 0) return false;
  }
  return !word.empty();
}

json expectationOf(const std::string& outcome) {
  // What an example does beside its outcome is not its subject.
  json expected = {{"stateMutations", "*"}, {"events", "*"}, {"viewCommands", "*"}, {"log", "*"}};
  const size_t colon = outcome.find(": ");
  const std::string code = outcome.substr(0, colon);
  if (isCode(code)) {
    expected["status"] = "error";
    expected["error"] = {{"code", code}};
    if (colon != std::string::npos) expected["error"]["message"] = "~" + outcome.substr(colon + 2);
  } else if (outcome == "suspended") {
    expected["status"] = outcome;
  } else {
    expected["status"] = "success";
    expected["value"] = outcome == "(no value)" ? json("<absent>") : json::parse(outcome);
  }
  return expected;
}

}  // namespace

std::vector<HandlerCase> readDocExamples(const std::string& path) {
  std::vector<HandlerCase> examples;
  std::ifstream stream(path);
  if (!stream) throw std::runtime_error(path + ": cannot be read");
  HandlerCase* open = nullptr;
  bool isJs = false;
  size_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line.starts_with("```")) {
      if (open != nullptr) {
        throw std::runtime_error(path + ":" + std::to_string(number) + ": no outcome above");
      }
      isJs = line == "```js";
    } else if (isJs && line.starts_with(kCommand)) {
      examples.push_back({.name = "line " + std::to_string(number),
                          .line = number,
                          .flags = line.substr(kCommand.size())});
      open = &examples.back();
    } else if (open != nullptr && line.starts_with(kOutcome)) {
      open->expected = expectationOf(line.substr(kOutcome.size()));
      open = nullptr;
    } else if (open != nullptr) {
      open->handler += line + "\n";
    }
  }
  return examples;
}

}  // namespace nexus::tests
