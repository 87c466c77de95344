#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <system_error>

#include "base/file_system.h"
#include "base/hash.h"
#include "base/random.h"

namespace nexus {
namespace {

constexpr std::string_view kUnfinished = ".unfinished-";
constexpr mode_t kOwnFile = 0600;
constexpr mode_t kOwnFolder = 0700;

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }

  int get() const { return descriptor_; }
  bool ok() const { return descriptor_ >= 0; }

 private:
  const int descriptor_;
};

Error failure(const std::string& path, const std::string& what, int reason) {
  return Error{.code = ErrorCode::kUnavailable,
               .message = what + " " + path + ": " + std::generic_category().message(reason)};
}

Error unfit(const std::string& path, const std::string& why) {
  return Error{.code = ErrorCode::kInvalidInput, .message = path + " " + why};
}

bool writeAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Random, as nothing else tells writers apart: there may be several in a process, and processes of
// the same number in containers that share a folder.
std::optional<std::string> unfinishedName() {
  std::array<std::byte, 16> random{};
  if (!fillRandomly(random)) return std::nullopt;
  return std::string(kUnfinished) + toHex(random);
}

Result<std::string> readAll(int descriptor, const std::string& path, size_t bytes) {
  std::string content(bytes, '\0');
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::read(descriptor, content.data() + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure(path, "cannot read", errno);
    if (got == 0) break;  // it was cut meanwhile
    done += static_cast<size_t>(got);
  }
  content.resize(done);
  return content;
}

Error openFailure(const std::string& path, int reason) {
  if (reason == ELOOP) return unfit(path, "is a symbolic link");  // O_NOFOLLOW
  if (reason == ENXIO) return unfit(path, "is no plain file");    // a socket
  Error error = failure(path, "cannot open", reason);
  if (reason == ENOENT) error.code = ErrorCode::kNotFound;
  return error;
}

FileSystem::Kind kindOf(mode_t mode) {
  if (S_ISREG(mode)) return FileSystem::Kind::kFile;
  return S_ISDIR(mode) ? FileSystem::Kind::kFolder : FileSystem::Kind::kOther;
}

std::chrono::system_clock::time_point toTime(const timespec& time) {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec)));
}

class PosixFileSystem final : public FileSystem {
 public:
  Status makeFolder(const std::string& path) override {
    for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
      const std::string above = path.substr(0, at);
      if (mkdir(above.c_str(), kOwnFolder) != 0 && errno != EEXIST) {
        return failure(above, "cannot make the folder", errno);
      }
    }
    if (mkdir(path.c_str(), kOwnFolder) == 0) return Done{};
    if (errno != EEXIST) return failure(path, "cannot make the folder", errno);
    return checkFolder(path);
  }

  Status checkFolder(const std::string& path) override {
    struct stat status = {};
    if (lstat(path.c_str(), &status) != 0) {
      Error error = failure(path, "cannot look at", errno);
      if (errno == ENOENT) error.code = ErrorCode::kNotFound;
      return error;
    }
    if (S_ISLNK(status.st_mode)) return unfit(path, "is a symbolic link");
    if (!S_ISDIR(status.st_mode)) return unfit(path, "is no folder");
    if (status.st_uid != geteuid()) return unfit(path, "belongs to another user");
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
      return unfit(path, "may be written to by others (chmod go-w)");
    }
    return Done{};
  }

  Result<std::string> read(const std::string& path, uint64_t maxBytes) override {
    // Not blocking: it may be a pipe.
    const Descriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file.ok()) return openFailure(path, errno);
    struct stat status = {};
    if (fstat(file.get(), &status) != 0) return failure(path, "cannot look at", errno);
    if (!S_ISREG(status.st_mode)) return unfit(path, "is no plain file");
    if (status.st_uid != geteuid()) return unfit(path, "belongs to another user");
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
      return unfit(path, "may be read or written by others (chmod go-rw)");
    }
    const auto bytes = static_cast<uint64_t>(status.st_size);
    if (bytes > maxBytes) {
      return unfit(path, "has " + std::to_string(bytes) + " bytes, expected at most " +
                             std::to_string(maxBytes));
    }
    return readAll(file.get(), path, bytes);
  }

  Status replace(const std::string& path, std::string_view bytes) override {
    return writeBeside(path, bytes, [&](const std::string& aside) {
      return rename(aside.c_str(), path.c_str()) == 0;
    });
  }

  Status create(const std::string& path, std::string_view bytes) override {
    return writeBeside(path, bytes, [&](const std::string& aside) {
      if (renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) {
        return true;
      }
      if (errno != EINVAL && errno != ENOSYS) return false;
      // A file system without that may have hard links.
      if (link(aside.c_str(), path.c_str()) != 0) return false;
      unlink(aside.c_str());
      return true;
    });
  }

  Result<std::vector<Entry>> list(const std::string& folder) override {
    std::vector<Entry> entries;
    const int descriptor =
        open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) {
      if (errno == ENOENT) return entries;
      if (errno == ELOOP || errno == ENOTDIR) return unfit(folder, "is a link, or no folder");
      return failure(folder, "cannot list", errno);
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> opened(fdopendir(descriptor), closedir);
    if (!opened) {
      const int reason = errno;
      close(descriptor);
      return failure(folder, "cannot list", reason);
    }
    while (true) {
      errno = 0;
      const dirent* found = readdir(opened.get());  // NOLINT(concurrency-mt-unsafe): own stream
      if (found == nullptr) break;
      const std::string name = found->d_name;
      struct stat status = {};
      if (name == "." || name == "..") continue;
      if (fstatat(dirfd(opened.get()), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
      entries.push_back({name, kindOf(status.st_mode), status.st_uid == geteuid(),
                         static_cast<uint64_t>(status.st_size), toTime(status.st_mtim)});
    }
    if (errno != 0) return failure(folder, "cannot list", errno);
    return entries;
  }

  Status remove(const std::string& path) override {
    if (unlink(path.c_str()) == 0 || errno == ENOENT) return Done{};
    if (errno == EISDIR && rmdir(path.c_str()) == 0) return Done{};
    return failure(path, "cannot remove", errno);
  }

 private:
  // `finish` moves the complete file to its place and says whether it is there; errno tells why
  // not.
  template <typename Finish>
  static Status writeBeside(const std::string& path, std::string_view bytes, const Finish& finish) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    const auto name = unfinishedName();
    if (!name) return failure(path, "cannot write", errno);
    const std::string aside = folder + *name;
    {
      const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
      const Descriptor file(open(aside.c_str(), flags, kOwnFile));
      if (!file.ok()) return failure(path, "cannot write", errno);
      if (!writeAll(file.get(), bytes)) return abandon(aside, path);
    }
    return finish(aside) ? Status(Done{}) : abandon(aside, path);
  }

  static Error abandon(const std::string& aside, const std::string& path) {
    const int reason = errno;
    unlink(aside.c_str());
    return failure(path, "cannot write", reason);
  }
};

}  // namespace

bool isUnfinishedName(std::string_view name) { return name.starts_with(kUnfinished); }

std::unique_ptr<FileSystem> makePosixFileSystem() { return std::make_unique<PosixFileSystem>(); }

}  // namespace nexus
