#include "base/json.h"

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>

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
  explicit Checker(std::string_view text) : text_(text) {}

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
  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    if (!at(c)) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t depth_ = 0;
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
  while (!mistake_ && (next != Next::kAfterValue || depth_ > 0)) step(next);
  skipSpace();
  if (!mistake_ && at_ < text_.size()) fail("expected the end behind the value");
  return mistake_;
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
  if (!string()) return false;
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

}  // namespace

bool isJson(std::string_view text) { return !findInvalidUtf8(text) && !Checker(text).check(); }

Status checkJson(std::string_view text, std::string_view what) {
  std::optional<Mistake> mistake = Checker(text).check();
  const std::optional<size_t> invalid = findInvalidUtf8(text);
  if (invalid && (!mistake || *invalid < mistake->offset)) {
    mistake = Mistake{*invalid, "it is not UTF-8"};
  }
  if (!mistake) return Done{};
  const SourceLocation place = locate(text, mistake->offset);
  return Error{.code = ErrorCode::kInvalidInput,
               .message = std::string(what) + " is not valid JSON at line " +
                          std::to_string(place.line) + ", column " + std::to_string(place.column) +
                          ": " + mistake->what,
               .location = place};
}

}  // namespace nexus
