// What somebody probably meant.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace nexus {

// The known name that `name` is most like: at most a third of its letters changed, left out, added
// or swapped with their neighbour. Empty when none is that near. Points to what `known` points to.
std::optional<std::string_view> closestName(std::string_view name,
                                            std::span<const std::string_view> known);

// ". Did you mean 'NAME'?", or nothing: to be put behind a message.
std::string didYouMean(std::string_view name, std::span<const std::string_view> known);

}  // namespace nexus
