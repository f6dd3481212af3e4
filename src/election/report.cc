// What others see after the step, and when to look again.
#include <algorithm>
#include <utility>

#include "election/controls.h"
#include "election/impl.h"
#include "election/record.h"

namespace baton::election {

void Election::Impl::report() {
  Status status;
  status.state = describe(status.reason);
  if (term_ && !has_exited_) {
    status.believes = term_->believes(now_);
    status.term_id = term_->id;
    status.token = term_->token;
    status.deadline = term_->deadline;
  }
  status.leader = describe_leader();
  status.fresh_at = fresh_at_;
  status.watch_live = is_watching_ && watch_refusal_.empty();
  if (!watch_refusal_.empty() && status.state != State::stopped) {  // R16: LISTs stand in for it
    if (!status.reason.empty()) status.reason += "; ";
    status.reason += "watching the Lease is refused, so it is only read: " + watch_refusal_;
  }
  if (status.state == State::blocked &&
      (status_.state != State::blocked || status_.reason != status.reason)) {
    notice(NoticeKind::blocked, status.reason);
  }
  status_ = std::move(status);
  wake_for_timers();
}

State Election::Impl::describe(std::string& reason) const {
  if (has_exited_) return State::stopped;
  if (!term_) return describe_candidate(reason);
  if (term_->is_draining) {
    reason = term_->drain_reason;
    return State::draining;
  }
  if (!term_->failed_because.empty()) {
    reason = "the last renewal failed: " + term_->failed_because;
    return State::uncertain;
  }
  return !term_->is_ready ? State::warming : State::leading;
}

State Election::Impl::describe_candidate(std::string& reason) const {
  if (is_terminating_) {
    reason = "reads back an acquisition before exiting";
    return State::stopped;
  }
  if (!list_refusal_.empty()) {
    reason = "reading the Lease is refused: " + list_refusal_;
    return State::blocked;
  }
  const Instant stale_from = (has_listed_ ? fresh_at_ : start_) + times_.renew_deadline;
  if (now_ >= stale_from) {
    reason = "nothing heard from the API server for the renew deadline or longer";
    if (!last_failure_.empty()) reason += "; the last request: " + last_failure_;
    return State::degraded;
  }
  if (!has_listed_) {
    reason = last_failure_;
    return State::starting;
  }
  reason = why_not_acquire();
  if (!reason.empty()) return State::blocked;
  reason = why_not_contend();
  if (!reason.empty()) {
    if (!unhealthy_.empty()) return State::blocked;
    return is_released_ && hold_off_until_ != kLongAgo ? State::released : State::following;
  }
  const Turn next = turn(memory_, self_, outstanding(), &reason);
  const bool is_writing = pending_ && pending_->write.has_value();
  if (now_ < std::max(next.from, contend_from_) && !is_writing) {
    if (!next.is_too_long) return State::following;
    reason = "the record carries more than an hour, which is obeyed: " + reason +
             "; if nobody holds it, delete the Lease";
    return State::blocked;
  }
  reason = creation_refusal_.empty() ? write_refusal_ : creation_refusal_;
  if (!reason.empty()) return State::blocked;
  reason = last_failure_;
  return State::acquiring;
}

Leader Election::Impl::describe_leader() const {
  const Lease* lease = memory_.lease();
  if (lease == nullptr || lease->holder.empty() || memory_.is_unversioned) return {};
  Leader leader{.identity = lease->holder,
                .address = "",
                .fencing_token = {},
                .since = lease->acquire_time,
                .transitions = lease->transitions,
                .expires = memory_.newest->since + waiting_time(*lease, times_.lease_duration)};
  if (is_held_by_baton(*lease)) {
    leader.address = lease->annotated(annotation::kAddress);
    if (token_of(*lease) != 0) leader.fencing_token = token_of(*lease);
  }
  return leader;
}

// Due timers have been served by this step; only later ones are worth a call.
void Election::Impl::wake(Instant at) {
  if (at > now_) out_.wake_at = std::min(out_.wake_at, at);
}

void Election::Impl::wake_for_timers() {
  if (has_exited_) return;
  wake(announced_until_);
  wake(hold_off_until_);
  if (memory_.lease() != nullptr) wake(pause_end(*memory_.lease(), now_));
  if (is_watching_) {
    wake(watch_heard_ + times_.lease_duration * 3 / 5 + times_.request_timeout);
  }
  if (!term_) return wake((has_listed_ ? fresh_at_ : start_) + times_.renew_deadline);
  wake(term_->deadline);
  if (term_->is_draining) wake(term_->sent + times_.lease_duration);
  if (!term_->is_ready) wake(term_->warm_until);
  if (!term_->is_draining) wake(max_term_end());
}

void Election::Impl::notice(NoticeKind kind, std::string reason, Duration took) {
  out_.actions.emplace_back(Notice{.kind = kind,
                                   .reason = std::move(reason),
                                   .term_id = term_ ? term_->id : "",
                                   .token = term_ ? term_->token : 0,
                                   .revision = memory_.newest ? memory_.newest->version : 0,
                                   .took = took});
}

}  // namespace baton::election
