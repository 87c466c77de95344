#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "nexus/state.h"

namespace nexus {
namespace {

using std::string_literals::operator""s;

StateSnapshot parse(std::string_view object) {
  auto state = StateSnapshot::parse(object);
  EXPECT_TRUE(state.ok()) << state.error().message;
  return state ? *state : StateSnapshot();
}

StateMutation set(std::string key, std::string value) { return {std::move(key), std::move(value)}; }

StateMutation remove(std::string key) { return {std::move(key), std::nullopt}; }

std::vector<std::string> keysOf(const StateSnapshot& state) {
  std::vector<std::string> keys;
  for (const StateSnapshot::Entry& entry : state.entries()) keys.push_back(entry.key);
  return keys;
}

TEST(StateSnapshotTest, NoneIsEmpty) {
  const StateSnapshot state;
  EXPECT_TRUE(state.entries().empty());
  EXPECT_EQ(state.find(""), nullptr);
  EXPECT_EQ(state.toJson(), "{}");
  EXPECT_EQ(parse(" { } ").toJson(), "{}");
}

TEST(StateSnapshotTest, MembersKeepTheirOrderAndTheirText) {
  const StateSnapshot state = parse(R"( { "b" : [1, 2] , "a":1.0e0,"":"\u0041" } )");
  EXPECT_EQ(keysOf(state), (std::vector<std::string>{"b", "a", ""}));
  EXPECT_EQ(*state.find("b")->value, "[1, 2]");
  EXPECT_EQ(*state.find("a")->value, "1.0e0");
  EXPECT_EQ(*state.find("")->value, R"("\u0041")");
  EXPECT_FALSE(state.find("a")->isComputed);
}

TEST(StateSnapshotTest, KeysAreFoundByTheirBytes) {
  const StateSnapshot state =
      parse(R"({"cpu":1,"a\u0000b":2,"__proto__":3,"é":4,"\ufeffx":5,"a.b":6,"a":7})");
  const struct {
    std::string key;
    const char* value;  // null: there is none
  } rows[] = {{"cpu", "1"}, {"CPU", nullptr},     {"cpu ", nullptr},  {"a\0b"s, "2"},
              {"a", "7"},   {"a\0"s, nullptr},    {"__proto__", "3"}, {"constructor", nullptr},
              {"é", "4"},   {"e\u0301", nullptr}, {"\uFEFFx", "5"},   {"x", nullptr},
              {"a.b", "6"}, {"", nullptr}};
  for (const auto& row : rows) {
    const StateSnapshot::Entry* found = state.find(row.key);
    ASSERT_EQ(found != nullptr, row.value != nullptr) << row.key;
    if (found == nullptr) continue;
    EXPECT_EQ(found->key, row.key);
    EXPECT_EQ(*found->value, row.value) << row.key;
  }
}

TEST(StateSnapshotTest, WhatIsNoObjectIsRefused) {
  const struct {
    const char* text;
    const char* message;
  } rows[] = {
      {"", "--state is not valid JSON at line 1, column 1: it is empty"},
      {"[]", "--state must be a JSON object"},
      {"null", "--state must be a JSON object"},
      {"{\"a\":1,\n \"a\":2}",
       "--state is not valid JSON at line 2, column 2: the name \"a\" is there twice"},
      {"{\"a\":1,}",
       "--state is not valid JSON at line 1, column 8: expected a property name in double quotes"},
  };
  for (const auto& row : rows) {
    const auto state = StateSnapshot::parse(row.text, "--state");
    ASSERT_FALSE(state.ok()) << row.text;
    EXPECT_EQ(state.error().code, ErrorCode::kInvalidInput);
    EXPECT_EQ(state.error().message, row.message);
  }
  EXPECT_EQ(StateSnapshot::parse("1").error().message, "state must be a JSON object");
}

TEST(StateSnapshotTest, ItsTextNeedNotOutliveParsing) {
  auto text = std::make_unique<std::string>(R"({"a":"a text longer than any small string"})");
  const StateSnapshot state = parse(*text);
  text.reset();
  EXPECT_EQ(*state.find("a")->value, R"("a text longer than any small string")");
}

TEST(StateSnapshotTest, MutationsChangeACopy) {
  const struct {
    const char* why;
    std::vector<StateMutation> mutations;
    const char* after;
  } rows[] = {
      {"nothing", {}, R"({"a":1,"b":2})"},
      {"a change keeps its place", {set("a", "[9]")}, R"({"a":[9],"b":2})"},
      {"a new key comes last", {set("c", "3")}, R"({"a":1,"b":2,"c":3})"},
      {"new keys in the order of the first write",
       {set("d", "4"), set("c", "3"), set("d", "5")},
       R"({"a":1,"b":2,"d":5,"c":3})"},
      {"the last change counts", {set("a", "5"), set("a", "6")}, R"({"a":6,"b":2})"},
      {"a key is deleted", {remove("a")}, R"({"b":2})"},
      {"all keys", {remove("b"), remove("a")}, "{}"},
      {"a key that is not there", {remove("x")}, R"({"a":1,"b":2})"},
      {"deleted and set again", {remove("a"), set("a", "7")}, R"({"a":7,"b":2})"},
      {"set and deleted again", {set("c", "3"), remove("c")}, R"({"a":1,"b":2})"},
      {"new, deleted, set", {set("c", "1"), remove("c"), set("c", "2")}, R"({"a":1,"b":2,"c":2})"},
      {"null is a value", {set("a", "null")}, R"({"a":null,"b":2})"},
  };
  for (const auto& row : rows) {
    const StateSnapshot before = parse(R"({"a":1,"b":2})");
    const StateSnapshot after = before.with(row.mutations);
    EXPECT_EQ(after.toJson(), row.after) << row.why;
    EXPECT_EQ(before.toJson(), R"({"a":1,"b":2})") << row.why;
    for (const StateSnapshot::Entry& entry : after.entries()) {
      EXPECT_EQ(after.find(entry.key), &entry) << row.why;
    }
  }
  EXPECT_EQ(parse(R"({"a":1})").with(std::vector{remove("a")}).find("a"), nullptr);
}

TEST(StateSnapshotTest, ValuesThatDidNotChangeAreShared) {
  const StateSnapshot before = parse(R"({"a":"long","b":2})");
  const StateSnapshot after = before.with(std::vector{set("b", "3"), set("c", "4")});
  EXPECT_EQ(after.find("a")->value, before.find("a")->value);
  EXPECT_NE(after.find("b")->value, before.find("b")->value);
}

TEST(StateSnapshotTest, CopiesShareEverything) {
  const StateSnapshot first = parse(R"({"a":1})");
  const StateSnapshot copy = first;  // NOLINT(performance-unnecessary-copy-initialization)
  EXPECT_EQ(copy.entries().data(), first.entries().data());
  EXPECT_EQ(first.with({}).entries().data(), first.entries().data());
}

TEST(StateSnapshotTest, EntriesOutliveTheSnapshotTheyWereReadFrom) {
  StateSnapshot kept;
  {
    const StateSnapshot first = parse(R"({"key longer than any small string":1})");
    kept = first.with(std::vector{set("b", "2")});
  }
  EXPECT_EQ(*kept.find("key longer than any small string")->value, "1");
}

TEST(StateSnapshotTest, ComputedKeysStayComputed) {
  const auto value = std::make_shared<const std::string>("1");
  const StateSnapshot state = StateSnapshot::of({{"a", value, false}, {"sum", value, true}});
  EXPECT_FALSE(state.find("a")->isComputed);
  EXPECT_TRUE(state.find("sum")->isComputed);
  const StateSnapshot after = state.with(std::vector{set("a", "2"), set("sum", "3")});
  EXPECT_FALSE(after.find("a")->isComputed);
  EXPECT_TRUE(after.find("sum")->isComputed);
}

TEST(StateSnapshotTest, JsonComesBackAsItWas) {
  for (const char* text :
       {"{}", R"({"a":1})", R"({"b":[1, {"x" : null}],"a":"\ud83d\ude00"})",
        R"({"a\"b\\c\nd":1,"":2,"\u0000":3})", R"({"big":12345678901234567890.000})"}) {
    const StateSnapshot state = parse(text);
    const StateSnapshot again = parse(state.toJson());
    EXPECT_EQ(again.toJson(), state.toJson());
    EXPECT_EQ(keysOf(again), keysOf(state)) << text;
  }
  EXPECT_EQ(parse(R"({"\u0061\n":[1, 2]})").toJson(), "{\"a\\u000a\":[1, 2]}");
}

TEST(StateSnapshotTest, AnyThreadMayRead) {
  const StateSnapshot state = parse(R"({"a":1,"b":2})");
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([state] {
      for (int round = 0; round < 1000; ++round) {
        EXPECT_EQ(*state.find("b")->value, "2");
        EXPECT_EQ(state.with(std::vector{set("b", "3")}).toJson(), R"({"a":1,"b":3})");
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
}

TEST(StateSnapshotTest, ManyKeys) {
  std::string text = "{";
  for (int i = 0; i < 20'000; ++i) text += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
  const StateSnapshot state = parse(text + "}");
  std::vector<StateMutation> mutations;
  for (int i = 0; i < 20'000; ++i) mutations.push_back(set("n" + std::to_string(i), "2"));
  const StateSnapshot after = state.with(mutations);
  EXPECT_EQ(after.entries().size(), 40'000u);
  EXPECT_EQ(*after.find("n19999")->value, "2");
  EXPECT_EQ(*after.find("k19999")->value, "1");
}

}  // namespace
}  // namespace nexus
