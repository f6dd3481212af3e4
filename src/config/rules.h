// What a single value must look like. Each function returns the value or why not: the rule and the
// mend, in a clause that follows the quoted value in an error line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "election/time.h"

namespace baton::config {

/// Empty if `text` is a DNS subdomain (RFC 1123, at most 253 characters) or, with `max` 63 and no
/// dots allowed, a DNS label; else why not.
std::string check_dns_subdomain(std::string_view text);
std::string check_dns_label(std::string_view text);

Result<election::Duration> duration_between(std::string_view text, election::Duration min,
                                            election::Duration max, bool whole_seconds);

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

/// Parts of a comma-separated list, trimmed.
std::vector<std::string> split_list(std::string_view text);

/// The candidate closest to `text` by edit distance, "" if none is close.
std::string nearest(std::string_view text, const std::vector<std::string_view>& candidates);

}  // namespace baton::config
