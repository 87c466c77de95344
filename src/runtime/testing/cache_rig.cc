#include "runtime/testing/cache_rig.h"

#include <sys/stat.h>

#include <cstring>
#include <ostream>

namespace nexus::runtime {
namespace {

std::string_view toString(CacheStore::Found::Kind kind) {
  switch (kind) {
    case CacheStore::Found::Kind::kHit:
      return "hit";
    case CacheStore::Found::Kind::kMiss:
      return "miss";
    case CacheStore::Found::Kind::kRejected:
      return "rejected";
    case CacheStore::Found::Kind::kFailed:
      return "failed";
  }
  return "?";
}

}  // namespace

void PrintTo(CacheStore::Found::Kind kind, std::ostream* out) { *out << toString(kind); }

namespace testing {

Digest nameOf(std::string_view text) { return sha256(text); }

std::string seal(const SealedEntry& entry) {
  constexpr uint32_t kReserved = 0;
  std::string bytes("NXCACHE\0", 8);
  bytes.append(reinterpret_cast<const char*>(&entry.version), sizeof entry.version);
  bytes.append(reinterpret_cast<const char*>(&kReserved), sizeof kReserved);
  bytes.append(reinterpret_cast<const char*>(entry.name.data()), entry.name.size());
  bytes += entry.payload;
  const Digest mac =
      hmacSha256(std::as_bytes(std::span(entry.key)), std::as_bytes(std::span(bytes)));
  return bytes.append(reinterpret_cast<const char*>(mac.data()), mac.size());
}

std::string CacheStoreTest::pathOf(const Digest& name) const {
  const std::string hex = toHex(name);
  return folder() + "/entries/" + hex.substr(0, 2) + "/" + hex.substr(2);
}

void CacheStoreTest::plant(const std::string& path, std::string_view bytes) const {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  nexus::testing::writeFile(path, bytes);
  EXPECT_EQ(chmod(path.c_str(), 0600), 0) << path;
}

std::string show(const CacheStore::Found& found) {
  std::string text(toString(found.kind));
  return found.kind == Kind::kHit ? text + ": " + found.payload : text;
}

}  // namespace testing
}  // namespace nexus::runtime
