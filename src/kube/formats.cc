#include "kube/formats.h"

#include <array>
#include <chrono>

namespace baton::kube {
namespace {

/// Reads fixed-width fields from the front of a text. After the first mismatch `ok` stays false.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  int digits(std::size_t count) {
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rest_.empty() || rest_[0] < '0' || rest_[0] > '9') return fail();
      value = value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }
  void literal(std::string_view text) {
    if (!rest_.starts_with(text)) {
      fail();
    } else {
      rest_.remove_prefix(text.size());
    }
  }
  bool skip(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view take(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  bool at_digit() const { return !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; }
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  int fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

struct Clock {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

std::optional<std::int64_t> seconds_since_1970(const Clock& clock) {
  const std::chrono::year_month_day date(std::chrono::year(clock.year),
                                         std::chrono::month(static_cast<unsigned>(clock.month)),
                                         std::chrono::day(static_cast<unsigned>(clock.day)));
  // 60 is a leap second.
  if (!date.ok() || clock.hour > 23 || clock.minute > 59 || clock.second > 60) return {};
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + clock.hour) * 60 + clock.minute) * 60 + clock.second;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  std::size_t symbols = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int value = base64_value(c);
    if (value < 0 || padding > 0) return {};
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xFFFFFF;
    // A byte is whole after the second, third and fourth symbol of each group.
    const std::size_t place = ++symbols % 4;
    if (place != 1) out += static_cast<char>(bits >> (place == 2 ? 4 : place == 3 ? 2 : 0) & 0xFF);
  }
  if (symbols % 4 == 1 || (padding > 0 && (padding > 2 || (symbols + padding) % 4 != 0))) return {};
  return out;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  Scanner in(text);
  Clock clock;
  clock.year = in.digits(4);
  in.literal("-");
  clock.month = in.digits(2);
  in.literal("-");
  clock.day = in.digits(2);
  in.literal("T");
  clock.hour = in.digits(2);
  in.literal(":");
  clock.minute = in.digits(2);
  in.literal(":");
  clock.second = in.digits(2);
  if (in.skip('.')) {
    in.digits(1);
    while (in.at_digit()) in.digits(1);
  }
  int offset_s = 0;
  if (!in.skip('Z')) {
    const int sign = in.skip('-') ? -1 : 1;
    if (sign > 0) in.literal("+");
    offset_s = in.digits(2) * 3600;
    in.literal(":");
    offset_s = sign * (offset_s + in.digits(2) * 60);
  }
  if (!in.complete()) return {};
  const auto seconds = seconds_since_1970(clock);
  return seconds ? std::optional(*seconds - offset_s) : std::nullopt;
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  Scanner in(text);
  Clock clock;
  in.take(3);  // the day of the week, which says nothing new
  in.literal(", ");
  clock.day = in.digits(2);
  in.literal(" ");
  const std::string_view month = in.take(3);
  in.literal(" ");
  clock.year = in.digits(4);
  in.literal(" ");
  clock.hour = in.digits(2);
  in.literal(":");
  clock.minute = in.digits(2);
  in.literal(":");
  clock.second = in.digits(2);
  in.literal(" GMT");
  if (!in.complete()) return {};
  for (std::size_t i = 0; i < kMonths.size(); ++i) {
    if (kMonths[i] == month) clock.month = static_cast<int>(i) + 1;
  }
  return seconds_since_1970(clock);
}

}  // namespace baton::kube
