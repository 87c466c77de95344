// The extensions that a call of `nexus run` has: built-in ones that were named, and stubs.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "app/ext_stub.h"
#include "nexus/execution.h"
#include "nexus/extensions.h"
#include "nexus/result.h"

namespace nexus::app {

// Those built in, under their own names. kInvalidInput for a name that is none, or an option that
// is impossible.
Result<ExtStub::ByAlias> makeBuiltIn(std::span<const std::string> names, const HttpOptions& http);

// Both together. Where both have an alias, the stub answers for its methods, the other for the
// rest.
ExtStub::ByAlias stubsFirst(const ExtStub::ByAlias& stubs, const ExtStub::ByAlias& others);

// For people: what could answer the requests that a call waits for.
std::string describeRemedy(std::span<const ExtensionRequest> pending);

}  // namespace nexus::app
