#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "nexus/extension.h"

namespace nexus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What has arrived, as "+result" and "-error".
class ExtensionReplyTest : public ::testing::Test {
 protected:
  ExtensionReply makeReply() {
    return ExtensionReply([this](bool isResult, const std::string& text) {
      arrived_.push_back((isResult ? "+" : "-") + text);
    });
  }

  std::vector<std::string> arrived_;
};

constexpr char kNone[] = "-the extension gave no answer";

TEST_F(ExtensionReplyTest, TheFirstAnswerCounts) {
  {
    ExtensionReply reply = makeReply();
    reply.result("1");
    reply.result("2");
    reply.error("late");
  }
  {
    ExtensionReply reply = makeReply();
    reply.error("no");
    reply.result("3");
  }
  EXPECT_THAT(arrived_, ElementsAre("+1", "-no"));
}

TEST_F(ExtensionReplyTest, DestroyedWithoutAnAnswerItGivesAnError) {
  { const ExtensionReply reply = makeReply(); }
  EXPECT_THAT(arrived_, ElementsAre(kNone));
}

TEST_F(ExtensionReplyTest, MovedItAnswersOnce) {
  std::optional<ExtensionReply> first(makeReply());
  ExtensionReply second(std::move(*first));
  first->result("from what was moved");
  first.reset();
  EXPECT_THAT(arrived_, IsEmpty());
  std::thread([reply = std::move(second)]() mutable { reply.result("1"); }).join();
  EXPECT_THAT(arrived_, ElementsAre("+1"));
}

TEST_F(ExtensionReplyTest, WhatIsReplacedGivesNoAnswer) {
  ExtensionReply one = makeReply();
  ExtensionReply two = makeReply();
  one = std::move(two);
  EXPECT_THAT(arrived_, ElementsAre(kNone));
  one.result("two's");
  EXPECT_THAT(arrived_, ElementsAre(kNone, "+two's"));
  one = makeReply();  // nothing is left to be said by the old one
  EXPECT_EQ(arrived_.size(), 2U);
  ExtensionReply& same = one;
  one = std::move(same);
  one.result("3");
  EXPECT_EQ(arrived_.back(), "+3");
}

TEST_F(ExtensionReplyTest, WithoutASinkNothingHappens) {
  ExtensionReply reply(nullptr);
  reply.result("1");
  reply = makeReply();
  reply = ExtensionReply(nullptr);
  EXPECT_THAT(arrived_, ElementsAre(kNone));
}

// It may end the reply's owner, and with it the reply.
TEST_F(ExtensionReplyTest, AnAnswerMayDestroyTheReply) {
  std::unique_ptr<ExtensionReply> reply;
  reply = std::make_unique<ExtensionReply>([&](bool, const std::string& text) {
    reply.reset();
    arrived_.push_back(text);
  });
  reply->result("1");
  EXPECT_THAT(arrived_, ElementsAre("1"));
}

// Was the end of the process: destructors do not throw.
TEST_F(ExtensionReplyTest, WithoutMemoryItEndsInSilence) {
  const auto fails = [](bool, const std::string&) { throw std::bad_alloc(); };
  { const ExtensionReply reply(fails); }
  ExtensionReply reply(fails);
  reply = makeReply();
  EXPECT_THAT(arrived_, IsEmpty());
}

}  // namespace
}  // namespace nexus
