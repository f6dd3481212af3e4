#include "cli/findings.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace baton::cli {
namespace {

using election::Duration;

constexpr std::int64_t kClockNoise_s = 2;  // Date has whole seconds, and the answer took a while

/// Of so many replicas, as the Deployment's controller reckons.
std::int64_t resolve(std::string share, std::int64_t replicas, bool rounds_up) {
  if (share.empty()) share = "25%";  // the server's default
  const bool is_percentage = share.ends_with('%');
  if (is_percentage) share.pop_back();
  const std::int64_t number = parse_integer(share, 0, 1'000'000).value_or(0);
  return is_percentage ? (number * replicas + (rounds_up ? 99 : 0)) / 100 : number;
}

}  // namespace

std::string rounded(Duration duration) {
  return format_duration(duration < std::chrono::milliseconds(10)
                             ? std::chrono::round<std::chrono::microseconds>(duration)
                             : std::chrono::round<std::chrono::milliseconds>(duration));
}

bool Findings::fail(const std::string& what, const std::string& why) {
  out_ << "FAIL " << what << ": " << why << std::endl;
  all_well_ = false;
  return false;
}

void judge_latency(std::vector<Duration> latencies, const election::Timings& timings,
                   Findings& findings) {
  if (latencies.empty()) return;
  std::sort(latencies.begin(), latencies.end());
  const Duration median = latencies[latencies.size() / 2];
  const Duration slowest = latencies.back();
  const Duration limit = timings.request_timeout;
  const std::string measured = "latency of " + std::to_string(latencies.size()) +
                               " LISTs: median " + rounded(median) + ", max " + rounded(slowest) +
                               ", request-timeout " + format_duration(limit);
  const std::string mend =
      "use a slower profile, or raise request-timeout, renew-deadline and lease-duration together";
  if (slowest >= limit) {
    findings.fail(measured, "a request must end within the request-timeout; " + mend);
  } else if (median > limit / 2) {
    findings.fail(measured,
                  "under load they will not end in time: half of the request-timeout is used up "
                  "already; " +
                      mend);
  } else {
    findings.ok(measured);
  }
}

void judge_clock(std::int64_t server_s, std::int64_t ours_s, Findings& findings) {
  const std::int64_t ahead_s = ours_s - server_s;
  if (std::abs(ahead_s) <= kClockNoise_s) return findings.ok("clock agrees with the API server's");
  findings.note("clock is " + std::to_string(std::abs(ahead_s)) + "s " +
                (ahead_s > 0 ? "ahead of" : "behind") +
                " the API server's: no election depends on it, but certificates, tokens and the "
                "times shown do; check time synchronisation");
}

void judge_grace_period(std::int64_t grace_period_s, Duration renew_deadline, Findings& findings) {
  const std::string deadline = "the renew-deadline of " + format_duration(renew_deadline);
  const std::string what = "terminationGracePeriodSeconds is " + std::to_string(grace_period_s);
  if (std::chrono::seconds(grace_period_s) > renew_deadline) {
    return findings.ok(what + ", above " + deadline);
  }
  const auto least = std::chrono::floor<std::chrono::seconds>(renew_deadline).count() + 1;
  findings.note(what + ", not above " + deadline +
                ": without another proof that the work has ended the kubelet kills the sidecar "
                "before it may release, and the next leader waits for the lease-duration; set it "
                "to at least " +
                std::to_string(least));
}

void judge_host_network(const std::vector<std::string>& local_addresses, Findings& findings) {
  for (const std::string& address : local_addresses) {
    if (address.starts_with("unix:")) continue;
    return findings.note("hostNetwork: the local API on " + address +
                         " is the node's, where others can ask it and make this Pod resign, and a "
                         "second Pod finds it taken; set local-address to unix:/path in a volume "
                         "of this Pod alone (baton.socket of the charts)");
  }
}

void judge_app_process(const std::string& name, bool is_seen, bool shares_processes,
                       Findings& findings) {
  if (is_seen || shares_processes) return;
  findings.note("app-process is " + name +
                ", and the Pod's containers do not share their processes: one of another container "
                "is never seen, and without any this Pod does not contend; set "
                "shareProcessNamespace: true in the Pod");
}

void judge_roll_out(const kube::Workload& workload, Findings& findings) {
  const std::int64_t replicas = workload.replicas;
  const std::string what = "roll-out of the " + workload.self.kind + " " + workload.self.name +
                           " (replicas " + std::to_string(replicas) +
                           ", Ready only as the leader): ";
  if (workload.self.kind == "StatefulSet") {
    if (replicas <= 1) return findings.ok(what + "completes");
    return findings.note(what +
                         "gets stuck, since each Pod waits for the one before it to become Ready; "
                         "use a Deployment, or a readinessProbe on /readyz and an EndpointSlice "
                         "for traffic to the leader");
  }
  std::int64_t unavailable = resolve(workload.max_unavailable, replicas, false);
  // With neither the controller takes one.
  if (unavailable == 0 && resolve(workload.max_surge, replicas, true) == 0) unavailable = 1;
  if (workload.strategy != "Recreate" && unavailable < replicas) {
    return findings.note(what +
                         "gets stuck, since a new Pod waits to become Ready for the old leader to "
                         "go; set maxUnavailable to " +
                         (replicas == 1
                              ? "1 and maxSurge to 0, or the type Recreate"
                              : "100%, or use an EndpointSlice for traffic to the leader"));
  }
  if (replicas <= 1) return findings.ok(what + "completes");
  findings.note(what +
                "replaces all Pods at once and never reports success; an EndpointSlice for traffic "
                "to the leader costs none of this");
}

void describe_lease(const std::optional<election::Lease>& lease, Findings& findings) {
  namespace annotation = election::annotation;
  if (!lease) {
    findings.ok("Lease is readable: it does not exist yet and will be created");
  } else if (!lease->version) {
    findings.fail("Lease",
                  "its resourceVersion is no positive integer, so that no fencing token can be "
                  "drawn; use an API server over etcd");
  } else if (!lease->strategy.empty() || !lease->preferred_holder.empty()) {
    findings.fail("Lease", "belongs to coordinated election (spec.strategy " +
                               printable(lease->strategy) +
                               "), which baton does not contest; choose another name");
  } else if (lease->being_deleted) {
    findings.fail("Lease", "is being deleted; remove its finalizers or wait");
  } else if (lease->holder.empty()) {
    findings.ok("Lease is readable: nobody holds it");
  } else {
    const bool is_ours = lease->annotated(annotation::kHolder) == lease->holder;
    findings.ok("Lease is readable: held by " + printable(lease->holder, 300) +
                (is_ours
                     ? ", fencing token " + printable(lease->annotated(annotation::kFencingToken))
                     : ", a foreign elector: its fencing token is unknown"));
  }
}

}  // namespace baton::cli
