// Runs one election on three threads of its own: one for time, one for its reads and writes, one
// for its watch. Each steps the core with what it has, one at a time, and so does whoever posts
// what others say: handing over to another thread would cost a hand-over more than the step.
// Whichever steps is called the election's thread. Nothing else runs on the three, so nothing else
// can delay a renewal (R15).
//
// A process could hold several electors; they share nothing but the credentials.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "api/status_board.h"
#include "election/election.h"
#include "kube/lease_client.h"
#include "runtime/mailbox.h"
#include "runtime/observer.h"
#include "runtime/recorder.h"
#include "runtime/worker.h"

namespace baton::runtime {

class Elector {
 public:
  /// `changed` (the board shows a change) and `exited` (the core's Exit) are called within a step
  /// and must not block, nor wait for one; `before_release` on the requests' thread before a
  /// release goes out, and may block for a request timeout.
  Elector(election::Options options, Instant start, std::shared_ptr<kube::Credentials> credentials,
          const kube::LeaseTarget& target, std::shared_ptr<api::StatusBoard> board,
          Observer& observer, std::function<void()> changed, std::function<void()> exited,
          std::function<void()> before_release = {});
  /// Stops the threads; releases nothing by itself: post Terminate and wait for `exited` before.
  ~Elector();

  /// Before start(). "" or why nothing can be recorded there.
  std::string record_to(const std::string& path, observe::RecordingHead head);
  void start();
  /// Steps with what was posted, in the order of the calls, and so calls `changed` and `exited`;
  /// where another thread is within a step, and before start(), the thread for time does. Never
  /// waits for a step. Any thread, but not within one.
  void post(election::Event event);
  /// When the election's thread last went round, for liveness. Any thread.
  Instant heartbeat() const { return Instant(Duration(heartbeat_ns_.load())); }

 private:
  void run_election();
  void step_posted();
  void step(const election::Event& event);
  void perform(election::Action& action, const Observer::Moment& moment);
  template <typename Answer>
  void deliver(const std::string& request, Answer answer);
  void run_watch(const election::StartWatch& start);

  std::mutex stepping_;  // protects what follows, up to recorder_
  election::Election election_;
  std::unique_ptr<Recorder> recorder_;  // null: nothing is recorded
  const std::shared_ptr<api::StatusBoard> board_;
  Observer& observer_;
  const std::function<void()> changed_, exited_, before_release_;
  Mailbox mailbox_;
  std::atomic<std::int64_t> heartbeat_ns_;
  std::atomic<bool> has_started_ = false;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> is_dial_queued_ = false;

  const std::shared_ptr<kube::ServerClock> server_clock_ = std::make_shared<kube::ServerClock>();
  const std::shared_ptr<kube::LastLease> last_lease_ = std::make_shared<kube::LastLease>();
  kube::LeaseClient client_;  // requests_'s thread only, apart from cancel() and server_date_s()
  kube::LeaseWatch watch_;    // watches_'s thread only, apart from cancel()
  Worker requests_{"requests"}, watches_{"watch"};
  std::thread election_thread_;
};

}  // namespace baton::runtime
