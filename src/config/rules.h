// What a single value must look like. Each function returns the value or why not: the rule and the
// mend, in a clause that follows the quoted value in an error line.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"
#include "election/time.h"

namespace baton::config {

/// "" if `text` is a DNS subdomain or label (RFC 1123: at most 253 and 63 characters), else why
/// not.
std::string check_dns_subdomain(std::string_view text);
std::string check_dns_label(std::string_view text);

Result<election::Duration> duration_between(std::string_view text, election::Duration min,
                                            election::Duration max, bool whole_seconds = false);

/// Where a listener is, taken apart. Either a Unix socket's path or a numeric host with a port.
struct Address {
  std::string path;       // of a Unix socket, "" otherwise
  std::string host;       // numeric, IPv6 without brackets
  std::string port;       // decimal
  bool loopback = false;  // or a Unix socket: reachable from this Pod only
  bool wildcard = false;
  std::string text() const;  // as http::ServerOptions wants it
};

/// "127.0.0.1:4040", "[::1]:4040", "localhost:4040" (both loopbacks), ":4040" (both wildcards),
/// "unix:/path", separated by commas; "off" alone gives none.
Result<std::vector<Address>> parse_addresses(std::string_view text);

/// "http://127.0.0.1:8080/healthz", "http://[::1]:80", "http://localhost/up?deep=1"; only with
/// `may_be_https` "https://localhost:8443/" too.
Result<HttpUrl> parse_http_url(std::string_view text, bool may_be_https = false);

/// Parts of a comma-separated list, trimmed.
std::vector<std::string> split_list(std::string_view text);

/// The candidate closest to `text` by edit distance, "" if none is close.
std::string nearest(std::string_view text, const std::vector<std::string>& candidates);

/// "; did you mean NAME?" with the nearest `name` of a row of `table`, `otherwise` if none is
/// close.
template <typename Table, typename Name>
std::string suggestion(std::string_view text, const Table& table, Name name,
                       const std::string& otherwise) {
  std::vector<std::string> names;
  for (const auto& row : table) names.push_back(std::invoke(name, row));
  const std::string close = nearest(text, names);
  return close.empty() ? otherwise : "; did you mean " + close + "?";
}

}  // namespace baton::config
