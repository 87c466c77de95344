#include "js/js_sandbox.h"

namespace nexus::js {

Result<std::unique_ptr<JsEngine>> JsEngine::make(sandbox::Engine& engine,
                                                 sandbox::DeadlineWatch& watch,
                                                 const RuntimeConfig& config) {
  auto valid = validate(config);
  if (!valid) return std::move(valid).error();
  std::unique_ptr<JsEngine> made(new JsEngine(engine, watch, config));
  auto api = GuestApi::find(engine);
  if (!api) return std::move(api).error();
  made->api_ = *api;
  auto base = boot(engine, made->api_, made->config_);
  if (!base) return std::move(base).error();
  made->base_ = std::move(*base);
  return made;
}

}  // namespace nexus::js
