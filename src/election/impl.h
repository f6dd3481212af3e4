// The state of one election. Its functions, in the order of a step: pass_time() and on(event) in
// intake.cc, decide() in decide.cc, report() in report.cc; step() itself in election.cc.
#pragma once

#include <deque>
#include <optional>
#include <random>
#include <string>

#include "election/election.h"
#include "election/fields.h"
#include "election/memory.h"
#include "election/term.h"
#include "election/wait.h"

namespace baton::election {

/// R17: up to so many replicas, followers are no herd.
inline constexpr int kNoHerd = 3;

class Election::Impl {
 public:
  Impl(Options options, Instant start);
  Step step(const Event& event, Instant now, Instant handed_out);
  const Status& status() const { return status_; }

  BATON_FIELDS(options_, times_, start_, self_, random_, status_, memory_, attempts_, term_,
               pending_, last_id_, must_read_, not_before_, list_sent_, list_failures_,
               write_failures_, list_refusal_, write_refusal_, creation_refusal_, last_failure_,
               write_delta_, is_delta_measured_, passed_over_, is_watching_, has_watch_delivered_,
               watch_began_, watch_heard_, watch_retry_at_, watch_failures_, watch_id_,
               watch_refusal_, hold_off_until_, hold_off_key_, is_released_, announced_until_,
               unhealthy_, contend_from_, is_paused_, refused_controls_, lost_at_, advance_to_,
               adopted_until_, abandoned_term_, is_terminating_, is_only_container_replaced_,
               has_read_back_, has_exited_, dialed_for_, has_listed_, fresh_at_, now_, handed_out_,
               said_no_, hears_list_, out_)

 private:
  /// The one request under way.
  struct Pending {
    RequestId id = 0;
    std::optional<WriteKind> write;  // empty: a LIST
    std::string attempt_id;
    Instant sent;
    Revision highest_revision = 0;  // received before it was sent (R14)

    BATON_FIELDS(id, write, attempt_id, sent, highest_revision)
  };

  // What time alone ends: belief, a lapsed drain, announcement, hold-off, warm-up, a silent watch.
  void pass_time();

  void on(const Tick&) {}
  void on(const Listed& event);
  void on(const ListFailed& event);
  void on(const Written& event);
  void on(const WriteFailed& event);
  void on(const Watched& event);
  void on(const WatchEnded& event);
  void on(const Resign& event);
  void on(const Announce& event);
  void on(const WorkEnded& event);
  void on(const AdvanceToken& event);
  void on(const ReadyToLead& event);
  void on(const Terminate& event);
  void on(const OnlyContainerReplaced& event);
  void on(const ApplicationHealth& event);

  // Observation.
  void see(const Sighting& sighting);
  void see_unversioned();
  void history_went_back(const std::string& alarm);
  void check_term();
  void settle(const Lease& lease, bool by_watch);
  void learn_from_winner(const Sighting& sighting);
  void measure_write(Duration took);
  bool is_contradicted(const Lease& lease, const Attempt& attempt) const;
  std::optional<Pending> answered(RequestId id, bool is_write);
  void write_failed(const Pending& pending, const Failure& failure);
  void start_watch(Revision from);
  void drop_watch();

  // The life of a term.
  void begin_term(const Attempt& attempt, const Lease& lease);
  void extend_term(const Attempt& attempt, const Lease& lease);
  void begin_release_of(const Lease& own);
  void begin_drain(const std::string& reason);
  void resign(const std::string& reason);
  void end_term(const std::string& reason, bool holds_off);
  void was_released();
  void hold_off();
  void count_lost();
  void obey_controls();

  // Deciding.
  void decide();
  bool leave_if_done();
  void hold();
  void contend();
  void dial_ahead(Instant expiry);
  void exit();
  void send_list();
  void send_creation();
  void send_acquisition();
  void send_renewal();
  void send_release();
  void send_write(const Attempt& attempt, LeaseWrite write);
  Attempt new_attempt(WriteKind kind, const std::string& term_id, Token token);

  // Readings of the state.
  Instant max_term_end() const;  // kNever: there is none
  Instant outstanding() const;   // the end of the validity that this Pod has handed out
  bool has_hard_proof() const;
  Instant release_from() const;
  std::string why_not_contend() const;
  std::string why_not_acquire() const;  // the record's obstacle, or no token left
  Instant own_turn() const;             // needs memory_.newest; spread not counted
  Instant own_go() const;               // own_turn() and R17's wait
  bool gives_way() const;               // needs memory_.newest
  Duration spread_of(const std::string& identity, Duration delta) const;  // over the present record
  bool rests_on_fresh_reading() const;

  // Pace.
  Duration jitter();
  Duration backoff(int failures);
  void pause(const Failure& failure, int failures, bool is_creation);

  // Report.
  void report();
  State describe(std::string& reason) const;
  State describe_candidate(std::string& reason) const;
  Leader describe_leader() const;
  void wake(Instant at);
  void wake_for_timers();
  void notice(NoticeKind kind, std::string reason, Duration took = Duration::zero());
  std::string random_id();

  Options options_;
  Timings times_ = options_.timings;
  Instant start_;
  Candidate self_;
  std::mt19937_64 random_;
  Status status_;

  Memory memory_;
  Attempts attempts_;
  std::optional<Term> term_;

  // Requests.
  std::optional<Pending> pending_;
  std::uint64_t last_id_ = 0;
  bool must_read_ = true;          // a LIST comes before any write
  Instant not_before_ = kLongAgo;  // no request before this
  Instant list_sent_ = kLongAgo;   // t_send of the last LIST answered, not yet used for a write
  int list_failures_ = 0;          // in a row
  int write_failures_ = 0;         // in a row
  std::string list_refusal_;       // the API server refuses reading; "" if it does not
  std::string write_refusal_;      // the same for writing
  std::string creation_refusal_;   // the same for creating it
  std::string last_failure_;       // of any request since the last answer
  Duration write_delta_;           // R17's delta
  bool is_delta_measured_ = false;
  int passed_over_ = 0;  // R17: in a row, by another that took the Lease after a term

  // The watch.
  bool is_watching_ = false;
  bool has_watch_delivered_ = false;  // also after the server ended it in good order (R16)
  Instant watch_began_ = kLongAgo;
  Instant watch_heard_ = kLongAgo;
  Instant watch_retry_at_ = kLongAgo;
  int watch_failures_ = 0;  // in a row, without an event between
  WatchId watch_id_ = 0;
  std::string watch_refusal_;  // the API server refuses watching; "" if it does not

  // What holds this candidate back.
  Instant hold_off_until_ = kLongAgo;
  std::string hold_off_key_;  // the foreign term seen when it began
  bool is_released_ = false;  // the hold-off follows an own release
  Instant announced_until_ = kLongAgo;
  std::string unhealthy_;  // why the application is; "" if it is not
  Instant contend_from_ = kLongAgo;
  bool is_paused_ = false;        // as of the step before (R18)
  std::string refused_controls_;  // the last that were said to be
  std::deque<Instant> lost_at_;  // R18: own terms that lapsed within the last hour, the newest last
  Token advance_to_ = 0;
  Instant adopted_until_ = kLongAgo;  // R19: validity an earlier incarnation may have handed out
  std::string abandoned_term_;        // its release was given up
  bool is_terminating_ = false;
  bool is_only_container_replaced_ = false;
  bool has_read_back_ = false;  // since Terminate
  bool has_exited_ = false;
  Instant dialed_for_ = kLongAgo;  // `since` of the record that the connection was opened for
  bool has_listed_ = false;
  Instant fresh_at_ = kLongAgo;

  // Of the present step.
  Instant now_;
  Instant handed_out_ = kLongAgo;
  bool said_no_ = false;     // a belief ended early: proof (e) may be out of date (election.h)
  bool hears_list_ = false;  // the event is a LIST's answer
  Step out_;
};

}  // namespace baton::election
