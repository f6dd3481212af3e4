// What a person can set for `baton run`, after flags, BATON_*, the YAML file and defaults have been
// merged (in this order of precedence) and checked. The table behind it is config/table.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "election/options.h"

namespace baton::config {

enum class Sidecar { ordinary, native };

/// A port of the leader's Service, under the name that it has there.
struct ServicePort {
  std::string name;  // "" where it is the only one
  int number = 0;    // of the Pod

  bool operator==(const ServicePort&) const = default;
};

/// http://HOST[:PORT][/PATH] or https://…, taken apart.
struct HttpUrl {
  std::string text;  // as it was given
  std::string host;  // numeric, IPv6 without brackets, or a name
  int port = 80;
  std::string target;  // path and query
  bool is_https = false;
};

struct Settings {
  std::string election;        // --election, the Lease's name
  std::string namespace_name;  // --namespace; "": from the kubeconfig's context or the Pod's token
  std::string kubeconfig;      // --kubeconfig; "": KUBECONFIG, else in-cluster, else ~/.kube/config
  std::string context;         // --context of the kubeconfig; "": current-context
  std::string profile;         // --profile aggressive | balanced | conservative
  election::Timings timings;   // the profile's, changed by --lease-duration, --renew-deadline,
                               // --renew-period, --request-timeout, --retry-min, --retry-max, --ttl
  Sidecar sidecar = Sidecar::ordinary;        // --sidecar
  std::vector<std::string> local_addresses;   // --local-address; empty: off
  std::vector<std::string> probe_addresses;   // --probe-address; empty: off
  std::string pod_name;                       // --pod-name; "": from the token's claims
  std::string pod_uid;                        // --pod-uid; "": from the token's claims
  std::string id;                             // --id, replaces the Pod name in the identity
  std::vector<std::string> legacy_addresses;  // --http of the retired leader-elector, not loopback
  int replicas = 3;                           // --replicas
  election::Duration lock_delay{0};           // --lock-delay
  election::Token token_floor = 0;            // --token-floor
  election::Duration warm_up_limit{0};        // --warm-up-limit; 0: no warming
  election::Duration max_term{0};             // --max-term; 0: none
  election::Duration grace_period{30'000'000'000};  // --grace-period
  std::vector<std::string> holders;                 // --holders
  std::string address;                              // --advertise-address, shown to others
  bool events = true;                               // --events: Kubernetes Events on the Lease
  std::string leader_service;                       // --leader-service; "": no EndpointSlice
  std::vector<ServicePort> leader_service_ports;    // --leader-service-ports
  bool leader_label = false;                        // --leader-label on the own Pod
  std::optional<HttpUrl> app_health_url;            // --app-health-url; none: no gate
  std::string app_process;                          // --app-process; "": not watched
  std::string record;                               // --record FILE; "": no flight recorder
  std::string status_page;                          // --status-page FILE; "": none
  std::string log_level;                            // --log-level debug | info | warning | error
};

}  // namespace baton::config
