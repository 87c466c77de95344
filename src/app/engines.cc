#include "app/engines.h"

#include "sandbox/native/native_engine.h"
#include "sandbox/native/quickjs_modules.h"

namespace nexus::app {
namespace {

Status start(Engines& engines, const RuntimeConfig& config) {
  auto js = js::JsEngine::make(*engines.engine, *engines.watch, config);
  if (!js) return std::move(js).error();
  engines.js = std::move(*js);
  return Done{};
}

}  // namespace

Result<Engines> makeEngines(const RuntimeConfig& config) {
  Engines engines;
  engines.watch = std::make_unique<sandbox::DeadlineWatch>();
  engines.engine = sandbox::makeNativeEngine(sandbox::nativeQuickJs());
  const Status native = start(engines, config);
  if (native.ok()) return engines;
  if (native.error().code != ErrorCode::kUnavailable) return native.error();
  engines.engine = sandbox::makeCheckedEngine(sandbox::checkedQuickJs());
  engines.notice = "running on the slower checked engine: " + native.error().message;
  const Status checked = start(engines, config);
  if (!checked.ok()) return checked.error();
  return engines;
}

}  // namespace nexus::app
