#include "config/table.h"

#include <algorithm>
#include <boost/algorithm/string/case_conv.hpp>
#include <cctype>

#include "base/text.h"
#include "config/rules.h"

namespace baton::config {
namespace {

using election::Duration;
using election::Timings;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMostHolders = 16;
constexpr std::size_t kMostPorts = 16;

constexpr char kSubdomainRule[] = "a DNS subdomain (RFC 1123), at most 253 characters";
constexpr char kLabelRule[] = "a DNS label (RFC 1123), at most 63 characters";
constexpr char kTimingRule[] = "a duration, see Timings";
constexpr char kPrintableRule[] = "at most 253 printable ASCII characters without spaces";

/// Stores a text that passes `check`, which returns "" or why not.
Store text(std::string Settings::*field, std::string (*check)(std::string_view) = nullptr) {
  return [=](std::string_view value, Draft& draft) {
    std::string why = check == nullptr ? "" : check(value);
    if (why.empty()) draft.settings.*field = value;
    return why;
  };
}

std::string check_election(std::string_view value) {
  if (value.empty()) return "must not be empty; write the Lease's name, like my-app";
  return check_dns_subdomain(value);
}

std::string subdomain_or_empty(std::string_view value) {
  return value.empty() ? "" : check_dns_subdomain(value);
}

std::string label_or_empty(std::string_view value) {
  return value.empty() ? "" : check_dns_label(value);
}

std::string check_printable(std::string_view value) {
  const auto is_allowed = [](char c) { return c > ' ' && c < '\x7f'; };
  if (value.size() <= 253 && std::ranges::all_of(value, is_allowed)) return "";
  return std::string("must be ") + kPrintableRule + "; write it like pod-1";
}

std::string check_pod_uid(std::string_view value) {
  const auto is_allowed = [](unsigned char c) { return c == '-' || std::isalnum(c) != 0; };
  if (value.size() <= 64 && std::ranges::all_of(value, is_allowed)) return "";
  return "must be letters, digits and '-', at most 64; write metadata.uid of the Pod";
}

std::string check_log_level(std::string_view value) {
  for (const char* level : {"debug", "info", "warning", "error"}) {
    if (value == level) return "";
  }
  return "must be debug, info, warning or error; write one of them";
}

Duration& at(Settings& settings, Duration Settings::*field) { return settings.*field; }
Duration& at(Settings& settings, Duration Timings::*field) { return settings.timings.*field; }

/// Of the timings too; the rules between them are checked when all are known.
template <typename Field>
Store duration(Field field, Duration min, Duration max, bool whole_seconds = false) {
  return [=](std::string_view value, Draft& draft) -> std::string {
    const auto duration = duration_between(value, min, max, whole_seconds);
    if (!duration) return duration.error();
    at(draft.settings, field) = *duration;
    return "";
  };
}

template <typename Number>
Store number(Number Settings::*field, std::int64_t min, std::int64_t max, const std::string& mend) {
  return [=](std::string_view value, Draft& draft) -> std::string {
    const auto number = parse_integer(value, min, max);
    if (!number) {
      return "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max) +
             "; write " + mend;
    }
    draft.settings.*field = static_cast<Number>(*number);
    return "";
  };
}

Store addresses(std::vector<std::string> Settings::*field, bool loopback_only) {
  return [=](std::string_view value, Draft& draft) -> std::string {
    const auto addresses = parse_addresses(value);
    if (!addresses) return addresses.error();
    std::vector<std::string> texts;
    for (const Address& address : *addresses) {
      if (loopback_only && !address.loopback) {
        return "the local API can resign and is served on loopback or a Unix socket only; write "
               "127.0.0.1:" +
               address.port + " or unix:/path";
      }
      texts.push_back(address.text());
    }
    draft.settings.*field = std::move(texts);
    return "";
  };
}

std::string store_bool(std::string_view value, bool& out) {
  if (value != "true" && value != "false") return "must be true or false; write one of them";
  out = value == "true";
  return "";
}

std::string store_profile(std::string_view value, Draft& draft) {
  const auto profile = std::ranges::find(profiles(), value, &Profile::name);
  if (profile == profiles().end()) {
    return "must be aggressive, balanced or conservative; write one of them";
  }
  draft.settings.profile = value;
  draft.settings.timings = profile->timings;
  return "";
}

std::string store_ttl(std::string_view value, Draft& draft) {
  const auto ttl = duration_between(value, milliseconds(1), hours(1));
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

std::string check_service(std::string_view value) {
  if (!value.empty() && std::isdigit(static_cast<unsigned char>(value[0])) != 0) {
    return "a Service's name begins with a letter (RFC 1035); write it like my-app";
  }
  return label_or_empty(value);
}

std::string store_health_url(std::string_view value, Draft& draft) {
  draft.settings.app_health_url.reset();
  if (value.empty()) return "";
  auto url = parse_http_url(value);
  if (!url) return url.error();
  draft.settings.app_health_url = std::move(url).value();
  return "";
}

std::string check_program(std::string_view value) {
  constexpr std::size_t kMost = 15;
  const auto slash = value.rfind('/');
  if (slash != value.npos) {
    return "is a path; write its last part, " + printable(value.substr(slash + 1, kMost));
  }
  if (!std::ranges::all_of(value, [](char c) { return c >= ' ' && c < '\x7f'; })) {
    return "must be printable ASCII characters; write it like my-worker";
  }
  if (value.size() > kMost) {
    return "has " + std::to_string(value.size()) +
           " characters, of which the kernel keeps 15; write " +
           std::string(value.substr(0, kMost));
  }
  if (value != "baton") return "";
  return "is baton's own; name the application's program, and none for baton exec, which tells of "
         "its command's end by itself";
}

std::string store_ports(std::string_view value, Draft& draft) {
  std::vector<ServicePort> ports;
  for (const std::string& text : value.empty() ? std::vector<std::string>{} : split_list(value)) {
    const auto equals = text.find('=');
    const std::string name = equals == text.npos ? "" : text.substr(0, equals);
    const auto number =
        parse_integer(equals == text.npos ? text : text.substr(equals + 1), 1, 65535);
    if (!number || (equals != text.npos && !check_dns_label(name).empty())) {
      return "\"" + printable(text, 80) +
             "\": must be NAME=PORT with a port from 1 to 65535, or the " +
             "PORT of a Service whose only port has no name; write it like http=8080";
    }
    if (std::ranges::find(ports, name, &ServicePort::name) != ports.end()) {
      return "names " + (name.empty() ? "no port" : "port " + name) +
             " twice; give each the name that it has in the Service";
    }
    ports.push_back({name, static_cast<int>(*number)});
  }
  if (ports.size() > kMostPorts) return "at most 16 ports; remove some";
  if (ports.size() > 1 && std::ranges::find(ports, "", &ServicePort::name) != ports.end()) {
    return "several ports have a name each; write them like http=8080,metrics=9090";
  }
  draft.settings.leader_service_ports = std::move(ports);
  return "";
}

}  // namespace

const std::vector<Setting>& settings_table() {
  const Duration tick = milliseconds(1);
  static const std::vector<Setting> table = {
      {"election", "NAME", "", "Name of the Lease to elect through. Required.", kSubdomainRule,
       text(&Settings::election, check_election)},
      {"namespace", "NAME", "",
       "Namespace of the Lease. Default: the Pod's own, or the kubeconfig context's.", kLabelRule,
       text(&Settings::namespace_name, label_or_empty)},
      {"kubeconfig", "FILE", "",
       "How to reach the API server. Default: $KUBECONFIG, else the Pod's service account, else "
       "~/.kube/config.",
       "a readable kubeconfig", text(&Settings::kubeconfig)},
      {"context", "NAME", "", "Context of the kubeconfig. Default: its current-context.",
       "a context in it", text(&Settings::context)},
      {"config", "FILE", "", "YAML file with any of these keys, except this one.",
       "a readable YAML file of at most 1 MiB", [](std::string_view, Draft&) { return ""; }},
      {"profile", "NAME", "balanced", "Set of timings to start from, see Timings.",
       "aggressive, balanced or conservative", store_profile},
      {"ttl", "DURATION", "", "Timings derived from one lease duration, see Timings.",
       "1ms to 1h, rounded up to whole seconds; not together with profile", store_ttl, true},
      {"lease-duration", "DURATION", "",
       "How long other candidates wait for a silent leader. Default: the profile's.", kTimingRule,
       duration(&Timings::lease_duration, seconds(1), hours(1), true)},
      {"renew-deadline", "DURATION", "",
       "How long after sending a renewal the leader may still lead. Default: the profile's.",
       kTimingRule, duration(&Timings::renew_deadline, tick, hours(1))},
      {"renew-period", "DURATION", "", "Time between two renewals. Default: the profile's.",
       kTimingRule, duration(&Timings::renew_period, tick, hours(1))},
      {"request-timeout", "DURATION", "",
       "Hard limit of each request to the API server. Default: the profile's.", kTimingRule,
       duration(&Timings::request_timeout, tick, hours(1))},
      {"retry-min", "DURATION", "",
       "Shortest pause after a failed request. Default: the profile's.", kTimingRule,
       duration(&Timings::retry_min, tick, hours(1))},
      {"retry-max", "DURATION", "", "Longest pause after a failed request. Default: the profile's.",
       kTimingRule, duration(&Timings::retry_max, tick, hours(1))},
      {"sidecar", "KIND", "ordinary",
       "native if the container is an init container with restartPolicy Always: its SIGTERM, seen "
       "with the Pod's deletion, then proves that the work has ended.",
       "ordinary or native", store_sidecar},
      {"local-address", "LIST", "127.0.0.1:4040,[::1]:4040",
       "Where the local API listens; off: nowhere.",
       "loopback addresses or unix:/path, comma-separated, or off",
       addresses(&Settings::local_addresses, true)},
      {"probe-address", "LIST", "0.0.0.0:4041,[::]:4041",
       "Where probes and metrics are answered; off: nowhere.",
       "addresses or unix:/path, comma-separated, or off",
       addresses(&Settings::probe_addresses, false)},
      {"pod-name", "NAME", "", "Name of the own Pod. Default: from the service account token.",
       kSubdomainRule, text(&Settings::pod_name, subdomain_or_empty)},
      {"pod-uid", "UID", "", "UID of the own Pod. Default: from the service account token.",
       "letters, digits and '-', at most 64", text(&Settings::pod_uid, check_pod_uid)},
      {"id", "NAME", "", "Replaces the Pod's name in the identity and in the answer of GET /.",
       kPrintableRule, text(&Settings::id, check_printable), true},
      {"replicas", "N", "3", "How many candidates to expect; spreads their attempts.", "1 to 1000",
       number(&Settings::replicas, 1, 1000, "the Deployment's replicas")},
      {"lock-delay", "DURATION", "0s",
       "Extra wait before taking over from a leader that did not release, for effects that no "
       "token can fence.",
       "0s to 1h, in whole seconds", duration(&Settings::lock_delay, seconds(0), hours(1), true)},
      {"token-floor", "TOKEN", "0", "Fencing tokens are at least this.", "0 to 999999999999999999",
       number(&Settings::token_floor, 0, election::kMaxToken,
              "one more than the highest token that a resource has seen")},
      {"warm-up-limit", "DURATION", "0s",
       "How long a new leader may stay in the state warming until its application says "
       "ready-to-lead; 0s: no such state.",
       "0s to 1h", duration(&Settings::warm_up_limit, seconds(0), hours(1))},
      {"max-term", "DURATION", "0s",
       "How long a term may last: the leader then resigns as on request, and the others take over "
       "by turns; 0s: as long as it can. If there is no other, nobody leads for one lease "
       "duration.",
       "0s, or 10 x lease-duration to 720h; needs replicas of 2 or more",
       duration(&Settings::max_term, seconds(0), hours(720))},
      {"grace-period", "DURATION", "30s",
       "The Pod's terminationGracePeriodSeconds: an announced resignation expires after it.",
       "1s to 24h", duration(&Settings::grace_period, seconds(1), hours(24))},
      {"holders", "LIST", "",
       "Names of the containers whose work must have ended before a release. Default: any one "
       "speaks for all.",
       "at most 16 DNS labels, comma-separated", store_holders},
      {"advertise-address", "TEXT", "",
       "Address of the application, shown to others as the leader's.", kPrintableRule,
       text(&Settings::address, check_printable)},
      {"events", "", "true", "Record Kubernetes Events on the Lease and the own Pod.",
       "true or false",
       [](auto value, Draft& draft) { return store_bool(value, draft.settings.events); }},
      {"leader-service", "NAME", "",
       "Selector-less Service that leads to the leader: its EndpointSlice of the same name is "
       "written on winning. Default: none.",
       std::string(kLabelRule) + ", beginning with a letter; needs leader-service-ports",
       text(&Settings::leader_service, check_service)},
      {"leader-service-ports", "LIST", "",
       "The Pod's ports behind that Service, each with the name that it has there.",
       "NAME=PORT, at most 16, comma-separated, or one PORT; TCP", store_ports},
      {"leader-label", "", "false",
       "Label baton/leader with the election's name on the own Pod while it leads, for a Service's "
       "selector.",
       "true or false; the election's name then has at most 63 characters",
       [](auto value, Draft& draft) { return store_bool(value, draft.settings.leader_label); }},
      {"app-health-url", "URL", "",
       "The application's own health check: while it does not answer 2xx or 3xx this Pod does not "
       "contend, and a leader gives way. Default: not asked.",
       "http://HOST[:PORT][/PATH] that the sidecar reaches; must not depend on who leads",
       store_health_url},
      {"app-process", "NAME", "",
       "The application's program, by the name in /proc/PID/comm: while no process has it this Pod "
       "does not contend, and once the last one has ended a leader releases at once. Default: not "
       "looked for.",
       "at most 15 printable ASCII characters; needs shareProcessNamespace: true in the Pod; not "
       "together with holders",
       text(&Settings::app_process, check_program)},
      {"record", "FILE", "",
       "Flight recorder: keep what the election is given in FILE and FILE.1, at most 16 MiB, for "
       "baton replay. Default: nothing is recorded.",
       "a file that can be created, or an earlier recording", text(&Settings::record)},
      {"status-page", "FILE", "",
       "Status page: show the answer of GET /leader in FILE too, for reading without a system "
       "call; whatever it shows counts as handed out. Default: none.",
       "a file on a memory-backed volume (tmpfs), new or an earlier status page",
       text(&Settings::status_page)},
      {"log-level", "LEVEL", "info", "Least severity that is logged.",
       "debug, info, warning or error", text(&Settings::log_level, check_log_level)},
      {"election-namespace", "NAME", "", "The same as namespace.",
       std::string(kLabelRule) + "; not together with namespace",
       text(&Settings::namespace_name, label_or_empty), true},
      {"http", "ADDRESS", "",
       "A loopback address becomes local-address; any other one serves only GET and HEAD of /, and "
       "the local API moves to port 4042 if both want the same.",
       "as local-address, on any host", store_http, true},
      {"use-cluster-credentials", "", "false",
       "Accepted; in a Pod its service account is used anyway.",
       "true or false; not together with kubeconfig",
       [](auto value, Draft&) {
         bool ignored = false;
         return store_bool(value, ignored);
       },
       true},
  };
  return table;
}

const Setting* find_setting(std::string_view key) {
  const auto found = std::ranges::find(settings_table(), key, &Setting::key);
  return found == settings_table().end() ? nullptr : &*found;
}

std::string variable_of(std::string_view key) {
  std::string name = "BATON_" + boost::algorithm::to_upper_copy(std::string(key));
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace baton::config
