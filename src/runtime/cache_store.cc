#include "runtime/cache_store.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/random.h"

namespace nexus::runtime {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kSubfolders = 256;
constexpr uint64_t kLargestFile = uint64_t{256} << 20;
constexpr char kMagic[8] = {'N', 'X', 'C', 'A', 'C', 'H', 'E', '\0'};
constexpr uint32_t kVersion = 1;
// What is written between two looks, as a share of what all files may take. A folder is looked at
// 16 times while as much is written as there is room for, all folders together 64 times.
constexpr uint64_t kFolderLooks = kSubfolders * 16;
constexpr uint64_t kAllLooks = 64;
// A folder with so many files has its share of all of them: names are hashes.
constexpr size_t kManyFiles = 64;
// An unfinished file that is older belongs to a process that died.
constexpr std::chrono::minutes kAbandoned{10};

struct Head {
  char magic[8];
  uint32_t version;
  uint32_t reserved;
  Digest name;
};

std::span<const std::byte> bytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

// At least 1.
int64_t randomUpTo(uint64_t most) {
  return static_cast<int64_t>(randomNumber().value_or(0) % std::max<uint64_t>(most, 1) + 1);
}

// Counts down; true when nothing is left, and then it begins again.
bool isUsedUp(std::atomic<int64_t>& left, uint64_t bytes, uint64_t interval) {
  const auto used = static_cast<int64_t>(bytes);
  if (left.fetch_sub(used, std::memory_order_relaxed) > used) return false;
  left.store(static_cast<int64_t>(interval), std::memory_order_relaxed);
  return true;
}

std::string seal(const Digest& name, std::string_view payload, std::string_view key) {
  Head head{};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.version = kVersion;
  head.name = name;
  std::string bytes;
  bytes.reserve(sizeof head + payload.size() + sizeof(Digest));
  bytes.append(reinterpret_cast<const char*>(&head), sizeof head);
  bytes += payload;
  const Digest mac = hmacSha256(bytesOf(key), bytesOf(bytes));
  bytes.append(reinterpret_cast<const char*>(mac.data()), mac.size());
  return bytes;
}

constexpr char kNotSealed[] = "it was altered, or sealed with another key";

// Why a file is not this entry; null when it is.
const char* findFault(std::string_view file, const Digest& name, std::string_view key) {
  Head head{};
  if (file.size() < sizeof head + sizeof(Digest)) return "it is cut short";
  const std::string_view sealed = file.substr(0, file.size() - sizeof(Digest));
  const Digest mac = hmacSha256(bytesOf(key), bytesOf(sealed));
  if (!isSameDigest(mac, bytesOf(file).last(sizeof(Digest)))) return kNotSealed;
  std::memcpy(&head, file.data(), sizeof head);
  if (std::memcmp(head.magic, kMagic, sizeof kMagic) != 0 || head.version != kVersion) {
    return "it is of another version";
  }
  return head.name == name ? nullptr : "it is another entry's";
}

bool isSubfolderName(std::string_view name) {
  return name.size() == 2 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The name that a path ends with; nothing when it is none.
std::optional<Digest> nameOf(std::string_view path) {
  constexpr size_t kFolderLetters = 2;
  Digest name;
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash < kFolderLetters) return std::nullopt;
  const std::string hex = std::string(path.substr(slash - kFolderLetters, kFolderLetters)) +
                          std::string(path.substr(slash + 1));
  if (!fromHex(hex, name)) return std::nullopt;
  return name;
}

}  // namespace

// The first looks come at random moments: processes that each write little look, too.
CacheStore::CacheStore(FileSystem& files, std::string folder, uint64_t maxBytes)
    : files_(files),
      folder_(std::move(folder)),
      maxBytes_(maxBytes),
      leftToFolder_(randomUpTo(maxBytes / kFolderLooks)),
      leftToAll_(randomUpTo(maxBytes / kAllLooks)) {}

CacheStore::Place CacheStore::placeOf(const Digest& name) const {
  Place place{.folder = entriesPath() + "/" + toHex(std::span(name).first(1)), .path = ""};
  place.path = place.folder + "/" + toHex(std::span(name).subspan(1));
  return place;
}

// Tried again with each use until it works.
Result<std::string> CacheStore::key(KeyUse use) {
  const MutexLock lock(mutex_);
  if (use == KeyUse::kAsKnown && !key_.empty()) return key_;
  for (const std::string& folder : {folder_, entriesPath()}) {
    auto made = files_.makeFolder(folder);
    if (!made) return std::move(made).error();
  }
  auto key = readOrMakeKey();
  if (key) key_ = *key;
  return key;
}

Result<std::string> CacheStore::readOrMakeKey() {
  auto key = files_.read(keyPath(), kKeyBytes);
  if (key && key->size() == kKeyBytes) return key;
  // A key that is no key protects nothing: what it sealed is lost, which is but a miss.
  const bool isMissing = !key && key.error().code == ErrorCode::kNotFound;
  if (!key && key.error().code == ErrorCode::kUnavailable) return key;
  std::string fresh(kKeyBytes, '\0');
  if (!fillRandomly(std::as_writable_bytes(std::span(fresh)))) {
    return Error{.code = ErrorCode::kUnavailable, .message = "the system gives no random numbers"};
  }
  if (!isMissing && files_.replace(keyPath(), fresh)) return fresh;
  if (!isMissing) (void)files_.remove(keyPath());  // a folder
  auto written = files_.create(keyPath(), fresh);
  if (written) return fresh;
  // Another process may have been quicker.
  key = files_.read(keyPath(), kKeyBytes);
  if (key && key->size() == kKeyBytes) return key;
  return std::move(written).error();
}

CacheStore::Found CacheStore::open(const std::string& file, const Place& place,
                                   const Digest& name) {
  auto key = this->key(KeyUse::kAsKnown);
  if (!key) return {Found::Kind::kFailed, "", key.error().message};
  const char* fault = findFault(file, name, *key);
  if (fault == kNotSealed) {
    // The folder may have been removed, and made anew by another process.
    auto present = this->key(KeyUse::kReadAgain);
    if (present && *present != *key) fault = findFault(file, name, *present);
  }
  if (fault != nullptr) return {Found::Kind::kRejected, "", place.path + ": " + fault};
  constexpr size_t kFrame = sizeof(Head) + sizeof(Digest);
  return {Found::Kind::kHit, file.substr(sizeof(Head), file.size() - kFrame), ""};
}

CacheStore::Found CacheStore::read(const Digest& name) {
  // Before anything in the folder is looked at: whether it is to be trusted.
  auto key = this->key(KeyUse::kAsKnown);
  if (!key) return {Found::Kind::kFailed, "", key.error().message};
  const Place place = placeOf(name);
  auto file = files_.read(place.path, kLargestFile);
  if (file) return open(*file, place, name);
  switch (file.error().code) {
    case ErrorCode::kNotFound:
      return {};
    case ErrorCode::kInvalidInput:
      return {Found::Kind::kRejected, "", file.error().message};
    default:
      return {Found::Kind::kFailed, "", file.error().message};
  }
}

Result<CacheStore::Written> CacheStore::write(const Digest& name, std::string_view payload) {
  const uint64_t bytes = sizeof(Head) + payload.size() + sizeof(Digest);
  const Place place = placeOf(name);
  if (bytes > std::min(maxBytes_, kLargestFile)) {
    auto removed = files_.remove(place.path);
    if (!removed) return std::move(removed).error();
    return Error{.code = ErrorCode::kResourceLimit,
                 .message = "an entry has " + std::to_string(bytes) +
                            " bytes, all of them may have " + std::to_string(maxBytes_) +
                            " (max_disk_cache_bytes)"};
  }
  auto put = this->put(name, payload);
  if (!put) return std::move(put).error();
  return Written{.evicted = makeRoom(place, bytes)};
}

Status CacheStore::put(const Digest& name, std::string_view payload) {
  const Place place = placeOf(name);
  auto key = this->key(KeyUse::kAsKnown);
  if (!key) return std::move(key).error();
  if (files_.checkFolder(place.folder)) {
    auto put = files_.replace(place.path, seal(name, payload, *key));
    if (put) return put;
  }
  // The folder may be missing, and the key with it; or a folder stand in the file's place.
  key = this->key(KeyUse::kReadAgain);
  if (!key) return std::move(key).error();
  auto made = makeSubfolder(place.folder);
  if (!made) return made;
  (void)files_.remove(place.path);
  return files_.replace(place.path, seal(name, payload, *key));
}

// In the place of what is no folder, or a link to one.
Status CacheStore::makeSubfolder(const std::string& path) {
  auto made = files_.makeFolder(path);
  if (made || made.error().code != ErrorCode::kInvalidInput) return made;
  (void)files_.remove(path);
  return files_.makeFolder(path);
}

Result<std::vector<CacheStore::File>> CacheStore::files(const std::string& folder,
                                                        Abandoned abandoned) {
  auto entries = files_.list(folder);
  if (!entries) return std::move(entries).error();
  std::vector<File> files;
  const auto recently = std::chrono::system_clock::now() - kAbandoned;
  for (FileSystem::Entry& entry : *entries) {
    std::string path = folder + "/" + entry.name;
    if (!isUnfinishedName(entry.name)) {
      files.push_back({std::move(path), std::move(entry)});
    } else if (abandoned == Abandoned::kRemove && entry.written < recently) {
      (void)files_.remove(path);
    }
  }
  return files;
}

// Of the folders of this class alone: a link leads to what is somebody else's. What else is there
// counts as a file.
Result<std::vector<CacheStore::File>> CacheStore::allFiles(Abandoned abandoned) {
  std::vector<File> all;
  for (const std::string& folder : {folder_, entriesPath()}) {
    auto trusted = files_.checkFolder(folder);
    if (!trusted && trusted.error().code == ErrorCode::kNotFound) return all;
    if (!trusted) return std::move(trusted).error();
  }
  // Of keys.
  if (abandoned == Abandoned::kRemove) (void)files(folder_, abandoned);
  auto subfolders = files(entriesPath(), abandoned);
  if (!subfolders) return subfolders;
  for (File& subfolder : *subfolders) {
    const FileSystem::Entry& entry = subfolder.entry;
    if (entry.kind != FileSystem::Kind::kFolder || !entry.isOwn || !isSubfolderName(entry.name)) {
      all.push_back(std::move(subfolder));
      continue;
    }
    auto some = files(subfolder.path, abandoned);
    if (!some) return some;
    all.insert(all.end(), std::make_move_iterator(some->begin()),
               std::make_move_iterator(some->end()));
  }
  return all;
}

// After so much was written there: now and then.
uint64_t CacheStore::makeRoom(const Place& place, uint64_t bytes) {
  const bool looksAtAll = isUsedUp(leftToAll_, bytes, maxBytes_ / kAllLooks);
  const bool looksAtFolder = isUsedUp(leftToFolder_, bytes, maxBytes_ / kFolderLooks);
  if (!looksAtAll && !looksAtFolder) return 0;
  auto some = files(place.folder, Abandoned::kRemove);
  if (!some) return 0;
  if (some->size() >= kManyFiles) return removeOldest(std::move(*some), maxBytes_ / kSubfolders);
  if (!looksAtAll) return 0;
  auto all = allFiles(Abandoned::kRemove);
  return all ? removeOldest(std::move(*all), maxBytes_) : 0;
}

// A tenth more than has to go, when anything has to.
uint64_t CacheStore::removeOldest(std::vector<File> candidates, uint64_t maxBytes) {
  uint64_t bytes = 0;
  for (const File& file : candidates) bytes += file.entry.bytes;
  if (bytes <= maxBytes) return 0;
  std::sort(candidates.begin(), candidates.end(),
            [](const File& a, const File& b) { return a.entry.written < b.entry.written; });
  uint64_t removed = 0;
  for (const File& file : candidates) {
    if (bytes <= maxBytes - maxBytes / 10) break;
    if (!files_.remove(file.path).ok()) continue;
    bytes -= file.entry.bytes;
    ++removed;
  }
  return removed;
}

Result<CacheStore::Stats> CacheStore::stats() {
  auto all = allFiles(Abandoned::kKeep);
  if (!all) return std::move(all).error();
  Stats stats{.entries = all->size()};
  for (const File& file : *all) stats.bytes += file.entry.bytes;
  return stats;
}

Result<CacheStore::Verified> CacheStore::verify() {
  auto all = allFiles(Abandoned::kKeep);
  if (!all) return std::move(all).error();
  Verified verified;
  if (all->empty()) return verified;
  const auto key = files_.read(keyPath(), kKeyBytes);
  if (!key && key.error().code == ErrorCode::kUnavailable) return key.error();
  for (const File& file : *all) {
    const auto name = nameOf(file.path);
    const auto content = files_.read(file.path, kLargestFile);
    Damage damage{.path = file.path};
    if (!content && content.error().code == ErrorCode::kNotFound) continue;  // gone meanwhile
    if (!name || placeOf(*name).path != file.path) {
      damage.why = "it has no entry's name";
    } else if (!content) {
      // The path stands beside it.
      damage.why = content.error().message;
      if (damage.why.starts_with(file.path + " ")) damage.why.erase(0, file.path.size() + 1);
    } else if (!key && key.error().code == ErrorCode::kInvalidInput) {
      damage.why = "the key is not to be trusted: " + key.error().message;
    } else if (!key || key->size() != kKeyBytes) {
      damage.why = "the key that sealed it is lost";
    } else if (const char* fault = findFault(*content, *name, *key)) {
      damage.why = fault;
    } else {
      ++verified.sound;
      continue;
    }
    verified.damaged.push_back(std::move(damage));
  }
  return verified;
}

Result<uint64_t> CacheStore::clear() {
  auto all = allFiles(Abandoned::kRemove);
  if (!all) return std::move(all).error();
  std::optional<Error> failure;
  for (const File& file : *all) {
    auto removed = files_.remove(file.path);
    if (!removed && !failure) failure = std::move(removed).error();
  }
  if (failure) return std::move(*failure);
  return all->size();
}

}  // namespace nexus::runtime
