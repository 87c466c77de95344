// The state that a call sees as $state.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nexus/export.h"
#include "nexus/result.h"

namespace nexus {

// A change of one key: the last of what a call did to it.
struct StateMutation {
  std::string key;                   // UTF-8
  std::optional<std::string> value;  // JSON text; absent when the key was deleted
  bool operator==(const StateMutation&) const = default;
};

// Keys and their values at one moment. The values are JSON text, handed to a sandbox one by one
// when a handler reads them, so a large state costs a call only what it looks at. Immutable, and
// shared by its copies: copying costs nothing, and any thread may read it.
class NEXUS_API StateSnapshot {
 public:
  struct Entry {
    std::string key;
    std::shared_ptr<const std::string> value;  // JSON text that was checked
    bool isComputed = false;                   // derived from other keys: handlers cannot write it
  };

  // Empty.
  StateSnapshot();

  // The members of a JSON object. Reads all of the text once; kInvalidInput with line and column
  // when it is no JSON object or names a key twice, calling it `what`.
  static Result<StateSnapshot> parse(std::string_view object, std::string_view what = "state");

  // From entries with distinct keys.
  static StateSnapshot of(std::vector<Entry> entries);

  // In the order in which they were given. Valid as long as this snapshot or a copy.
  std::span<const Entry> entries() const;
  // Null when there is no such key.
  const Entry* find(std::string_view key) const;

  // This state after the mutations; values that did not change are shared with it.
  StateSnapshot with(std::span<const StateMutation> mutations) const;

  // As a JSON object.
  std::string toJson() const;

 private:
  struct Content;

  explicit StateSnapshot(std::shared_ptr<const Content> content) : content_(std::move(content)) {}

  std::shared_ptr<const Content> content_;
};

}  // namespace nexus
