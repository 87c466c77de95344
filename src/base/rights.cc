#include "base/rights.h"

namespace nexus {

void Rights::Names::add(const std::string& name) {
  if (name == "*") {
    all = true;
  } else {
    names.insert(name);
  }
}

Result<Rights> Rights::parse(std::span<const std::string> tokens) {
  Rights rights;
  for (const std::string& token : tokens) {
    auto capability = parseCapability(token);
    if (!capability) return std::move(capability).error();
    rights.add(*capability);
  }
  return rights;
}

void Rights::add(const Capability& capability) {
  switch (capability.kind) {
    case Capability::Kind::kStateRead:
      return readable_.add(capability.name);
    case Capability::Kind::kStateWrite:
      return writable_.add(capability.name);
    case Capability::Kind::kEventsEmit:
      return events_.add(capability.name);
    case Capability::Kind::kViewUpdate:
      return components_.add(capability.name);
    case Capability::Kind::kExtension:
      break;
  }
  if (capability.name == "*") {
    everyExtension_ = true;
    return;
  }
  Names& methods = extensions_[capability.name];
  if (capability.methods.empty()) methods.all = true;
  for (const std::string& method : capability.methods) methods.add(method);
}

bool Rights::mayCall(std::string_view alias, std::string_view method) const {
  if (everyExtension_) return true;
  const auto methods = extensions_.find(alias);
  return methods != extensions_.end() && methods->second.contains(method);
}

}  // namespace nexus
