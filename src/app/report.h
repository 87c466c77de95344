// The result of a call as the JSON object that programs read.
#pragma once

#include <string>

#include "nexus/error.h"
#include "nexus/execution.h"

namespace nexus::app {

// One line, without its end:
//   {"status": "success", "value": …, "stateMutations": […], "events": […], "viewCommands": […],
//    "metrics": {…}}
// with "suspension" {"pending": […]} or "error" {"code": …, "message": …, …} where they apply.
std::string toJson(const ExecutionResult& result);

// For errors before anything ran: no metrics.
std::string toJson(const Error& error);

}  // namespace nexus::app
