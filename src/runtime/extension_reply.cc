#include <utility>

#include "nexus/extension.h"

namespace nexus {

ExtensionReply& ExtensionReply::operator=(ExtensionReply&& other) noexcept {
  if (this == &other) return *this;
  const Sink replaced = std::exchange(sink_, std::exchange(other.sink_, nullptr));
  if (replaced) replaced(false, "the extension gave no answer");
  return *this;
}

ExtensionReply::~ExtensionReply() {
  if (sink_) sink_(false, "the extension gave no answer");
}

void ExtensionReply::answer(bool isResult, std::string text) {
  const Sink sink = std::exchange(sink_, nullptr);
  if (sink) sink(isResult, std::move(text));
}

}  // namespace nexus
