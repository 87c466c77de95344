// Running handlers: JavaScript that nobody trusts, each call in a fresh sandbox.
//
//   auto runtime = nexus::Runtime::make({}).value();
//   auto handler = runtime->precompile("return $args.a + 1").value();
//   auto result = runtime->execute(handler, {.args = R"({"a": 41})"});  // result.value == "42"
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "nexus/config.h"
#include "nexus/execution.h"
#include "nexus/export.h"
#include "nexus/extension.h"
#include "nexus/observer.h"
#include "nexus/result.h"
#include "nexus/state.h"

namespace nexus {

// What a handler may do, beside computing.
struct HandlerOptions {
  // Such as "state:read:KEY", "state:write:*", "events:emit:NAME", "view:update:ID", "ext:ALIAS".
  std::vector<std::string> capabilities;
};

// A handler that was compiled, with its rights. Copies share one immutable thing; any thread. For
// the Runtime that made it, which it may outlive.
class NEXUS_API Handler {
 public:
  // Of no use until a compiled one is assigned to it.
  Handler() = default;

  explicit operator bool() const { return compiled_ != nullptr; }

 private:
  friend class Runtime;
  struct Compiled;  // runtime.cc

  explicit Handler(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

  std::shared_ptr<const Compiled> compiled_;
};

// Told of what a call did each time it waits for an extension that the Runtime asks itself, before
// that is asked; returns the state that the call goes on with. The result has what it did after the
// last time. Without it, what the call did is put together into its one result, and it goes on with
// the state that it has made. Called from the thread that runs the call; what it throws ends the
// call with kInternalError.
using FlushFunction = std::function<StateSnapshot(const ExecutionResult& part)>;

// What one call gets. What the views point to must stay until the call has returned.
struct CallContext {
  std::string_view args = "{}";   // $args, JSON text
  std::string_view scope = "{}";  // $scope, JSON text
  StateSnapshot state;            // $state
  // At least 1 ms; the shorter of this and RuntimeConfig::timeout counts.
  std::optional<std::chrono::milliseconds> timeout;
  // Ends the call with kCancelled, at any time and from any thread.
  std::stop_token stop;
  // For calls that can be repeated: what Math.random begins with, and a time that stands still.
  // They hold for all of the call, also when it is resumed.
  std::optional<uint64_t> seed;
  std::optional<std::chrono::milliseconds> clock;  // since 1970
  FlushFunction onFlush;
};

// The same for calls that nobody waits for: owns what it holds. What a call waits in the queue
// counts for none of its times.
struct AsyncContext {
  std::string args = "{}";
  std::string scope = "{}";
  StateSnapshot state;
  std::optional<std::chrono::milliseconds> timeout;
  std::stop_token stop;
  std::optional<uint64_t> seed;
  std::optional<std::chrono::milliseconds> clock;
  FlushFunction onFlush;
};

// What a suspended call gets when it goes on: the state as it is then, and new terms.
struct ResumeContext {
  StateSnapshot state;
  std::optional<std::chrono::milliseconds> timeout;
  std::stop_token stop;
  FlushFunction onFlush;
};

// The answer to a request that a suspended call waits for.
struct RequestAnswer {
  uint64_t id = 0;                    // ExtensionRequest::id
  std::optional<std::string> result;  // JSON text; absent: the request failed
  std::string error;                  // then its message
};

// What is called with a result: once, on one of the Runtime's threads, before the instance that the
// call used is restored. It may call the Runtime (to wait for another call may be in vain: this one
// still has its thread and its instance), but must not throw, shut it down, or take long.
using Completion = std::function<void(ExecutionResult result)>;

struct SuspensionInfo {
  std::string id;
  std::vector<ExtensionRequest> pending;
  std::chrono::milliseconds left{0};  // until it expires
};

struct CacheTierStats {
  uint64_t requests = 0;
  uint64_t hits = 0;
  uint64_t rejected = 0;  // on disk: entries that were not to be trusted
  uint64_t failed = 0;    // on disk: reads and writes that did not work
  uint64_t evictions = 0;
  uint64_t entries = 0;  // in memory only: nobody counts a disk's
  uint64_t bytes = 0;    // likewise

  double hitRate() const {
    return requests == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(requests);
  }
};

struct RuntimeStats {
  std::string engine;  // "native", or "checked": slower, where the system does not let that work
  std::string notice;  // why it is not the native one; empty when it is
  CacheTierStats memoryCache;
  CacheTierStats diskCache;
  uint64_t compilations = 0;
  uint64_t compilationsFailed = 0;
  uint64_t imagesReloaded = 0;  // made again from their code, after they had left the memory
  std::chrono::microseconds compileTime{0};
  uint64_t instancesActive = 0;
  uint64_t instancesAvailable = 0;
  uint64_t instancesCreated = 0;
  uint64_t instancesDiscarded = 0;
  uint64_t callsWaiting = 0;  // for an instance
  uint64_t callsQueued = 0;   // asynchronous ones, for a thread
  uint64_t calls = 0;         // that have ended, in whatever way
  uint64_t suspended = 0;
  uint64_t suspendedBytes = 0;  // with the handlers that they hold
  uint64_t suspensionsResumed = 0;
  uint64_t suspensionsExpired = 0;
  uint64_t suspensionsDropped = 0;
  uint64_t suspensionsRefused = 0;  // for max_suspended or max_suspended_bytes
};

// What a Runtime uses that is not its own.
struct RuntimeOptions {
  // Told of everything; shared, so that it outlives the Runtime.
  std::shared_ptr<Observer> observer;
  // By the alias under which handlers find them: $ext.ALIAS.
  std::map<std::string, std::shared_ptr<Extension>, std::less<>> extensions;
};

// Thread-safe: any method from any thread, whatever its stack. After fork(2) the child must not use
// it, but for exec(3): calls end with kInternalError there, and statistics are empty.
class NEXUS_API Runtime {
 public:
  // Boots an engine and makes min_instances sandboxes. kInvalidInput names a setting that is
  // impossible, or an extension that is null; kUnavailable what the system refuses.
  static Result<std::unique_ptr<Runtime>> make(const RuntimeConfig& config,
                                               const RuntimeOptions& options = {});
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  // Waits for the calls that execute; what is suspended is dropped.
  ~Runtime();

  // Compiles, or finds what was compiled before, here or (with a cache_dir) by another process.
  // kInvalidHandler, kCompilationError with line and column, or a limit's error for the text;
  // kInvalidInput for a capability that is none; kUnavailable: no instance in time, shutting down.
  Result<Handler> precompile(std::string_view source, const HandlerOptions& options = {});

  // Runs a call and waits for it, and for the requests that its extensions answer. Never fails as a
  // call: what went wrong is in the result. Waits for an instance for at most acquire_timeout_ms,
  // then ends with kUnavailable. When it asks for an extension that is not there, the result is
  // suspended: it has a suspensionId, and what is pending.
  ExecutionResult execute(const Handler& handler, const CallContext& context = {});
  // The same for a source: looks it up by its text.
  ExecutionResult execute(std::string_view source, const HandlerOptions& options,
                          const CallContext& context = {});

  // The same on the Runtime's own threads. kUnavailable: max_queue calls wait already, or it is
  // shutting down; kInvalidInput: not this runtime's handler, or an impossible timeout; kCancelled:
  // it was stopped before. Then the completion is not called.
  Status executeAsync(const Handler& handler, AsyncContext context, Completion completion);
  // As a future; a refusal is a result.
  std::future<ExecutionResult> executeAsync(const Handler& handler, AsyncContext context);

  // Goes on with a suspended call, once, on whatever instance and thread. Ends with kNotFound for
  // an id that is unknown, was resumed, or has ended; kTimeout when it has expired lately. When an
  // answer does not fit (kNotFound: no such request waits; kInvalidInput: it is no JSON), there is
  // no instance (kUnavailable), or it was stopped while it waited for one, the call still waits:
  // the result, an error, has its suspensionId then.
  ExecutionResult resume(std::string_view suspensionId, std::span<const RequestAnswer> answers,
                         const ResumeContext& context = {});
  Status resumeAsync(std::string_view suspensionId, std::vector<RequestAnswer> answers,
                     ResumeContext context, Completion completion);
  std::optional<SuspensionInfo> getSuspended(std::string_view suspensionId) const;
  // Drops a suspended call; false when there is none that resume would go on with.
  bool dropSuspended(std::string_view suspensionId);

  RuntimeStats stats() const;

  // From now on calls end with kUnavailable; those that wait end at once. Those that execute may go
  // on for so long, then they are cancelled; returns when all have ended, true when none had to be.
  // Nobody is inside of this object then. Not from a completion.
  bool shutdown(std::chrono::milliseconds grace);

  struct Parts;  // the library's own

 private:
  friend struct RuntimeAccess;  // for the library's own tests

  explicit Runtime(std::unique_ptr<Parts> parts);
  bool isOurs(const Handler& handler) const;

  std::unique_ptr<Parts> parts_;
};

}  // namespace nexus
