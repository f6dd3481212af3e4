// One candidate in a world that lies: any event, in any order, with any content, at any time. What
// must hold even then: one request at a time, writes as R1 and R7 have them, no belief beyond V
// after a write was sent, no step that wants another one at once for ever.
#include <array>
#include <map>
#include <optional>

#include "election/election.h"
#include "election/record.h"
#include "fuzz/target.h"

namespace baton::fuzz {
namespace {

using namespace election;
using namespace std::chrono_literals;

constexpr Timings kTimings{15s, 12s, 5s, 2s, 250ms, 450ms};
constexpr int kMostStepsAtOnce = 50;

class Candidate {
 public:
  explicit Candidate(Choices& choices) : choices_(choices), election_(options(), now_) {}

  void live() {
    while (!choices_.empty() && !has_exited_) {
      now_ += one_of<Duration>({0ms, 1ms, 200ms, 2s, 5s, 12s, 15s, 3600s});
      step(event());
      for (int again = 0; step_.wake_at <= now_ && !has_exited_; ++again) {
        require(again < kMostStepsAtOnce, "no step wants another one at once for ever");
        step(Tick{});
      }
    }
  }

 private:
  template <typename T>
  T one_of(std::initializer_list<T> all) {
    return *(all.begin() + choices_.pick(all.size()));
  }

  Options options() {
    Options options;
    options.identity = "me";
    options.timings = kTimings;
    options.incarnation = one_of<const char*>({"", "pod/boot/net"});
    options.replicas = one_of({3, 500});
    options.lock_delay = one_of<Duration>({0s, 10s});
    options.token_floor = one_of<Token>({0, 1000, kMaxToken});
    options.warm_up_limit = one_of<Duration>({0s, 20s});
    options.max_term = one_of<Duration>({0s, 150s});
    return options;
  }

  Revision revision() {
    if (choices_.pick(9) == 0) return one_of<Revision>({-1, 0, 1, kMaxToken, INT64_MAX});
    return revision_ += one_of<Revision>({0, 1, 1, 100});
  }

  std::string value() {
    return one_of<const char*>({"", "me", "other", "t1", "t1/0", "0", "1", "15", "-1", "400",
                                "99999999999999999999", "999999999999999999", "pod/boot/net",
                                "x\ny", "400/400", "me/400"});
  }

  /// What the newest write would have made of the Lease, bent here and there.
  std::optional<Lease> lease() {
    if (choices_.pick(8) == 0) return {};
    Lease lease;
    if (last_write_) {
      lease.holder = last_write_->holder;
      lease.duration_s = last_write_->duration_s;
      lease.transitions = last_write_->transitions;
      lease.annotations = last_write_->annotations;
    }
    lease.uid = one_of<const char*>({"uid-1", "uid-1", "uid-1", "uid-2"});
    lease.version = revision();
    if (*lease.version < 1) lease.version.reset();  // as the codec has it
    for (auto bends = choices_.pick(4); bends > 0; --bends) bend(lease);
    if (lease.annotations.count(annotation::kPauseUntil) != 0) {
      lease.paused_until = one_of<Instant>({kLongAgo, kNever, now_ - 1s, now_ + 5s, now_ + 48h});
    }
    lease.spec = lease.holder + "|" + std::to_string(lease.duration_s.value_or(0)) + "|" +
                 std::to_string(lease.transitions) + "|" +
                 std::to_string(writes_ + choices_.pick(2));
    return lease;
  }
  void bend(Lease& lease) {
    switch (choices_.pick(7)) {
      case 0: lease.holder = value(); break;
      case 1:
        lease.duration_s = one_of<std::int64_t>({0, 1, 15, 4000, INT64_MAX, INT64_MIN});
        break;
      case 2: lease.transitions = one_of<std::int64_t>({0, 1, INT32_MAX}); break;
      case 3: lease.being_deleted = true; break;
      case 4: lease.strategy = "OldestEmulationVersion"; break;
      case 5: lease.preferred_holder = "other"; break;
      default: {
        const std::string key = one_of<const char*>(
            {annotation::kFencingToken, annotation::kTerm, annotation::kAttempt,
             annotation::kDuration, annotation::kIncarnation, annotation::kReleased,
             annotation::kDraining, annotation::kLockDelay, annotation::kHolder,
             annotation::kFormat, annotation::kPauseUntil, annotation::kResign,
             annotation::kHandOverTo});
        lease.annotations[key] = value();
        if (choices_.yes()) lease.annotations.erase(key);
      }
    }
  }

  Failure failure() {
    Failure failure{static_cast<FailureKind>(choices_.pick(9)), {}, "no answer"};
    if (choices_.pick(4) == 0) failure.retry_after = one_of<Duration>({0s, 1s, 60s});
    return failure;
  }

  Event event() {
    // Mostly of the request and the watch that are there.
    const RequestId id = choices_.pick(8) == 0 ? choices_.pick(4) : pending_id_;
    const WatchId watch = choices_.pick(8) == 0 ? choices_.pick(4) : watch_;
    switch (choices_.pick(18)) {
      case 0: return ListFailed{id, failure()};
      case 1: return WriteFailed{id, failure()};
      case 2: return WatchEnded{watch, failure()};
      case 3: return Watched{watch, WatchEventKind::bookmark, revision(), {}};
      case 4: return Watched{watch, WatchEventKind::deleted, revision(), lease()};
      case 5:
      case 6: return Watched{watch, WatchEventKind::changed, revision(), lease()};
      case 7: return Resign{};
      case 8: return Announce{};
      case 9: return WorkEnded{static_cast<Proof>(choices_.pick(4)), ""};
      case 10: return AdvanceToken{one_of<Token>({-1, 0, 1, 5000, kMaxToken, INT64_MAX})};
      case 11: return ReadyToLead{""};
      case 12: return ApplicationHealth{choices_.yes(), "test"};
      case 13: return choices_.pick(4) == 0 ? Event(Terminate{}) : Event(OnlyContainerReplaced{});
      case 14: return Tick{};
      default: break;
    }
    if (!is_writing_) return Listed{id, revision(), lease()};
    Lease written = lease().value_or(Lease{});
    return Written{id, std::move(written)};
  }

  void step(const Event& event) {
    // A request is answered by an answer of its kind; Election ignores all others.
    std::visit([this](const auto& one) { settle(one); }, event);
    step_ = election_.step(event, now_, handed_out_);
    require(step_.wake_at >= now_, "no step wants to be called in the past");
    require(step_.actions.size() < 32, "a step does little");
    for (const Action& action : step_.actions) {
      std::visit([this](const auto& wanted) { perform(wanted); }, action);
    }
    check_status();
  }

  void settle(const Terminate&) { is_terminating_ = true; }
  void settle(const Listed& answer) { settle(answer.id, false); }
  void settle(const ListFailed& answer) { settle(answer.id, false); }
  void settle(const Written& answer) { settle(answer.id, true); }
  void settle(const WriteFailed& answer) { settle(answer.id, true); }
  template <typename Other>
  void settle(const Other&) {}
  void settle(RequestId id, bool is_write) {
    if (id == pending_id_ && is_write == is_writing_) pending_id_ = 0;
  }

  void perform(const SendList& action) { send(action.id, false); }
  void perform(const SendWrite& action) {
    send(action.id, true);
    const LeaseWrite& write = action.write;
    ++writes_;
    last_write_ = write;
    if (write.kind == WriteKind::create) return require(write.holder.empty(), "R5: created unheld");
    require(write.base.version.has_value() && !write.base.uid.empty(), "R1: uid and version");
    Lease shown;
    shown.annotations = write.annotations;
    const Token token = token_of(shown);
    require(token >= 1 && token <= kMaxToken, "R7: a token is in 1..10^18-1");
    if (write.kind == WriteKind::release) return require(write.holder.empty(), "R12: unheld");
    require(write.holder == "me", "R9: written as the holder");
    const std::string& term = shown.annotated(annotation::kTerm);
    if (write.kind == WriteKind::acquire) {
      require(!is_terminating_, "R18: who terminates never acquires");
      const std::pair over{write.base.uid, *write.base.version};
      require(token >= highest_sent_ + (over == sent_over_ ? 0 : 1),
              "R7: above every token sent over another version");
      require(!terms_.contains(term), "R8: every acquisition has a term id of its own");
      highest_sent_ = token;
      sent_over_ = over;
      terms_[term].token = token;
    }
    require(terms_.contains(term) && terms_[term].token == token, "R9: a renewal keeps the token");
    terms_[term].sent = now_;
  }
  void perform(const StartWatch& action) { watch_ = action.id; }
  void perform(const StopWatch&) { watch_ = 0; }
  void perform(const DialAhead&) {}
  void perform(const Exit&) { has_exited_ = true; }
  void perform(const Notice&) {}

  void send(RequestId id, bool is_write) {
    require(pending_id_ == 0, "R15: one request at a time");
    pending_id_ = id;
    is_writing_ = is_write;
  }

  void check_status() {
    const Status& status = election_.status();
    if (status.state == State::blocked) require(!status.reason.empty(), "blocked for a reason");
    if (!status.believes) return;
    const auto term = terms_.find(status.term_id);
    require(term != terms_.end() && term->second.token == status.token, "I9: the own term");
    require(status.deadline > now_, "I10: no belief at or after the deadline");
    require(status.deadline <= term->second.sent + kTimings.renew_deadline,
            "R2: no belief later than V after sending");
    if (choices_.yes()) handed_out_ = std::max(handed_out_, status.deadline);
  }

  struct Term {
    Token token = 0;
    Instant sent;  // its newest write
  };

  Choices& choices_;
  Instant now_{1000s};
  Election election_;
  Step step_;
  Instant handed_out_ = kLongAgo;
  RequestId pending_id_ = 0;  // 0: none
  bool is_writing_ = false;
  WatchId watch_ = 0;
  Revision revision_ = 1000;
  std::optional<LeaseWrite> last_write_;
  std::uint64_t writes_ = 0;
  Token highest_sent_ = 0;
  std::pair<std::string, Revision> sent_over_;
  std::map<std::string, Term> terms_;
  bool is_terminating_ = false;
  bool has_exited_ = false;
};

}  // namespace

BATON_FUZZ_TARGET(election_events) {
  Choices choices(input);
  Candidate(choices).live();
}

}  // namespace baton::fuzz
