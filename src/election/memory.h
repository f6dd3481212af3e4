// What this process has observed of the Lease, and how an observation gets in (R4's debt, R6, R14).
#pragma once

#include <optional>
#include <string>

#include "election/event.h"
#include "election/fields.h"
#include "election/lease.h"
#include "election/time.h"

namespace baton::election {

/// The newest version known.
struct Observation {
  std::optional<Lease> lease;  // empty: the Lease was missing
  Revision version = 0;        // of the object; of an absence, the revision that showed it
  Revision as_of = 0;        // the newest revision of the store at which this was still the newest
  Instant since = kLongAgo;  // receipt of the first version of this record (R4)
  WatchId by_watch = 0;      // whose event first showed this record; 0: a LIST or an own write

  BATON_FIELDS(lease, version, as_of, since, by_watch)
};

struct Memory {
  std::optional<Observation> newest;
  Instant debt = kLongAgo;          // R4: validity that superseded versions may have left behind
  Instant barred_until = kLongAgo;  // R14: no at-once path before this
  Token seen = 0;                   // highest token ever seen in a record
  Token sent = 0;                   // highest token ever sent by this process,
  std::string sent_over_uid;        // over this version of the Lease (R7); none: ""
  Revision sent_over = 0;
  Revision highest_revision = 0;  // of anything received in the present history
  bool is_unversioned = false;    // R6: the latest answer shows no usable resourceVersion

  const Lease* lease() const { return newest && newest->lease ? &*newest->lease : nullptr; }

  BATON_FIELDS(newest, debt, barred_until, seen, sent, sent_over_uid, sent_over, highest_revision,
               is_unversioned)
};

/// One observation on its way in.
struct Sighting {
  std::optional<Lease> lease;
  Revision version = 0;
  Revision as_of = 0;
  WatchId watch = 0;                       // set for an event of the live watch
  std::optional<Revision> before_sending;  // set for a LIST: highest_revision when it was sent
};

enum class Intake {
  ignored,    // R6: older than what is known
  refreshed,  // the record known, at a newer version or revision
  changed,    // another record, or the absence of one
};
struct Taken {
  Intake intake = Intake::ignored;
  std::string alarm;  // R14: history went back, and why; "" otherwise
};

/// Takes a sighting in. R14 is checked before R6. `own` is this candidate's D.
Taken take_in(Memory& memory, const Sighting& sighting, Instant now, Duration own);

/// A bookmark of the live watch: what is known was still the newest at `revision`.
void take_in_bookmark(Memory& memory, Revision revision);

}  // namespace baton::election
