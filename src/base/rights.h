// The capabilities of a handler in the form in which they are checked: made once, asked at each
// operation. Immutable; any thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/capability.h"
#include "nexus/result.h"

namespace nexus {

class Rights {
 public:
  // None at all.
  Rights() = default;

  // kInvalidInput for the first token that is no capability.
  static Result<Rights> parse(std::span<const std::string> tokens);

  void add(const Capability& capability);

  // Names are compared byte by byte.
  bool mayRead(std::string_view key) const { return readable_.contains(key); }
  bool mayWrite(std::string_view key) const { return writable_.contains(key); }
  bool mayEmit(std::string_view name) const { return events_.contains(name); }
  bool mayUpdate(std::string_view componentId) const { return components_.contains(componentId); }
  bool mayCall(std::string_view alias, std::string_view method) const;

  bool mayReadEverything() const { return readable_.all; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Names {
    bool contains(std::string_view name) const { return all || names.find(name) != names.end(); }
    void add(const std::string& name);

    bool all = false;
    std::unordered_set<std::string, Hash, std::equal_to<>> names;
  };

  Names readable_;
  Names writable_;
  Names events_;
  Names components_;
  bool everyExtension_ = false;
  std::unordered_map<std::string, Names, Hash, std::equal_to<>> extensions_;
};

}  // namespace nexus
