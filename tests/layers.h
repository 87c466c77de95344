// The order of the rooms (docs/architecture.md), and what in a source file breaks it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace nexus::layers {

// A row of the table: `src/js` is the room "js". The room `include/nexus`, named "nexus", may be
// included by all.
struct Room {
  std::string name;
  std::string folder;
  std::vector<std::string> mayInclude;
};

// What is wrong, each as a sentence that begins with the place.
using Findings = std::vector<std::string>;

// The rows of the first table whose first column is headed "room", in their order. A row that says
// "all" gets every room above it.
std::vector<Room> readRooms(std::string_view markdown);

// A table that can be followed has rows, none twice, and lets a room include only those above it.
Findings checkTable(const std::vector<Room>& rooms);

// Every folder in src/ has a row, and every row has a folder.
Findings checkFolders(const std::vector<Room>& rooms, const std::filesystem::path& repository);

// The includes of one file; `path` is relative to the repository.
Findings checkFile(const std::vector<Room>& rooms, std::string_view path, std::string_view text);

// All files of all rooms.
Findings checkFiles(const std::vector<Room>& rooms, const std::filesystem::path& repository);

// The content of a file; fails the running test when it cannot be read.
std::string readFile(const std::filesystem::path& path);

}  // namespace nexus::layers
