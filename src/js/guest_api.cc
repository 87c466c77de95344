#include "js/guest_api.h"

#include <string>

namespace nexus::js {

Result<GuestApi> GuestApi::find(const sandbox::Engine& engine) {
  GuestApi api{};
  const struct {
    Id* id;
    const char* name;
    const char* signature;
  } exports[] = {
      {&api.initialize, "_initialize", ":v"},
      {&api.init, "qjs_init2", "i:i"},
      {&api.contextPointer, "qjs_get_context_ptr", ":i"},
      {&api.runtimePointer, "qjs_get_runtime_ptr", ":i"},
      {&api.setMaxStackSize, "qjs_set_max_stack_size", "i:v"},
      {&api.enableInterrupts, "qjs_set_interrupt_handler", "i:v"},
      {&api.newHostFunction, "qjs_new_host_function", "iii:i"},
      {&api.malloc, "wasm_malloc", "i:i"},
      {&api.free, "wasm_free", "i:v"},
      {&api.eval, "JS_Eval", "iiiii:j"},
      {&api.evalFunction, "JS_EvalFunction", "ij:j"},
      {&api.writeObject, "JS_WriteObject", "iiji:i"},
      {&api.readObject, "JS_ReadObject", "iiii:j"},
      {&api.dupValue, "JS_DupValue", "ij:j"},
      {&api.freeText, "JS_FreeCString", "ii:v"},
      {&api.call, "JS_Call", "ijjii:j"},
      {&api.getProperty, "JS_GetPropertyStr", "iji:j"},
      {&api.getException, "JS_GetException", "i:j"},
      {&api.newString, "JS_NewStringLen", "iii:j"},
      {&api.parseJson, "JS_ParseJSON", "iiii:j"},
      {&api.toText, "JS_ToCStringLen2", "iiji:i"},
      {&api.executePendingJob, "JS_ExecutePendingJob", "ii:i"},
  };
  for (const auto& wanted : exports) {
    const auto id = engine.findFunction(wanted.name, wanted.signature);
    if (!id) {
      return Error{.code = ErrorCode::kInternalError,
                   .message = std::string("the guest has no function ") + wanted.name + " (" +
                              wanted.signature + ")"};
    }
    *wanted.id = *id;
  }
  const auto stackPointer = engine.findGlobal("__stack_pointer");
  if (!stackPointer) {
    return Error{.code = ErrorCode::kInternalError, .message = "the guest has no __stack_pointer"};
  }
  api.stackPointer = *stackPointer;
  return api;
}

}  // namespace nexus::js
