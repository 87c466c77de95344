// The `nexus` command.
#pragma once

namespace nexus::app {

// Exit statuses, the same for every subcommand.
enum ExitStatus : int {
  kSuccess = 0,
  kFailed = 1,     // the handler failed
  kUsage = 2,      // the command line, a file or a setting is wrong
  kSuspended = 3,  // the handler waits for an extension
};

int runCommandLine(int argc, char** argv);

}  // namespace nexus::app
