// What the guest may call: its clock, its log, its poll for an interruption. Everything that a call
// makes the host hold is counted here, against limits that only the host knows.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "js/guest.h"
#include "nexus/config.h"
#include "nexus/execution.h"
#include "sandbox/deadline_watch.h"
#include "sandbox/engine.h"

namespace nexus::js {

class Host final : public sandbox::HostImports {
 public:
  // What one call did.
  struct Record {
    std::vector<LogRecord> log;
    uint64_t logBytes = 0;
    uint64_t hostCalls = 0;
    uint64_t polls = 0;
    bool interrupted = false;      // the guest was told to give up
    bool outOfHostMemory = false;  // the call was ended because of it
    std::optional<Error> refusal;  // why else the call was ended
  };

  // kInternalError when the engine's module asks for anything that is not known here.
  static Result<std::unique_ptr<Host>> make(const sandbox::Engine& engine, const GuestApi& api,
                                            const RuntimeConfig& config);

  // Until then the clock stands still and nothing interrupts: what boots is the same each time.
  void goLive(const Anchors* anchors, const sandbox::DeadlineWatch::Slot* slot);
  Record& record() { return record_; }
  void beginCall() { record_ = Record{}; }

  sandbox::ImportResult onImport(uint32_t import, std::span<const uint64_t> args,
                                 sandbox::Sandbox& sandbox) noexcept override;

 private:
  using Method = sandbox::ImportResult (Host::*)(std::span<const uint64_t>, sandbox::Sandbox&);
  struct Known;

  Host(const GuestApi& api, const RuntimeConfig& config) : api_(api), config_(config) {}

  sandbox::ImportResult log(std::span<const uint64_t> args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult poll(std::span<const uint64_t> args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult clock(std::span<const uint64_t> args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult random(std::span<const uint64_t> args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult nothing(std::span<const uint64_t> args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult notSupported(std::span<const uint64_t> args, sandbox::Sandbox& sandbox);
  sandbox::ImportResult refuse(const char* limit, uint64_t value, uint64_t observed);

  const GuestApi& api_;
  const RuntimeConfig& config_;
  const Anchors* anchors_ = nullptr;
  const sandbox::DeadlineWatch::Slot* slot_ = nullptr;
  std::vector<Method> methods_;  // by import
  Record record_;
};

}  // namespace nexus::js
