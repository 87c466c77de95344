// A program that lets handlers work on its orders. Build it against an installed Nexus:
//   cmake -B build -DCMAKE_PREFIX_PATH=/where/nexus/is && cmake --build build && build/embed
#include <nexus/nexus.h>

#include <iostream>

int main() {
  std::cout << "Nexus " << nexus::version() << '\n';

  // One runtime for the whole process; any thread may use it.
  nexus::RuntimeConfig config;
  config.timeout = std::chrono::milliseconds(200);
  auto runtime = nexus::Runtime::make(config);
  if (!runtime) {
    std::cerr << "no runtime: " << runtime.error().message << '\n';
    return 1;
  }

  // Text that somebody else wrote. It may read one key of the state, write another, and nothing
  // else.
  const nexus::HandlerOptions rights{{"state:read:threshold", "state:write:discount"}};
  auto discount = (*runtime)->precompile(
      "if ($args.total > $state.threshold) $state.discount = Math.round($args.total * 0.1);",
      rights);
  if (!discount) {
    std::cerr << "does not compile: " << discount.error().message << '\n';
    return 1;
  }

  const auto state = nexus::StateSnapshot::parse(R"({"threshold": 50, "secret": "s3cr3t"})");
  for (const char* args : {R"({"total": 20})", R"({"total": 120})"}) {
    const auto result = (*runtime)->execute(*discount, {.args = args, .state = *state});
    std::cout << args << ": " << nexus::toString(result.status());
    for (const auto& change : result.stateMutations) {
      std::cout << ", " << change.key << " = " << change.value.value_or("(deleted)");
    }
    std::cout << '\n';
  }

  // Compiled once, found by its text from then on; each call in a fresh sandbox.
  const auto curious = (*runtime)->execute("return $state.secret", rights, {.state = *state});
  if (curious.error) std::cout << "a curious one: " << curious.error->message << '\n';
  const auto sum =
      (*runtime)->execute("return $args.reduce((a, b) => a + b, 0)", {}, {.args = "[1, 2, 3]"});
  std::cout << "sum: " << sum.value.value_or("(none)") << '\n';
  return sum.value == "6" ? 0 : 1;
}
