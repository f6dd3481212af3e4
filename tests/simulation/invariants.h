// What must hold at every step of every run. The simulation reports what happens; whatever breaks
// an invariant is recorded with its number, the time and the processes concerned.
//
//  I1  no two candidates believe at once, and no application that obeys its deadline works while a
//      candidate of another Pod believes
//  I2  tokens of applied acquisitions are unique and increase; none is at or below what its process
//      had seen or sent (R7)
//  I3  a resource that checks tokens accepts each token from one term only, and never refuses the
//      newest term
//  I4  every belief rests on an applied write of that term by that process that was stored as sent,
//      ends no later than V after it was sent (R2), and at once when a newer version shows
//      otherwise (R11)
//  I5  a leader exists within the bound after the faults end
//  I6  no acquisition before the wait (R4), R19 and released records apart; of an own lapsed term
//      not before the validity handed out is over (R10)
//  I7  a release is of the own term, and the work of the own Pod has ended; with a lock-delay its
//      mark needs a proof (R12)
//  I8  requests are bounded, one at a time
//  I9  no belief in a term that another process start acquired
//  I10 no "yes" at or after the deadline
//  I11 the state crosses only as the table of crossings.h says
//  I12 what a person asks for is obeyed: no acquisition over a record that asks for a pause, or
//  that
//      was released for another one first; no belief in a term that its record, as seen, asks to
//      end
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "election/options.h"
#include "election/status.h"
#include "simulation/lease_json.h"
#include "simulation/world.h"

namespace baton::simulation {

/// What the design lists as not covered. A run in which one occurred is not judged by the
/// invariants that excluded() names for it.
enum class Limit {
  frozen_clock,        // a machine frozen together with its clocks
  restored_below,      // a store restored without a revision bump
  raised_token_lost,   // a token above the store's revision, then lost with its record
  longer_d_forgotten,  // candidates with different D, and a record's duration lost: by a hand, or
                       // with a Lease that was created anew by who had not seen it
  over_an_hour,        // a duration above an hour: obeyed, with the state blocked
};
const char* to_string(Limit limit);

struct Violation {
  int invariant;
  Time when;
  std::string what;
};

/// One start of a candidate's process, as the invariants know it.
struct ProcessFacts {
  std::string name;
  int pod = 0;  // unique per Pod, not per slot
  std::string incarnation;
  MachineClock clock;
  election::Timings timings;
  Duration lock_delay{0};
};
using ProcessId = std::size_t;

/// What the leader writes to. One that checks refuses a token below the highest it has seen.
class Resource {
 public:
  explicit Resource(bool checks) : checks_(checks) {}
  /// Whether it was taken.
  bool write(election::Token token);
  /// Writes of an older term that stand where one of a newer term stood.
  int corruptions() const { return corruptions_; }

 private:
  const bool checks_;
  election::Token highest_ = 0;
  election::Token content_ = 0;  // the token of the last write
  int corruptions_ = 0;
};

class Invariants {
 public:
  explicit Invariants(World& world) : world_(world) {}

  ProcessId started(ProcessFacts facts);
  void ended(ProcessId id);
  void clock_changed(ProcessId id, MachineClock clock);

  // Requests, when sent. `since` is when the record written over first was what it is.
  void sent_list(ProcessId id);
  void sent_write(ProcessId id, const election::LeaseWrite& write, Time since);
  /// Each step; more than a candidate can need in a second is a hot loop.
  void stepped(ProcessId id);
  void saw(ProcessId id, const election::Lease& lease);
  void saw_absence(ProcessId id, election::Revision revision);
  void told_of_end(ProcessId id, const std::string& term_id);
  void applied(ProcessId id, const election::LeaseWrite& write, const election::Lease& stored,
               Instant sent_at);
  /// What was seen before a restore contradicts nothing after it.
  void history_restarted();

  /// After each step.
  void believes(ProcessId id, const election::Status& status);
  void answered(ProcessId id, Instant deadline);
  /// The application of `pod` works until `until` unless told otherwise; `obeys` while it can.
  void works(int pod, Time until, bool obeys);
  /// A write to a resource that checks tokens. Returns whether it was accepted.
  bool resource_write(election::Token token, const std::string& term_id);

  /// After every change of the record, whoever made it. `by_hand`: what it carried
  /// may be lost.
  void record_became(const election::Lease* lease, election::Revision revision, bool by_hand);
  void not_covered(Limit limit);

  /// Another elector's candidate acts as the leader, or no longer does: that it does so beside one
  /// of baton's is its own doing, and counted.
  void foreign_acts(bool acts);

  void violated(int invariant, const std::string& what);

  bool anyone_believes() const;
  const std::vector<Violation>& violations() const { return violations_; }
  const std::set<Limit>& limits() const { return limits_; }
  /// Of the same resource without the check.
  int unfenced_corruptions() const { return unfenced_.corruptions(); }
  int refusals() const { return refusals_; }
  int foreign_overlaps() const { return foreign_overlaps_; }
  election::Token highest_acquired() const { return highest_acquired_; }
  int terms() const { return static_cast<int>(terms_.size()); }

 private:
  struct Term {
    election::Token token;
    Instant applied_until;  // t_send of the latest applied write + V
    election::Revision version;
    bool as_sent;  // the acquisition was stored so
  };
  /// The newest version that a process was shown; nothing but the version of an absence.
  struct Seen {
    election::Revision version = 0;
    std::string holder;
    std::string term;
    std::string pause;
    std::string resign;
    std::string hand_over_to;
  };
  struct Process {
    ProcessFacts facts;
    bool alive = true;
    bool believes = false;
    std::string term_id;
    Time believes_until{0};
    Instant deadline = election::kLongAgo;
    election::Token highest_seen = 0;
    election::Token sent = 0;  // the highest, over `sent_over` and again over nothing else
    std::pair<std::string, election::Revision> sent_over;  // uid and version
    std::map<std::string, Term> terms;                     // acquired by this process
    std::set<std::string> ended;                           // terms whose end of work it was told of
    std::set<std::string> seen_terms;
    Instant handed_out = election::kLongAgo;
    Seen newest;
    Time window{0};
    int requests = 0;
    int steps = 0;
  };
  struct Work {
    Time until{0};
    bool obeys = true;
  };

  bool may_write_at_once(const Process& process, const election::LeaseWrite& write) const;
  void check_asked(const Process& process, const election::LeaseWrite& write, Time since);
  bool is_pause(const std::string& text) const;
  bool is_asked_to_end(const Process& process, election::Token token) const;
  void check_wait(const Process& process, const election::LeaseWrite& write, Time since);
  void check_creation(const Process& process, const election::LeaseWrite& write);
  void duration_lost();
  bool may_have_forgotten(const Process& process, const std::string& term_id) const;
  void check_alone(const Process& process);
  void check_backed(const Process& process, const election::Status& status);
  void count(Process& process, int& counter, int limit, const char* what);

  World& world_;
  std::vector<Process> processes_;
  std::map<int, Work> work_;
  std::map<std::string, election::Token> terms_;  // of every applied acquisition
  election::Token highest_acquired_ = 0;
  election::Token highest_recorded_ = 0;
  std::int64_t recorded_s_ = 0;  // what the newest record carries, also after its deletion
  std::string recorded_term_;
  Resource fenced_{true};
  Resource unfenced_{false};
  std::map<election::Token, std::string> token_owner_;
  int refusals_ = 0;
  bool foreign_acts_ = false;
  int foreign_overlaps_ = 0;
  std::vector<Violation> violations_;
  std::set<Limit> limits_;
};

/// The token a record carries, 0 if none or invalid.
election::Token token_of(const election::Lease& lease);

}  // namespace baton::simulation
