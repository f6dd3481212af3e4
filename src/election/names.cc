// The names of the closed sets, as they appear in logs, metrics and the status document.
#include "election/action.h"
#include "election/event.h"
#include "election/status.h"

namespace baton::election {

const char* to_string(State state) {
  switch (state) {
    case State::starting: return "starting";
    case State::following: return "following";
    case State::acquiring: return "acquiring";
    case State::warming: return "warming";
    case State::leading: return "leading";
    case State::uncertain: return "uncertain";
    case State::draining: return "draining";
    case State::released: return "released";
    case State::degraded: return "degraded";
    case State::blocked: return "blocked";
    case State::stopped: return "stopped";
  }
  return "";
}

const char* to_string(FailureKind kind) {
  switch (kind) {
    case FailureKind::conflict: return "conflict";
    case FailureKind::not_found: return "not_found";
    case FailureKind::gone: return "gone";
    case FailureKind::refused: return "refused";
    case FailureKind::throttled: return "throttled";
    case FailureKind::unavailable: return "unavailable";
    case FailureKind::garbled: return "garbled";
    case FailureKind::unknown: return "unknown";
    case FailureKind::ended: return "ended";
  }
  return "";
}

const char* to_string(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::gained: return "gained";
    case NoticeKind::extended: return "extended";
    case NoticeKind::lost: return "lost";
    case NoticeKind::draining: return "draining";
    case NoticeKind::released: return "released";
    case NoticeKind::observed: return "observed";
    case NoticeKind::attempt: return "attempt";
    case NoticeKind::write_unsettled: return "write_unsettled";
    case NoticeKind::list_failed: return "list_failed";
    case NoticeKind::watch_ended: return "watch_ended";
    case NoticeKind::history_went_back: return "history_went_back";
    case NoticeKind::blocked: return "blocked";
    case NoticeKind::control_obeyed: return "control_obeyed";
    case NoticeKind::control_refused: return "control_refused";
  }
  return "";
}

}  // namespace baton::election
