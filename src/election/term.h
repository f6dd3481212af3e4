// A term of this process, and the writes whose outcome may still count (R2, R8-R10).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "election/event.h"
#include "election/fields.h"
#include "election/lease.h"
#include "election/time.h"

namespace baton::election {

/// A write that was sent. Remembered until it could no longer begin or extend a term.
struct Attempt {
  WriteKind kind = WriteKind::acquire;
  std::string id;       // baton/attempt
  std::string term_id;  // "" for create
  Token token = 0;
  Instant sent;  // t_send: the step that asked for the write
  std::string uid;
  Revision base_version = 0;
  bool is_settled = false;  // an observation has shown that it was applied

  BATON_FIELDS(kind, id, term_id, token, sent, uid, base_version, is_settled)
};

/// R9, R10: `lease` is the outcome of `attempt`, applied as it was sent.
bool is_outcome(const Attempt& attempt, const Lease& lease, const std::string& identity);

class Attempts {
 public:
  void remember(Attempt attempt);
  /// R10: an attempt counts until t_send + V.
  void expire(Instant now, Duration renew_deadline);
  /// R8: a term id that is dead begins and extends nothing any more.
  void forget_term(const std::string& term_id);
  void forget_all();
  /// nullptr if there is none with this id.
  Attempt* find(const std::string& id);
  /// An acquisition that may be in force unseen. One over an older version than `newest`, the
  /// record's, was refused or is superseded.
  bool has_unsettled_acquisition(Revision newest) const;

  BATON_FIELDS(attempts_)

 private:
  std::vector<Attempt> attempts_;
};

/// The term led, or the one whose Lease is still to be released.
struct Term {
  std::string id;
  Token token = 0;
  std::string uid;
  Revision version = 0;    // newest own write known to be applied
  Instant sent;            // t_send of the write that the deadline rests on
  Instant began = kNever;  // kNever: it never did, and is only released
  Instant deadline;        // R2: sent + V; belief ends here
  Instant renew_at;
  Instant warm_until = kLongAgo;  // warming before this, unless ready
  bool is_ready = true;
  bool is_draining = false;
  bool is_announced = false;  // draining by announcement only: proof (e) releases nothing
  std::string drain_reason = {};
  std::optional<Proof> proof = {};  // that the work of this term has ended
  std::string failed_because = {};  // the last renewal attempt failed; "" if it did not

  bool believes(Instant now) const { return !is_draining && now < deadline; }
  bool has_lapsed(Instant now) const { return now >= deadline; }

  BATON_FIELDS(id, token, uid, version, sent, began, deadline, renew_at, warm_until, is_ready,
               is_draining, is_announced, drain_reason, proof, failed_because)
};

}  // namespace baton::election
