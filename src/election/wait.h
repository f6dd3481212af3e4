// From when on may this candidate take the Lease, and why not yet (R4, R5, R10, R13, R17-R19).
#pragma once

#include <deque>
#include <string>

#include "election/fields.h"
#include "election/memory.h"
#include "election/options.h"

namespace baton::election {

/// What a candidate is, as far as the wait depends on it.
struct Candidate {
  std::string identity;
  std::string incarnation;
  Duration lease_duration;
  Duration lock_delay;
  Duration hand_over_window;          // R18: for so long only the candidate that is named may take
  int lost_terms = 0;                 // R18: by the clock, within the last hour
  std::deque<std::string> own_terms;  // term ids sent by this process, the newest last

  BATON_FIELDS(identity, incarnation, lease_duration, lock_delay, hand_over_window, lost_terms,
               own_terms)
};

/// R10: the record names this process and one of its own terms.
bool shows_own_term(const Candidate& self, const Lease& lease);
/// R19: the record names an earlier incarnation of the own Pod.
bool shows_own_pod(const Candidate& self, const Lease& lease);

/// When the Lease may be taken, if the record stays as it is.
struct Turn {
  Instant from = kNever;
  const char* grounds = "";  // why it may be taken then, with the rule
  bool is_too_long = false;  // R4: the wait is obeyed, but above an hour
};

/// R18: a record that was released for the sake of this candidate, by baton/hand-over-to.
bool is_handed_over_to(const Candidate& self, const Lease& lease);

/// Why this record may never be taken, however long it stays, with the mend; "" if it may.
std::string obstacle(const Memory& memory);

/// `handed_out` is the end of the validity that this Pod has handed out. Needs memory.newest.
/// `reason`, where asked for, says why not at once; "" if it may be taken at once.
Turn turn(const Memory& memory, const Candidate& self, Instant handed_out,
          std::string* reason = nullptr);

/// How long a record is waited out without debt and lock-delay: w of R4.
Duration waiting_time(const Lease& lease, Duration own);

/// R18: for how long a Lease that has become free is left to others by a candidate that has lost
/// terms by the clock within an hour: not at all after the first, then for D/8, D/4, and at most
/// D/2; of that one half to all, by identity and token.
Duration back_off(const Candidate& self, Token token);

/// R17: how long this candidate waits before it writes: its place, of as many as there are
/// followers, times delta. A lone follower has the first place, which waits for nothing.
Duration spread(const std::string& identity, Token token, int replicas, Duration delta);

}  // namespace baton::election
