#include "election/memory.h"

#include <algorithm>

#include "election/record.h"

namespace baton::election {
namespace {

std::string text(std::int64_t number) { return std::to_string(number); }

// R14, what a LIST proves. A LIST that is merely late (its revision is below one received while it
// was under way) proves nothing.
std::string list_alarm(const Memory& memory, const Sighting& sighting) {
  if (!sighting.before_sending) return "";
  if (sighting.as_of < *sighting.before_sending) {
    return "the list's revision " + text(sighting.as_of) + " is below " +
           text(*sighting.before_sending) + ", received before it was sent";
  }
  if (memory.newest && sighting.lease && sighting.version < memory.newest->version &&
      sighting.as_of >= memory.newest->as_of) {
    return "the list as of " + text(sighting.as_of) + " shows version " + text(sighting.version) +
           ", below " + text(memory.newest->version) + " seen before";
  }
  return "";
}

// R14, what a newer version of the same object proves. A token that is no token at all blocks (R7)
// instead: it is a hand's work, not an older history.
std::string token_alarm(const Memory& memory, const Sighting& sighting) {
  const Lease* known = memory.lease();
  if (known == nullptr || !sighting.lease || sighting.lease->uid != known->uid) return "";
  if (sighting.version <= memory.newest->version || has_invalid_token(*sighting.lease)) return "";
  if (token_of(*sighting.lease) >= token_of(*known)) return "";
  return "version " + text(sighting.version) + " shows token " + text(token_of(*sighting.lease)) +
         " after " + text(token_of(*known));
}

// One version of one object has one content: an event or a reply that shows another was altered on
// its way (R9). A LIST settles which it is.
bool is_known_version(const Memory& memory, const Sighting& sighting) {
  const Lease* known = memory.lease();
  return known != nullptr && !sighting.before_sending && sighting.lease &&
         sighting.lease->uid == known->uid && sighting.version == memory.newest->version;
}

bool is_same(const std::optional<Lease>& one, const std::optional<Lease>& other) {
  if (!one || !other) return one.has_value() == other.has_value();
  return is_same_record(*one, *other);
}

// R14: "wait w", for the longer of what was known and what is shown now.
void bar(Memory& memory, const Sighting& sighting, Instant now, Duration own) {
  Duration wait = own;
  if (const Lease* known = memory.lease()) wait = std::max(wait, owed_duration(*known, own));
  if (sighting.lease) wait = std::max(wait, carried_duration(*sighting.lease, own));
  memory.barred_until = std::max(memory.barred_until, now + wait);
}

}  // namespace

Taken take_in(Memory& memory, const Sighting& sighting, Instant now, Duration own) {
  memory.is_unversioned = false;
  if (sighting.lease) memory.seen = std::max(memory.seen, token_of(*sighting.lease));
  Taken taken;
  taken.alarm = list_alarm(memory, sighting);
  const bool restarts_history = !taken.alarm.empty();
  if (!restarts_history) {
    memory.highest_revision = std::max(memory.highest_revision, sighting.as_of);
    if (memory.newest && sighting.version < memory.newest->version) return taken;  // R6
    taken.alarm = token_alarm(memory, sighting);
  } else {
    memory.highest_revision = sighting.as_of;
    memory.sent_over = 0;  // what was applied may be open to be applied once more
  }
  if (!taken.alarm.empty()) bar(memory, sighting, now, own);

  if (!restarts_history && is_known_version(memory, sighting)) {
    memory.newest->as_of = std::max(memory.newest->as_of, sighting.as_of);
    taken.intake = Intake::refreshed;
    return taken;
  }
  if (memory.newest && !restarts_history && is_same(memory.newest->lease, sighting.lease)) {
    memory.newest->lease = sighting.lease;
    memory.newest->version = sighting.version;
    memory.newest->as_of = std::max(memory.newest->as_of, sighting.as_of);
    taken.intake = Intake::refreshed;
    return taken;
  }
  if (const Lease* superseded = memory.lease()) {
    memory.debt = std::max(memory.debt, now + owed_duration(*superseded, own));  // R4
  }
  memory.newest = Observation{.lease = sighting.lease,
                              .version = sighting.version,
                              .as_of = sighting.as_of,
                              .since = now,
                              .by_watch = sighting.watch};
  taken.intake = Intake::changed;
  return taken;
}

void take_in_bookmark(Memory& memory, Revision revision) {
  memory.highest_revision = std::max(memory.highest_revision, revision);
  if (memory.newest) memory.newest->as_of = std::max(memory.newest->as_of, revision);
}

}  // namespace baton::election
