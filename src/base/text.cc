#include "base/text.h"

#include <algorithm>
#include <boost/algorithm/string/split.hpp>
#include <boost/locale/utf.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

namespace baton {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
constexpr Unit kUnits[] = {{"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
                           {"ms", 1'000'000},        {"us", 1'000},         {"ns", 1}};
constexpr std::string_view kOfNumbers = "0123456789.";
constexpr std::int64_t kLongestNs = std::int64_t{10} * 365 * 24 * 3'600'000'000'000;

/// The length of the UTF-8 sequence at `text`, 0 if it is not well formed (also: overlong, a
/// surrogate, above U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  namespace utf = boost::locale::utf;
  const char* at = text.begin();
  const bool ok = utf::is_valid_codepoint(utf::utf_traits<char>::decode(at, text.end()));
  return ok ? static_cast<std::size_t>(at - text.begin()) : 0;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text, std::int64_t min,
                                          std::int64_t max) {
  const std::string_view digits = text.substr(min < 0 && text.starts_with('-') ? 1 : 0);
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return {};
  if (digits[0] == '0' && text.size() > 1) return {};
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  if (value < min || value > max) return {};
  return value;
}

std::optional<election::Duration> parse_duration(std::string_view text) {
  std::int64_t total_ns = 0;
  const Unit* unit = std::begin(kUnits);  // those before it have had their turn
  do {
    const std::string_view number = text.substr(0, text.find_first_not_of(kOfNumbers));
    text.remove_prefix(number.size());
    const std::string_view name = text.substr(0, text.find_first_of(kOfNumbers));
    text.remove_prefix(name.size());
    unit = std::find_if(unit, std::end(kUnits), [&](const Unit& u) { return u.name == name; });
    const std::string_view whole = number.substr(0, number.find('.'));
    std::int64_t ns = 0;
    const auto read = std::from_chars(whole.data(), whole.data() + whole.size(), ns);
    if (unit == std::end(kUnits) || read.ec != std::errc() || ns > kLongestNs / unit->ns ||
        number.ends_with('.')) {
      return {};
    }
    total_ns += ns * unit->ns;
    std::int64_t scale = unit->ns;
    for (const char digit : number.substr(std::min(whole.size() + 1, number.size()))) {
      if (digit == '.' || scale % 10 != 0) return {};
      scale /= 10;
      total_ns += (digit - '0') * scale;
    }
    ++unit;
  } while (!text.empty());
  if (total_ns > kLongestNs) return {};
  return election::Duration(total_ns);
}

std::string format_duration(election::Duration duration) {
  const std::int64_t ns = duration.count();
  if (ns == 0) return "0s";
  const Unit* unit = std::begin(kUnits);
  while (ns % unit->ns != 0) ++unit;
  return std::to_string(ns / unit->ns).append(unit->name);
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{path + ": " + std::strerror(errno)};
  std::string text(limit + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return Error{path + ": cannot be read"};
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > limit) {
    return Error{path + ": larger than the limit of " + std::to_string(limit) + " bytes"};
  }
  return text;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  while (!text.empty() && out.size() < limit) {
    const auto plain =
        std::ranges::find_if_not(text.substr(0, limit - out.size()),
                                 [](char letter) { return letter >= 0x20 && letter < 0x7F; });
    if (plain != text.begin()) {
      const auto size = static_cast<std::size_t>(plain - text.begin());
      out.append(text.substr(0, size));
      text.remove_prefix(size);
      continue;
    }
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (length == 0 || byte < 0x20 || byte == 0x7F) {
      out += '?';
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  if (!text.empty()) out += "...";
  return out;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  boost::split(lines, text, [](char c) { return c == '\n'; });
  return lines;
}

}  // namespace baton
