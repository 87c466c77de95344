// Tests of handlers as text: tests/handlers/*.case, each with any number of cases.
//
//   === what the case shows
//   --- handler
//   $state.items.push(4)
//   --- flags
//   --state '{"items": [1]}' --allow state:read:items --allow state:write:items
//   --- file stub.json
//   {"http": {"get": {"result": 1}}}
//   --- expect
//   {"status": "success", "stateMutations": [{"key": "items", "value": [1, 4]}]}
//
// `flags` (those of `nexus run`) and any number of `file`s, which flags name as {dir}/NAME, may be
// left out. A `#` in front of the first case is a comment. See tests/handlers/README.md for
// `expect`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace nexus::tests {

struct HandlerCase {
  std::string name;
  size_t line = 0;  // of its title
  std::string handler;
  std::string flags;
  std::vector<std::pair<std::string, std::string>> files;
  nlohmann::json expected;
};

// Throws std::runtime_error with the line of what is wrong: tests of tests stop at once.
std::vector<HandlerCase> readHandlerCases(const std::string& path);

// Where and how `actual` is not what was expected; empty when it is.
std::string difference(const nlohmann::json& expected, const nlohmann::json& actual);

}  // namespace nexus::tests
