#include "runtime/testing/waiting_calls.h"

#include <utility>

namespace nexus::runtime::testing {

Suspension StoreRig::suspend(const std::shared_ptr<const js::Handler>& handler, int n,
                             std::shared_ptr<Inbox> inbox) {
  static const auto kRights = std::make_shared<const Rights>(*Rights::parse({{"ext:*"}}));
  const std::string args = R"({"n":)" + std::to_string(n) + "}";
  const ExecutionResult result = bench->invoke(*handler, {.args = args, .rights = kRights.get()});
  EXPECT_EQ(result.status(), CallStatus::kSuspended) << outcomeOf(result);
  Suspension suspension{testing::take(bench->suspend(handler)), kRights, std::move(inbox), {}};
  EXPECT_TRUE(bench->restore());
  return suspension;
}

std::string StoreRig::resume(Suspension suspension) {
  const js::Settlement settlement{.requestId = 1, .text = "7"};
  const auto result = bench->resume(suspension.call, {}, {&settlement, 1});
  EXPECT_TRUE(bench->restore());
  return result ? outcomeOf(*result) : codeOf(result);
}

}  // namespace nexus::runtime::testing
