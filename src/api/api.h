// What the listeners answer (design section 4). Built from one table of routes, which also makes
// /openapi.json. Runs on its server's thread; talks to the election through Context only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/status_board.h"
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
  std::shared_ptr<WorkLedger> ledger;  // one for all listeners
  std::function<Instant()> now;
  std::function<void(election::Event)> post;  // to the election's thread; never blocks
  std::function<void(Rejection)> report_rejection;
  std::function<std::string()> metrics;          // Prometheus text format
  std::function<std::vector<Check>()> liveness;  // the election thread makes progress
};

/// The local API (127.0.0.1:4040). One per listener; give handler() to http::Server, then attach().
class LocalApi {
 public:
  explicit LocalApi(Context context);
  ~LocalApi();
  http::Handler handler();
  /// The server whose thread this runs on, for posting and timers. Before start().
  void attach(http::Server& server);
  /// StatusBoard::publish() returned true, or SIGTERM came. Any thread; never blocks.
  void changed();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// /livez /readyz /startupz /leaderz /metrics: read-only, for the Pod's IP.
http::Handler probe_handler(const Context& context);

/// The drop-in answer of the retired leader-elector: GET and HEAD `/`, and the probes, any Host.
http::Handler legacy_handler(const Context& context);

}  // namespace baton::api
