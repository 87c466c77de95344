// An engine and what it needs to run handlers, in the order in which they are put together.
#pragma once

#include <memory>
#include <string>

#include "js/js_sandbox.h"
#include "nexus/config.h"
#include "sandbox/deadline_watch.h"
#include "sandbox/engine.h"

namespace nexus::runtime {

struct Engines {
  std::unique_ptr<sandbox::Engine> engine;
  std::unique_ptr<sandbox::DeadlineWatch> watch;
  std::unique_ptr<js::JsEngine> js;
  // Why the fast engine is not the one in use; empty when it is.
  std::string notice;
};

enum class EngineChoice {
  // The native engine; where the system does not let it work (no address space for its guard
  // pages),
  // the checked one.
  kBest,
  kNative,
  kChecked,
};

Result<Engines> makeEngines(const RuntimeConfig& config, EngineChoice choice = EngineChoice::kBest);

}  // namespace nexus::runtime
