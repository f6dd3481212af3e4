#include "config/table.h"

#include <algorithm>

#include "base/text.h"
#include "config/rules.h"

namespace baton::config {
namespace {

using election::Duration;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMostHolders = 16;

constexpr char kTimingRule[] = "a duration, see Timings";
constexpr char kPrintableRule[] = "at most 253 printable ASCII characters without spaces";

/// Stores a duration of the timings; the rules between them are checked when all are known.
template <Duration election::Timings::*field>
std::string store_timing(std::string_view value, Draft& draft) {
  const bool whole_seconds = field == &election::Timings::lease_duration;
  const Duration min = whole_seconds ? Duration(seconds(1)) : Duration(milliseconds(1));
  auto duration = duration_between(value, min, hours(1), whole_seconds);
  if (!duration) return duration.error();
  draft.settings.timings.*field = *duration;
  return "";
}

template <Duration Settings::*field, int min_s, int max_s, bool whole_seconds>
std::string store_duration(std::string_view value, Draft& draft) {
  auto duration = duration_between(value, seconds(min_s), seconds(max_s), whole_seconds);
  if (!duration) return duration.error();
  draft.settings.*field = *duration;
  return "";
}

template <std::string Settings::*field>
std::string store_text(std::string_view value, Draft& draft) {
  draft.settings.*field = value;
  return "";
}

template <std::string Settings::*field>
std::string store_printable(std::string_view value, Draft& draft) {
  const bool fits = value.size() <= 253 && std::all_of(value.begin(), value.end(), [](char c) {
                      return c > ' ' && c < '\x7f';
                    });
  if (!fits) return std::string("must be ") + kPrintableRule + "; write it like pod-1";
  draft.settings.*field = value;
  return "";
}

template <std::string Settings::*field, std::string (*check)(std::string_view)>
std::string store_name(std::string_view value, Draft& draft) {
  if (!value.empty()) {
    if (std::string why = check(value); !why.empty()) return why;
  }
  draft.settings.*field = value;
  return "";
}

std::string store_bool(std::string_view value, bool& out) {
  if (value != "true" && value != "false") return "must be true or false; write one of them";
  out = value == "true";
  return "";
}

std::string store_election(std::string_view value, Draft& draft) {
  if (value.empty()) return "must not be empty; write the Lease's name, like my-app";
  return store_name<&Settings::election, check_dns_subdomain>(value, draft);
}

std::string store_profile(std::string_view value, Draft& draft) {
  for (const Profile& profile : profiles()) {
    if (profile.name != value) continue;
    draft.settings.profile = value;
    draft.settings.timings = profile.timings;
    return "";
  }
  return "must be aggressive, balanced or conservative; write one of them";
}

std::string store_ttl(std::string_view value, Draft& draft) {
  auto ttl = duration_between(value, milliseconds(1), hours(1), false);
  if (!ttl) return ttl.error();
  draft.settings.timings = timings_of_ttl(*ttl);
  return "";
}

std::string store_sidecar(std::string_view value, Draft& draft) {
  if (value != "ordinary" && value != "native") {
    return "must be ordinary or native; write native where the container is an init container with "
           "restartPolicy Always";
  }
  draft.settings.sidecar = value == "native" ? Sidecar::native : Sidecar::ordinary;
  return "";
}

std::vector<std::string> texts(const std::vector<Address>& addresses) {
  std::vector<std::string> out;
  out.reserve(addresses.size());
  for (const Address& address : addresses) out.push_back(address.text());
  return out;
}

std::string store_local_address(std::string_view value, Draft& draft) {
  const auto addresses = parse_addresses(value);
  if (!addresses) return addresses.error();
  for (const Address& address : *addresses) {
    if (address.loopback) continue;
    return "the local API can resign and is served on loopback or a Unix socket only; write "
           "127.0.0.1:" +
           address.port + " or unix:/path";
  }
  draft.settings.local_addresses = texts(*addresses);
  return "";
}

std::string store_probe_address(std::string_view value, Draft& draft) {
  const auto addresses = parse_addresses(value);
  if (!addresses) return addresses.error();
  draft.settings.probe_addresses = texts(*addresses);
  return "";
}

std::string store_http(std::string_view value, Draft& draft) {
  if (value.empty()) return "";
  const auto addresses = parse_addresses(value);
  if (!addresses) return addresses.error();
  for (const Address& address : *addresses) {
    (address.loopback ? draft.http_addresses : draft.settings.legacy_addresses)
        .push_back(address.text());
  }
  return "";
}

std::string store_pod_uid(std::string_view value, Draft& draft) {
  const bool fits = value.size() <= 64 && std::all_of(value.begin(), value.end(), [](char c) {
                      return c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                             (c >= 'A' && c <= 'Z');
                    });
  if (!fits) return "must be letters, digits and '-', at most 64; write metadata.uid of the Pod";
  draft.settings.pod_uid = value;
  return "";
}

std::string store_replicas(std::string_view value, Draft& draft) {
  const auto number = parse_integer(value, 1, 1000);
  if (!number) return "must be a whole number from 1 to 1000; write the Deployment's replicas";
  draft.settings.replicas = static_cast<int>(*number);
  return "";
}

std::string store_token_floor(std::string_view value, Draft& draft) {
  const auto number = parse_integer(value, 0, election::kMaxToken);
  if (!number) {
    return "must be a whole number from 0 to 999999999999999999; write one more than the highest "
           "token that "
           "a resource has seen";
  }
  draft.settings.token_floor = *number;
  return "";
}

std::string store_holders(std::string_view value, Draft& draft) {
  std::vector<std::string> holders;
  if (!value.empty()) holders = split_list(value);
  if (holders.size() > kMostHolders) return "at most 16 names; remove some";
  for (auto each = holders.begin(); each != holders.end(); ++each) {
    if (std::string why = check_dns_label(*each); !why.empty()) {
      return "\"" + printable(*each, 80) + "\": " + why;
    }
    if (std::find(holders.begin(), each, *each) != each) {
      return "names " + *each + " twice; remove one";
    }
  }
  draft.settings.holders = std::move(holders);
  return "";
}

std::string store_events(std::string_view value, Draft& draft) {
  return store_bool(value, draft.settings.events);
}

std::string store_in_cluster(std::string_view value, Draft&) {
  bool ignored = false;
  return store_bool(value, ignored);
}

std::string store_log_level(std::string_view value, Draft& draft) {
  if (value != "debug" && value != "info" && value != "warning" && value != "error") {
    return "must be debug, info, warning or error; write one of them";
  }
  draft.settings.log_level = value;
  return "";
}

}  // namespace

const std::vector<Setting>& settings_table() {
  using election::Timings;
  static const std::vector<Setting> table = {
      {"election", "NAME", "", "Name of the Lease to elect through. Required.",
       "a DNS subdomain (RFC 1123), at most 253 characters", false, store_election},
      {"namespace", "NAME", "",
       "Namespace of the Lease. Default: the Pod's own, or the kubeconfig context's.",
       "a DNS label (RFC 1123), at most 63 characters", false,
       store_name<&Settings::namespace_name, check_dns_label>},
      {"kubeconfig", "FILE", "",
       "How to reach the API server. Default: $KUBECONFIG, else the Pod's service account, else "
       "~/.kube/config.",
       "a readable kubeconfig", false, store_text<&Settings::kubeconfig>},
      {"context", "NAME", "", "Context of the kubeconfig. Default: its current-context.",
       "a context in it", false, store_text<&Settings::context>},
      {"config", "FILE", "", "YAML file with any of these keys, except this one.",
       "a readable YAML file of at most 1 MiB", false,
       [](std::string_view, Draft&) { return std::string(); }},
      {"profile", "NAME", "balanced", "Set of timings to start from, see Timings.",
       "aggressive, balanced or conservative", false, store_profile},
      {"ttl", "DURATION", "", "Timings derived from one lease duration, see Timings.",
       "1ms to 1h, rounded up to whole seconds; not together with profile", true, store_ttl},
      {"lease-duration", "DURATION", "",
       "How long other candidates wait for a silent leader. Default: the profile's.", kTimingRule,
       false, store_timing<&Timings::lease_duration>},
      {"renew-deadline", "DURATION", "",
       "How long after sending a renewal the leader may still lead. Default: the profile's.",
       kTimingRule, false, store_timing<&Timings::renew_deadline>},
      {"renew-period", "DURATION", "", "Time between two renewals. Default: the profile's.",
       kTimingRule, false, store_timing<&Timings::renew_period>},
      {"request-timeout", "DURATION", "",
       "Hard limit of each request to the API server. Default: the profile's.", kTimingRule, false,
       store_timing<&Timings::request_timeout>},
      {"retry-min", "DURATION", "",
       "Shortest pause after a failed request. Default: the profile's.", kTimingRule, false,
       store_timing<&Timings::retry_min>},
      {"retry-max", "DURATION", "", "Longest pause after a failed request. Default: the profile's.",
       kTimingRule, false, store_timing<&Timings::retry_max>},
      {"sidecar", "KIND", "ordinary",
       "native if the container is an init container with restartPolicy Always: its SIGTERM, seen "
       "with the Pod's deletion, then proves that the work has ended.",
       "ordinary or native", false, store_sidecar},
      {"local-address", "LIST", "127.0.0.1:4040,[::1]:4040",
       "Where the local API listens; off: nowhere.",
       "loopback addresses or unix:/path, comma-separated, or off", false, store_local_address},
      {"probe-address", "LIST", "0.0.0.0:4041,[::]:4041",
       "Where probes and metrics are answered; off: nowhere.",
       "addresses or unix:/path, comma-separated, or off", false, store_probe_address},
      {"pod-name", "NAME", "", "Name of the own Pod. Default: from the service account token.",
       "a DNS subdomain (RFC 1123), at most 253 characters", false,
       store_name<&Settings::pod_name, check_dns_subdomain>},
      {"pod-uid", "UID", "", "UID of the own Pod. Default: from the service account token.",
       "letters, digits and '-', at most 64", false, store_pod_uid},
      {"id", "NAME", "", "Replaces the Pod's name in the identity and in the answer of GET /.",
       kPrintableRule, true, store_printable<&Settings::id>},
      {"replicas", "N", "3", "How many candidates to expect; spreads their attempts.", "1 to 1000",
       false, store_replicas},
      {"lock-delay", "DURATION", "0s",
       "Extra wait before taking over from a leader that did not release, for effects that no "
       "token "
       "can fence.",
       "0s to 1h, in whole seconds", false, store_duration<&Settings::lock_delay, 0, 3600, true>},
      {"token-floor", "TOKEN", "0", "Fencing tokens are at least this.", "0 to 999999999999999999",
       false, store_token_floor},
      {"warm-up-limit", "DURATION", "0s",
       "How long a new leader may stay in the state warming until its application says "
       "ready-to-lead; 0s: no such state.",
       "0s to 1h", false, store_duration<&Settings::warm_up_limit, 0, 3600, false>},
      {"grace-period", "DURATION", "30s",
       "The Pod's terminationGracePeriodSeconds: an announced resignation expires after it.",
       "1s to 24h", false, store_duration<&Settings::grace_period, 1, 86400, false>},
      {"holders", "LIST", "",
       "Names of the containers whose work must have ended before a release. Default: any one "
       "speaks for all.",
       "at most 16 DNS labels, comma-separated", false, store_holders},
      {"advertise-address", "TEXT", "",
       "Address of the application, shown to others as the leader's.", kPrintableRule, false,
       store_printable<&Settings::address>},
      {"events", "", "true", "Record Kubernetes Events on the Lease.", "true or false", false,
       store_events},
      {"log-level", "LEVEL", "info", "Least severity that is logged.",
       "debug, info, warning or error", false, store_log_level},
      {"election-namespace", "NAME", "", "The same as namespace.",
       "a DNS label (RFC 1123), at most 63 characters; not together with namespace", true,
       store_name<&Settings::namespace_name, check_dns_label>},
      {"http", "ADDRESS", "",
       "A loopback address becomes local-address; any other one serves only GET and HEAD of /, and "
       "the local API moves to port 4042 if both want the same.",
       "as local-address, on any host", true, store_http},
      {"use-cluster-credentials", "", "false",
       "Accepted; in a Pod its service account is used anyway.",
       "true or false; not together with kubeconfig", true, store_in_cluster},
  };
  return table;
}

const Setting* find_setting(std::string_view key) {
  const auto& table = settings_table();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const Setting& setting) { return setting.key == key; });
  return found == table.end() ? nullptr : &*found;
}

std::string variable_of(std::string_view key) {
  std::string name = "BATON_";
  for (const char c : key) name += c == '-' ? '_' : static_cast<char>(c >= 'a' ? c - 32 : c);
  return name;
}

const std::vector<Profile>& profiles() {
  using ms = milliseconds;
  static const std::vector<Profile> all = {
      {"aggressive", {ms(3000), ms(2400), ms(1000), ms(400), ms(50), ms(90)}},
      {"balanced", {ms(15000), ms(12000), ms(5000), ms(2000), ms(250), ms(450)}},
      {"conservative", {ms(45000), ms(36000), ms(10000), ms(5000), ms(500), ms(5000)}},
  };
  return all;
}

election::Timings timings_of_ttl(Duration ttl) {
  const Duration whole = std::chrono::ceil<seconds>(ttl);
  return {whole, whole * 4 / 5, whole / 4, whole / 8, whole / 40, whole / 20};
}

}  // namespace baton::config
