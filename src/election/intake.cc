// What time and events change. Nothing here sends anything.
#include <algorithm>
#include <utility>

#include "election/impl.h"
#include "election/record.h"

namespace baton::election {

void Election::Impl::pass_time() {
  attempts_.expire(now_, times_.renew_deadline);
  if (announced_until_ != kLongAgo && now_ >= announced_until_) {
    announced_until_ = kLongAgo;
    contend_from_ = now_;
    if (term_ && term_->is_announced)
      end_term("the announcement expired; a new term may follow", false);
  }
  if (hold_off_until_ != kLongAgo && now_ >= hold_off_until_) {
    hold_off_until_ = kLongAgo;
    contend_from_ = now_;
  }
  if (term_ && term_->has_lapsed(now_)) {
    if (!term_->is_draining) {
      end_term("R2: no renewal was confirmed within the renew deadline", false);
      lost_at_.push_back(now_);
    } else if (now_ >= term_->sent + times_.lease_duration) {
      // Whoever saw the last renewal has waited it out by now: releasing would help nobody.
      abandoned_term_ = term_->id;
      end_term("the Lease could not be released before it expired", true);
    }
  } else if (term_ && term_->believes(now_) && !term_->is_ready && now_ >= term_->warm_until) {
    resign("the application was not ready to lead within the warm-up limit");
  } else if (term_ && term_->believes(now_) && now_ >= max_term_end() &&
             term_->failed_because.empty()) {  // not while nobody could take over
    resign("it has led for the maximum term (R18)");
  }
  count_lost();
  // R16: 0.6 D + R leaves the time for a LIST and a new watch before a record of D expires.
  if (is_watching_ &&
      now_ >= watch_heard_ + times_.lease_duration * 3 / 5 + times_.request_timeout) {
    drop_watch();
    notice(NoticeKind::watch_ended,
           "R16: silent for 0.6 x the lease duration + the request timeout");
  }
}

// Requests.

std::optional<Election::Impl::Pending> Election::Impl::answered(RequestId id, bool is_write) {
  if (!pending_ || pending_->id != id || pending_->write.has_value() != is_write) return {};
  return std::exchange(pending_, std::nullopt);
}

void Election::Impl::on(const Listed& event) {
  if (event.revision < 1) {  // R6: nothing can be ordered by it
    const std::string what = "the list's resourceVersion is no positive integer (R6)";
    return on(ListFailed{event.id, {FailureKind::garbled, {}, what}});
  }
  const auto pending = answered(event.id, false);
  if (!pending) return;
  hears_list_ = true;
  has_listed_ = true;
  has_read_back_ = true;
  must_read_ = false;
  list_failures_ = 0;
  list_refusal_.clear();
  last_failure_.clear();
  list_sent_ = pending->sent;
  fresh_at_ = now_;
  // R17: a write and its event take about as long; far away, 25 ms would spread nobody.
  if (!is_delta_measured_) write_delta_ = std::max(options_.write_delta, now_ - pending->sent);
  if (event.lease && !event.lease->version) {
    see_unversioned();
  } else {
    see({.lease = event.lease,
         .version = event.lease ? *event.lease->version : event.revision,
         .as_of = event.revision,
         .watch = 0,
         .before_sending = pending->highest_revision});
  }
  if (!is_watching_ && now_ >= watch_retry_at_) start_watch(event.revision);
}

void Election::Impl::on(const ListFailed& event) {
  const auto pending = answered(event.id, false);
  if (!pending) return;
  has_read_back_ = true;
  list_refusal_ = event.failure.kind == FailureKind::refused ? event.failure.what : "";
  last_failure_ = event.failure.what;
  if (term_ && must_read_) term_->failed_because = event.failure.what;
  notice(NoticeKind::list_failed, event.failure.what, now_ - pending->sent);
  pause(event.failure, ++list_failures_, false);
}

void Election::Impl::on(const Written& event) {
  const auto pending = answered(event.id, true);
  if (!pending) return;
  fresh_at_ = now_;
  write_refusal_.clear();
  creation_refusal_.clear();
  last_failure_.clear();
  if (event.lease.version) {
    see({.lease = event.lease,
         .version = *event.lease.version,
         .as_of = *event.lease.version,
         .watch = 0,
         .before_sending = {}});
  } else {
    see_unversioned();
  }
  // see() has settled the attempt if the answer counts. One that is forgotten is of a dead term.
  const Attempt* attempt = attempts_.find(pending->attempt_id);
  if (attempt != nullptr && !attempt->is_settled) {
    write_failed(*pending, {FailureKind::garbled,
                            {},
                            "the API server's answer does not show what was written (R9): "
                            "look for a webhook that changes the Lease"});
    return;
  }
  write_failures_ = 0;
}

void Election::Impl::on(const WriteFailed& event) {
  const auto pending = answered(event.id, true);
  if (!pending) return;
  const Attempt* attempt = attempts_.find(pending->attempt_id);
  if (attempt != nullptr && attempt->is_settled) return;  // the watch has shown it applied
  write_failed(*pending, event.failure);
}

// R10: unknown, not failed: read back.
void Election::Impl::write_failed(const Pending& pending, const Failure& failure) {
  must_read_ = true;
  last_failure_ = failure.what;
  if (term_ && !term_->has_lapsed(now_)) term_->failed_because = failure.what;
  ++write_failures_;
  const bool is_refused = failure.kind == FailureKind::refused;
  if (pending.write != WriteKind::create) {
    if (is_refused) write_refusal_ = "writing the Lease is refused: " + failure.what;
  } else if ((is_refused || failure.kind == FailureKind::not_found) && write_failures_ > 1) {
    // The first refusal may only mean that another candidate was quicker (422).
    creation_refusal_ = "Lease missing, and creating it is refused (" + failure.what +
                        "): create it, or allow `create` on its name";
  }
  notice(NoticeKind::write_unsettled, failure.what, now_ - pending.sent);
  pause(failure, write_failures_, pending.write == WriteKind::create);
}

// The watch.

void Election::Impl::on(const Watched& event) {
  if (!is_watching_ || event.id != watch_id_) return;
  watch_heard_ = now_;
  fresh_at_ = now_;
  has_watch_delivered_ = true;
  watch_failures_ = 0;
  watch_refusal_.clear();
  if (event.kind == WatchEventKind::bookmark) {
    take_in_bookmark(memory_, event.revision);
  } else if (event.kind == WatchEventKind::deleted) {
    see({.lease = {},
         .version = event.revision,
         .as_of = event.revision,
         .watch = event.id,
         .before_sending = {}});
  } else if (event.lease && event.lease->version) {
    see({.lease = event.lease,
         .version = *event.lease->version,
         .as_of = std::max(*event.lease->version, event.revision),
         .watch = event.id,
         .before_sending = {}});
  } else if (event.lease) {
    see_unversioned();
  }
}

void Election::Impl::on(const WatchEnded& event) {
  if (!is_watching_ || event.id != watch_id_) return;
  is_watching_ = false;
  watch_failures_ = has_watch_delivered_ ? 1 : watch_failures_ + 1;
  if (event.failure.kind != FailureKind::ended) has_watch_delivered_ = false;
  watch_refusal_ = event.failure.kind == FailureKind::refused ? event.failure.what : "";
  // R16: one that has told something goes on at once; but one that hardly lived is a loop's begin.
  const bool goes_on = has_watch_delivered_ && now_ >= watch_began_ + times_.retry_max;
  Duration delay = goes_on ? Duration::zero() : backoff(watch_failures_);
  if (event.failure.retry_after) {
    delay = std::max(delay, std::min<Duration>(*event.failure.retry_after, times_.lease_duration));
  }
  watch_retry_at_ = now_ + delay;
  notice(NoticeKind::watch_ended, event.failure.what);
}

void Election::Impl::start_watch(Revision from) {
  is_watching_ = true;
  watch_began_ = now_;
  watch_heard_ = now_;
  has_watch_delivered_ = false;
  out_.actions.emplace_back(StartWatch{++watch_id_, from});
}

void Election::Impl::drop_watch() {
  has_watch_delivered_ = false;
  if (!is_watching_) return;
  is_watching_ = false;
  watch_retry_at_ = now_;
  out_.actions.emplace_back(StopWatch{watch_id_});
}

// What the application and the operator say.

void Election::Impl::on(const Resign&) { resign("resigned on request"); }

void Election::Impl::on(const Announce&) {
  if (term_ && term_->is_draining && !term_->is_announced) return;
  announced_until_ = now_ + options_.announcement;
  if (!term_) return;
  term_->is_announced = true;
  begin_drain("the end of the Pod was announced");
}

void Election::Impl::on(const WorkEnded& event) {
  if (!term_ || (!event.term_id.empty() && event.term_id != term_->id)) return;
  // Only `drained` speaks of a term that is still led: a connection that closed or a process that
  // exited may be followed by the next one, which is answered yes again.
  if (event.proof == Proof::drained) {
    begin_drain("the application said that its work has ended");
  } else if (!term_->is_draining) {
    return;
  }
  if (!has_hard_proof()) term_->proof = event.proof;
  if (has_hard_proof()) adopted_until_ = kLongAgo;  // R19
}

void Election::Impl::on(const AdvanceToken& event) {
  if (!term_ || !term_->believes(now_) || event.at_least < 1 || event.at_least > kMaxToken) return;
  advance_to_ = event.at_least;
  end_term("a token of at least " + std::to_string(event.at_least) + " was asked for", false);
}

void Election::Impl::on(const ReadyToLead& event) {
  if (term_ && (event.term_id.empty() || event.term_id == term_->id)) term_->is_ready = true;
}

void Election::Impl::on(const Terminate&) {
  if (is_terminating_) return;
  is_terminating_ = true;
  has_read_back_ = false;
  if (!term_) return;
  term_->is_announced = false;
  begin_drain("terminating");
}

void Election::Impl::on(const OnlyContainerReplaced&) {
  if (is_terminating_) is_only_container_replaced_ = true;
}

void Election::Impl::on(const ApplicationHealth& event) {
  if (!event.healthy) {
    unhealthy_ = event.reason.empty() ? "the application is unhealthy" : event.reason;
    // A drain under way keeps its grounds: an announcement still releases nothing by itself.
    if (term_) begin_drain("the application is unhealthy: " + event.reason);
  } else if (!unhealthy_.empty()) {
    unhealthy_.clear();
    contend_from_ = now_;
  }
}

}  // namespace baton::election
