// The preflight: from the configuration outwards, each line ok, note or FAIL with the mend.
#include "base/text.h"
#include "cli/commands.h"
#include "cli/findings.h"
#include "kube/cluster.h"
#include "kube/lease_client.h"
#include "kube/side_client.h"
#include "runtime/identity.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kTimeout(
    10);  // of each request here, so that slow ones are measured
constexpr int kMeasured = 5;

class Check {
 public:
  Check(const config::Settings& settings, std::ostream& out)
      : settings_(settings), findings_(out) {}

  bool run() {
    // Each step needs the one before.
    if (!find_cluster()) return false;
    find_identity();
    if (!reach() || !verify_tls() || !check_credentials()) return false;
    check_rights();
    read_lease();
    return findings_.all_well();
  }

 private:
  bool find_cluster();
  void find_identity();
  bool reach();
  bool verify_tls();
  bool check_credentials();
  void check_rights();
  void read_lease();

  bool fail(const std::string& what, const std::string& why) {
    findings_.fail(what, why);
    return false;
  }

  const config::Settings& settings_;
  Findings findings_;
  std::shared_ptr<kube::Credentials> credentials_;
  std::unique_ptr<kube::SideClient> side_;
  runtime::Identity identity_;
  std::string server_;  // host:port, for people
};

bool Check::find_cluster() {
  auto cluster = kube::find_cluster(settings_.kubeconfig, settings_.context);
  if (!cluster) return fail("cluster", cluster.error());
  server_ = cluster->endpoint.host + ":" + std::to_string(cluster->endpoint.port);
  findings_.ok("cluster: " + cluster->source + ", server " + server_);
  credentials_ = std::make_shared<kube::Credentials>(std::move(cluster).value());
  side_ = std::make_unique<kube::SideClient>(credentials_);
  return true;
}

void Check::find_identity() {
  identity_ = runtime::find_identity(settings_, *credentials_);
  findings_.ok("election: Lease " + identity_.namespace_name + "/" + settings_.election +
               ", as Pod " + identity_.pod_name);
}

bool Check::reach() {
  const auto connection = http::Connection::make(credentials_->cluster().endpoint, nullptr);
  const std::string why = connection->connect(boot_now() + kTimeout);
  if (!why.empty()) {
    return fail("address " + server_,
                why + "; check the address, DNS and network policies (egress to the API server)");
  }
  findings_.ok("address " + server_ + " is reachable");
  return true;
}

bool Check::verify_tls() {
  const auto tls = credentials_->tls();
  if (!tls) return fail("TLS", tls.error());
  const auto connection = http::Connection::make(credentials_->cluster().endpoint, *tls);
  const std::string why = connection->connect(boot_now() + kTimeout);
  if (!why.empty()) {
    return fail("TLS", why + "; give the CA that signed it and a server address that it names");
  }
  findings_.ok("TLS: the server's certificate is verified");
  return true;
}

bool Check::check_credentials() {
  const auto expiry_s = credentials_->token_expiry();
  if (expiry_s && *expiry_s <= wall_now_s()) {
    findings_.note("the token ended " + std::to_string(wall_now_s() - *expiry_s) +
                   "s ago by its own claim");
  }
  const kube::SideAnswer answer = side_->request("GET", "/version", "", kTimeout);
  if (answer.status == 0) return fail("credentials", answer.what);
  if (answer.status == 401) {
    return fail("credentials",
                "the API server does not know them (401); mount a fresh service account token, or "
                "log in again for a kubeconfig");
  }
  findings_.ok("credentials are accepted");
  if (answer.date_s) judge_clock(*answer.date_s, wall_now_s(), findings_);
  return true;
}

void Check::check_rights() {
  for (const Right& right : rights()) {
    const std::string name = right.resource == "leases" ? settings_.election
                             : right.resource == "pods" ? identity_.pod_name
                                                        : "";
    const std::string what = "right to " + std::string(right.verb) + " " +
                             std::string(right.resource) + (name.empty() ? "" : " " + name);
    const auto allowed = side_->can_i({std::string(right.verb), std::string(right.group),
                                       std::string(right.resource), identity_.namespace_name, name},
                                      kTimeout);
    if (allowed && *allowed) {
      findings_.ok(what);
      continue;
    }
    const std::string why =
        (allowed ? "not granted, " : allowed.error() + ", ") + std::string(right.purpose) +
        "; allow " + std::string(right.verb) + " on " + std::string(right.resource) +
        (name.empty() ? "" : " with resourceNames [" + name + "]") + " in a Role of namespace " +
        identity_.namespace_name + " bound to this service account";
    if (right.is_optional) {
      findings_.note(std::string(what).append(" (optional): ").append(why));
    } else {
      findings_.fail(what, why);
    }
  }
}

void Check::read_lease() {
  kube::LeaseClient client(credentials_, {identity_.namespace_name, settings_.election, kTimeout});
  std::vector<Duration> latencies;
  std::optional<election::Lease> lease;
  client.dial_ahead();
  for (int i = 0; i < kMeasured; ++i) {
    const Instant sent = boot_now();
    const auto answer = client.list(static_cast<election::RequestId>(i) + 1);
    if (const auto* failed = std::get_if<election::ListFailed>(&answer)) {
      return findings_.fail("Lease", failed->failure.what);
    }
    latencies.push_back(boot_now() - sent);
    lease = std::get<election::Listed>(answer).lease;
  }
  describe_lease(lease, findings_);
  judge_latency(std::move(latencies), settings_.timings, findings_);
}

}  // namespace

int run_check(const Arguments& arguments, Shell& shell) {
  const config::Loaded loaded = config::load(arguments.words(), shell.environment);
  if (!loaded.errors.empty()) {
    for (const std::string& error : loaded.errors) {
      Findings(shell.out).fail("configuration", error);
    }
    return kUsage;
  }
  const election::Timings& timings = loaded.settings.timings;
  Findings(shell.out).ok("configuration: lease-duration " +
                         format_duration(timings.lease_duration) + ", renew-deadline " +
                         format_duration(timings.renew_deadline) + ", renew-period " +
                         format_duration(timings.renew_period) + ", request-timeout " +
                         format_duration(timings.request_timeout));
  return Check(loaded.settings, shell.out).run() ? kOk : kFailed;
}

}  // namespace baton::cli
