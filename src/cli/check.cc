// The preflight: from the configuration outwards, each line ok, note or FAIL with the mend.
#include <csignal>

#include "base/text.h"
#include "cli/advice.h"
#include "cli/commands.h"
#include "cli/findings.h"
#include "cli/measure.h"
#include "config/rules.h"
#include "kube/cluster.h"
#include "kube/lease_client.h"
#include "kube/side_client.h"
#include "kube/workload.h"
#include "runtime/identity.h"
#include "runtime/process_watch.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kTimeout(
    10);  // of each request here, so that slow ones are measured
constexpr int kMeasured = 5;
constexpr int kBySignal = 128;  // and the signal's number, as a shell has it

/// One right that the sidecar asks for.
struct Right {
  std::string verb, group, resource;
  std::string name;  // of the object; "": of any
  bool is_optional;
  std::string purpose;  // what does not work without it
};

std::vector<Right> rights(const config::Settings& settings, const std::string& pod) {
  const std::string kLeases = "coordination.k8s.io", kSlices = "discovery.k8s.io";
  const std::string& lease = settings.election;
  std::vector<Right> rights = {
      {"list", kLeases, "leases", lease, false, "the Lease cannot be read"},
      {"watch", kLeases, "leases", lease, false, "a release is noticed late"},
      {"update", kLeases, "leases", lease, false, "the Lease cannot be acquired or renewed"},
      {"create", kLeases, "leases", lease, false, "a missing Lease blocks the election"},
      {"get", "", "pods", pod, true,
       "after SIGTERM a native sidecar cannot see that its Pod ends, and releases later"},
      {"create", "", "events", "", true, "no Events on the Lease"},
  };
  if (const std::string& service = settings.leader_service; !service.empty()) {
    const std::string no_traffic = "the Service " + service + " does not lead to the leader";
    for (const char* verb : {"get", "update"}) {
      rights.push_back({verb, kSlices, "endpointslices", service, false, no_traffic});
    }
    rights.push_back({"create", kSlices, "endpointslices", "", false, no_traffic});
    rights.push_back({"get", "", "pods", pod, false, no_traffic + ", whose address is not known"});
  }
  if (settings.leader_label) {
    for (const char* verb : {"list", "patch"}) {
      rights.push_back({verb, "", "pods", "", false, "the leader's Pod gets no label"});
    }
  }
  return rights;
}

class Check {
 public:
  Check(const config::Settings& settings, Findings& findings)
      : settings_(settings), findings_(findings) {}

  /// The exit code. `length` empty: without measuring.
  int run(const std::optional<Duration>& length) {
    // Each step needs the one before.
    if (!find_cluster()) return kFailed;
    if (!find_identity() || !reach() || !verify_tls() || !check_credentials()) return kFailed;
    for (const Right& right : rights(settings_, identity_.pod_name)) check_right(right);
    look_at_pod();
    read_lease();
    if (length && may_measure()) {
      if (const int signal = measure_for(*length); signal != 0) return kBySignal + signal;
    }
    return findings_.all_well() ? kOk : kFailed;
  }

 private:
  bool find_cluster() {
    auto cluster = kube::find_cluster(settings_.kubeconfig, settings_.context);
    if (!cluster) {
      for (const std::string& why : lines_of(cluster.error())) findings_.fail("cluster", why);
      return false;
    }
    server_ = cluster->endpoint.host + ":" + std::to_string(cluster->endpoint.port);
    findings_.ok("cluster: " + cluster->source + ", server " + server_);
    credentials_ = std::make_shared<kube::Credentials>(std::move(cluster).value());
    side_ = std::make_unique<kube::SideClient>(credentials_);
    return true;
  }

  bool find_identity() {
    const auto identity = runtime::find_identity(settings_, *credentials_);
    if (!identity) return findings_.fail("namespace", identity.error());
    identity_ = *identity;
    findings_.ok("election: Lease " + identity_.namespace_name + "/" + settings_.election +
                 ", as Pod " + identity_.pod_name);
    return true;
  }

  /// "" or why there is no connection.
  std::string connect(std::shared_ptr<http::TlsContext> tls) {
    const auto connection =
        http::Connection::make(credentials_->cluster().endpoint, std::move(tls));
    return connection->connect(boot_now() + kTimeout);
  }

  bool reach() {
    if (const std::string why = connect(nullptr); !why.empty()) {
      return findings_.fail(
          "address " + server_,
          why + "; check the address, DNS and network policies (egress to the API server)");
    }
    findings_.ok("address " + server_ + " is reachable");
    return true;
  }

  bool verify_tls() {
    const auto tls = credentials_->tls();
    if (!tls) return findings_.fail("TLS", tls.error());
    if (const std::string why = connect(*tls); !why.empty()) {
      return findings_.fail(
          "TLS", why + "; give the CA that signed it and a server address that it names");
    }
    findings_.ok("TLS: the server's certificate is verified");
    return true;
  }

  bool check_credentials() {
    const auto expiry_s = credentials_->token_validity().until_s;
    if (expiry_s && *expiry_s <= wall_now_s()) {
      findings_.note("the token ended " + std::to_string(wall_now_s() - *expiry_s) +
                     "s ago by its own claim");
    }
    const kube::SideAnswer answer = side_->request("GET", "/version", "", kTimeout);
    if (answer.status == 0) return findings_.fail("credentials", answer.what);
    if (answer.status == 401) {
      return findings_.fail("credentials",
                            "the API server does not know them (401); mount a fresh service "
                            "account token, or log in again for a kubeconfig");
    }
    findings_.ok("credentials are accepted");
    if (answer.date_s) judge_clock(*answer.date_s, wall_now_s(), findings_);
    return true;
  }

  void check_right(const Right& right) {
    const std::string& name = right.name;
    const std::string what =
        "right to " + right.verb + " " + right.resource + (name.empty() ? "" : " " + name);
    const auto allowed = side_->can_i(
        {right.verb, right.group, right.resource, identity_.namespace_name, name}, kTimeout);
    if (allowed && *allowed) return findings_.ok(what);
    const std::string account = kube::pod_identity(credentials_->bearer()).service_account;
    const std::string why =
        (allowed ? "not granted" : allowed.error()) + ", " + right.purpose + "; allow " +
        right.verb + " on " + right.resource +
        (name.empty() ? "" : " with resourceNames [" + name + "]") + " in a Role of namespace " +
        identity_.namespace_name + ", and bind it to " +
        (account.empty() ? "this identity" : "the ServiceAccount " + printable(account));
    if (right.is_optional) {
      findings_.note(what + " (optional): " + why);
    } else {
      findings_.fail(what, why);
    }
  }

  /// How it ends and is replaced: notes at most, since no term depends on it.
  void look_at_pod() {
    if (identity_.pod_uid.empty() && settings_.pod_name.empty()) return;  // not in a Pod
    const std::string& namespace_name = identity_.namespace_name;
    const auto pod = kube::read_pod_spec(*side_, namespace_name, identity_.pod_name, kTimeout);
    if (!pod) {
      return findings_.note(
          "not checked: terminationGracePeriodSeconds and the workload's strategy, " + pod.error());
    }
    judge_grace_period(pod->grace_period_s, settings_.timings.renew_deadline, findings_);
    if (pod->is_on_host_network) judge_host_network(settings_.local_addresses, findings_);
    if (const std::string& name = settings_.app_process; !name.empty()) {
      const bool is_seen =
          runtime::NamedProcesses(name).look() == runtime::NamedProcesses::Presence::some;
      judge_app_process(name, is_seen, pod->shares_processes, findings_);
    }
    if (!pod->is_ready_only_as_leader) return;  // else every strategy gets there
    const auto workload = kube::read_workload(*side_, namespace_name, pod->owner, kTimeout);
    if (workload) return judge_roll_out(*workload, findings_);
    findings_.note(
        "not checked: the workload's strategy, which may get stuck where only the "
        "leader is Ready (docs/charts.md), " +
        workload.error());
  }

  void read_lease() {
    kube::LeaseClient client(credentials_,
                             {identity_.namespace_name, settings_.election, kTimeout});
    std::vector<Duration> latencies;
    std::optional<election::Lease> lease;
    client.dial_ahead();
    for (election::RequestId id = 1; id <= kMeasured; ++id) {
      const Instant sent = boot_now();
      const auto answer = client.list(id);
      if (const auto* failed = std::get_if<election::ListFailed>(&answer)) {
        findings_.fail("Lease", failed->failure.what);
        return;
      }
      latencies.push_back(boot_now() - sent);
      lease = std::get<election::Listed>(answer).lease;
    }
    describe_lease(lease, findings_);
    judge_latency(std::move(latencies), settings_.timings, findings_);
  }

  bool may_measure() {
    const std::string name = lease_to_measure(settings_.election);
    const std::string& namespace_name = identity_.namespace_name;
    std::string missing;
    for (const char* verb : {"list", "watch", "update", "create"}) {
      const auto allowed =
          side_->can_i({verb, "coordination.k8s.io", "leases", namespace_name, name}, kTimeout);
      if (!allowed) return findings_.fail("measurement", allowed.error());
      if (!*allowed) missing += (missing.empty() ? "" : ", ") + std::string(verb);
    }
    if (missing.empty()) return true;
    const kube::PodIdentity account = kube::pod_identity(credentials_->bearer());
    const std::string subject =
        account.service_account.empty()
            ? "--user=NAME"
            : "--serviceaccount=" +
                  printable(account.namespace_name + ":" + account.service_account, 400);
    const std::string create = "kubectl --namespace=" + namespace_name + " create ";
    return findings_.fail(
        "measurement",
        "it writes to a Lease of its own, " + name +
            ", so that it disturbs no election, and this identity may not " + missing +
            " that one; for as long as you measure: " + create + "role " + name +
            " --verb=list,watch,update,create --resource=leases.coordination.k8s.io "
            "--resource-name=" +
            name + " && " + create + "rolebinding " + name + " --role=" + name + " " + subject);
  }

  /// The signal that ended it, 0 if none did.
  int measure_for(Duration length) {
    const std::string lease = identity_.namespace_name + "/" + lease_to_measure(settings_.election);
    findings_.ok("measuring for " + format_duration(length) +
                 " with ten writes a second to Lease " + lease + ", which stays");
    const Measurement seen = measure(credentials_, identity_.namespace_name, settings_.election,
                                     length, settings_.timings.request_timeout);
    describe(seen.measured, findings_);
    const std::string after = " after " + rounded(seen.length);
    if (seen.signal != 0) {
      findings_.note("measurement: ended by " +
                     std::string(seen.signal == SIGINT ? "SIGINT" : "SIGTERM") + after);
    }
    if (!seen.failure.empty()) {
      findings_.fail("measurement", "ended" + after + ": " + seen.failure +
                                        "; nothing is recommended from what was cut short");
    } else if (!seen.measured.writes.empty()) {
      advise(seen.measured, settings_, findings_);
    }
    return seen.signal;
  }

  const config::Settings& settings_;
  Findings& findings_;
  std::shared_ptr<kube::Credentials> credentials_;
  std::unique_ptr<kube::SideClient> side_;
  runtime::Identity identity_;
  std::string server_;  // host:port, for people
};

}  // namespace

int run_check(const Call& call) {
  std::optional<Duration> length;
  if (call.arguments.has("--measure")) {
    const std::string text = call.arguments.get("--measure");
    const auto given =
        config::duration_between(text, std::chrono::seconds(1), std::chrono::hours(1));
    if (!given) {
      return call.fail(kUsage, "--measure: \"" + printable(text) + "\": " + given.error());
    }
    length = *given;
  }
  config::Loaded loaded = load_settings(call);
  if (length && loaded.errors.empty()) {
    const std::string name = lease_to_measure(loaded.settings.election);
    const std::string why = config::check_dns_subdomain(name);
    if (!why.empty()) loaded.errors.push_back("--measure writes to the Lease " + name + ": " + why);
  }
  Findings findings(call.shell.out);
  for (const std::string& error : loaded.errors) findings.fail("configuration", error);
  if (!loaded.errors.empty()) return kUsage;
  const election::Timings& timings = loaded.settings.timings;
  findings.ok("configuration: lease-duration " + format_duration(timings.lease_duration) +
              ", renew-deadline " + format_duration(timings.renew_deadline) + ", renew-period " +
              format_duration(timings.renew_period) + ", request-timeout " +
              format_duration(timings.request_timeout));
  return Check(loaded.settings, findings).run(length);
}

}  // namespace baton::cli
