#include "sandbox/testing/probe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "sandbox/native/native_engine.h"

namespace nexus::sandbox {

void PrintTo(Trap trap, std::ostream* out) { *out << toString(trap); }

void PrintTo(const CallResult& result, std::ostream* out) {
  if (result.ok()) {
    *out << "returned " << result.value.unchecked("a test");
  } else {
    *out << "trap: " << toString(result.trap);
  }
}

bool operator==(const CallResult& left, const CallResult& right) {
  return left.trap == right.trap && (!left.ok() || left.value.is(right.value.unchecked("a test")));
}

}  // namespace nexus::sandbox

namespace nexus::sandbox::testing {
namespace {

struct Export {
  std::string_view name;
  std::string_view signature;
};

constexpr Export kExports[] = {
    {"load", "i:i"},
    {"loadFar", "i:i"},
    {"store", "ii:v"},
    {"fill", "iii:v"},
    {"grow", "i:i"},
    {"pages", ":i"},
    {"setStack", "i:v"},
    {"bump", ":j"},
    {"callTable", "i:i"},
    {"divide", "ii:i"},
    {"truncate", "d:i"},
    {"giveUp", ":v"},
    {"spin", ":v"},
    {"recurse", "i:i"},
    {"echo", "ijfd:j"},
    {"note", "i:v"},
    {"recurseAndNote", "i:v"},
    {"half", "f:f"},
    {"passI", "i:i"},
    {"passJ", "j:j"},
    {"passF", "f:f"},
    {"passD", "d:d"},
    {"noteThenLoad", "i:i"},
    {"noteForever", ":v"},
    {"countTo", "i:i"},
    {"fibonacci", "i:i"},
    {"recurseInTail", "i:v"},
};

std::unique_ptr<Engine> makeEngine(Build build) {
  return build == Build::kNative ? makeNativeEngine(nexus_module_probe)
                                 : makeCheckedEngine(nexus_module_probe_checked);
}

}  // namespace

std::string toString(Build build) { return build == Build::kNative ? "native" : "checked"; }

void PrintTo(Build build, std::ostream* out) { *out << toString(build); }

void ProbeImports::useNumbersOf(const Engine& engine) {
  const auto imports = engine.imports();
  for (uint32_t i = 0; i < imports.size(); ++i) {
    if (imports[i].name == "note") note_ = i;
    if (imports[i].name == "echo") echo_ = i;
  }
}

ImportResult ProbeImports::onImport(uint32_t import, std::span<const Tainted<uint64_t>> tainted,
                                    Sandbox& sandbox) noexcept {
  std::vector<uint64_t> args;
  for (const auto& value : tainted) args.push_back(value.unchecked("a test"));
  if (import == echo_) return onEcho(args, sandbox);
  if (import == note_) return onNote(args, sandbox);
  return {args[0]};
}

ProbeEngine::ProbeEngine(Build build) : engine_(makeEngine(build)) {}

FunctionId ProbeEngine::find(std::string_view name) const {
  for (const Export& known : kExports) {
    if (known.name != name) continue;
    if (const auto found = engine_->findFunction(name, known.signature)) return *found;
  }
  ADD_FAILURE() << "the probe does not export " << name;
  std::abort();
}

Probe::Probe(Build build, const SandboxOptions& options, const std::shared_ptr<const Image>& image)
    : engine_(build) {
  imports_.useNumbersOf(*engine_);
  sandbox_ = std::move(engine_->createSandbox(options, imports_, image)).value();
}

CallResult Probe::call(std::string_view name, std::initializer_list<uint64_t> args) {
  return sandbox_->call(engine_.find(name), {args.begin(), args.size()});
}

std::shared_ptr<const Image> Probe::capture(std::initializer_list<AddressRange> dead) {
  return std::move(sandbox_->capture({dead.begin(), dead.size()})).value();
}

uint32_t Probe::load(GuestAddress at) {
  uint32_t word = 0;
  EXPECT_TRUE(sandbox_->copyOut(at, std::as_writable_bytes(std::span(&word, 1))));
  return word;
}

std::vector<std::byte> Probe::memory() {
  std::vector<std::byte> bytes(sandbox_->memoryBytes());
  EXPECT_TRUE(sandbox_->copyOut(0, bytes));
  return bytes;
}

bool Probe::holds(std::span<const std::byte> expected) {
  scratch_.resize(sandbox_->memoryBytes());
  EXPECT_TRUE(sandbox_->copyOut(0, scratch_));
  return scratch_.size() == expected.size() &&
         std::memcmp(scratch_.data(), expected.data(), expected.size()) == 0;
}

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace nexus::sandbox::testing
