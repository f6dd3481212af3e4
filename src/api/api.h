// What the listeners answer (design section 4), each from one table of routes. Handlers run on
// their server's thread and talk to the election through Context only. The local API is
// local_api.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/status_board.h"
#include "api/traffic_board.h"
#include "api/work_ledger.h"
#include "election/event.h"
#include "election/options.h"
#include "http/server.h"

namespace baton::api {

/// One line of ?verbose on the probes.
struct Check {
  std::string name;
  bool ok;
  std::string detail;
};

/// A write refused by a resource for its stale token, as the application reports it.
struct Rejection {
  std::string token;          // the token refused, decimal
  std::string highest_token;  // the one the resource has seen, "" if not told
  std::string resource;       // which resource, "" if not told
};

/// What the API knows of the process. Functions may be called on any server's thread.
struct Context {
  std::string election, namespace_name, pod, identity;
  std::string legacy_name;  // what `/` answers while this candidate leads: --id or the Pod's name
  std::string run_id;       // drawn at start: makes `revision` differ after a restart
  election::Timings timings;
  std::shared_ptr<StatusBoard> board;
  std::shared_ptr<const TrafficBoard> traffic;  // null: no Service is led to the leader
  std::shared_ptr<WorkLedger> ledger;           // one for all listeners
  std::function<Instant()> now;
  std::function<void(election::Event)> post;  // steps the election; never waits for a step
  std::function<void(Rejection)> report_rejection;
  std::function<std::string()> metrics;          // Prometheus text format
  std::function<std::vector<Check>()> liveness;  // the election thread makes progress
};

/// /livez /readyz /startupz /leaderz /metrics: read-only, for the Pod's IP.
http::Handler probe_handler(const Context& context);

/// The drop-in answer of the retired leader-elector: GET and HEAD `/`, and the probes, any Host.
http::Handler legacy_handler(const Context& context);

}  // namespace baton::api
