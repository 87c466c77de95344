// From source to a handler.
//
// The text becomes the body of one function. Whether it is that is known afterwards: the function
// that the compiler made must be the whole of what it was given, or the text closed its wrapper
// early. What runs when the compiled text is evaluated is inside the sandbox and its limits, with
// dynamic code already off, and the sandbox is restored before anything is kept.
#include <new>
#include <span>
#include <string>

#include "base/text.h"
#include "js/guest_layout.h"
#include "js/js_sandbox.h"
#include "js/outcome.h"

namespace nexus::js {
namespace {

constexpr uint64_t kCompileOnly = 1u << 5;
constexpr uint64_t kWriteBytecode = 1u << 0;
constexpr uint64_t kStripSource = 1u << 4;
constexpr uint64_t kReadBytecode = 1u << 0;

// An async function costs some microseconds for its promise. A text without the word cannot await,
// and what it returns is awaited all the same. An escape might spell the word.
bool mayAwait(std::string_view source) {
  return source.find("await") != std::string_view::npos ||
         source.find("\\u") != std::string_view::npos;
}

std::string wrap(std::string_view source) {
  std::string text = mayAwait(source) ? "async " : "";
  text += "function ($args, $scope, $state, $emit, $view, $ext, $log) {'use strict';\n";
  text += source;
  text += "\n}";
  return text;
}

Error invalid(std::string message) {
  return Error{.code = ErrorCode::kInvalidHandler, .message = std::move(message)};
}

}  // namespace

Status checkSource(std::string_view source, uint64_t maxBytes) {
  if (source.size() > maxBytes) {
    return limitError(ErrorCode::kInvalidHandler, "max_source_bytes", maxBytes, source.size(),
                      "the handler has " + std::to_string(source.size()) +
                          " bytes, max_source_bytes is " + std::to_string(maxBytes));
  }
  if (const auto offset = findInvalidUtf8(source)) {
    Error error = invalid("the handler is not UTF-8: byte " + std::to_string(*offset) +
                          " is not part of a character");
    error.location = locate(source, *offset);
    return error;
  }
  if (source.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return invalid("the handler is empty");
  }
  return Done{};
}

Result<std::shared_ptr<const Handler>> JsSandbox::compile(std::string_view source,
                                                          const RunLimit& limit) {
  try {
    return compileOnce(source, limit);
  } catch (const std::bad_alloc&) {
    return outOfHostMemory();
  }
}

Result<std::shared_ptr<const Handler>> JsSandbox::compileOnce(std::string_view source,
                                                              const RunLimit& limit) {
  auto checked = checkSource(source, engine_.config().maxSourceBytes);
  if (!checked) return std::move(checked).error();
  if (!restoreTo(engine_.base().image)) return cannotRestore();
  host_->beginCall();
  TimedRun timed(*this, limit);
  Attempt attempt;
  Guest compiler = makeGuest();
  std::string bytecode = compileInGuest(compiler, source, attempt);
  attempt.trap = compiler.trap();
  if (attempt.succeeded && !host_->record().interrupted) {
    if (!restore()) return cannotRestore();
    Guest loader = makeGuest();
    attempt.succeeded = loadInGuest(loader, bytecode, attempt);
    attempt.trap = loader.trap();
  }
  attempt.end = timed.end();
  if (!attempt.succeeded || wasInterrupted(attempt)) {
    const Error error = explain(attempt, ErrorCode::kCompilationError, source);
    if (!restore()) return cannotRestore();
    return error;
  }
  return captureHandler(
      std::make_shared<const HandlerCode>(HandlerCode{std::string(source), std::move(bytecode)}));
}

Result<std::shared_ptr<const Handler>> JsSandbox::captureHandler(
    std::shared_ptr<const HandlerCode> code) {
  auto image = sandbox_->capture(deadRanges(engine_.base()));
  if (!restore()) return cannotRestore();
  if (!image) return std::move(image).error();
  return std::shared_ptr<const Handler>(
      std::make_shared<Handler>(Handler{std::move(code), std::move(*image)}));
}

Result<std::shared_ptr<const Handler>> JsSandbox::load(std::shared_ptr<const HandlerCode> code) {
  try {
    return loadOnce(std::move(code));
  } catch (const std::bad_alloc&) {
    return outOfHostMemory();
  }
}

Result<std::shared_ptr<const Handler>> JsSandbox::loadOnce(
    std::shared_ptr<const HandlerCode> code) {
  if (!restoreTo(engine_.base().image)) return cannotRestore();
  host_->beginCall();
  TimedRun timed(*this, {});
  Attempt attempt;
  Guest loader = makeGuest();
  attempt.succeeded = loadInGuest(loader, code->bytecode, attempt);
  attempt.trap = loader.trap();
  attempt.end = timed.end();
  if (attempt.succeeded && !wasInterrupted(attempt)) return captureHandler(std::move(code));
  const Error error = explain(attempt, ErrorCode::kInternalError, code->source);
  if (!restore()) return cannotRestore();
  return error;
}

std::string JsSandbox::compileInGuest(Guest& guest, std::string_view source, Attempt& attempt) {
  const Anchors& anchors = engine_.base().anchors;
  const GuestApi& api = engine_.api();
  const std::string functionText = wrap(source);
  const std::string script = "(" + functionText + ")";
  const auto at = guest.place(script);
  if (!at) return "";
  guest.setEval(true);
  engine_.countCompilation();
  const auto compiled =
      guest.call(api.eval, {anchors.context, *at, script.size(), anchors.fileName, kCompileOnly});
  guest.setEval(false);
  if (!compiled) return "";
  if (tagOf(*compiled) == Tag::kException) {
    takeException(guest, attempt);
    return "";
  }
  const uint32_t sizeAt = anchors.scratch + kOutParameterAt;
  const auto bytes = guest.call(
      api.writeObject, {anchors.context, sizeAt, *compiled, kWriteBytecode | kStripSource});
  const auto size = guest.read<uint32_t>(sizeAt).accept(
      [this](uint32_t length) { return length <= sandbox_->memoryBytes(); });
  if (!bytes || bytes->is(0) || !size) {
    takeException(guest, attempt);
    return "";
  }
  // Only ever given back to a guest, which is not asked to check it either.
  std::string bytecode(*size, '\0');
  guest.readBytes(*bytes, std::as_writable_bytes(std::span(bytecode)));
  attempt.succeeded = guest.ok() && checkIsWholeBody(guest, *compiled, functionText, attempt);
  return bytecode;
}

// Evaluating one function in parentheses throws nothing, unless memory is short; what throws is
// code behind the end of the wrapper.
bool JsSandbox::checkIsWholeBody(Guest& guest, const JsValue& compiled,
                                 std::string_view functionText, Attempt& attempt) {
  const Anchors& anchors = engine_.base().anchors;
  const auto function = guest.call(engine_.api().evalFunction, {anchors.context, compiled});
  if (!function) return false;
  if (tagOf(*function) == Tag::kException) {
    attempt.closesWrapper = sandbox_->refusedGrowth() == 0;
    takeException(guest, attempt);
    return false;
  }
  const auto text = guest.newString(functionText);
  const auto whole = text && tagOf(*text) == Tag::kString
                         ? guest.callJs(anchors.isWhole, {*function, *text})
                         : std::nullopt;
  attempt.closesWrapper = whole && whole->is(kFalseValue);
  return whole && whole->is(kTrueValue);
}

bool JsSandbox::loadInGuest(Guest& guest, std::string_view bytecode, Attempt& attempt) {
  const auto function = readFunction(guest, bytecode, attempt);
  if (!function) return false;
  const auto loaded = guest.callJs(engine_.base().anchors.load, {*function});
  if (!loaded) return false;
  if (tagOf(*loaded) != Tag::kException) return true;
  takeException(guest, attempt);
  return false;
}

std::optional<JsValue> JsSandbox::readFunction(Guest& guest, std::string_view bytecode,
                                               Attempt& attempt) {
  const Anchors& anchors = engine_.base().anchors;
  const GuestApi& api = engine_.api();
  const auto at = guest.allocate(bytecode.size());
  if (!at) return std::nullopt;
  guest.write(*at, std::as_bytes(std::span(bytecode)));
  auto value = guest.call(api.readObject, {anchors.context, *at, bytecode.size(), kReadBytecode});
  // What was copied in is not to be part of the image.
  const std::string blank(bytecode.size(), '\0');
  guest.write(*at, std::as_bytes(std::span(blank)));
  guest.call(api.free, {*at});
  if (value && tagOf(*value) != Tag::kException) {
    value = guest.call(api.evalFunction, {anchors.context, *value});
  }
  if (!value || tagOf(*value) == Tag::kObject) return value;
  takeException(guest, attempt);
  return std::nullopt;
}

}  // namespace nexus::js
