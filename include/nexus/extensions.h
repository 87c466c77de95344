// The extensions that come with Nexus. They are offered like any other:
//
//   nexus::RuntimeOptions options;
//   options.extensions["timer"] = nexus::makeTimer();
//   options.extensions["http"] = nexus::makeHttp({.allow = {"api.example.com"}}).value();
//
// Each has one thread of its own, which ends with it. What they offer to handlers, and by which
// rules, is in docs/extensions.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nexus/export.h"
#include "nexus/extension.h"
#include "nexus/result.h"

namespace nexus {

// sleep(ms): null after so many milliseconds.
NEXUS_API std::shared_ptr<Extension> makeTimer();

// What requests may reach, and what each may take.
struct HttpOptions {
  // "api.example.com", "*.example.com" (what is below it), "*" (every public host), "192.0.2.1",
  // "[2001:db8::1]"; each may have a port, or ":*" for any. Without one: the scheme's own, 80 or
  // 443. Addresses that are not public are reached only if they stand here themselves.
  std::vector<std::string> allow;
  // A whole request, with its redirects; likewise the bytes of its answers, headers included.
  std::chrono::milliseconds timeout{10'000};
  uint64_t maxBytes = 4ull << 20;
  uint64_t maxRedirects = 10;
};

// kInvalidInput with the key, the value and what is allowed, for the first option that is
// impossible.
NEXUS_API Status validate(const HttpOptions& options);

// request(), get(), head(), post(), put(), patch() and delete(). kInvalidInput as from validate,
// kUnavailable what the system refuses.
NEXUS_API Result<std::shared_ptr<Extension>> makeHttp(const HttpOptions& options);

}  // namespace nexus
