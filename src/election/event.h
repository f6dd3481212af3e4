// Everything that can happen to an election. step() takes one of these and `now`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "election/fields.h"
#include "election/lease.h"

namespace baton::election {

using RequestId = std::uint64_t;
using WatchId = std::uint64_t;

/// How a request failed. Only `unknown` and `unavailable` leave open whether a write was applied;
/// the election treats conflict as "read at once" and every other kind as "retry delay, then read".
enum class FailureKind {
  conflict,     // 409
  not_found,    // 404
  gone,         // 410, for a watch or a list
  refused,      // 400, 401, 403, 422 …: the server understood and will not; the mend is in `what`
  throttled,    // 429
  unavailable,  // 5xx
  garbled,      // an answer that is no Kubernetes object: HTML, truncated JSON, wrong types
  unknown,      // time-out, cut connection, could not connect
  ended,        // of a watch: the server ended it in good order
};

struct Failure {
  FailureKind kind = FailureKind::unknown;
  std::optional<Duration> retry_after;  // Retry-After of the answer
  std::string what;                     // one line for people

  BATON_FIELDS(kind, retry_after, what)
};

const char* to_string(FailureKind kind);

/// The tick of the clock; also what a timer that fires delivers.
struct Tick {};

/// A LIST (fieldSelector on the name, resourceVersion unset) answered: the Lease or its absence,
/// as of the store's `revision` (the list's metadata.resourceVersion).
struct Listed {
  RequestId id;
  Revision revision;
  std::optional<Lease> lease;

  BATON_FIELDS(id, revision, lease)
};
struct ListFailed {
  RequestId id;
  Failure failure;

  BATON_FIELDS(id, failure)
};

/// A PUT answered 200 or 201, with the object as stored.
struct Written {
  RequestId id;
  Lease lease;

  BATON_FIELDS(id, lease)
};
struct WriteFailed {
  RequestId id;
  Failure failure;

  BATON_FIELDS(id, failure)
};

enum class WatchEventKind { changed, deleted, bookmark };

/// One event of the watch, with the revision it carries. `lease` is empty for a bookmark.
struct Watched {
  WatchId id;
  WatchEventKind kind;
  Revision revision;
  std::optional<Lease> lease;

  BATON_FIELDS(id, kind, revision, lease)
};
/// The watch broke, ended or was refused (410 has kind gone).
struct WatchEnded {
  WatchId id;
  Failure failure;

  BATON_FIELDS(id, failure)
};

// What the application and the operator say (design sections 4 and 5).

/// Stop believing now, drain, release when the end of the work is proven.
struct Resign {};
/// Draining for Options::announcement; releases nothing by itself.
struct Announce {};
/// The end of the work of the term `term_id` is proven: (a) drained by every named holder, (b)
/// every holding connection closed, (c) the application's process exited, (d) native sidecar. A
/// term id other than the present one does nothing; "" means the present one. `drained` resigns a
/// term that is still led; (b)-(d) count only once the term is draining, so the caller says them
/// (again) after Resign, Announce or Terminate: what ended before may have been followed by more.
enum class Proof { drained, connections_closed, process_exited, native_termination };
struct WorkEnded {
  Proof proof;
  std::string term_id;

  BATON_FIELDS(proof, term_id)
};
/// Leader only: end the term, acquire again with a token >= at_least.
struct AdvanceToken {
  Token at_least;

  BATON_FIELDS(at_least)
};
/// The application of the new leader has recovered its state: warming -> leading.
struct ReadyToLead {
  std::string term_id;

  BATON_FIELDS(term_id)
};
/// SIGTERM: never acquire again; ends with the Exit action.
struct Terminate {};
/// After Terminate: the own Pod carries no deletionTimestamp, only this container is replaced;
/// do not wait for (e), exit without releasing unless (a)-(c) prove the end first.
struct OnlyContainerReplaced {};
/// Whether the application is healthy: while it is not, do not contend; a leader resigns.
struct ApplicationHealth {
  bool healthy;
  std::string reason;

  BATON_FIELDS(healthy, reason)
};

using Event = std::variant<Tick, Listed, ListFailed, Written, WriteFailed, Watched, WatchEnded,
                           Resign, Announce, WorkEnded, AdvanceToken, ReadyToLead, Terminate,
                           OnlyContainerReplaced, ApplicationHealth>;

}  // namespace baton::election
