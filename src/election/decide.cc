// The next request, if there is one to send: at most one is under way (R15).
#include <algorithm>
#include <utility>

#include "election/controls.h"
#include "election/impl.h"
#include "election/record.h"
#include "election/writes.h"

namespace baton::election {

void Election::Impl::decide() {
  if (is_terminating_ && leave_if_done()) return;
  if (said_no_ && !(term_ && has_hard_proof())) {
    // An answer given just before this step may have carried more than handed_out_ knows.
    out_.wake_at = now_;
    return;
  }
  if (pending_) return;
  if (now_ < not_before_) return wake(not_before_);
  if (must_read_) return send_list();
  if (term_) {
    hold();
  } else {
    contend();
  }
  if (pending_ || is_watching_) return;
  if (now_ < watch_retry_at_) return wake(watch_retry_at_);
  // R16: nothing was missed up to there. Else a LIST, whose answer starts the watch.
  if (has_watch_delivered_ && memory_.newest) return start_watch(memory_.newest->as_of);
  send_list();
}

// After Terminate: true if there is nothing left to decide but to wait for an answer, or to exit.
bool Election::Impl::leave_if_done() {
  if (term_) {
    const bool is_releasing = pending_ && pending_->write == WriteKind::release;
    if (!is_only_container_replaced_ || now_ >= release_from() || is_releasing) return false;
    exit();
    return true;
  }
  if (!is_only_container_replaced_) {
    const Lease* lease = memory_.lease();
    if (lease != nullptr && shows_own_term(self_, *lease) &&
        lease->annotated(annotation::kTerm) != abandoned_term_) {
      begin_release_of(*lease);
      return false;
    }
    const Revision newest = memory_.newest ? memory_.newest->version : 0;
    if (attempts_.has_unsettled_acquisition(newest) && !has_read_back_) {
      if (!pending_) send_list();
      return true;
    }
  }
  exit();
  return true;
}

void Election::Impl::exit() {
  has_exited_ = true;
  out_.actions.emplace_back(Exit{});
}

// The term: release it, renew it, or let it be.
void Election::Impl::hold() {
  const Lease* lease = memory_.lease();
  if (lease == nullptr || !shows_term(*lease, self_.identity, term_->id)) return;  // R9, R12
  if (term_->is_draining) {
    const Instant from = release_from();
    if (now_ >= from) return send_release();
    wake(from);
  }
  if (term_->has_lapsed(now_)) return;
  if (now_ < term_->renew_at) return wake(term_->renew_at);
  if (token_of(*lease) == term_->token) return send_renewal();
  term_->failed_because = "the Lease shows another token than this term's (R9): a new term follows";
}

// Section 5: from when on the release is allowed; kNever without any proof in sight.
Instant Election::Impl::release_from() const {
  if (has_hard_proof()) return kLongAgo;
  Instant from = kNever;
  if (term_->proof == Proof::connections_closed) from = adopted_until_;
  if (!term_->is_announced && !is_only_container_replaced_) from = std::min(from, outstanding());
  return from;
}

// R19 lets only these end what an earlier incarnation of the Pod has handed out.
bool Election::Impl::has_hard_proof() const {
  return term_ && term_->proof && term_->proof != Proof::connections_closed;
}

Instant Election::Impl::outstanding() const { return std::max(handed_out_, adopted_until_); }

// Not the holder: wait, read afresh, take.
void Election::Impl::contend() {
  const Lease* lease = memory_.lease();
  if (!why_not_contend().empty()) {
    const bool is_own = lease != nullptr && shows_own_term(self_, *lease) &&
                        lease->annotated(annotation::kTerm) != abandoned_term_;
    if (is_own && announced_until_ == kLongAgo) {
      begin_release_of(*lease);
      hold();
    }
    return;
  }
  if (!memory_.newest || !why_not_acquire().empty()) return;
  const Instant turn = own_turn();
  const Instant go = own_go();
  if (now_ < go) {
    if (now_ < turn) dial_ahead(turn);
    return wake(go);
  }
  if (!rests_on_fresh_reading()) return send_list();  // R7
  if (lease == nullptr) {
    send_creation();
  } else {
    send_acquisition();
  }
}

// R7: an event of the live watch, a LIST sent after the timer fired, or a LIST that itself showed
// the record as takeable. Absence counts only if a LIST showed it (R5).
bool Election::Impl::rests_on_fresh_reading() const {
  if (list_sent_ >= own_go()) return true;
  const Observation& newest = *memory_.newest;
  const bool was_takeable_at_once = own_turn() <= newest.since;
  if (newest.lease && newest.by_watch != 0) {
    return is_watching_ && newest.by_watch == watch_id_ && was_takeable_at_once;
  }
  return hears_list_ && (!newest.lease || (newest.since == now_ && was_takeable_at_once));
}

std::string Election::Impl::why_not_contend() const {
  if (is_terminating_) return "terminating";
  if (!unhealthy_.empty()) return "the application is unhealthy: " + unhealthy_;
  if (announced_until_ != kLongAgo) return "the end of the Pod was announced";
  if (memory_.lease() != nullptr && pause_end(*memory_.lease(), now_) != kLongAgo) {
    return pause_reason(*memory_.lease());
  }
  if (hold_off_until_ != kLongAgo)
    return "held off after a resign, until another term is seen (R18)";
  return "";
}

std::string Election::Impl::why_not_acquire() const {
  std::string obstacle = election::obstacle(memory_);
  if (!obstacle.empty() || !memory_.newest) return obstacle;
  if (next_token(memory_, std::max(options_.token_floor, advance_to_)) != 0) return "";
  return "the fencing tokens are used up (R7: at most 999999999999999999): use another Lease";
}

Instant Election::Impl::own_turn() const {
  return std::max(turn(memory_, self_, outstanding()).from, contend_from_);
}

Instant Election::Impl::own_go() const {
  const Lease* lease = memory_.lease();
  if (lease != nullptr && is_handed_over_to(self_, *lease)) return own_turn();
  // delta is a mean: half as much again is enough for most writes.
  const Duration place = write_delta_ * 3 / 2;
  if (options_.replicas > kNoHerd) return own_turn() + spread_of(self_.identity, place);
  return own_turn() + (gives_way() ? place : Duration::zero());
}

// R17: two writes at once cost less than a wait for nobody. But of two followers one that was
// passed over may expect another that was not: who led before, or its replacement, has joined
// since. It leaves the first write to that one, though not for ever. A LIST that shows the record
// as takeable wakes nobody else.
bool Election::Impl::gives_way() const {
  constexpr int kPatience = 8;
  const bool woke_alone = memory_.newest->by_watch == 0 && own_turn() <= memory_.newest->since;
  return options_.replicas == kNoHerd && passed_over_ > 0 && passed_over_ <= kPatience &&
         !woke_alone;
}

Duration Election::Impl::spread_of(const std::string& identity, Duration delta) const {
  const Lease* lease = memory_.lease();
  const Token token = lease != nullptr ? token_of(*lease) : memory_.seen;
  return spread(identity, token, options_.replicas, delta);
}

// A connection that is open when the turn comes saves its set-up. Two request timeouts before is
// time enough to open one, also on the second try.
void Election::Impl::dial_ahead(Instant expiry) {
  const Observation& newest = *memory_.newest;
  if (dialed_for_ == newest.since) return;
  const bool is_draining = newest.lease && is_held_by_baton(*newest.lease) &&
                           !newest.lease->annotated(annotation::kDraining).empty();
  const Instant at = expiry - 2 * times_.request_timeout;
  if (!is_draining && now_ < at) return wake(at);
  dialed_for_ = newest.since;
  out_.actions.emplace_back(DialAhead{});
}

// Requests.

void Election::Impl::send_list() {
  pending_ = Pending{.id = ++last_id_,
                     .write = {},
                     .attempt_id = "",
                     .sent = now_,
                     .highest_revision = memory_.highest_revision};
  out_.actions.emplace_back(SendList{last_id_});
}

Attempt Election::Impl::new_attempt(WriteKind kind, const std::string& term_id, Token token) {
  Attempt attempt{.kind = kind,
                  .id = random_id(),
                  .term_id = term_id,
                  .token = token,
                  .sent = now_,
                  .uid = memory_.lease() != nullptr ? memory_.lease()->uid : "",
                  .base_version = memory_.newest->version};
  if (kind != WriteKind::create) attempts_.remember(attempt);
  return attempt;
}

void Election::Impl::send_write(const Attempt& attempt, LeaseWrite write) {
  pending_ = Pending{.id = ++last_id_,
                     .write = attempt.kind,
                     .attempt_id = attempt.id,
                     .sent = now_,
                     .highest_revision = memory_.highest_revision};
  list_sent_ = kLongAgo;
  out_.actions.emplace_back(SendWrite{last_id_, std::move(write)});
}

void Election::Impl::send_creation() {
  const Attempt attempt = new_attempt(WriteKind::create, "", 0);
  notice(NoticeKind::attempt, "creating the missing Lease (R5)");
  const Duration owed = std::max(memory_.debt, now_) - now_;
  send_write(attempt, creation(options_, std::max(memory_.seen, memory_.sent), owed, attempt.id));
}

void Election::Impl::send_acquisition() {
  const Lease base = *memory_.lease();
  if (shows_own_pod(self_, base)) {  // R19
    const Duration carried = carried_duration(base, times_.lease_duration);
    adopted_until_ = std::max(adopted_until_, start_ + carried);
  }
  if (base.paused_until > now_) {  // this write drops it
    if (const std::string why = refused_pause(base, now_); !why.empty()) {
      notice(NoticeKind::control_refused, why);
    }
  }
  constexpr std::size_t kTermsRemembered = 64;  // far more than can still be applied late
  const Token token = next_token(memory_, std::max(options_.token_floor, advance_to_));
  const std::string term_id = random_id();  // R8: of this attempt alone
  memory_.sent = token;                     // no lower than before
  memory_.sent_over_uid = base.uid;
  memory_.sent_over = memory_.newest->version;
  self_.own_terms.push_back(term_id);
  if (self_.own_terms.size() > kTermsRemembered) self_.own_terms.pop_front();
  const Attempt attempt = new_attempt(WriteKind::acquire, term_id, token);
  out_.actions.emplace_back(Notice{.kind = NoticeKind::attempt,
                                   .reason = turn(memory_, self_, outstanding()).grounds,
                                   .term_id = term_id,
                                   .token = token,
                                   .revision = attempt.base_version});
  send_write(attempt, acquisition(options_, base, attempt));
}

void Election::Impl::send_renewal() {
  const Attempt attempt = new_attempt(WriteKind::renew, term_->id, term_->token);
  send_write(attempt, renewal(options_, *memory_.lease(), attempt, term_->is_draining));
}

// R12: only over a version that shows the own term; with a lock-delay, the mark needs a proof that
// is more than handed out validity having run out.
void Election::Impl::send_release() {
  // Where the record lost the token (0), the highest one sent stands for it.
  const Token token = term_->token != 0 ? term_->token : memory_.sent;
  const Attempt attempt = new_attempt(WriteKind::release, term_->id, token);
  const bool with_mark = options_.lock_delay == Duration::zero() || term_->proof.has_value();
  send_write(attempt, release(*memory_.lease(), attempt, with_mark));
}

// Pace.

Duration Election::Impl::jitter() {
  const auto range = static_cast<std::uint64_t>((times_.retry_max - times_.retry_min).count()) + 1;
  return times_.retry_min + Duration(static_cast<std::int64_t>(random_() % range));
}

// Doubles from the retry delay on, up to D/2: I5 leaves one D beside the wait itself.
Duration Election::Impl::backoff(int failures) {
  const Duration most = std::max(times_.lease_duration / 2, times_.retry_max);
  Duration delay = jitter();
  for (int i = 1; i < failures && delay < most; ++i) delay *= 2;
  return std::min(delay, most);
}

// A holder keeps R15's pace, its three attempts have to fit in V, and so does a release, which is
// of no use later. A first conflict costs no delay (R10); a second in a row may be the server's own
// trouble and must not become a hot loop.
void Election::Impl::pause(const Failure& failure, int failures, bool is_creation) {
  Duration delay = term_ ? jitter() : backoff(failures);
  const bool is_race = failure.kind == FailureKind::conflict ||
                       (is_creation && failure.kind == FailureKind::refused);  // 422: it exists
  if (is_race && failures == 1) delay = Duration::zero();
  Duration most = std::chrono::minutes(1);
  if (term_ && term_->has_lapsed(now_)) most = Duration::zero();
  if (term_ && !term_->has_lapsed(now_)) most = term_->deadline - times_.request_timeout - now_;
  if (failure.retry_after) delay = std::max(delay, std::min<Duration>(*failure.retry_after, most));
  not_before_ = now_ + delay;
}

std::string Election::Impl::random_id() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  for (std::uint64_t bits = random_(), i = 0; i < 16; ++i, bits >>= 4) id += kDigits[bits & 15];
  return id;
}

}  // namespace baton::election
