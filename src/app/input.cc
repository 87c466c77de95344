#include "app/input.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace nexus::app {
namespace {

Error cannotRead(const std::string& path, const std::string& reason) {
  return Error{.code = ErrorCode::kInvalidInput,
               .message = fmt::format("cannot read {}: {}", path, reason)};
}

// `bytes` 0: nobody knows how long it is.
Error tooLong(const std::string& path, uint64_t bytes, const InputLimit& limit) {
  const std::string has = bytes > 0 ? fmt::format("has {} bytes", bytes) : "is longer";
  return Error{.code = limit.code,
               .message = fmt::format("{} {}; {} is {}", path == "-" ? "standard input" : path, has,
                                      limit.key, limit.bytes),
               .limit = LimitReport{limit.key, limit.bytes, std::max(bytes, limit.bytes + 1)}};
}

std::string systemReason() { return std::generic_category().message(errno); }

}  // namespace

Result<std::string> readInput(const std::string& path, const InputLimit& limit) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(nullptr, std::fclose);
  if (path.empty()) return cannotRead("a file without a name", "- is standard input");
  if (path != "-") {
    struct stat status = {};
    if (stat(path.c_str(), &status) != 0) return cannotRead(path, systemReason());
    if (S_ISDIR(status.st_mode)) return cannotRead(path, "it is a folder");
    const auto size = static_cast<uint64_t>(status.st_size);
    if (size > limit.bytes) return tooLong(path, size, limit);
    opened.reset(std::fopen(path.c_str(), "rb"));
    if (!opened) return cannotRead(path, systemReason());
  }
  std::FILE* file = path == "-" ? stdin : opened.get();
  std::string content;
  constexpr size_t kPart = size_t{64} << 10;
  while (content.size() <= limit.bytes) {
    const size_t before = content.size();
    content.resize(before + kPart);
    const size_t got = std::fread(content.data() + before, 1, kPart, file);
    content.resize(before + got);
    if (got == 0) break;
  }
  if (std::ferror(file) != 0) return cannotRead(path, systemReason());
  if (content.size() > limit.bytes) return tooLong(path, 0, limit);
  return content;
}

Result<std::string> readTextOrFile(const std::string& value, const InputLimit& limit) {
  if (value.starts_with('@')) return readInput(value.substr(1), limit);
  if (value.size() > limit.bytes) return tooLong("the text", value.size(), limit);
  return value;
}

}  // namespace nexus::app
