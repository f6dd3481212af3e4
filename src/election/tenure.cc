// Observations, and what they begin, extend and end.
#include <algorithm>
#include <utility>

#include "election/controls.h"
#include "election/impl.h"
#include "election/record.h"

namespace baton::election {

void Election::Impl::see(const Sighting& sighting) {
  learn_from_winner(sighting);
  const Taken taken = take_in(memory_, sighting, now_, times_.lease_duration);
  if (!taken.alarm.empty()) history_went_back(taken.alarm);
  const Lease* lease = memory_.lease();
  if (lease != nullptr) creation_refusal_.clear();
  if (taken.intake == Intake::changed) {
    notice(NoticeKind::observed, lease == nullptr        ? "the Lease is missing"
                                 : lease->holder.empty() ? "unheld"
                                                         : "held by " + lease->holder);
    if (lease != nullptr && !lease->holder.empty() && lease->holder != self_.identity) {
      write_failures_ = 0;  // a race lost to a new term says nothing about the next write
    }
  }
  if (taken.intake != Intake::ignored) check_term();
  if (hold_off_until_ != kLongAgo && lease != nullptr && !lease->holder.empty() &&
      lease->holder != self_.identity && term_key(*lease) != hold_off_key_) {
    hold_off_until_ = kLongAgo;  // R18: another term was seen
    contend_from_ = now_;
  }
  if (sighting.lease) settle(*sighting.lease, sighting.watch != 0);
  if (term_ && lease != nullptr && lease->being_deleted)
    begin_drain("R11: the Lease is being deleted");
  if (term_ && lease != nullptr && !lease->preferred_holder.empty()) {
    begin_drain("R13: coordinated election prefers " + lease->preferred_holder);
  }
}

void Election::Impl::see_unversioned() {
  memory_.is_unversioned = true;
  if (term_) end_term("R6: the Lease's resourceVersion is no positive integer", false);
}

void Election::Impl::history_went_back(const std::string& alarm) {
  notice(NoticeKind::history_went_back, "R14: " + alarm);
  if (term_) end_term("R14: history went back: " + alarm, false);
  attempts_.forget_all();
  drop_watch();  // it may tell the old history
  if (!hears_list_) must_read_ = true;
}

// R11: does the newest version, if it is above the newest own write, still show the term?
void Election::Impl::check_term() {
  if (!term_ || memory_.newest->version <= term_->version) return;
  const Lease* lease = memory_.lease();
  if (lease == nullptr) return end_term("R11: the Lease was deleted", term_->is_draining);
  if (lease->uid != term_->uid)
    return end_term("R11: the Lease was re-created", term_->is_draining);
  if (lease->holder.empty()) {
    const Attempt* attempt = attempts_.find(lease->annotated(annotation::kAttempt));
    const bool is_ours = attempt != nullptr && attempt->kind == WriteKind::release;
    const bool is_marked = is_released(*lease) && lease->annotated(annotation::kTerm) == term_->id;
    if (is_ours || is_marked) return was_released();
    return end_term("R11: the holder was cleared", term_->is_draining);
  }
  if (!shows_term(*lease, self_.identity, term_->id)) {
    return end_term("R11: held by " + lease->holder + " in another term", term_->is_draining);
  }
  if (token_of(*lease) < term_->token) {
    return end_term("R11: the Lease shows a lower token", term_->is_draining);
  }
}

// R9, R10: any observation that shows an own attempt, applied as it was sent, is its reply.
void Election::Impl::settle(const Lease& lease, bool by_watch) {
  Attempt* found = attempts_.find(lease.annotated(annotation::kAttempt));
  if (found == nullptr) return;
  if (found->kind == WriteKind::release) {
    found->is_settled = lease.holder.empty();
    return;
  }
  if (!is_outcome(*found, lease, self_.identity)) return;
  if (by_watch || (!is_watching_ && !found->is_settled)) measure_write(now_ - found->sent);
  found->is_settled = true;
  const Attempt attempt = *found;
  if (is_contradicted(lease, attempt)) {
    attempts_.forget_term(attempt.term_id);  // R2: dead
    return;
  }
  if (attempt.kind == WriteKind::acquire) begin_term(attempt, lease);
  if (attempt.kind == WriteKind::renew) extend_term(attempt, lease);
}

// R17: what another's acquisition shows of which our watch tells, when this candidate could have
// taken the Lease as well.
void Election::Impl::learn_from_winner(const Sighting& sighting) {
  const auto& lease = sighting.lease;
  const Lease* known = memory_.lease();
  if (sighting.watch == 0 || !lease || known == nullptr || lease->holder == known->holder) return;
  if (sighting.version <= memory_.newest->version) return;
  if (lease->holder == self_.identity || !is_held_by_baton(*lease)) return;
  const Instant turn = own_turn();
  if (!why_not_contend().empty() || now_ < turn) return;
  // Its sending and this turn rest on the same event or expiry, unless it waited for its place.
  const bool may_have_waited = options_.replicas > kNoHerd
                                   ? spread_of(lease->holder, Duration(1)) != Duration::zero()
                                   : gives_way() && now_ >= own_go();
  if (!may_have_waited) measure_write(std::min(now_ - turn, times_.request_timeout));
  // After a term that this one has followed, who led in it or its replacement follows now. A term
  // that was over when this one came says nothing: all others may have been passed over too.
  const bool has_followed = !known->holder.empty() || memory_.newest->by_watch != 0;
  if (has_followed && !known->annotated(annotation::kTerm).empty()) ++passed_over_;
}

// R17: how long a write takes to reach a watch, smoothed over a few; the others' is like ours.
void Election::Impl::measure_write(Duration took) {
  write_delta_ += (took - write_delta_) / (std::exchange(is_delta_measured_, true) ? 4 : 1);
}

bool Election::Impl::is_contradicted(const Lease& lease, const Attempt& attempt) const {
  if (!memory_.newest || memory_.newest->version <= *lease.version) return false;
  const Lease* newest = memory_.lease();
  return newest == nullptr || newest->uid != attempt.uid ||
         !shows_term(*newest, self_.identity, attempt.term_id) || token_of(*newest) < attempt.token;
}

void Election::Impl::begin_term(const Attempt& attempt, const Lease& lease) {
  if (term_ || now_ >= attempt.sent + times_.renew_deadline) return;
  term_ = Term{.id = attempt.term_id,
               .token = attempt.token,
               .uid = attempt.uid,
               .version = *lease.version,
               .sent = attempt.sent,
               .began = now_,
               .deadline = attempt.sent + times_.renew_deadline,
               .renew_at = attempt.sent + times_.renew_period};
  if (options_.warm_up_limit > Duration::zero()) {
    term_->is_ready = false;
    term_->warm_until = now_ + options_.warm_up_limit;
  }
  advance_to_ = 0;
  passed_over_ = 0;
  const std::string why_not = why_not_contend();
  if (!why_not.empty()) {  // it came too late: nothing was handed out, it only has to be released
    term_->is_announced = announced_until_ != kLongAgo && !is_terminating_;
    return begin_drain(why_not);
  }
  notice(NoticeKind::gained, "", now_ - attempt.sent);
}

void Election::Impl::extend_term(const Attempt& attempt, const Lease& lease) {
  if (!term_ || term_->id != attempt.term_id || term_->has_lapsed(now_)) return;
  term_->version = std::max(term_->version, *lease.version);
  if (attempt.sent <= term_->sent) return;
  term_->sent = attempt.sent;
  term_->deadline = attempt.sent + times_.renew_deadline;
  term_->renew_at = attempt.sent + times_.renew_period;
  term_->failed_because.clear();
  notice(NoticeKind::extended, "", now_ - attempt.sent);
}

// R12: an own term that is not believed any more, found as holder: only released.
void Election::Impl::begin_release_of(const Lease& own) {
  term_ = Term{.id = own.annotated(annotation::kTerm),
               .token = token_of(own),
               .uid = own.uid,
               .version = memory_.newest->version,
               .sent = now_,
               .deadline = kLongAgo,
               .renew_at = kNever};
  begin_drain("a term that was not begun or has lapsed is released");
}

void Election::Impl::begin_drain(const std::string& reason) {
  if (term_->is_draining) return;
  if (term_->believes(now_)) said_no_ = true;
  term_->is_draining = true;
  term_->drain_reason = reason;
  // Tell the others soon, unless the proof is there first.
  if (term_->renew_at != kNever) term_->renew_at = now_;
  notice(NoticeKind::draining, reason);
}

void Election::Impl::resign(const std::string& reason) {
  if (term_) {
    term_->is_announced = false;
    begin_drain(reason);
  } else if (hold_off_until_ == kLongAgo) {
    hold_off();
  }
}

// R8: the term id is dead after this.
void Election::Impl::end_term(const std::string& reason, bool holds_off) {
  if (term_->believes(now_)) said_no_ = true;
  notice(NoticeKind::lost, reason);
  attempts_.forget_term(term_->id);
  term_.reset();
  if (holds_off) hold_off();
}

void Election::Impl::was_released() {
  notice(NoticeKind::released, "");
  attempts_.forget_term(term_->id);
  term_.reset();
  hold_off();
  is_released_ = true;
}

// R18: what people ask for. A pause that ends, by time or by hand, is no event of the record: a
// LIST comes before the next acquisition (R7).
void Election::Impl::obey_controls() {
  const Lease* lease = memory_.lease();
  const bool was_paused = is_paused_;
  is_paused_ = lease != nullptr && pause_end(*lease, now_) != kLongAgo;
  if (was_paused && !is_paused_) contend_from_ = now_;
  const bool leads = term_ && term_->believes(now_) && lease != nullptr &&
                     shows_term(*lease, self_.identity, term_->id);
  if (!leads) return;
  const std::string why = asked_to_resign(*lease, self_.identity, term_->token, now_);
  if (!why.empty()) {
    notice(NoticeKind::control_obeyed, why);
    return resign(why);
  }
  std::string refused;
  for (const auto& one : election::refused_controls(*lease, self_.identity, term_->token, now_)) {
    refused += (refused.empty() ? "" : "; ") + one.why;
  }
  if (refused.empty() || refused == refused_controls_) return;
  refused_controls_ = refused;
  notice(NoticeKind::control_refused, refused);
  term_->renew_at = now_;  // which drops them
}

Instant Election::Impl::max_term_end() const {
  const bool has_none = options_.max_term == Duration::zero() || term_->began == kNever;
  return has_none ? kNever : term_->began + options_.max_term;
}

// R18: only the number of those of the last hour counts, up to the fourth; a single replica has
// nobody to leave the Lease to.
void Election::Impl::count_lost() {
  constexpr std::size_t kMost = 4;
  while (!lost_at_.empty() &&
         (now_ >= lost_at_.front() + std::chrono::hours(1) || lost_at_.size() > kMost)) {
    lost_at_.pop_front();
  }
  self_.lost_terms = options_.replicas > 1 ? static_cast<int>(lost_at_.size()) : 0;
}

// R18: not for D, or until another term is seen.
void Election::Impl::hold_off() {
  const Lease* lease = memory_.lease();
  is_released_ = false;
  hold_off_until_ = now_ + times_.lease_duration;
  hold_off_key_ = lease != nullptr ? term_key(*lease) : "";
}

}  // namespace baton::election
