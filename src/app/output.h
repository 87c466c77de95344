// What every subcommand prints alike, and whether it could.
#pragma once

#include "app/command_line.h"
#include "nexus/error.h"

namespace nexus::app {

enum class Output { kPeople, kJson };

// An error that is about no handler's text: a line on standard error, or one JSON object on
// standard output. Returns the status that the command ends with.
int printError(const Error& error, Output output, ExitStatus status);

// The end of a command that has printed its result: its status, or kFailed, with a word on standard
// error, when standard output is gone or full. Then nobody got the result.
int finishOutput(ExitStatus status);

}  // namespace nexus::app
