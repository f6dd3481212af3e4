// The small formats: numbers, durations, times, base64, targets of requests, addresses, names.
#include "base/text.h"

#include <algorithm>

#include "cli/local_client.h"
#include "config/load.h"
#include "config/rules.h"
#include "election/lease.h"
#include "fuzz/target.h"
#include "http/message.h"
#include "kube/formats.h"

namespace baton::fuzz {
namespace {

void read_numbers(std::string_view text) {
  if (const auto token = parse_integer(text, 1, election::kMaxToken)) {
    require(*token >= 1 && *token <= election::kMaxToken, "an accepted token is in 1..10^18-1");
    require(std::to_string(*token) == text, "an accepted number is written in one way only");
  }
  parse_integer(text, INT64_MIN, INT64_MAX);
  if (const auto duration = parse_duration(text)) {
    require(*duration >= Duration::zero(), "a duration is not negative");
    require(parse_duration(format_duration(*duration)) == duration,
            "a duration prints and parses back");
  } else {
    const auto refused = config::duration_between(text, Duration(0), std::chrono::hours(1));
    require(!refused.ok(), "what is no duration is refused");
  }
}

void read_texts(std::string_view text) {
  const std::string shown = printable(text, 40);
  require(is_utf8(shown) && shown.size() <= 40 + 3 + 3, "printable text is bounded UTF-8");
  require(std::ranges::none_of(shown, [](char c) { return c >= 0 && (c < ' ' || c == '\x7f'); }),
          "printable text has no control bytes");
  const std::string_view trimmed = trim(text);
  require(trim(trimmed) == trimmed, "trimmed text is trimmed");
  if (const auto bytes = kube::decode_base64(text)) {
    require(bytes->size() <= text.size() / 4 * 3 + 3, "base64 does not grow");
  }
  if (const auto seconds = kube::parse_rfc3339(text)) {
    require(*seconds > -100'000'000'000 && *seconds < 300'000'000'000, "four digits of a year");
  }
  kube::parse_http_date(text);
}

void read_names(std::string_view text) {
  const http::Target target = http::parse_target(text);
  if (target.ok) {
    require(target.path.starts_with('/') && is_utf8(target.path), "a path is UTF-8 from the root");
  }
  const http::Target again = http::parse_target("/?key=" + cli::percent_encoded(text));
  require(again.ok == is_utf8(text), "what is percent-encoded can be read");
  if (again.ok) require(again.query.at(0).second == text, "percent-encoding loses nothing");

  if (const auto addresses = config::parse_addresses(text); addresses.ok()) {
    for (const config::Address& address : *addresses) {
      const auto same = config::parse_addresses(address.text());
      const bool is_list = address.path.find(',') != std::string::npos;
      require(is_list || (same.ok() && same->size() == 1 && same->at(0).text() == address.text()),
              "an address prints and parses back");
    }
  } else {
    require_one_line(addresses.error());
  }
  const bool is_label = config::check_dns_label(text).empty();
  require(!is_label || config::check_dns_subdomain(text).empty(), "a DNS label is a subdomain");
  config::is_service_variable(std::string(text), text);
  config::nearest(text.substr(0, 200), {"election", "namespace", "pod-name"});
}

}  // namespace

BATON_FUZZ_TARGET(text) {
  read_numbers(input);
  read_texts(input);
  read_names(input);
}

}  // namespace baton::fuzz
