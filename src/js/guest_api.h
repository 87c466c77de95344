// The exports of the guest that the host calls, looked up once per engine.
#pragma once

#include "nexus/result.h"
#include "sandbox/engine.h"

namespace nexus::js {

struct GuestApi {
  using Id = sandbox::FunctionId;

  Id initialize;         // _initialize: () -> ()
  Id init;               // qjs_init2: (intrinsics) -> 0 on success
  Id contextPointer;     // qjs_get_context_ptr: () -> ctx
  Id runtimePointer;     // qjs_get_runtime_ptr: () -> rt
  Id setMaxStackSize;    // qjs_set_max_stack_size: (bytes)
  Id enableInterrupts;   // qjs_set_interrupt_handler: (on)
  Id newHostFunction;    // qjs_new_host_function: (name, length, arity) -> boxed value
  Id malloc;             // wasm_malloc: (bytes) -> address, 0 when refused
  Id free;               // wasm_free: (address)
  Id eval;               // JS_Eval: (ctx, text, length, file, flags) -> value
  Id evalFunction;       // JS_EvalFunction: (ctx, compiled) -> value
  Id writeObject;        // JS_WriteObject: (ctx, sizeOut, value, flags) -> address
  Id readObject;         // JS_ReadObject: (ctx, bytes, length, flags) -> value
  Id dupValue;           // JS_DupValue: (ctx, value) -> value
  Id freeText;           // JS_FreeCString: (ctx, address)
  Id call;               // JS_Call: (ctx, function, this, argc, argv) -> value
  Id getProperty;        // JS_GetPropertyStr: (ctx, object, name) -> value
  Id getException;       // JS_GetException: (ctx) -> value
  Id newString;          // JS_NewStringLen: (ctx, text, length) -> value
  Id parseJson;          // JS_ParseJSON: (ctx, text, length, file) -> value
  Id toText;             // JS_ToCStringLen2: (ctx, lengthOut, value, cesu8) -> address
  Id executePendingJob;  // JS_ExecutePendingJob: (rt, ctxOut) -> 1 done, 0 none, <0 thrown

  sandbox::GlobalId stackPointer;  // of the guest's own stack, in linear memory

  // kInternalError when the engine's module is not the guest this was written for.
  static Result<GuestApi> find(const sandbox::Engine& engine);
};

}  // namespace nexus::js
