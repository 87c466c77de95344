#include "layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>

namespace nexus::layers {
namespace {

namespace fs = std::filesystem;

// Only the sandbox touches mappings, signals and the WebAssembly runtime.
constexpr std::string_view kSandboxFolder = "src/sandbox";
constexpr std::string_view kSandboxHeaders[] = {"sys/mman.h", "signal.h", "csignal", "wasm-rt.h",
                                                "wasm-rt-impl.h"};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r`");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r`") - first + 1);
}

std::vector<std::string> splitLines(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The cells of a Markdown table row; none if the line is not one.
std::vector<std::string> splitCells(std::string_view line) {
  std::vector<std::string> cells;
  if (!line.starts_with('|')) return cells;
  for (line.remove_prefix(1); !line.empty();) {
    const auto end = std::min(line.find('|'), line.size());
    cells.emplace_back(trim(line.substr(0, end)));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return cells;
}

std::vector<std::string> splitNames(std::string cell) {
  for (char& c : cell) {
    if (c == '`' || c == ',') c = ' ';
  }
  std::istringstream stream(cell);
  return {std::istream_iterator<std::string>(stream), {}};
}

const Room* findByName(const std::vector<Room>& rooms, std::string_view name) {
  const auto found =
      std::find_if(rooms.begin(), rooms.end(), [&](const Room& room) { return room.name == name; });
  return found == rooms.end() ? nullptr : &*found;
}

const Room* findByPath(const std::vector<Room>& rooms, std::string_view path) {
  const auto found = std::find_if(rooms.begin(), rooms.end(), [&](const Room& room) {
    return path.starts_with(room.folder + "/");
  });
  return found == rooms.end() ? nullptr : &*found;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Room readRow(const std::vector<std::string>& cells, const std::vector<Room>& above) {
  Room room;
  room.folder = cells.front();
  room.name = fs::path(room.folder).filename().string();
  for (const std::string& name : splitNames(cells.back())) {
    if (name == "nothing") continue;
    if (name != "all") {
      room.mayInclude.push_back(name);
      continue;
    }
    for (const Room& other : above) room.mayInclude.push_back(other.name);
  }
  return room;
}

// The header that a line includes, if it includes one.
std::optional<std::string> readInclude(std::string_view line) {
  line = trim(line);
  if (!line.starts_with('#')) return std::nullopt;
  line = trim(line.substr(1));
  if (!line.starts_with("include")) return std::nullopt;
  line = trim(line.substr(std::string_view("include").size()));
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return std::nullopt;
  const auto end = line.find(line.front() == '<' ? '>' : '"', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return std::string(line.substr(1, end - 1));
}

// Why a file of `room` may not include `header`; empty if it may.
std::string objection(const std::vector<Room>& rooms, const Room& room, const std::string& header) {
  if (header.find("..") != std::string::npos) {
    return "climbs out of its folder: say \"room/file.h\"";
  }
  if (room.folder != kSandboxFolder &&
      std::find(std::begin(kSandboxHeaders), std::end(kSandboxHeaders), header) !=
          std::end(kSandboxHeaders)) {
    return "is for " + std::string(kSandboxFolder) + " alone";
  }
  const std::string target = header.substr(0, header.find('/'));
  if (target == header || target == room.name || target == "nexus") return {};
  if (findByName(rooms, target) == nullptr || contains(room.mayInclude, target)) return {};
  return "is not for the room " + room.name + " (docs/architecture.md)";
}

bool isSource(const fs::path& path) {
  const auto extension = path.extension();
  return extension == ".h" || extension == ".cc" || extension == ".c" || extension == ".S" ||
         extension == ".inc";
}

}  // namespace

std::vector<Room> readRooms(std::string_view markdown) {
  std::vector<Room> rooms;
  enum { kProse, kOtherTable, kTableOfRooms } where = kProse;
  for (const std::string& line : splitLines(markdown)) {
    const auto cells = splitCells(line);
    if (cells.empty()) {
      if (where == kTableOfRooms) break;
      where = kProse;
    } else if (where == kProse) {
      where = cells.front() == "room" ? kTableOfRooms : kOtherTable;
    } else if (where == kTableOfRooms && !cells.front().starts_with("---")) {
      rooms.push_back(readRow(cells, rooms));
    }
  }
  return rooms;
}

Findings checkTable(const std::vector<Room>& rooms) {
  Findings findings;
  if (rooms.empty()) findings.emplace_back("docs/architecture.md: there is no table of rooms");
  std::set<std::string> above;
  for (const Room& room : rooms) {
    for (const std::string& name : room.mayInclude) {
      if (above.count(name) == 0) {
        findings.push_back(room.folder + ": may include " + name + ", which is no room above it");
      }
    }
    if (!above.insert(room.name).second) findings.push_back(room.folder + ": stands there twice");
  }
  return findings;
}

Findings checkFolders(const std::vector<Room>& rooms, const fs::path& repository) {
  Findings findings;
  for (const Room& room : rooms) {
    if (!fs::is_directory(repository / room.folder)) {
      findings.push_back(room.folder + ": in the table of rooms, but there is no such folder");
    }
  }
  if (!fs::is_directory(repository / "src")) return findings;
  for (const auto& entry : fs::directory_iterator(repository / "src")) {
    const std::string folder = "src/" + entry.path().filename().string();
    if (entry.is_directory() && findByPath(rooms, folder + "/") == nullptr) {
      findings.push_back(folder + ": not in the table of rooms of docs/architecture.md");
    }
  }
  return findings;
}

Findings checkFile(const std::vector<Room>& rooms, std::string_view path, std::string_view text) {
  const Room* room = findByPath(rooms, path);
  if (room == nullptr) return {std::string(path) + ": in no room"};
  Findings findings;
  std::size_t number = 0;
  for (const std::string& line : splitLines(text)) {
    ++number;
    const auto header = readInclude(line);
    if (!header) continue;
    const std::string why = objection(rooms, *room, *header);
    if (why.empty()) continue;
    findings.push_back(std::string(path) + ":" + std::to_string(number) + ": " + *header + " " +
                       why);
  }
  return findings;
}

Findings checkFiles(const std::vector<Room>& rooms, const fs::path& repository) {
  Findings findings;
  for (const Room& room : rooms) {
    if (!fs::is_directory(repository / room.folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(repository / room.folder)) {
      if (!entry.is_regular_file() || !isSource(entry.path())) continue;
      const std::string path = entry.path().lexically_relative(repository).generic_string();
      const Findings found = checkFile(rooms, path, readFile(entry.path()));
      findings.insert(findings.end(), found.begin(), found.end());
    }
  }
  return findings;
}

std::string readFile(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream) << "cannot read " << path;
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace nexus::layers
