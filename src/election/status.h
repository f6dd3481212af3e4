// The election's state as others see it after a step. Published by the runtime, worded by api/.
#pragma once

#include <optional>
#include <string>

#include "election/fields.h"
#include "election/lease.h"

namespace baton::election {

/// The states of design section 4. leading, warming and uncertain are the ones that answer yes.
enum class State {
  starting,   // no LIST answered yet
  following,  // another term runs, or a wait does
  acquiring,  // own turn or own write
  warming,    // leading, the application has not said ready-to-lead
  leading,
  uncertain,  // leading, but the last renewal attempt failed
  draining,   // answers no, awaits proof that the work has ended
  released,   // hold-off after an own release
  degraded,   // not leading and nothing fresh from the API server for longer than V
  blocked,    // will not contend; reason says why and the mend
  stopped,    // exiting
};

const char* to_string(State state);

/// Who holds the Lease as last observed. Empty identity: nobody, or unknown.
struct Leader {
  std::string identity;
  std::string address;                 // baton/address, "" if unknown
  std::optional<Token> fencing_token;  // empty: a foreign elector holds it, token unknown
  std::string since;                   // acquireTime as found
  std::int64_t transitions = 0;
  Instant expires = kLongAgo;  // when the observed record runs out by this process's waiting time

  bool operator==(const Leader&) const = default;

  BATON_FIELDS(identity, address, fencing_token, since, transitions, expires)
};

struct Status {
  State state = State::starting;
  std::string reason;  // why, and the mend where there is one; "" if the state says it all
  // The term led or being drained. `deadline` is when belief ends; answers are yes only while
  // believes && now < deadline.
  bool believes = false;
  std::string term_id;
  Token token = 0;
  Instant deadline = kLongAgo;
  Leader leader;
  Instant fresh_at = kLongAgo;  // last answer or event from the API server
  bool watch_live = false;

  bool operator==(const Status&) const = default;

  BATON_FIELDS(state, reason, believes, term_id, token, deadline, leader, fresh_at, watch_live)
};

}  // namespace baton::election
