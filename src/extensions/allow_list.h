// http_allow: which hosts a request may reach, and which addresses.
//
// A request passes twice. Its host must have an entry: before the first connection, and again after
// each redirect. Then every address that is really connected must be a public one, whatever name
// led to it, or have an entry of its own: names are decided on by whoever owns them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "extensions/http_url.h"
#include "extensions/ip_address.h"
#include "nexus/result.h"

namespace nexus::extensions {

// Immutable; any thread.
class AllowList {
 public:
  // Entries as in HttpOptions::allow. kInvalidInput names the one that is none.
  static Result<AllowList> parse(std::span<const std::string> entries);

  // An error that says which rule refuses the host.
  Status checkHost(const HttpUrl& url) const;
  // The same for an address that `url` has led to.
  Status checkAddress(const IpAddress& address, const HttpUrl& url) const;

 private:
  struct Entry {
    enum class Kind { kAnyHost, kHost, kSubdomains, kAddress };
    enum class Ports { kDefault, kOne, kAny };

    Kind kind = Kind::kHost;
    std::string name;  // of a host, or what subdomains end with, with its dot
    IpAddress address;
    Ports ports = Ports::kDefault;
    uint16_t port = 0;
  };

  static std::optional<Entry> parseEntry(std::string_view text);
  static bool parsePort(std::string_view text, Entry& entry);
  static bool parseHost(std::string_view text, Entry& entry);
  static bool hasHost(const Entry& entry, const HttpUrl& url);
  static bool hasPort(const Entry& entry, const HttpUrl& url);

  std::vector<Entry> entries_;
};

}  // namespace nexus::extensions
