// What step() wants done, in this order. The caller does it; nothing is done in here.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "election/event.h"
#include "election/fields.h"

namespace baton::election {

/// Send a LIST; answer with Listed or ListFailed within the request timeout. At most one request
/// (SendList or SendWrite) is ever outstanding.
struct SendList {
  RequestId id;

  BATON_FIELDS(id)
};
/// Send a PUT; answer with Written or WriteFailed within the request timeout. The step's `now` is
/// t_send: the bytes may go out later than `now`, never earlier (R2).
struct SendWrite {
  RequestId id;
  LeaseWrite write;

  BATON_FIELDS(id, write)
};
/// Watch the Lease from `from` on. Replaces the watch before it.
struct StartWatch {
  WatchId id;
  Revision from;

  BATON_FIELDS(id, from)
};
struct StopWatch {
  WatchId id;

  BATON_FIELDS(id)
};
/// A write is likely soon: open the connection for it now.
struct DialAhead {};
/// The election is over after Terminate: the process may exit.
struct Exit {};

/// What people want to know: one log line each, metrics, Events. No part of the protocol.
enum class NoticeKind {
  gained,           // a term began (token, term_id, deadline in status)
  extended,         // a renewal counted
  lost,             // the term ended; `reason` says why (rule first)
  draining,         // resign began
  released,         // the Lease was released by us
  observed,         // another version of the record seen
  attempt,          // an acquisition is being written
  write_unsettled,  // a write is unknown or was refused
  list_failed,
  watch_ended,
  history_went_back,  // R14
  blocked,            // entered the state blocked
  control_obeyed,     // R18: the term ends since a person asked for it by an annotation
  control_refused,    // R18: what a person asked for cannot be obeyed
};
struct Notice {
  NoticeKind kind;
  std::string reason;
  std::string term_id;
  Token token = 0;
  Revision revision = 0;
  Duration took{0};  // of the request it speaks of, where it speaks of one

  BATON_FIELDS(kind, reason, term_id, token, revision, took)
};

const char* to_string(NoticeKind kind);

using Action = std::variant<SendList, SendWrite, StartWatch, StopWatch, DialAhead, Exit, Notice>;

/// The result of a step: the actions, and when to call again with Tick at the latest.
struct Step {
  std::vector<Action> actions;
  Instant wake_at = kNever;

  BATON_FIELDS(actions, wake_at)
};

}  // namespace baton::election
