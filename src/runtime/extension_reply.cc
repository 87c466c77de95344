#include <new>
#include <utility>

#include "nexus/extension.h"

namespace nexus {
namespace {

void giveNone(const ExtensionReply::Sink& sink) noexcept {
  if (!sink) return;
  try {
    sink(false, "the extension gave no answer");
  } catch (const std::bad_alloc&) {
    // Not even that can be told: the call waits until it expires.
  }
}

}  // namespace

ExtensionReply& ExtensionReply::operator=(ExtensionReply&& other) noexcept {
  if (this == &other) return *this;
  const Sink replaced = std::exchange(sink_, std::exchange(other.sink_, nullptr));
  giveNone(replaced);
  return *this;
}

ExtensionReply::~ExtensionReply() { giveNone(sink_); }

void ExtensionReply::answer(bool isResult, std::string text) {
  const Sink sink = std::exchange(sink_, nullptr);
  if (sink) sink(isResult, std::move(text));
}

}  // namespace nexus
