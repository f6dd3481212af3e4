// The Lease's own traffic: reads and writes on one connection, the watch on another. Blocking, on
// the thread of whoever calls; one caller per object. Nothing else shares these connections.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "election/event.h"
#include "kube/cluster.h"

namespace baton::kube {

struct LeaseTarget {
  std::string namespace_name;
  std::string name;
  election::Duration request_timeout;  // R: the deadline of each request and its ?timeout=
};

using ListAnswer = std::variant<election::Listed, election::ListFailed>;
using WriteAnswer = std::variant<election::Written, election::WriteFailed>;

class LeaseClient {
 public:
  LeaseClient(std::shared_ptr<Credentials> credentials, LeaseTarget target);
  ~LeaseClient();
  /// Each answers within R. A 401 drops the token; after an unknown outcome the next request uses a
  /// new connection.
  ListAnswer list(election::RequestId id);
  WriteAnswer write(election::RequestId id, const election::LeaseWrite& write);
  /// Connects now if there is no open connection.
  void dial_ahead();
  /// The call under way, if there is one, returns at once as unknown. Any thread.
  void cancel();
  /// The server's Date in the last answer that had one, in seconds since 1970. Any thread.
  std::optional<std::int64_t> server_date_s() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

class LeaseWatch {
 public:
  LeaseWatch(std::shared_ptr<Credentials> credentials, LeaseTarget target);
  ~LeaseWatch();
  /// Watches from `from` until it ends, breaks or is canceled; each event goes to `sink` on the
  /// calling thread. Returns why it ended. timeoutSeconds of 60 to 300 s is drawn by the caller.
  election::WatchEnded run(election::WatchId id, election::Revision from, int timeout_s,
                           const std::function<void(election::Watched)>& sink);
  /// Ends the run() under way, if there is one. Any thread.
  void cancel();
  /// Ends every run() whose id is `up_to` or less, also one that has yet to begin. Any thread.
  void cancel(election::WatchId up_to);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace baton::kube
