// The lines of `baton check`, and the judgements behind them. Pure, apart from the stream.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "election/lease.h"
#include "election/options.h"
#include "kube/workload.h"

namespace baton::cli {

class Findings {
 public:
  explicit Findings(std::ostream& out) : out_(out) {}
  void ok(const std::string& what) { out_ << "ok   " << what << std::endl; }
  void note(const std::string& what) { out_ << "note " << what << std::endl; }
  /// `why` is the reason and the mend. False.
  bool fail(const std::string& what, const std::string& why);
  /// What is no finding, in whole lines.
  void tell(const std::string& lines) { out_ << lines << std::flush; }
  bool all_well() const { return all_well_; }

 private:
  std::ostream& out_;
  bool all_well_ = true;
};

/// As people read it: in whole milliseconds, or in microseconds below ten of them.
std::string rounded(election::Duration duration);

/// The latencies of some LISTs against the request timeout: the slowest must fit in it, half of
/// them in half of it, because the same server under load has to fit too.
void judge_latency(std::vector<election::Duration> latencies, const election::Timings& timings,
                   Findings& findings);

/// Our wall clock against the server's. It never decides an election; certificates, tokens and
/// readers of the Lease's times go by it.
void judge_clock(std::int64_t server_s, std::int64_t ours_s, Findings& findings);

/// Who holds the Lease, and whether baton can contend for it at all.
void describe_lease(const std::optional<election::Lease>& lease, Findings& findings);

/// The clock's proof that the work has ended needs the renew deadline, the kubelet's patience is
/// the grace period. A note at most.
void judge_grace_period(std::int64_t grace_period_s, election::Duration renew_deadline,
                        Findings& findings);

/// Of a Pod whose loopback is the node's. A note at most.
void judge_host_network(const std::vector<std::string>& local_addresses, Findings& findings);

/// Of `app-process` in a Pod whose containers each see their own processes only. `is_seen`: one of
/// that name lives beside us, as in an image that holds both. A note at most.
void judge_app_process(const std::string& name, bool is_seen, bool shares_processes,
                       Findings& findings);

/// Of Pods that are Ready only as the leader, which most strategies never get past. A note at most.
void judge_roll_out(const kube::Workload& workload, Findings& findings);

}  // namespace baton::cli
