// Words what happens: log lines, metrics and Kubernetes Events of one election.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "api/api.h"
#include "election/action.h"
#include "election/status.h"
#include "kube/cluster.h"
#include "kube/side_client.h"
#include "observe/metrics.h"
#include "runtime/clock_check.h"
#include "runtime/worker.h"

namespace baton::runtime {

class Observer {
 public:
  /// `side` null: no Kubernetes Events. `of_lease` is the template of the Lease's: all but uid and
  /// message; `of_pod` that of the own Pod's, all but the message, and no Events without a uid.
  Observer(Worker& worker, std::shared_ptr<kube::Credentials> credentials,
           std::shared_ptr<kube::SideClient> side, kube::ObjectEvent of_lease,
           kube::ObjectEvent of_pod, const election::Timings& timings);

  // Election's thread; each hands over and returns.
  /// The Lease that a write goes to. Events carry its uid: kubectl describe finds them by it.
  void writes_to(const std::string& lease_uid) { of_lease_.uid = lease_uid; }
  /// Of a step: answers before `decided` know nothing of it, those after `published` all do. Belief
  /// begins at the one and ends by the other, both before the line is written.
  struct Moment {
    Instant decided, published;
  };
  void notice(const election::Notice& notice, const election::Status& status, const Moment& moment);
  /// After each step. `server_date_s` as kube::LeaseClient has it.
  void stepped(const election::Status& status, std::int64_t server_date_s, Instant now);

  // Any thread.
  void request_failed(const std::string& request, election::FailureKind kind) {
    metrics_.request_failed(request, kind);
  }
  void route_failed(const std::string& route, election::FailureKind kind) {
    metrics_.route_failed(route, kind);
  }
  void traffic(bool leads_here) { metrics_.traffic(leads_here); }
  /// With an Event on the own Pod, whose application reports it: one for a token's repetitions.
  void rejected(const api::Rejection& rejection);
  std::string metrics_page();

 private:
  void send_event(kube::ObjectEvent event, const std::string& what);

  Worker& worker_;  // stopped before this object goes
  const std::shared_ptr<kube::Credentials> credentials_;
  const std::shared_ptr<kube::SideClient> side_;
  kube::ObjectEvent of_lease_;  // election's thread
  const kube::ObjectEvent of_pod_;
  observe::Metrics metrics_;
  ClockCheck clock_check_;  // election's thread
  std::mutex rejected_mutex_;
  std::string rejected_token_;  // under the mutex: the last one of an Event
};

}  // namespace baton::runtime
