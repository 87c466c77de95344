// Capabilities: the rights of a handler, one token each.
//
//   state:read:KEY    state:write:KEY    events:emit:NAME    view:update:ID
//   ext:ALIAS         ext:ALIAS:METHOD[,METHOD…]
//
// `*` stands for all of a kind (state:read:*, ext:*, ext:http:*). The last part is taken as it is,
// whatever is in it: a key may hold colons, spaces or anything else that is text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nexus/result.h"

namespace nexus {

struct Capability {
  enum class Kind { kStateRead, kStateWrite, kEventsEmit, kViewUpdate, kExtension };

  Kind kind = Kind::kStateRead;
  std::string name;  // "*" for all of the kind
  // Of an extension; empty for all of them.
  std::vector<std::string> methods;

  bool operator==(const Capability&) const = default;
};

// kInvalidInput says what is wrong with the token, and what was probably meant.
Result<Capability> parseCapability(std::string_view token);

// The token that means the same.
std::string toToken(const Capability& capability);

}  // namespace nexus
