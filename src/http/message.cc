#include "http/message.h"

#include <charconv>
#include <ostream>
// <ostream> first: Boost 1.74 misses it under C++20.
#include <boost/beast/http/status.hpp>

#include "base/text.h"

namespace baton::http {
namespace {

/// In the query '+' is a space, as forms and Go's url package have it.
bool decode(std::string_view text, bool in_query, std::string& out) {
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && in_query) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const std::string_view digits = text.substr(i + 1, 2);
      unsigned char byte = 0;
      const auto end = std::from_chars(digits.begin(), digits.end(), byte, 16).ptr;
      if (end != text.data() + i + 3) return false;
      out += static_cast<char>(byte);
      i += 2;
    }
  }
  return is_utf8(out);
}

}  // namespace

std::string_view header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (boost::beast::iequals(key, {name.data(), name.size()})) return value;
  }
  return {};
}

Target parse_target(std::string_view text) {
  Target target;
  const auto question = text.find('?');
  if (!text.starts_with('/') || text.find('#') != std::string_view::npos) return target;
  if (!decode(text.substr(0, question), false, target.path)) return target;
  std::string_view rest = question == std::string_view::npos ? "" : text.substr(question + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(pair.size() == rest.size() ? pair.size() : pair.size() + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto& [key, value] = target.query.emplace_back();
    if (!decode(pair.substr(0, equals), true, key)) return target;
    if (equals == std::string_view::npos) continue;
    if (!decode(pair.substr(equals + 1), true, value)) return target;
  }
  target.ok = true;
  return target;
}

std::string_view reason_phrase(int status) {
  namespace http = boost::beast::http;
  const auto phrase = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
  return {phrase.data(), phrase.size()};
}

}  // namespace baton::http
