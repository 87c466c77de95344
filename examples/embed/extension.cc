// An extension of one's own: handlers reach it as $ext.stock.
#include <nexus/nexus.h>

#include <iostream>
#include <map>

class Stock final : public nexus::Extension {
 public:
  // Other methods suspend the call: its caller may answer them with Runtime::resume.
  bool answers(std::string_view method) const noexcept override { return method == "count"; }

  // On a thread that calls handlers, so it returns soon. The reply may be moved to another thread
  // and answered there, at any time.
  void call(nexus::ExtensionCall call, nexus::ExtensionReply reply) noexcept override {
    const auto found = counts_.find(call.args);
    if (found == counts_.end()) return reply.error("no such article: " + call.args);
    reply.result(std::to_string(found->second));
  }

 private:
  // By the arguments, which are a JSON array.
  const std::map<std::string, int> counts_ = {{R"(["bolt"])", 12}, {R"(["nut"])", 7}};
};

int main() {
  nexus::RuntimeOptions options;
  options.extensions["stock"] = std::make_shared<Stock>();
  options.extensions["timer"] = nexus::makeTimer();
  auto runtime = nexus::Runtime::make({}, options);
  if (!runtime) return 1;
  const auto result =
      (*runtime)->execute("await $ext.timer.sleep(1); return await $ext.stock.count('bolt')",
                          {.capabilities = {"ext:timer", "ext:stock:count"}});
  std::cout << "bolts: " << result.value.value_or("(none)") << '\n';
  return result.value == "12" ? 0 : 1;
}
