// `nexus compile FILE…` and `nexus cache stats|verify|clear`: the compile cache from outside.
#pragma once

#include <string>
#include <vector>

#include "app/output.h"
#include "nexus/config.h"

namespace nexus::app {

// Compiles each file into the cache, so that the first call finds it there. Returns the exit
// status: kFailed when one does not compile, or the disk tier does not work.
int compileFiles(const std::vector<std::string>& files, const RuntimeConfig& config, Output output);

enum class CacheAction { kStats, kVerify, kClear };

// Of the disk tier. Verifying lists damaged entries and changes nothing; kFailed when there are
// any.
int runCacheAction(CacheAction action, const RuntimeConfig& config, Output output);

}  // namespace nexus::app
