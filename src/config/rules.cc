#include "config/rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <boost/algorithm/string/split.hpp>
#include <numeric>
#include <regex>

#include "base/text.h"

namespace baton::config {
namespace {

constexpr std::size_t kLongestSocketPath = 107;  // sockaddr_un holds 108 with the final zero
constexpr std::size_t kMostAddresses = 8;
constexpr std::size_t kLongestUrl = 1000;
constexpr char kAddressForms[] =
    "an address is 127.0.0.1:4040, [::1]:4040, localhost:4040, unix:/path, a comma-separated list "
    "of these, or off";
constexpr char kLabel[] = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/// `kind` and `rule` are for people: what the text should be, and what that looks like.
std::string check_name(std::string_view text, std::size_t most, const std::regex& form,
                       const std::string& kind, const std::string& rule) {
  if (text.size() > most) {
    return "has " + std::to_string(text.size()) + " characters; " + kind + " has at most " +
           std::to_string(most) + "; choose a shorter name";
  }
  if (std::regex_match(text.begin(), text.end(), form)) return "";
  return kind + " has lower-case letters, digits" + rule +
         " with a letter or digit; write it like my-app";
}

/// The host's family and reach; false if it is no numeric address.
bool classify(Address& address) {
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, address.host.c_str(), &v4) == 1) {
    const auto bits = ntohl(v4.s_addr);
    address.loopback = bits >> 24 == 127;
    address.wildcard = bits == 0;
    return true;
  }
  if (inet_pton(AF_INET6, address.host.c_str(), &v6) != 1) return false;
  address.loopback = IN6_IS_ADDR_LOOPBACK(&v6);
  address.wildcard = IN6_IS_ADDR_UNSPECIFIED(&v6);
  return true;
}

/// Appends what `text` names (one or two addresses) to `out`. "" or why not.
std::string parse_address(const std::string& text, std::vector<Address>& out) {
  Address address;
  if (text.starts_with("unix:")) {
    address.path = text.substr(5);
    address.loopback = true;
    if (address.path.size() < 2 || address.path[0] != '/') {
      return "a Unix socket needs an absolute path; write unix:/run/baton/baton.sock";
    }
    if (address.path.size() > kLongestSocketPath) {
      return "a Unix socket's path has at most 107 bytes; choose a shorter one";
    }
    out.push_back(std::move(address));
    return "";
  }
  const auto colon = text.rfind(':');
  if (colon == text.npos) return kAddressForms;
  std::string host = text.substr(0, colon);
  address.port = text.substr(colon + 1);
  if (!parse_integer(address.port, 0, 65535)) return "a port is a number from 0 to 65535";
  std::vector<std::string> hosts = {host};
  if (host == "localhost") {
    hosts = {"127.0.0.1", "::1"};
  } else if (host.empty()) {
    hosts = {"0.0.0.0", "::"};
  } else if (host.find(':') != host.npos) {
    if (!host.starts_with('[') || !host.ends_with(']')) {
      return "an IPv6 address needs brackets; write [::1]:4040";
    }
    hosts = {host.substr(1, host.size() - 2)};
  }
  for (const std::string& each : hosts) {
    address.host = each;
    if (!classify(address)) return "a host is a numeric address or localhost; write 127.0.0.1:4040";
    out.push_back(address);
  }
  return "";
}

}  // namespace

std::string check_dns_subdomain(std::string_view text) {
  static const std::regex form(std::string(kLabel) + "(\\." + kLabel + ")*");
  return check_name(text, 253, form, "a DNS subdomain (RFC 1123)",
                    ", '-' and '.', and each part begins and ends");
}

std::string check_dns_label(std::string_view text) {
  static const std::regex form(kLabel);
  return check_name(text, 63, form, "a DNS label (RFC 1123)", " and '-', and begins and ends");
}

Result<election::Duration> duration_between(std::string_view text, election::Duration min,
                                            election::Duration max, bool whole_seconds) {
  const auto duration = parse_duration(text);
  if (!duration) {
    const bool only_unit_missing = parse_integer(text, 0, 1'000'000'000).has_value();
    return Error{"a duration is a number and a unit (us, ms, s, m, h), as in 90s or 1m30s; write " +
                 (only_unit_missing ? std::string(text) + "s" : "15s")};
  }
  const std::string range = "must lie between " + format_duration(min) + " and " +
                            format_duration(max) + (whole_seconds ? ", in whole seconds" : "");
  if (*duration < min) return Error{range + "; write at least " + format_duration(min)};
  if (*duration > max) return Error{range + "; write at most " + format_duration(max)};
  const auto whole = std::chrono::ceil<std::chrono::seconds>(*duration);
  if (whole_seconds && whole != *duration)
    return Error{range + "; write " + format_duration(whole)};
  return *duration;
}

std::string Address::text() const {
  if (!path.empty()) return "unix:" + path;
  return (host.find(':') == host.npos ? host : "[" + host + "]") + ":" + port;
}

Result<std::vector<Address>> parse_addresses(std::string_view text) {
  std::vector<Address> addresses;
  if (trim(text) == "off") return addresses;
  for (const std::string& part : split_list(text)) {
    if (part == "off") return Error{"off stands alone; remove it or the addresses"};
    if (std::string why = parse_address(part, addresses); !why.empty()) return Error{why};
  }
  if (addresses.size() > kMostAddresses) return Error{"at most 8 addresses; remove some"};
  return addresses;
}

Result<HttpUrl> parse_http_url(std::string_view text, bool may_be_https) {
  static const std::regex form(
      "(http|https)://(\\[([0-9a-fA-F:.]+)\\]|[A-Za-z0-9.-]+)(:([0-9]+))?(/[!-\"$-~]*)?");
  const Error why{
      "must be http://HOST[:PORT][/PATH] without user and fragment, at most 1000 characters, and "
      "no https: it is asked from within the Pod; write it like http://127.0.0.1:8080/healthz"};
  std::match_results<std::string_view::const_iterator> parts;
  if (text.size() > kLongestUrl || !std::regex_match(text.begin(), text.end(), parts, form)) {
    return why;
  }
  const bool is_https = parts[1] == "https";
  const auto port =
      parse_integer(parts[5].matched ? parts[5].str() : (is_https ? "443" : "80"), 1, 65535);
  if (!port || (is_https && !may_be_https)) return why;
  return HttpUrl{.text = std::string(text),
                 .host = parts[parts[3].matched ? 3 : 2].str(),
                 .port = static_cast<int>(*port),
                 .target = parts[6].matched ? parts[6].str() : "/",
                 .is_https = is_https};
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  boost::algorithm::split(parts, text, [](char c) { return c == ','; });
  for (std::string& part : parts) part = trim(part);
  return parts;
}

std::string nearest(std::string_view text, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, text.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < text.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < candidate.size(); ++j) {
        const std::size_t replaced = diagonal + (text[i] == candidate[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace baton::config
