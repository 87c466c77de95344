// One call from its start to its end, over its waits: runs it, makes the requests that extensions
// answer, and puts it away while it waits for them.
//
//   begin ──► runs ──ends──────────────────────────────────────► kEnded
//               │ waits
//               ├─ an answer is there already: goes on in place
//               ├─ for extensions: put away, the instance given back ──► kWaits ──goOn──► runs
//               └─ for nobody but somebody outside: put away under an id ──► kEnded, with
//               suspensionId
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "nexus/extension.h"
#include "nexus/observer.h"
#include "nexus/runtime.h"
#include "runtime/call_gate.h"
#include "runtime/handler_compiler.h"
#include "runtime/inbox.h"
#include "runtime/instance_pool.h"
#include "runtime/suspension_store.h"

namespace nexus::runtime {

using Extensions = std::map<std::string, std::shared_ptr<Extension>, std::less<>>;

// What calls of one runtime share.
struct CallSurroundings {
  InstancePool& pool;
  SuspensionStore& suspensions;
  const Extensions& extensions;
  Observer& observer;
  const Clock& clock;
  CallGate& gate;
  std::atomic<uint64_t>& calls;  // that have ended
  std::chrono::milliseconds acquireTimeout;
};

// For one thread at a time.
class CallRun {
 public:
  enum class Step { kEnded, kWaits };

  // What a call is allowed, for all of its runs.
  struct Terms {
    js::RunLimit limit;
    Repeat repeat;
    FlushFunction onFlush;
  };

  CallRun(const CallSurroundings& surroundings, Terms terms)
      : around_(surroundings), terms_(std::move(terms)) {}
  CallRun(const CallRun&) = delete;
  CallRun& operator=(const CallRun&) = delete;
  // A call that was not finished is dropped.
  ~CallRun();

  // For the handler, or its compiling.
  HandlerCompiler::Request request() const;
  // With what the compiler found, or why it found nothing. `args` and `scope` are looked at before
  // this returns.
  Step begin(std::shared_ptr<const Rights> rights, Result<HandlerCompiler::Found> found,
             std::string_view args, std::string_view scope, const StateSnapshot& state);
  // Goes on with a call that was put away for somebody outside. A refusal (no such suspension, an
  // answer that does not fit) ends this run with its error, and leaves the suspension as it is.
  Step resume(const SuspensionId& id, std::span<const RequestAnswer> answers,
              const StateSnapshot& state);
  // When something has come after kWaits, or might have.
  Step goOn();
  // Ends it, wherever it is.
  Step fail(Error error);

  // After kWaits: where something comes.
  const std::shared_ptr<Inbox>& inbox() const { return inbox_; }
  // After kEnded: counts it and tells the observer, once.
  ExecutionResult finish();
  // Restores the instance and gives it back; at the latest the destructor does.
  void giveBack() { lease_.reset(); }

 private:
  js::CallInput input() const;
  Result<PooledInstance> lease(const sandbox::Image* image) const;
  Status acquire(const sandbox::Image* image);
  // A request that an extension answers.
  struct Asked {
    uint64_t id = 0;
    Extension* extension = nullptr;  // null: it was asked
  };

  Step follow(ExecutionResult part);
  void absorb(ExecutionResult& part);
  bool flush(ExecutionResult& part);
  bool assign(const std::vector<ExtensionRequest>& pending);
  void ask(const std::vector<ExtensionRequest>& pending);
  Extension* extensionFor(const ExtensionRequest& request) const;
  Step putAway();
  Step leave();
  bool store(std::shared_ptr<Inbox> inbox);
  void abandon();
  static std::vector<js::Settlement> settle(std::vector<Inbox::Answer>& answers);

  const CallSurroundings& around_;
  Terms terms_;
  std::shared_ptr<const Rights> rights_;
  StateSnapshot state_;
  std::shared_ptr<const js::Handler> handler_;
  std::optional<PooledInstance> lease_;
  std::shared_ptr<Inbox> inbox_;
  SuspensionId id_;
  bool isAway_ = false;       // under id_
  uint64_t lastRequest_ = 0;  // that was assigned to an extension, or left to somebody outside
  std::vector<Asked> asked_;  // and not answered yet, by id
  ExecutionResult total_;
  CacheTier tier_ = CacheTier::kNone;
  std::chrono::microseconds compilationTime_{0};
  std::chrono::microseconds wait_{0};
  uint64_t instanceId_ = 0;
};

}  // namespace nexus::runtime
