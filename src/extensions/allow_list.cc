#include "extensions/allow_list.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "extensions/http_error.h"

namespace nexus::extensions {
namespace {

bool isLabel(std::string_view label) {
  return !label.empty() && std::all_of(label.begin(), label.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
  });
}

// A last part that begins with a digit makes it an address, in some spelling or other.
bool isName(std::string_view name) {
  while (true) {
    const size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (!isLabel(label)) return false;
    if (dot == std::string_view::npos) {
      return std::isdigit(static_cast<unsigned char>(label.front())) == 0;
    }
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

Result<AllowList> AllowList::parse(std::span<const std::string> entries) {
  AllowList list;
  for (const std::string& text : entries) {
    auto entry = parseEntry(text);
    if (!entry) {
      return Error{.code = ErrorCode::kInvalidInput,
                   .message = "http_allow: " + inQuotes(text) +
                              " is no host; expected a name, '*.' and a name, '*', or an address, "
                              "each with ':PORT' or ':*' behind it or without"};
    }
    list.entries_.push_back(std::move(*entry));
  }
  return list;
}

std::optional<AllowList::Entry> AllowList::parseEntry(std::string_view text) {
  Entry entry;
  // Without brackets an IPv6 address has no port.
  const size_t colon = text.rfind(':');
  const bool isBare = colon != text.find(':') && !text.starts_with('[');
  const bool hasPort = colon != std::string_view::npos && !isBare && !text.ends_with(']');
  if (hasPort && !parsePort(text.substr(colon + 1), entry)) return std::nullopt;
  if (!parseHost(hasPort ? text.substr(0, colon) : text, entry)) return std::nullopt;
  return entry;
}

bool AllowList::parsePort(std::string_view text, Entry& entry) {
  if (text == "*") {
    entry.ports = Entry::Ports::kAny;
    return true;
  }
  entry.ports = Entry::Ports::kOne;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), entry.port);
  return error == std::errc() && end == text.data() + text.size() && entry.port != 0;
}

bool AllowList::parseHost(std::string_view text, Entry& entry) {
  using Kind = Entry::Kind;
  if (text == "*") {
    entry.kind = Kind::kAnyHost;
    return true;
  }
  const bool hasBrackets = text.starts_with('[') && text.ends_with(']');
  const auto address = IpAddress::parse(hasBrackets ? text.substr(1, text.size() - 2) : text);
  if (address) {
    entry.kind = Kind::kAddress;
    entry.address = *address;
    return !hasBrackets || address->family == IpAddress::Family::kV6;
  }
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.starts_with("*.")) {
    entry.kind = Kind::kSubdomains;
    entry.name = toLowerAscii(std::string(text.substr(1)));
    return isName(text.substr(2));
  }
  entry.name = toLowerAscii(std::string(text));
  return isName(text);
}

bool AllowList::hasHost(const Entry& entry, const HttpUrl& url) {
  switch (entry.kind) {
    case Entry::Kind::kAnyHost:
      return true;
    case Entry::Kind::kHost:
      return url.host() == entry.name;
    case Entry::Kind::kSubdomains:
      return url.host().size() > entry.name.size() && url.host().ends_with(entry.name);
    case Entry::Kind::kAddress:
      break;
  }
  return url.address() == entry.address;
}

bool AllowList::hasPort(const Entry& entry, const HttpUrl& url) {
  switch (entry.ports) {
    case Entry::Ports::kDefault:
      return url.port() == url.defaultPort();
    case Entry::Ports::kOne:
      return url.port() == entry.port;
    case Entry::Ports::kAny:
      break;
  }
  return true;
}

Status AllowList::checkHost(const HttpUrl& url) const {
  bool isKnown = false;
  for (const Entry& entry : entries_) {
    if (!hasHost(entry, url)) continue;
    if (hasPort(entry, url)) return Done{};
    isKnown = true;
  }
  if (isKnown) {
    return httpError("the host " + inQuotes(url.host()) + " is in http_allow, but not its port " +
                     std::to_string(url.port()));
  }
  return httpError("the host " + inQuotes(url.host()) + " is not in http_allow" +
                   (entries_.empty() ? ", which is empty" : ""));
}

Status AllowList::checkAddress(const IpAddress& address, const HttpUrl& url) const {
  const auto kind = nonPublicKind(address);
  if (!kind) return Done{};
  const bool isNamed = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.kind == Entry::Kind::kAddress && entry.address == address && hasPort(entry, url);
  });
  if (isNamed) return Done{};
  const std::string what =
      std::string(*kind) + "; only an entry of that address in http_allow " + "allows it";
  if (url.address() == address) return httpError("the address " + url.host() + " is " + what);
  return httpError(inQuotes(url.host()) + " is the address " + address.toString() + ", which is " +
                   what);
}

}  // namespace nexus::extensions
