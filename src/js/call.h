// One call of a handler, as the host keeps it: what goes in, what has come out, and what it may
// still do. A call that waits for extensions keeps its book while its sandbox does other things.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/rights.h"
#include "nexus/execution.h"
#include "nexus/state.h"

namespace nexus::js {

// What ends a run before it ends by itself.
struct RunLimit {
  // At least 1 ms; the shorter of this and timeout_ms counts.
  std::optional<std::chrono::milliseconds> timeout;
  // A stop that is requested, before or meanwhile, ends it with kCancelled.
  std::stop_token stop;
};

// The guest's clock counts nanoseconds in 64 bits; this is in the year 2554.
inline constexpr std::chrono::milliseconds kLatestClock{UINT64_MAX / 1'000'000};

// What a call gets. Views and the rights must stay valid until invoke returns.
struct CallInput {
  std::string_view args = "{}";   // JSON text
  std::string_view scope = "{}";  // JSON text
  StateSnapshot state;
  const Rights* rights = nullptr;  // null: none
  // For runs that can be repeated: what Math.random begins with, and the time that does not pass.
  std::optional<uint64_t> seed;
  std::optional<std::chrono::milliseconds> clock;  // since 1970, at most kLatestClock
  RunLimit limit;
};

// The answer to a request of a suspended call.
struct Settlement {
  enum class Kind { kResult, kError };

  uint64_t requestId = 0;
  Kind kind = Kind::kResult;
  std::string_view text;   // JSON text of the result, or the message of the error
  bool isChecked = false;  // whether somebody has checked already that it is JSON
};

// What is counted over a whole call.
struct CallBook {
  HostCalls hostCalls;
  uint64_t events = 0;
  uint64_t logBytes = 0;
  uint64_t inputBytes = 0;
  uint64_t outputBytes = 0;
  // What was denied: texts of the first ones, and how many there were.
  std::vector<std::string> denialTexts;
  uint64_t denials = 0;
  uint64_t requests = 0;  // made so far, which is the id of the last one
  std::unordered_set<std::string> writtenKeys;
  std::vector<ExtensionRequest> outstanding;  // by id
  std::chrono::nanoseconds executed{0};
  uint64_t instructions = 0;
};

// What a call has done since it began or was last resumed.
struct CallRecord {
  std::vector<StateMutation> stateMutations;
  std::vector<Event> events;
  std::vector<ViewCommand> viewCommands;
  std::vector<LogRecord> log;
  uint64_t requestsBefore = 0;  // CallBook::requests when it began
  bool hasReadState = false;
  bool hasUnflushedState = false;
  uint64_t polls = 0;
  bool interrupted = false;      // the guest was told to give up
  bool outOfHostMemory = false;  // the call was ended because of it
  std::optional<Error> refusal;  // why else the call was ended
};

}  // namespace nexus::js
