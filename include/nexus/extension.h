// Extensions: asynchronous services that the host offers to handlers under $ext.ALIAS.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "nexus/export.h"

namespace nexus {

// One request of a handler: $ext.ALIAS.METHOD(...args). Its right to the method was checked.
struct ExtensionCall {
  std::string method;
  std::string args;  // JSON array; chosen by the handler
  // Requested when nobody waits for the answer any more.
  std::stop_token stop;
};

// The way back to the handler: may be kept, moved to another thread, and answered there, once.
// Answers after the first, and those that come when the call is over, do nothing. Destroyed without
// an answer, it answers with an error.
class NEXUS_API ExtensionReply {
 public:
  // What is called with the answer: JSON text of a result, or the message of an error.
  using Sink = std::function<void(bool isResult, std::string text)>;

  explicit ExtensionReply(Sink sink) : sink_(std::move(sink)) {}
  ExtensionReply(ExtensionReply&& other) noexcept : sink_(std::move(other.sink_)) {
    other.sink_ = nullptr;
  }
  ExtensionReply& operator=(ExtensionReply&& other) noexcept;
  ExtensionReply(const ExtensionReply&) = delete;
  ExtensionReply& operator=(const ExtensionReply&) = delete;
  ~ExtensionReply();

  // JSON text; what is none becomes an error.
  void result(std::string json) { answer(true, std::move(json)); }
  // Rejects the handler's promise with an ExtensionError of this message.
  void error(std::string message) { answer(false, std::move(message)); }

 private:
  void answer(bool isResult, std::string text);

  Sink sink_;
};

// Thread-safe: several requests at once, from any thread.
class NEXUS_API Extension {
 public:
  Extension() = default;
  Extension(const Extension&) = delete;
  Extension& operator=(const Extension&) = delete;
  virtual ~Extension() = default;

  // Whether it answers requests for the method. Those that no extension answers suspend the call:
  // its caller answers them with Runtime::resume.
  virtual bool answers(std::string_view /*method*/) const noexcept { return true; }

  // Begins a request and returns soon: it runs on a thread that calls handlers, and holds an
  // instance. Must not throw, nor wait for another call of the Runtime, which may need that one.
  virtual void call(ExtensionCall call, ExtensionReply reply) noexcept = 0;
};

}  // namespace nexus
