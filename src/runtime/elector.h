// Runs one election: the core on a thread of its own, its reads and writes on a second, its watch
// on a third. Nothing else runs on them, so nothing else can delay a renewal (R15).
//
// A process could hold several electors; they share nothing but the credentials.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>

#include "api/status_board.h"
#include "election/election.h"
#include "kube/lease_client.h"
#include "runtime/mailbox.h"

namespace baton::runtime {

/// Whom the elector tells. All are called on the election's thread and must not block: they hand
/// over to queues and servers.
struct ElectorSinks {
  std::function<void()> changed;  // the board shows a change
  std::function<void(const election::Notice&, const election::Status&)> notice;
  std::function<void(const election::Status&)> stepped;  // after each step
  std::function<void(const std::string& request, election::FailureKind)> request_failed;
  std::function<void()> exited;  // the core's Exit
};

class Elector {
 public:
  Elector(election::Options options, Instant start, std::shared_ptr<kube::Credentials> credentials,
          const kube::LeaseTarget& target, std::shared_ptr<api::StatusBoard> board,
          ElectorSinks sinks);
  /// Stops the threads; releases nothing by itself: post Terminate and wait for `exited` before.
  ~Elector();

  void start();
  /// Any thread; never blocks.
  void post(election::Event event) { mailbox_.post(std::move(event)); }
  /// When the election's thread last went round, for liveness. Any thread.
  Instant heartbeat() const { return Instant(Duration(heartbeat_ns_.load())); }
  /// The server's Date in its last answer and when it came, for the clock-rate check. 0: none.
  std::pair<std::int64_t, Instant> server_date() const;

 private:
  using Request = std::variant<std::monostate, election::SendList, election::SendWrite>;

  void run_election();
  void run_requests();
  void run_watch();
  void step(const election::Event& event);
  void perform(election::Action& action);
  void submit(Request request);

  election::Election election_;  // election's thread only
  const std::shared_ptr<api::StatusBoard> board_;
  const ElectorSinks sinks_;
  Mailbox mailbox_;
  std::atomic<std::int64_t> heartbeat_ns_;
  std::atomic<bool> stopping_ = false;

  kube::LeaseClient client_;  // requests' thread only, apart from cancel()
  kube::LeaseWatch watch_;    // watch's thread only, apart from cancel()

  std::mutex mutex_;  // protects what follows, up to the threads
  std::condition_variable wake_;
  Request request_;
  bool dial_ahead_ = false;
  std::optional<election::StartWatch> start_watch_;
  std::int64_t server_date_s_ = 0;
  Instant server_date_at_ = kLongAgo;

  Instant wake_at_ = kLongAgo;  // election's thread only
  std::thread election_thread_, request_thread_, watch_thread_;
};

}  // namespace baton::runtime
