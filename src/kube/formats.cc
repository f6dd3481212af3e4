#include "kube/formats.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace baton::kube {
namespace {

/// `text` by strptime's `format`, in UTC, what the format leaves out as on 1970-01-01. strptime is
/// lenient and timegm takes a 30 February, so what strftime would not write like this is refused.
std::optional<std::int64_t> parse_time(std::string_view text, const char* format) {
  std::tm parts{};
  parts.tm_mday = 1;
  parts.tm_year = 70;
  if (strptime(std::string(text).c_str(), format, &parts) == nullptr) return {};
  const std::int64_t seconds = timegm(&parts);
  std::array<char, 64> again{};
  const std::size_t length = std::strftime(again.data(), again.size(), format, &parts);
  if (text != std::string_view(again.data(), length)) return {};
  return seconds;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  std::string symbols;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    symbols += c == '-' ? '+' : c == '_' ? '/' : c;
  }
  // OpenSSL wants whole groups of four, and takes a '=' anywhere as a zero.
  const std::size_t end = std::min(symbols.find('='), symbols.size());
  const std::size_t missing = (4 - end % 4) % 4;
  const std::size_t padding = symbols.size() - end;
  if (missing == 3 || (padding != 0 && padding != missing)) return {};
  if (symbols.find_first_not_of('=', end) != std::string::npos) return {};
  symbols.resize(end + missing, '=');
  std::string bytes(symbols.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(symbols.data()),
                                   static_cast<int>(symbols.size()));
  if (size < 0) return {};
  bytes.resize(bytes.size() - missing);
  return bytes;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  constexpr std::size_t kToTheSecond = 19;
  const auto seconds = parse_time(text.substr(0, kToTheSecond), "%Y-%m-%dT%H:%M:%S");
  if (!seconds || text.size() <= kToTheSecond) return {};  // a year may have three digits
  text.remove_prefix(kToTheSecond);
  if (text[0] == '.') {
    const auto end = text.find_first_not_of("0123456789", 1);
    if (end == 1 || end == std::string_view::npos) return {};
    text.remove_prefix(end);
  }
  if (text == "Z") return seconds;
  const auto offset = parse_time(text.substr(1), "%H:%M");
  if (!offset || (text[0] != '+' && text[0] != '-')) return {};
  return text[0] == '+' ? *seconds - *offset : *seconds + *offset;
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  // The day of the week says nothing new.
  constexpr std::size_t kWeekday = 5;
  if (text.size() < kWeekday || text.substr(3, 2) != ", ") return {};
  return parse_time(text.substr(kWeekday), "%d %b %Y %H:%M:%S GMT");
}

}  // namespace baton::kube
