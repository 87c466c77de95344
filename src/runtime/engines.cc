#include "runtime/engines.h"

#include "sandbox/native/native_engine.h"
#include "sandbox/native/quickjs_modules.h"

namespace nexus::runtime {
namespace {

Status start(Engines& engines, const RuntimeConfig& config) {
  auto js = js::JsEngine::make(*engines.engine, *engines.watch, config);
  if (!js) return std::move(js).error();
  engines.js = std::move(*js);
  return Done{};
}

}  // namespace

Result<Engines> makeEngines(const RuntimeConfig& config, EngineChoice choice) {
  Engines engines;
  engines.watch = std::make_unique<sandbox::DeadlineWatch>();
  if (choice != EngineChoice::kChecked) {
    engines.engine = sandbox::makeNativeEngine(sandbox::nativeQuickJs());
    Status native = start(engines, config);
    if (native.ok()) return engines;
    const bool mayFallBack = native.error().code == ErrorCode::kUnavailable;
    if (choice == EngineChoice::kNative || !mayFallBack) return std::move(native).error();
    engines.notice = "running on the slower checked engine: " + native.error().message;
  }
  engines.engine = sandbox::makeCheckedEngine(sandbox::checkedQuickJs());
  const Status checked = start(engines, config);
  if (!checked.ok()) return checked.error();
  return engines;
}

}  // namespace nexus::runtime
