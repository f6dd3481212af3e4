// HTTP requests and answers as the rest of the house sees them. No Beast in here.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// The first value of a header, compared without case; "" if absent.
std::string_view header(const Headers& headers, std::string_view name);

struct Request {
  std::string method;
  std::string target;  // path and query, as sent
  Headers headers;
  std::string body;
};

struct Response {
  int status = 200;
  Headers headers;  // Content-Length and Connection are the server's
  std::string body;
};

/// A request's target, split and percent-decoded. Not well formed (bad escape, no leading '/',
/// invalid UTF-8): ok is false.
struct Target {
  bool ok = false;
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;  // in order, doubles kept
};
Target parse_target(std::string_view target);

/// The status's standard phrase, "<unknown-status>" if there is none.
std::string_view reason_phrase(int status);

}  // namespace baton::http
