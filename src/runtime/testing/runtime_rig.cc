#include "runtime/testing/runtime_rig.h"

#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>

#include "sandbox/image.h"
#include "sandbox/native/native_engine.h"
#include "sandbox/native/quickjs_modules.h"

namespace nexus::runtime::testing {

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

std::string codeOf(const ExecutionResult& result) {
  return result.error ? std::string(toString(result.error->code)) : "ok";
}

std::string outcomeOf(const ExecutionResult& result) {
  if (result.error) return codeOf(result) + ": " + result.error->message;
  return result.value.value_or("(none)");
}

void Gate::pass() {
  visitors_.fetch_add(1);
  const MutexLock lock(mutex_);
  while (!isOpen_) opened_.wait(mutex_);
}

void Gate::open() {
  const MutexLock lock(mutex_);
  isOpen_ = true;
  opened_.notifyAll();
}

Clock::Time TestClock::now() const {
  asked_.fetch_add(1);
  return Time(std::chrono::nanoseconds(now_.load()));
}

void TestObserver::onCall(const CallReport& report) noexcept {
  add("call: " + std::string(report.error != nullptr ? toString(report.error->code)
                                                     : toString(report.status)));
}

void TestObserver::onCache(const CacheReport& report) noexcept {
  constexpr const char* kResults[] = {"hit", "miss", "rejected", "failed"};
  add(std::string(toString(report.tier)) + ": " + kResults[static_cast<size_t>(report.result)]);
}

void TestObserver::onCompile(const CompileReport& report) noexcept {
  add("compile: " +
      std::string(report.error != nullptr ? toString(report.error->code) : std::string_view("ok")));
}

void TestObserver::onEviction(CacheTier tier, uint64_t count) noexcept {
  add(std::string(toString(tier)) + ": evicted " + std::to_string(count));
}

void TestObserver::onInstanceDiscarded(uint64_t instanceId) noexcept {
  add("discarded " + std::to_string(instanceId));
}

void TestObserver::add(std::string line) {
  std::function<void(const std::string&)> hook;
  {
    const MutexLock lock(mutex_);
    lines_.push_back(line);
    hook = hook_;
  }
  if (hook) hook(line);
}

void TestObserver::onSuspension(SuspensionOutcome outcome) noexcept {
  add("suspension: " + std::string(toString(outcome)));
}

std::vector<std::string> TestObserver::take() {
  const MutexLock lock(mutex_);
  return std::exchange(lines_, {});
}

uint64_t TestObserver::count(std::string_view beginning) const {
  const MutexLock lock(mutex_);
  uint64_t count = 0;
  for (const std::string& line : lines_) count += line.starts_with(beginning) ? 1 : 0;
  return count;
}

void TestObserver::setHook(std::function<void(const std::string&)> hook) {
  const MutexLock lock(mutex_);
  hook_ = std::move(hook);
}

// Passes everything on to a sandbox that works.
class FaultySandbox final : public sandbox::Sandbox {
 public:
  FaultySandbox(const FaultyEngine& engine, std::unique_ptr<sandbox::Sandbox> real)
      : engine_(engine), real_(std::move(real)) {}

  sandbox::CallResult call(sandbox::FunctionId function, std::span<const uint64_t> args) override {
    return real_->call(function, args);
  }
  bool copyIn(sandbox::GuestAddress to, std::span<const std::byte> from) override {
    return real_->copyIn(to, from);
  }
  bool copyOut(sandbox::GuestAddress from, std::span<std::byte> to) const override {
    return real_->copyOut(from, to);
  }
  uint64_t memoryBytes() const override { return real_->memoryBytes(); }
  sandbox::Tainted<uint64_t> global(sandbox::GlobalId global) const override {
    return real_->global(global);
  }
  uint64_t refusedGrowth() const override { return real_->refusedGrowth(); }
  Result<std::shared_ptr<const sandbox::Image>> capture(
      std::span<const sandbox::AddressRange> dead) override {
    return real_->capture(dead);
  }
  bool restore(const std::shared_ptr<const sandbox::Image>& image) override {
    return engine_.allows(FaultyEngine::Step::kRestore) && real_->restore(image);
  }
  std::optional<sandbox::Delta> takeDelta(std::span<const sandbox::AddressRange> dead) override {
    if (!engine_.allows(FaultyEngine::Step::kRestore)) return std::nullopt;
    return real_->takeDelta(dead);
  }
  bool apply(const sandbox::Delta& delta) override {
    return engine_.allows(FaultyEngine::Step::kRestore) && real_->apply(delta);
  }
  void trim() override {
    if (engine_.allows(FaultyEngine::Step::kTrim)) real_->trim();
  }
  void requestStop() noexcept override { real_->requestStop(); }
  void clearStop() noexcept override { real_->clearStop(); }

 private:
  const FaultyEngine& engine_;
  const std::unique_ptr<sandbox::Sandbox> real_;
};

FaultyEngine::FaultyEngine() : native_(sandbox::makeNativeEngine(sandbox::nativeQuickJs())) {}

void FaultyEngine::onCreate(Hook hook) { set(Step::kCreate, std::move(hook)); }
void FaultyEngine::onRestore(Hook hook) { set(Step::kRestore, std::move(hook)); }
void FaultyEngine::onTrim(Hook hook) { set(Step::kTrim, std::move(hook)); }

void FaultyEngine::reset() {
  onCreate(nullptr);
  onRestore(nullptr);
  onTrim(nullptr);
}

void FaultyEngine::set(Step step, Hook hook) {
  const MutexLock lock(mutex_);
  hooks_[static_cast<size_t>(step)] =
      hook ? std::make_shared<const Hook>(std::move(hook)) : nullptr;
}

bool FaultyEngine::allows(Step step) const {
  std::shared_ptr<const Hook> hook;
  {
    const MutexLock lock(mutex_);
    hook = hooks_[static_cast<size_t>(step)];
  }
  return hook == nullptr || (*hook)();
}

Result<std::unique_ptr<sandbox::Sandbox>> FaultyEngine::createSandbox(
    const sandbox::SandboxOptions& options, sandbox::HostImports& imports,
    const std::shared_ptr<const sandbox::Image>& image) {
  if (!allows(Step::kCreate)) {
    return Error{.code = ErrorCode::kUnavailable, .message = "the test refuses a sandbox"};
  }
  auto real = native_->createSandbox(options, imports, image);
  if (!real) return real;
  return std::unique_ptr<sandbox::Sandbox>(new FaultySandbox(*this, std::move(*real)));
}

namespace {

Error broken(const std::string& path) {
  return Error{.code = ErrorCode::kUnavailable, .message = path + ": the test breaks it"};
}

}  // namespace

Status HookedFiles::checkFolder(const std::string& path) {
  return hook_() ? real_->checkFolder(path) : broken(path);
}

Status HookedFiles::makeFolder(const std::string& path) {
  return hook_() ? real_->makeFolder(path) : broken(path);
}
Result<std::string> HookedFiles::read(const std::string& path, uint64_t maxBytes) {
  if (!hook_()) return broken(path);
  return real_->read(path, maxBytes);
}
Status HookedFiles::replace(const std::string& path, std::string_view bytes) {
  return hook_() ? real_->replace(path, bytes) : broken(path);
}
Status HookedFiles::create(const std::string& path, std::string_view bytes) {
  return hook_() ? real_->create(path, bytes) : broken(path);
}
Result<std::vector<FileSystem::Entry>> HookedFiles::list(const std::string& folder) {
  if (!hook_()) return broken(folder);
  return real_->list(folder);
}
Status HookedFiles::remove(const std::string& path) {
  return hook_() ? real_->remove(path) : broken(path);
}

EngineRig::EngineRig(const RuntimeConfig& config)
    : js(take(js::JsEngine::make(engine, watch, config))), bench(take(js::JsSandbox::make(*js))) {}

std::shared_ptr<const js::Handler> EngineRig::compile(std::string_view source) {
  return take(bench->compile(source));
}

std::shared_ptr<const js::Handler> EngineRig::makeUnrestorable() {
  const std::shared_ptr<const sandbox::Image> base = js->base().image;
  const std::vector<uint64_t> globals(base->globals().begin(), base->globals().end());
  const uint64_t tooMuch = js->config().memoryLimitBytes + sandbox::kWasmPageBytes;
  auto image = sandbox::Image::makeDifference(base, tooMuch, globals, {});
  auto code = std::make_shared<const js::HandlerCode>(js::HandlerCode{"return 1", ""});
  return std::make_shared<const js::Handler>(js::Handler{std::move(code), std::move(image)});
}

PooledInstance PoolRig::lease(const sandbox::Image* image) {
  auto lease = pool.acquire({.image = image});
  if (lease) return std::move(*lease);
  ADD_FAILURE() << "no lease: " << lease.error().message;
  std::abort();  // there is no empty one
}

CompilerRig::CompilerRig(Setup setup)
    : PoolRig(setup.pool, setup.config),
      files(setup.files ? std::move(setup.files) : makePosixFileSystem()),
      memory(setup.config.maxCacheSize),
      compiler(*js, pool, memory, makeStore(setup.config), clock, observer) {}

HandlerStore* CompilerRig::makeStore(const RuntimeConfig& config) {
  if (config.cacheDir.empty()) return nullptr;
  cacheStore = std::make_unique<CacheStore>(*files, config.cacheDir, config.maxDiskCacheBytes);
  store = std::make_unique<HandlerStore>(*js, *cacheStore, observer);
  return store.get();
}

std::string CompilerRig::find(std::string_view source, const HandlerCompiler::Request& request) {
  const auto found = compiler.find(source, request);
  if (!found) return codeOf(found);
  EXPECT_NE(found->handler, nullptr);
  EXPECT_NE(found->loaded, nullptr);
  return std::string(toString(found->tier));
}

std::unique_ptr<Runtime> makeRuntime(const RuntimeConfig& config, RuntimeDependencies outside) {
  return take(RuntimeAccess::make(config, std::move(outside)));
}

}  // namespace nexus::runtime::testing
