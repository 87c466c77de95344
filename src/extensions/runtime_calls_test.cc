// Handlers that use what is built in, through the public API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "extensions/testing/loopback_server.h"
#include "extensions/timer.h"
#include "nexus/nexus.h"

namespace nexus::extensions {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using Connection = LoopbackServer::Connection;

class RuntimeCallsTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.extensions["timer"] = timer_;
    auto http = makeHttp({.allow = {"127.0.0.1:" + std::to_string(server_.port())}});
    ASSERT_TRUE(http.ok()) << http.error().message;
    options_.extensions["web"] = *http;
    auto runtime = Runtime::make({}, options_);
    ASSERT_TRUE(runtime.ok()) << runtime.error().message;
    runtime_ = std::move(*runtime);
  }

  ExecutionResult run(const std::string& source, const std::vector<std::string>& capabilities,
                      std::stop_token stop = {}) {
    const std::string args = "{\"url\": \"" + server_.url("/") + "\"}";
    return runtime_->execute(source, {capabilities}, {.args = args, .stop = std::move(stop)});
  }

  LoopbackServer server_{[](Connection& connection) {
    while (!connection.read().empty() &&
           connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")) {
    }
  }};
  const std::shared_ptr<Timer> timer_ = std::make_shared<Timer>();
  RuntimeOptions options_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(RuntimeCallsTest, SeveralAtOnce) {
  const ExecutionResult result =
      run("const [a, b, c] = await Promise.all([\n"
          "  $ext.web.get($args.url), $ext.timer.sleep(2), $ext.web.post($args.url, {n: 1})]);\n"
          "return [a.status, a.body, b, c.body]",
          {"ext:web", "ext:timer"});
  EXPECT_EQ(result.value, R"([200,"fine",null,"fine"])")
      << (result.error ? result.error->message : "");
  EXPECT_THAT(server_.requests(), testing::Contains(HasSubstr("{\"n\":1}")));
}

TEST_F(RuntimeCallsTest, ARightMayBeForOneMethod) {
  const ExecutionResult result =
      run("let refused; try { await $ext.web.post($args.url) } catch (e) { refused = e.code }\n"
          "return [refused, (await $ext.web.get($args.url)).body]",
          {"ext:web:get"});
  EXPECT_EQ(result.value, R"(["PERMISSION_DENIED","fine"])");
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(RuntimeCallsTest, AFailureIsAnErrorToCatch) {
  const ExecutionResult result =
      run("return await $ext.web.get('http://b.example/').catch((e) => [e.name, e.message])",
          {"ext:web"});
  EXPECT_EQ(result.value,
            R"(["ExtensionError","http: the host 'b.example' is not in http_allow"])");
}

TEST_F(RuntimeCallsTest, ACancelledCallLeavesNothingBehind) {
  std::stop_source stop;
  auto call = std::async(std::launch::async, [&] {
    return run("await $ext.timer.sleep(86400000)", {"ext:timer"}, stop.get_token());
  });
  while (timer_->sleeping() == 0) std::this_thread::yield();
  stop.request_stop();
  const ExecutionResult result = call.get();
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code, ErrorCode::kCancelled);
  while (timer_->sleeping() > 0) std::this_thread::yield();
}

TEST_F(RuntimeCallsTest, AShutdownDoesNotWaitForSleepers) {
  auto call = std::async(std::launch::async,
                         [&] { return run("await $ext.timer.sleep(86400000)", {"ext:timer"}); });
  while (timer_->sleeping() == 0) std::this_thread::yield();
  runtime_->shutdown(milliseconds(0));
  ASSERT_TRUE(call.get().error);
  while (timer_->sleeping() > 0) std::this_thread::yield();
}

}  // namespace
}  // namespace nexus::extensions
