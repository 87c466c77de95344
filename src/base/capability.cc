#include "base/capability.h"

#include <algorithm>
#include <array>

#include "base/suggest.h"
#include "base/text.h"

namespace nexus {
namespace {

struct Prefix {
  std::string_view text;
  Capability::Kind kind;
  std::string_view wants;  // what has to follow
};

constexpr std::array kPrefixes = {
    Prefix{"state:read:", Capability::Kind::kStateRead, "a key"},
    Prefix{"state:write:", Capability::Kind::kStateWrite, "a key"},
    Prefix{"events:emit:", Capability::Kind::kEventsEmit, "the name of an event"},
    Prefix{"view:update:", Capability::Kind::kViewUpdate, "the id of a component"},
    Prefix{"ext:", Capability::Kind::kExtension, "the alias of an extension"},
};

constexpr std::string_view kForms =
    "state:read:KEY, state:write:KEY, events:emit:NAME, view:update:ID, ext:ALIAS or "
    "ext:ALIAS:METHOD,METHOD; * for all of a kind";

Error invalid(std::string_view token, const std::string& what) {
  return Error{.code = ErrorCode::kInvalidInput,
               .message = "the capability '" + std::string(token) + "' " + what};
}

Error unknownKind(std::string_view token) {
  std::array<std::string_view, kPrefixes.size()> known;
  std::transform(kPrefixes.begin(), kPrefixes.end(), known.begin(),
                 [](const Prefix& prefix) { return prefix.text; });
  // The kind is what stands before the last colon, or all of it.
  const std::string kind = std::string(token.substr(0, token.rfind(':'))) + ":";
  return invalid(token,
                 "is of no known kind; expected " + std::string(kForms) + didYouMean(kind, known));
}

// "http:get,post": alias and methods.
Result<Capability> parseExtension(std::string_view token, std::string_view rest) {
  Capability capability{.kind = Capability::Kind::kExtension};
  const size_t colon = rest.find(':');
  capability.name = rest.substr(0, colon);
  if (capability.name.empty())
    return invalid(token, "lacks the alias of an extension behind 'ext:'");
  if (colon == std::string_view::npos) return capability;
  if (capability.name == "*") return invalid(token, "names methods of '*'; ext:* is all there is");
  std::string_view methods = rest.substr(colon + 1);
  if (methods == "*") return capability;
  while (true) {
    const size_t comma = methods.find(',');
    const std::string_view method = methods.substr(0, comma);
    if (method.empty())
      return invalid(token, "has an empty method; expected ext:ALIAS:METHOD,METHOD");
    if (method == "*")
      return invalid(token, "has '*' among methods; alone it stands for all of them");
    capability.methods.emplace_back(method);
    if (comma == std::string_view::npos) return capability;
    methods.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<Capability> parseCapability(std::string_view token) {
  if (findInvalidUtf8(token)) {
    return invalid(toValidUtf8(std::string(token)), "is not UTF-8");
  }
  for (const Prefix& prefix : kPrefixes) {
    if (!token.starts_with(prefix.text)) continue;
    const std::string_view rest = token.substr(prefix.text.size());
    if (prefix.kind == Capability::Kind::kExtension) return parseExtension(token, rest);
    if (!rest.empty()) return Capability{.kind = prefix.kind, .name = std::string(rest)};
    return invalid(token, "lacks " + std::string(prefix.wants) + " behind '" +
                              std::string(prefix.text) + "' ('*' for all)");
  }
  return unknownKind(token);
}

std::string toToken(const Capability& capability) {
  const auto prefix = std::find_if(kPrefixes.begin(), kPrefixes.end(), [&](const Prefix& known) {
    return known.kind == capability.kind;
  });
  std::string token = std::string(prefix->text) + capability.name;
  for (size_t i = 0; i < capability.methods.size(); ++i) {
    token += (i == 0 ? ":" : ",") + capability.methods[i];
  }
  return token;
}

}  // namespace nexus
