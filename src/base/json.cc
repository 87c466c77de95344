#include "base/json.h"

#include <algorithm>
#include <bitset>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/text.h"

namespace nexus {
namespace {

struct Mistake {
  size_t offset = 0;
  const char* what = "";
};

// One pass, iterative: how deep it is nested, and in what, are its only memory.
class Checker {
 public:
  // Where a member of the outermost object stands: its name with its quotes, its value.
  struct Member {
    std::string_view name;
    std::string_view value;
  };

  explicit Checker(std::string_view text, std::vector<Member>* members = nullptr)
      : text_(text), members_(members) {}

  std::optional<Mistake> check();

 private:
  enum class Next { kValue, kKey, kAfterValue };

  bool fail(const char* what) {
    if (!mistake_) mistake_ = Mistake{at_, what};
    return false;
  }
  bool step(Next& next);
  bool value(Next& next);
  bool open(bool isObject, Next& next);
  bool afterValue(Next& next);
  bool key(Next& next);
  bool string();
  bool escape();
  bool unicodeEscape();
  bool hexadecimal(uint32_t& unit);
  bool number();
  bool digits();
  bool literal(std::string_view word);
  void skipSpace();
  void noteMember(Next next);
  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    if (!at(c)) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  std::vector<Member>* members_;
  size_t at_ = 0;
  size_t depth_ = 0;
  std::string_view name_;  // the last one, with its quotes
  std::bitset<kMaxJsonDepth> isObject_;
  std::optional<Mistake> mistake_;
};

std::optional<Mistake> Checker::check() {
  if (text_.starts_with("\xEF\xBB\xBF")) {
    fail("a byte order mark is not part of JSON");
    return mistake_;
  }
  skipSpace();
  if (at_ == text_.size()) fail("it is empty");
  Next next = Next::kValue;
  while (!mistake_ && (next != Next::kAfterValue || depth_ > 0)) {
    step(next);
    if (members_ != nullptr && depth_ == 1 && isObject_[0]) noteMember(next);
  }
  skipSpace();
  if (!mistake_ && at_ < text_.size()) fail("expected the end behind the value");
  return mistake_;
}

// After a step in the outermost object: its last one was a name, or ended a value.
void Checker::noteMember(Next next) {
  if (next == Next::kValue) {
    skipSpace();
    members_->push_back({name_, text_.substr(at_, 0)});
  } else if (next == Next::kAfterValue && members_->back().value.empty()) {
    const auto begin = static_cast<size_t>(members_->back().value.data() - text_.data());
    members_->back().value = text_.substr(begin, at_ - begin);
  }
}

bool Checker::step(Next& next) {
  skipSpace();
  switch (next) {
    case Next::kValue:
      return value(next);
    case Next::kKey:
      return key(next);
    case Next::kAfterValue:
      break;
  }
  return afterValue(next);
}

bool Checker::value(Next& next) {
  if (at_ == text_.size()) return fail("expected a value, found the end");
  next = Next::kAfterValue;
  switch (text_[at_]) {
    case '{':
      return open(true, next);
    case '[':
      return open(false, next);
    case '"':
      return string();
    case 't':
      return literal("true");
    case 'f':
      return literal("false");
    case 'n':
      return literal("null");
    default:
      return number();
  }
}

bool Checker::open(bool isObject, Next& next) {
  if (depth_ == kMaxJsonDepth) return fail("it is nested deeper than 256 levels");
  isObject_[depth_++] = isObject;
  ++at_;
  skipSpace();
  if (take(isObject ? '}' : ']')) {
    --depth_;
  } else {
    next = isObject ? Next::kKey : Next::kValue;
  }
  return true;
}

bool Checker::key(Next& next) {
  if (!at('"')) return fail("expected a property name in double quotes");
  const size_t start = at_;
  if (!string()) return false;
  name_ = text_.substr(start, at_ - start);
  skipSpace();
  if (!take(':')) return fail("expected ':' behind the property name");
  next = Next::kValue;
  return true;
}

bool Checker::afterValue(Next& next) {
  const bool isObject = isObject_[depth_ - 1];
  if (take(',')) {
    next = isObject ? Next::kKey : Next::kValue;
    return true;
  }
  if (!take(isObject ? '}' : ']')) {
    return fail(isObject ? "expected ',' or '}'" : "expected ',' or ']'");
  }
  --depth_;
  return true;
}

bool Checker::string() {
  ++at_;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      ++at_;
      return true;
    }
    if (static_cast<unsigned char>(c) < 0x20) {
      return fail("a control character in a string must be escaped");
    }
    if (c == '\\') {
      if (!escape()) return false;
    } else {
      ++at_;
    }
  }
  return fail("the string does not end");
}

bool Checker::escape() {
  if (at_ + 1 < text_.size() && text_[at_ + 1] == 'u') return unicodeEscape();
  const bool known = at_ + 1 < text_.size() &&
                     std::string_view("\"\\/bfnrt").find(text_[at_ + 1]) != std::string_view::npos;
  if (!known) return fail("no such escape in a string");
  at_ += 2;
  return true;
}

// At "\u". A surrogate has to come in a pair, the high one first.
bool Checker::unicodeEscape() {
  const size_t start = at_;
  const auto isHigh = [](uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; };
  const auto isLow = [](uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; };
  uint32_t first = 0;
  uint32_t second = 0;
  if (!hexadecimal(first)) return false;
  if (!isHigh(first) && !isLow(first)) return true;
  const bool isPair = isHigh(first) && text_.substr(at_).starts_with("\\u");
  if (isPair && !hexadecimal(second)) return false;
  if (isPair && isLow(second)) return true;
  at_ = start;
  return fail("a lone surrogate is not Unicode text");
}

bool Checker::hexadecimal(uint32_t& unit) {
  constexpr size_t kDigits = 4;
  for (size_t i = 2; i < 2 + kDigits; ++i) {
    const char c = at_ + i < text_.size() ? text_[at_ + i] : '\0';
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return fail("expected four hexadecimal digits behind \\u");
    unit = unit * 16 + static_cast<uint32_t>(digit);
  }
  at_ += 2 + kDigits;
  return true;
}

bool Checker::number() {
  const bool isNegative = take('-');
  if (!isNegative && (at_ == text_.size() || text_[at_] < '0' || text_[at_] > '9')) {
    return fail("expected a value");
  }
  if (!take('0') && !digits()) return false;
  if (take('.') && !digits()) return false;
  if (!take('e') && !take('E')) return true;
  if (!take('+')) take('-');
  return digits();
}

bool Checker::digits() {
  const size_t start = at_;
  while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
  return at_ > start || fail("expected a digit");
}

bool Checker::literal(std::string_view word) {
  if (!text_.substr(at_).starts_with(word)) return fail("expected a value");
  at_ += word.size();
  return true;
}

void Checker::skipSpace() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
    ++at_;
  }
}

Error invalidAt(std::string_view text, size_t offset, std::string_view what,
                const std::string& why) {
  const SourceLocation place = locate(text, offset);
  return Error{.code = ErrorCode::kInvalidInput,
               .message = std::string(what) + " is not valid JSON at line " +
                          std::to_string(place.line) + ", column " + std::to_string(place.column) +
                          ": " + why,
               .location = place};
}

Status checkText(Checker checker, std::string_view text, std::string_view what) {
  std::optional<Mistake> mistake = checker.check();
  const std::optional<size_t> invalid = findInvalidUtf8(text);
  if (invalid && (!mistake || *invalid < mistake->offset)) {
    mistake = Mistake{*invalid, "it is not UTF-8"};
  }
  if (!mistake) return Done{};
  return invalidAt(text, mistake->offset, what, mistake->what);
}

uint32_t readUnit(std::string_view digits) {
  uint32_t unit = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
  return unit;
}

// The character of a \u escape at the start of `text`, which is cut off; two escapes make one
// beyond U+FFFF. The text was checked.
uint32_t takeEscapedCharacter(std::string_view& text) {
  constexpr size_t kEscape = 6;  // \uXXXX
  const uint32_t first = readUnit(text.substr(2, 4));
  text.remove_prefix(kEscape);
  if (first < 0xD800 || first > 0xDBFF) return first;
  const uint32_t second = readUnit(text.substr(2, 4));
  text.remove_prefix(kEscape);
  return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

// A JSON string that was checked, without its quotes, as what it means.
std::string unescape(std::string_view text) {
  std::string meaning;
  while (!text.empty()) {
    if (text[0] != '\\') {
      const size_t plain = std::min(text.find('\\'), text.size());
      meaning += text.substr(0, plain);
      text.remove_prefix(plain);
    } else if (text[1] == 'u') {
      appendUtf8(meaning, takeEscapedCharacter(text));
    } else {
      constexpr std::string_view kLetters = "bfnrt";
      constexpr std::string_view kMeanings = "\b\f\n\r\t";
      const size_t letter = kLetters.find(text[1]);
      meaning += letter == std::string_view::npos ? text[1] : kMeanings[letter];
      text.remove_prefix(2);
    }
  }
  return meaning;
}

}  // namespace

bool isJson(std::string_view text) { return !findInvalidUtf8(text) && !Checker(text).check(); }

Status checkJson(std::string_view text, std::string_view what) {
  return checkText(Checker(text), text, what);
}

Result<std::vector<JsonMember>> splitJsonObject(std::string_view text, std::string_view what) {
  std::vector<Checker::Member> found;
  auto checked = checkText(Checker(text, &found), text, what);
  if (!checked) return std::move(checked).error();
  if (text[text.find_first_not_of(" \t\r\n")] != '{') {
    return Error{.code = ErrorCode::kInvalidInput,
                 .message = std::string(what) + " must be a JSON object"};
  }
  std::vector<JsonMember> members;
  std::unordered_set<std::string> names;
  members.reserve(found.size());
  for (const Checker::Member& member : found) {
    std::string name = unescape(member.name.substr(1, member.name.size() - 2));
    if (!names.insert(name).second) {
      return invalidAt(text, static_cast<size_t>(member.name.data() - text.data()), what,
                       "the name " + quoteJson(name) + " is there twice");
    }
    members.push_back({std::move(name), member.value});
  }
  return members;
}

std::string quoteJson(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      quoted += "\\u00";
      quoted += kDigits[byte >> 4];
      quoted += kDigits[byte & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace nexus
