// No byte that one call wrote is there for the next.
//
// One handler writes 64 secret bytes into every place that JavaScript reaches, in every form it can
// give them. After restoring, all of linear memory must be what the image says, and the bytes
// nowhere in it. That the search would find them is shown before the restore.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "js/testing/rig.h"

namespace nexus::js {
namespace {

using testing::EngineKind;
using testing::Rig;

constexpr char kWriter[] = R"JS(
  const bytes = $args.bytes;
  const hex = $args.hex;
  const text = String.fromCharCode(...bytes);   // one byte a character
  const wide = text + '\u0100';                  // two
  const big = BigInt('0x' + $args.reversedHex);  // little-endian limbs
  const raw = new Uint8Array(bytes);
  globalThis.utf8 = Uint8Array.from(unescape(encodeURIComponent(text)), (c) => c.charCodeAt(0));

  // Names, atoms, symbols, globals, prototypes.
  globalThis[text] = wide;
  globalThis.kept = { [text]: [text, wide, big], [hex]: { [wide]: raw } };
  Object.prototype[hex] = text;
  Array.prototype[wide] = big;
  Function.prototype['f' + text] = () => text;
  const symbols = [Symbol(text), Symbol.for(hex), Symbol.for(wide)];
  globalThis[symbols[0]] = symbols;
  class Holder { #secret = text; static [text] = raw; reveal() { return this.#secret } }
  globalThis.Holder = Holder;
  globalThis.holder = new Holder();

  // Buffers and numbers.
  const buffer = new ArrayBuffer(65536, { maxByteLength: 131072 });
  new Uint8Array(buffer).set(raw, 64000);
  new DataView(buffer).setBigUint64(8, big & 0xffffffffffffffffn, true);
  globalThis.floats = new Float64Array(raw.slice().buffer);
  globalThis.numbers = Array.from(floats);
  globalThis.integers = bytes.map((b) => b | 0);
  globalThis.buffers = [buffer, buffer.transfer(70000), structuredCopy(raw)];
  function structuredCopy(from) { return from.slice().reverse().map((x) => x).reverse() }

  // Collections, weak ones and registries.
  globalThis.map = new Map([[text, wide], [hex, symbols], [big, raw]]);
  globalThis.set = new Set([text, wide, hex, big]);
  globalThis.weak = [new WeakRef({ text }), new WeakRef(raw), new WeakMap([[raw, wide]])];
  globalThis.registry = new FinalizationRegistry((held) => { globalThis.finalized = held });
  registry.register({ text }, text + 'held');
  registry.register([wide], wide);

  // Regular expressions: sources, matches, statics.
  const escaped = text.replace(/[^A-Za-z0-9\x80-\xff]/g, (c) => '\\x' + c.charCodeAt(0).toString(16).padStart(2, '0'));
  globalThis.expression = new RegExp(escaped + '(?<secret>' + hex + ')?', 'dgs');
  globalThis.match = expression.exec('before' + text + hex);
  text.match(/(.+)/s);
  globalThis.replaced = (text + wide).replaceAll(text[0], hex);

  // Errors and stacks.
  globalThis.error = Object.assign(new Error(text), { cause: new AggregateError([text], wide) });
  try { null[text] } catch (e) { globalThis.caught = e }
  try { JSON.parse(text) } catch (e) { globalThis.syntax = e }
  Object.defineProperty(deep, 'name', { value: text });
  function deep(n, local) { return n === 0 ? new Error(local + wide) : deep(n - 1, text) }
  globalThis.trace = deep(150, text);
  if ($args.grow) try { (function endless(s) { return endless(s + '') + s })(text) } catch (e) { globalThis.overflow = e }

  // Frames that wait.
  const generate = function* (s) { const local = s + hex; yield local; yield wide };
  globalThis.generator = generate(text);
  generator.next();
  globalThis.waiting = (async (s) => { const local = s + wide; await new Promise(() => {}); return local })(text);
  globalThis.reaction = new Promise((r) => { globalThis.settle = r }).then((v) => v + text, (e) => e + wide);
  Promise.reject(new Error(text));
  queueMicrotask(() => { globalThis.late = text + hex });
  await text;

  // What is freed again, and memory that grows.
  for (let i = 0; i < 50; i++) { let s = text + i; s += wide; s = s.toUpperCase() + hex.repeat(i) }
  globalThis.grown = [];
  for (let i = 0; i < $args.grow; i++) grown.push(text.repeat(64) + i);
  JSON.stringify({ [text]: wide, hex });
  encodeURIComponent(text); btoa(text); text.normalize(); text.split(''); text.localeCompare(wide);
  new Date(text); parseFloat(text);
  try { new Function(text, hex) } catch {}

  // What the host is told, asked and denied.
  $state[text] = { [wide]: [text] };
  $state.list.push(text, { [hex]: wide });
  $state.list[0].name = hex;
  $emit(text, { [hex]: wide });
  $view.setFilter(text, wide);
  $view.command(hex, text, [wide]);
  globalThis.request = $ext.service[hex](text, { [wide]: hex });
  try { $ext[text].method(wide) } catch (e) { globalThis.denied = [e, e.stack] }
  try { $state.list.broken = () => text } catch (e) { globalThis.refused = e }
  globalThis.proxies = [$state.list, $state.list[0], $state[text], $ext[text], $scope];

  $log(text, wide, hex);
  $log.error({ [text]: big + '' });
  if ($args.end === 'throw') throw new Error(text);
  if ($args.end === 'loop') [].reverse.call({ length: 2 ** 53 - 1, 0: text });
  return [text, hex, wide];
)JS";

using Secret = std::array<unsigned char, 64>;

std::string toHex(const Secret& secret, bool reversed) {
  std::string text;
  for (size_t i = 0; i < secret.size(); ++i) {
    const unsigned char byte = reversed ? secret[secret.size() - 1 - i] : secret[i];
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

// One way in which the secret may lie in memory.
struct Form {
  const char* name;
  std::string bytes;
};

std::vector<Form> formsOf(const Secret& secret) {
  Form raw{"bytes", std::string(secret.begin(), secret.end())};
  Form wide{"16-bit characters", ""};
  Form utf8{"UTF-8", ""};
  Form values{"array of numbers", ""};
  for (const unsigned char byte : secret) {
    wide.bytes += {static_cast<char>(byte), '\0'};
    if (byte < 0x80) {
      utf8.bytes += static_cast<char>(byte);
    } else {
      utf8.bytes += {static_cast<char>(0xC0 | byte >> 6), static_cast<char>(0x80 | (byte & 0x3F))};
    }
    values.bytes += static_cast<char>(byte) + std::string(7, '\0');
  }
  return {raw,
          wide,
          utf8,
          values,
          {"hexadecimal", toHex(secret, false)},
          {"hexadecimal, reversed", toHex(secret, true)}};
}

std::string argsOf(const Secret& secret, int grow, const char* end) {
  std::string text = "{\"bytes\":[";
  for (const unsigned char byte : secret) text += std::to_string(byte) + ',';
  text.back() = ']';
  return text + R"(,"hex":")" + toHex(secret, false) + R"(","reversedHex":")" +
         toHex(secret, true) + R"(","grow":)" + std::to_string(grow) + R"(,"end":")" + end + "\"}";
}

size_t count(std::span<const std::byte> memory, std::string_view needle) {
  size_t found = 0;
  while (true) {
    const void* at = memmem(memory.data(), memory.size(), needle.data(), needle.size());
    if (at == nullptr) return found;
    ++found;
    memory = memory.subspan(static_cast<size_t>(static_cast<const std::byte*>(at) - memory.data()) +
                            needle.size());
  }
}

std::vector<std::byte> memoryOf(const JsSandbox& sandbox) {
  std::vector<std::byte> memory(sandbox.raw().memoryBytes());
  EXPECT_TRUE(sandbox.raw().copyOut(0, memory));
  return memory;
}

// The common case of sameContent, without allocating megabytes each time.
bool isExactly(const testing::Content& expected, Rig& rig, std::vector<std::byte>& buffer) {
  const auto& sandbox = rig.sandbox().raw();
  if (sandbox.memoryBytes() != expected.memory.size()) return false;
  buffer.resize(expected.memory.size());
  if (!sandbox.copyOut(0, buffer)) return false;
  if (sandbox.global(rig.engine().api().stackPointer).unchecked("a test") != expected.stackPointer)
    return false;
  return std::memcmp(buffer.data(), expected.memory.data(), buffer.size()) == 0;
}

class CanaryTest : public ::testing::Test {
 protected:
  // Bytes that make 16-bit characters, UTF-8 and regular expressions unambiguous are all that is
  // asked of the generator; what it gives is the same in every run.
  Secret nextSecret() {
    Secret secret;
    for (auto& byte : secret) byte = static_cast<unsigned char>(1 + random_() % 255);
    secret[0] |= 0x80;
    secret[40] |= 0x80;
    return secret;
  }

  // A fragment is as bad as the whole.
  static void expectNowhere(std::span<const std::byte> memory, const Secret& secret) {
    for (const Form& form : formsOf(secret)) {
      const size_t part = form.bytes.size() / 4;
      for (size_t at = 0; at + part <= form.bytes.size(); at += part) {
        EXPECT_EQ(count(memory, std::string_view(form.bytes).substr(at, part)), 0u) << form.name;
      }
    }
  }

  static void expectEverywhere(std::span<const std::byte> memory, const Secret& secret) {
    for (const Form& form : formsOf(secret)) {
      if (std::string_view(form.name) == "hexadecimal, reversed") continue;  // parsed and gone
      EXPECT_GE(count(memory, form.bytes), 1u) << form.name;
    }
    EXPECT_GE(count(memory, formsOf(secret)[0].bytes), 20u);
    EXPECT_GE(count(memory, formsOf(secret)[1].bytes), 3u);
  }

  // Arguments, scope and state hold the secret.
  static ExecutionResult call(Rig& rig, const Handler& handler, const Secret& secret, int grow,
                              const char* end) {
    const std::string args = argsOf(secret, grow, end);
    const std::string_view tokens[] = {"state:read:*", "state:write:*", "events:emit:*",
                                       "view:update:*", "ext:service"};
    Rights rights;
    for (const std::string_view token : tokens) rights.add(parseCapability(token).value());
    const auto state =
        StateSnapshot::parse(R"({"list":[{"name":")" + toHex(secret, false) + "\"}]}").value();
    return rig.sandbox().invoke(handler,
                                {.args = args, .scope = args, .state = state, .rights = &rights});
  }

  void run(EngineKind kind, int calls, int scanEvery, const char* end) {
    RuntimeConfig config;
    if (std::string_view(end) == "loop") config.timeout = std::chrono::milliseconds(30);
    Rig rig(kind, config);
    const auto handler = rig.compile(kWriter);
    ASSERT_TRUE(handler);
    const auto expected = rig.contentOf(*handler->image);
    std::vector<std::byte> content;
    for (int i = 0; i < calls; ++i) {
      const Secret secret = nextSecret();
      const int grow = i % 50 == 49 ? 1000 : 0;
      const ExecutionResult result = call(rig, *handler, secret, grow, end);
      ASSERT_EQ(result.ok(), std::string_view(end).empty()) << testing::outcomeOf(result);
      ASSERT_EQ(result.stateMutations.size(), result.ok() ? 2u : 0u);
      const bool scan = i % scanEvery == 0;
      if (scan) expectEverywhere(memoryOf(rig.sandbox()), secret);
      ASSERT_TRUE(rig.sandbox().restore());
      ASSERT_TRUE(isExactly(expected, rig, content)) << "call " << i;
      if (scan) expectNowhere(content, secret);
    }
    rig.expectNextCallRight();
  }

 private:
  std::mt19937_64 random_{20240229};
};

TEST_F(CanaryTest, NothingStaysAfterASuccess) {
  run(EngineKind::kNative, 10'000 / testing::kCountDivisor, 250, "");
}

TEST_F(CanaryTest, NothingStaysAfterAnError) {
  run(EngineKind::kNative, 500 / testing::kCountDivisor, 50, "throw");
}

TEST_F(CanaryTest, NothingStaysAfterATimeout) { run(EngineKind::kNative, 20, 5, "loop"); }

TEST_F(CanaryTest, NothingStaysOnTheCheckedEngine) {
  run(EngineKind::kChecked, 500 / testing::kCountDivisor, 50, "");
}

// What the text of a handler holds is in no other handler's memory.
TEST_F(CanaryTest, NothingOfAHandlerStaysForAnother) {
  Rig rig(EngineKind::kNative);
  const auto other = rig.compile("return 1");
  ASSERT_TRUE(other);
  const auto expected = rig.contentOf(*other->image);
  for (int i = 0; i < 10; ++i) {
    const Secret secret = nextSecret();
    const auto mine =
        rig.compile("const s = '" + toHex(secret, false) + "'; globalThis[s] = s; return s");
    ASSERT_TRUE(mine);
    ASSERT_TRUE(rig.sandbox().invoke(*mine, {.args = "null"}).ok());
    EXPECT_GE(count(memoryOf(rig.sandbox()), toHex(secret, false)), 1u);
    EXPECT_EQ(testing::outcomeOf(rig.invoke(*other)), "1");
    const auto content = rig.contentOf(rig.sandbox());
    ASSERT_TRUE(testing::sameContent(expected, content));
    expectNowhere(content.memory, secret);
  }
}

}  // namespace
}  // namespace nexus::js
