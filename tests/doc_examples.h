// The examples of a page of the documentation, as cases: its ```js blocks of the form
//
//   // nexus run FILE --state '{"n": 1}' --allow state:read:n
//   return $state.n;
//   // → 1
//
// where the last line is the value, "(no value)", "suspended", "CODE" or "CODE: part of the
// message".
#pragma once

#include <string>
#include <vector>

#include "handler_case.h"

namespace nexus::tests {

// Throws std::runtime_error with the line of an example that is not of that form.
std::vector<HandlerCase> readDocExamples(const std::string& path);

}  // namespace nexus::tests
