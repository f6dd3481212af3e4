// The Lease's own traffic: reads and writes on one connection, the watch on another. Blocking, on
// the thread of whoever calls; one caller per object. Nothing else shares these connections.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <variant>

#include "election/event.h"
#include "kube/cluster.h"
#include "kube/last_lease.h"
#include "kube/lease_codec.h"
#include "kube/server_clock.h"

namespace baton::kube {

struct LeaseTarget {
  std::string namespace_name;
  std::string name;
  election::Duration request_timeout;  // R: the deadline of each request and its ?timeout=
};

using ListAnswer = std::variant<election::Listed, election::ListFailed>;
using WriteAnswer = std::variant<election::Written, election::WriteFailed>;

/// What the requests to one Lease share: where they go and how their failures read.
class LeaseRequests {
 public:
  LeaseRequests(std::shared_ptr<Credentials> credentials, LeaseTarget target,
                std::shared_ptr<ServerClock> clock = std::make_shared<ServerClock>(),
                std::shared_ptr<LastLease> last = std::make_shared<LastLease>())
      : credentials_(std::move(credentials)),
        target_(std::move(target)),
        clock_(std::move(clock)),
        last_(std::move(last)) {}

 protected:
  /// `rest` follows ".../leases" in the path.
  http::Request request(const std::string& method, const std::string& rest) const;
  /// A GET of the list of this one Lease.
  http::Request get(const std::string& more_query) const;
  /// Why there is no good answer. After a 401 the token will be read afresh.
  election::Failure failure(const std::string& verb, const http::Reply& reply) const;
  /// "update lease shop/billing: ": every failure begins so.
  std::string prefix(const std::string& verb) const;
  Instant deadline() const { return boot_now() + target_.request_timeout; }
  std::string timeout_parameter() const;
  /// Tells the clock of the answer's Date, which it returns; 0 if there is none.
  std::int64_t date_of(const http::Reply& reply) const;

  const std::shared_ptr<Credentials> credentials_;
  const LeaseTarget target_;
  const std::shared_ptr<ServerClock> clock_;
  const std::shared_ptr<LastLease> last_;

 private:
  std::string mend(const std::string& verb, int status) const;
};

class LeaseClient : LeaseRequests {
 public:
  using LeaseRequests::LeaseRequests;
  /// Each answers within R. A 401 drops the token; after it and after an unknown outcome the next
  /// request uses a new connection.
  ListAnswer list(election::RequestId id);
  WriteAnswer write(election::RequestId id, const election::LeaseWrite& write);
  /// Connects now if there is no open connection.
  void dial_ahead();
  /// The call under way, if there is one, and every later one return at once as unknown. Any
  /// thread.
  void cancel();
  /// The server's Date in the last answer that had one, in seconds since 1970; 0 before. Any
  /// thread.
  std::int64_t server_date_s() const { return date_s_; }

 private:
  http::Reply exchange(const http::Request& request);
  std::string prepare();

  std::shared_ptr<http::TlsContext> tls_;
  std::atomic<std::int64_t> date_s_ = 0;
  std::mutex mutex_;
  // Protected by mutex_; connection_ is replaced only by the caller's thread, which may use it
  // without the lock.
  std::unique_ptr<http::Connection> connection_;
  bool is_canceled_ = false;
};

class LeaseWatch : LeaseRequests {
 public:
  using LeaseRequests::LeaseRequests;
  using Sink = std::function<void(election::Watched)>;
  /// Watches from `from` until it ends, breaks or is canceled; each event goes to `sink` on the
  /// calling thread. Returns why it ended. timeoutSeconds of 60 to 300 s is drawn by the caller.
  election::WatchEnded run(election::WatchId id, election::Revision from, int timeout_s,
                           const Sink& sink);
  /// Ends every run() whose id is `up_to` or less, also one that has yet to begin. Any thread.
  void cancel(election::WatchId up_to);

 private:
  election::Failure stream(election::WatchId id, election::Revision from, int timeout_s,
                           const Sink& sink);
  WatchLine decode(std::string_view line) const;

  std::mutex mutex_;
  // Protected by mutex_; connection_ lives while run() does and is used by its thread without lock.
  std::unique_ptr<http::Connection> connection_;
  election::WatchId running_ = 0;
  election::WatchId canceled_up_to_ = 0;  // ids begin at 1
};

}  // namespace baton::kube
