// The result of a call for people: colour on a terminal, errors with the line they point at.
#pragma once

#include <string>
#include <string_view>

#include "nexus/error.h"
#include "nexus/execution.h"

namespace nexus::app {

enum class Colour { kOff, kOn };

// On for a terminal, unless NO_COLOR is set (https://no-color.org) or TERM is "dumb".
Colour colourFor(int descriptor);

// All of these end with a line end. Text from handlers cannot control the terminal: control
// characters are shown as escapes.
std::string showValue(const ExecutionResult& result);
// A line for each change of the state, event, view command, and request that is waited for.
std::string showEffects(const ExecutionResult& result, Colour colour);
std::string showMetrics(const ExecutionMetrics& metrics, Colour colour);
std::string showLog(const LogRecord& record, Colour colour);
// `file` is what the location refers to.
std::string showError(const Error& error, std::string_view file, Colour colour);

std::string escapeControls(std::string_view text);

}  // namespace nexus::app
