#include <functional>
#include <unordered_map>
#include <utility>

#include "base/json.h"
#include "nexus/state.h"

namespace nexus {

struct StateSnapshot::Content {
  explicit Content(std::vector<Entry> given) : entries(std::move(given)) {
    places.reserve(entries.size());
    for (size_t i = 0; i < entries.size(); ++i) places.emplace(entries[i].key, i);
  }

  const std::vector<Entry> entries;
  std::unordered_map<std::string_view, size_t> places;  // keys point into the entries
};

StateSnapshot::StateSnapshot() {
  static const auto kEmpty = std::make_shared<const Content>(std::vector<Entry>{});
  content_ = kEmpty;
}

Result<StateSnapshot> StateSnapshot::parse(std::string_view object, std::string_view what) {
  auto members = splitJsonObject(object, what);
  if (!members) return std::move(members).error();
  std::vector<Entry> entries;
  entries.reserve(members->size());
  for (JsonMember& member : *members) {
    entries.push_back(
        {std::move(member.name), std::make_shared<const std::string>(member.value), false});
  }
  return of(std::move(entries));
}

StateSnapshot StateSnapshot::of(std::vector<Entry> entries) {
  return StateSnapshot(std::make_shared<const Content>(std::move(entries)));
}

std::span<const StateSnapshot::Entry> StateSnapshot::entries() const { return content_->entries; }

const StateSnapshot::Entry* StateSnapshot::find(std::string_view key) const {
  const auto place = content_->places.find(key);
  return place == content_->places.end() ? nullptr : &content_->entries[place->second];
}

StateSnapshot StateSnapshot::with(std::span<const StateMutation> mutations) const {
  if (mutations.empty()) return *this;
  std::vector<Entry> entries = content_->entries;
  std::unordered_map<std::string_view, size_t> added;  // places behind the old ones
  for (const StateMutation& mutation : mutations) {
    const auto old = content_->places.find(mutation.key);
    size_t place = old == content_->places.end() ? entries.size() : old->second;
    if (place == entries.size()) place = added.try_emplace(mutation.key, place).first->second;
    if (place == entries.size()) entries.push_back({mutation.key, nullptr, false});
    entries[place].value =
        mutation.value ? std::make_shared<const std::string>(*mutation.value) : nullptr;
  }
  std::erase_if(entries, [](const Entry& entry) { return entry.value == nullptr; });
  return of(std::move(entries));
}

std::string StateSnapshot::toJson() const {
  std::string text = "{";
  for (const Entry& entry : entries()) {
    if (text.size() > 1) text += ',';
    text += quoteJson(entry.key) + ':' + *entry.value;
  }
  return text + '}';
}

}  // namespace nexus
