#include "simulation/invariants.h"

#include <algorithm>

#include "base/text.h"
#include "simulation/api_server.h"

namespace baton::simulation {
namespace {

namespace annotation = election::annotation;

constexpr std::size_t kMaxViolations = 20;

const std::set<int>& excluded(Limit limit) {
  static const std::set<int> kNone;
  static const std::map<Limit, std::set<int>> kExcluded = {
      {Limit::frozen_clock, {1, 7, 12}},
      {Limit::restored_below, {1, 2, 3, 6, 7}},
      {Limit::raised_token_lost, {2, 3}},
      {Limit::over_an_hour, {5}},
  };
  const auto found = kExcluded.find(limit);
  return found == kExcluded.end() ? kNone : found->second;
}

Duration whole_seconds(std::int64_t s) { return std::chrono::seconds(s); }

std::int64_t annotated_seconds(const election::Lease& lease, const char* key) {
  return parse_integer(lease.annotated(key), 0, 1'000'000).value_or(0);
}

// R4: what a record is waited out for, however short the waiting candidate's own D is.
std::int64_t carried_s(const election::Lease& lease) {
  return std::max(lease.duration_s.value_or(0), annotated_seconds(lease, annotation::kDuration));
}

std::int64_t carried_s(const election::LeaseWrite& write) {
  const auto annotated = write.annotations.find(annotation::kDuration);
  return std::max(write.duration_s,
                  annotated == write.annotations.end()
                      ? 0
                      : parse_integer(annotated->second, 0, 1'000'000).value_or(0));
}

// As the process sees it: Sidecar::shown.
bool has_known_format(const election::Lease& lease) {
  const std::string& format = lease.annotated(annotation::kFormat);
  return format.empty() || parse_integer(format, 0, 1);
}

bool held_by_baton(const election::Lease& lease) {
  return lease.holder.empty() ||
         (lease.annotated(annotation::kHolder) == lease.holder && has_known_format(lease));
}

// What R9 wants to see.
bool stored_as_sent(const election::LeaseWrite& write, const election::Lease& stored) {
  const auto same = [&](const char* key) {
    const auto sent = write.annotations.find(key);
    return sent != write.annotations.end() && stored.annotated(key) == sent->second;
  };
  return stored.holder == write.holder && same(annotation::kTerm) && same(annotation::kAttempt) &&
         same(annotation::kFencingToken);
}

bool released(const election::Lease& lease) {
  const std::string& term = lease.annotated(annotation::kTerm);
  return lease.holder.empty() && !term.empty() && has_known_format(lease) &&
         lease.annotated(annotation::kReleased) == term + '/' + std::to_string(lease.transitions);
}

// "POD/TOKEN", of that token and for somebody else.
bool is_for_another(const std::string& hand_over_to, const std::string& name,
                    const std::string& token) {
  const auto slash = hand_over_to.rfind('/');
  return slash != hand_over_to.npos && slash > 0 && hand_over_to.substr(slash + 1) == token &&
         !name.starts_with(hand_over_to.substr(0, slash) + '_');
}

}  // namespace

const char* to_string(Limit limit) {
  switch (limit) {
    case Limit::frozen_clock: return "a machine frozen with its clocks";
    case Limit::restored_below: return "a store restored without a revision bump";
    case Limit::raised_token_lost: return "a token raised above the store's revision, then lost";
    case Limit::longer_d_forgotten: return "different lease durations, and a record's lost";
    case Limit::over_an_hour: return "a lease duration above an hour";
  }
  return "";
}

election::Token token_of(const election::Lease& lease) {
  return parse_integer(lease.annotated(annotation::kFencingToken), 1, election::kMaxToken)
      .value_or(0);
}

void Invariants::violated(int invariant, const std::string& what) {
  for (const Limit limit : limits_) {
    if (excluded(limit).contains(invariant)) {
      return;
    }
  }
  world_.say("!!! I", invariant, " violated: ", what);
  if (violations_.size() < kMaxViolations) {
    violations_.push_back({invariant, world_.now(), what});
  }
}

void Invariants::not_covered(Limit limit) {
  if (limits_.insert(limit).second) {
    world_.say("--- from here on not covered: ", to_string(limit));
  }
}

ProcessId Invariants::started(ProcessFacts facts) {
  Process process;
  process.facts = std::move(facts);
  processes_.push_back(std::move(process));
  return processes_.size() - 1;
}

void Invariants::ended(ProcessId id) {
  processes_[id].alive = false;
  processes_[id].believes = false;
}

void Invariants::clock_changed(ProcessId id, MachineClock clock) {
  Process& process = processes_[id];
  process.facts.clock = clock;
  process.believes_until = clock.real(process.deadline);
}

void Invariants::count(Process& process, int& counter, int limit, const char* what) {
  if (world_.now() >= process.window + 1s) {
    process.window = world_.now();
    process.requests = 0;
    process.steps = 0;
  }
  if (++counter == limit) {
    violated(8, process.facts.name + ": " + std::to_string(limit) + what + " within a second");
  }
}

// A candidate needs at most one request per retry_min while failing, and a handful more where
// events come thick.
void Invariants::sent_list(ProcessId id) {
  Process& process = processes_[id];
  const auto per_second = static_cast<int>(1s / process.facts.timings.retry_min);
  count(process, process.requests, 15 + 2 * per_second, " requests");
}

void Invariants::stepped(ProcessId id) {
  count(processes_[id], processes_[id].steps, 400, " steps");
}

void Invariants::sent_write(ProcessId id, const election::LeaseWrite& write, Time since) {
  sent_list(id);
  Process& process = processes_[id];
  if (write.kind == election::WriteKind::acquire) {
    const auto token =
        parse_integer(write.annotations.at(annotation::kFencingToken), 1, election::kMaxToken);
    const std::pair over{write.base.uid, write.base.version.value_or(0)};
    const election::Token least = process.sent + (over == process.sent_over ? 0 : 1);
    if (!token || *token <= process.highest_seen || *token < least) {
      violated(2, process.facts.name + " sends token " + std::to_string(token.value_or(0)) +
                      " after having seen " + std::to_string(process.highest_seen) + " and sent " +
                      std::to_string(process.sent));
    }
    process.sent = std::max(process.sent, token.value_or(0));
    process.sent_over = over;
    check_wait(process, write, since);
    check_asked(process, write, since);
  }
  if (write.kind == election::WriteKind::release) {
    const std::string& term = write.base.annotated(annotation::kTerm);
    if (!process.terms.contains(term) || write.base.holder.empty()) {
      violated(7, process.facts.name + " releases the term " + term + " of " + write.base.holder);
    }
    if (process.facts.lock_delay > 0s && !process.ended.contains(term) &&
        write.annotations.contains(annotation::kReleased)) {
      violated(7, process.facts.name + " marks a release that no proof allows");
    }
    const Work& work = work_[process.facts.pod];
    if (work.obeys && work.until > world_.now()) {
      violated(7, process.facts.name + " releases while its application works for another " +
                      std::to_string(seconds(work.until - world_.now())) + " s");
    }
  }
}

bool Invariants::is_pause(const std::string& text) const {
  const std::optional<Time> end = ApiServer::clock_time(text);
  return end && *end > world_.now() && *end <= world_.now() + 24h;
}

void Invariants::check_asked(const Process& process, const election::LeaseWrite& write,
                             Time since) {
  const election::Lease& base = write.base;
  if (is_pause(base.annotated(annotation::kPauseUntil))) {
    violated(12, process.facts.name + " acquires in a pause until " +
                     base.annotated(annotation::kPauseUntil));
  }
  const MachineClock& clock = process.facts.clock;
  if (released(base) &&
      clock.local(world_.now()) - clock.local(since) < 2 * process.facts.timings.request_timeout &&
      is_for_another(base.annotated(annotation::kHandOverTo), process.facts.name,
                     base.annotated(annotation::kFencingToken))) {
    violated(12, process.facts.name + " acquires what was just released for " +
                     base.annotated(annotation::kHandOverTo));
  }
}

bool Invariants::is_asked_to_end(const Process& process, election::Token token) const {
  const Seen& seen = process.newest;
  return is_pause(seen.pause) || seen.resign == std::to_string(token) ||
         is_for_another(seen.hand_over_to, process.facts.name, std::to_string(token));
}

bool Invariants::may_write_at_once(const Process& process,
                                   const election::LeaseWrite& write) const {
  const election::Lease& base = write.base;
  const std::string& incarnation = base.annotated(annotation::kIncarnation);
  return released(base) || process.terms.contains(base.annotated(annotation::kTerm)) ||
         (held_by_baton(base) && !incarnation.empty() && incarnation == process.facts.incarnation);
}

void Invariants::check_wait(const Process& process, const election::LeaseWrite& write, Time since) {
  const election::Lease& base = write.base;
  if (base.holder == process.facts.name &&
      process.handed_out > process.facts.clock.local(world_.now())) {
    violated(6, process.facts.name + " acquires again while an answer of it is valid");
  }
  if (may_write_at_once(process, write)) {
    return;
  }
  Duration wait = whole_seconds(base.duration_s.value_or(0));
  if (held_by_baton(base)) {
    wait = std::max(wait, whole_seconds(annotated_seconds(base, annotation::kDuration)));
  }
  if (!held_by_baton(base) || base.holder.empty()) {
    wait = std::max(wait, process.facts.timings.lease_duration);
  }
  wait += std::max(process.facts.lock_delay,
                   whole_seconds(annotated_seconds(base, annotation::kLockDelay)));
  const MachineClock& clock = process.facts.clock;
  const Duration waited = clock.local(world_.now()) - clock.local(since);
  if (waited < wait) {
    violated(6, process.facts.name + " acquires " + std::to_string(seconds(waited)) +
                    " s after the record of '" + base.holder + "' began, wait " +
                    std::to_string(seconds(wait)) + " s");
  }
}

void Invariants::saw(ProcessId id, const election::Lease& lease) {
  election::Token& highest = processes_[id].highest_seen;
  highest = std::max(highest, token_of(lease));
  // R10: what a webhook spoiled and a hand mended counts as sent from then on.
  const auto own = processes_[id].terms.find(lease.annotated(annotation::kTerm));
  if (own != processes_[id].terms.end() && lease.holder == processes_[id].facts.name &&
      token_of(lease) == own->second.token) {
    own->second.as_sent = true;
  }
  if (lease.version.value_or(0) > processes_[id].newest.version) {
    processes_[id].newest = {*lease.version,
                             lease.holder,
                             lease.annotated(annotation::kTerm),
                             lease.annotated(annotation::kPauseUntil),
                             lease.annotated(annotation::kResign),
                             lease.annotated(annotation::kHandOverTo)};
    processes_[id].seen_terms.insert(lease.annotated(annotation::kTerm));
  }
}

void Invariants::saw_absence(ProcessId id, election::Revision revision) {
  if (revision > processes_[id].newest.version) {
    processes_[id].newest = {revision, "", "", "", "", ""};
  }
}

void Invariants::history_restarted() {
  for (Process& process : processes_) {
    process.newest = {};
  }
}

void Invariants::told_of_end(ProcessId id, const std::string& term_id) {
  processes_[id].ended.insert(term_id);
}

void Invariants::applied(ProcessId id, const election::LeaseWrite& write,
                         const election::Lease& stored, Instant sent_at) {
  Process& process = processes_[id];
  const Instant until = sent_at + process.facts.timings.renew_deadline;
  const auto found = write.annotations.find(annotation::kTerm);
  const std::string term = found == write.annotations.end() ? "" : found->second;
  if (write.kind == election::WriteKind::acquire) {
    const auto token =
        parse_integer(write.annotations.at(annotation::kFencingToken), 1, election::kMaxToken)
            .value_or(0);
    if (token <= highest_acquired_) {
      violated(2, process.facts.name + " acquired with token " + std::to_string(token) +
                      ", there was " + std::to_string(highest_acquired_));
    }
    if (!terms_.emplace(term, token).second) {
      violated(2, process.facts.name + " acquired the term " + term + " again");
    }
    highest_acquired_ = std::max(highest_acquired_, token);
    highest_recorded_ = std::max(highest_recorded_, token);
    process.terms[term] = {token, until, stored.version.value_or(0), stored_as_sent(write, stored)};
  } else if (write.kind == election::WriteKind::create) {
    check_creation(process, write);
  } else if (write.kind == election::WriteKind::renew && process.terms.contains(term)) {
    Term& renewed = process.terms[term];
    renewed.version = std::max(renewed.version, stored.version.value_or(0));
    if (stored_as_sent(write, stored)) {
      renewed.applied_until = std::max(renewed.applied_until, until);
    }
  }
}

// R5: who saw the record that is gone says what is owed for it.
void Invariants::check_creation(const Process& process, const election::LeaseWrite& write) {
  if (carried_s(write) < recorded_s_ && !process.seen_terms.contains(recorded_term_)) {
    duration_lost();
  }
}

void Invariants::duration_lost() {
  const auto is_other = [this](const Process& process) {
    return process.facts.timings.lease_duration != processes_.front().facts.timings.lease_duration;
  };
  if (std::any_of(processes_.begin(), processes_.end(), is_other)) {
    not_covered(Limit::longer_d_forgotten);
  }
}

void Invariants::believes(ProcessId id, const election::Status& status) {
  Process& process = processes_[id];
  const Time until = status.believes ? process.facts.clock.real(status.deadline) : Time{0};
  if (!status.believes || until <= world_.now()) {
    process.believes = false;
    return;
  }
  const bool news =
      !process.believes || process.term_id != status.term_id || process.deadline != status.deadline;
  process.believes = true;
  process.term_id = status.term_id;
  process.deadline = status.deadline;
  process.believes_until = until;
  const Seen& newest = process.newest;
  const auto held = process.terms.find(status.term_id);
  if (held != process.terms.end() && !limits_.contains(Limit::restored_below) &&
      newest.version > held->second.version &&
      (newest.holder != process.facts.name || newest.term != status.term_id)) {
    violated(4, process.facts.name + " still believes after having seen version " +
                    std::to_string(newest.version) + " held by '" + newest.holder + "'");
  }
  if (newest.holder == process.facts.name && newest.term == status.term_id &&
      is_asked_to_end(process, status.token)) {
    violated(12, process.facts.name + " leads on though it has seen that it is asked to end");
  }
  if (!news) {
    return;
  }
  check_backed(process, status);
  check_alone(process);
  foreign_overlaps_ += foreign_acts_ ? 1 : 0;
}

void Invariants::foreign_acts(bool acts) {
  foreign_overlaps_ += acts && !foreign_acts_ && anyone_believes() ? 1 : 0;
  foreign_acts_ = acts;
}

void Invariants::check_backed(const Process& process, const election::Status& status) {
  const auto term = process.terms.find(status.term_id);
  if (term == process.terms.end()) {
    violated(terms_.contains(status.term_id) ? 9 : 4,
             process.facts.name + " believes in the term " + status.term_id +
                 ", which no applied write of it began");
  } else if (term->second.token != status.token) {
    violated(4, process.facts.name + " shows a token that it did not write");
  } else if (!term->second.as_sent) {
    violated(4, process.facts.name + " believes though its acquisition was not stored as sent");
  } else if (status.deadline > term->second.applied_until) {
    violated(4, process.facts.name + " believes " +
                    std::to_string(seconds(status.deadline - term->second.applied_until)) +
                    " s longer than its applied writes allow");
  }
}

// Limit::longer_d_forgotten covers only those who never saw the longer term: the others have a
// debt.
bool Invariants::may_have_forgotten(const Process& process, const std::string& term_id) const {
  return limits_.contains(Limit::longer_d_forgotten) && !process.seen_terms.contains(term_id);
}

void Invariants::check_alone(const Process& process) {
  for (const Process& other : processes_) {
    if (&other != &process && other.alive && other.believes &&
        other.believes_until > world_.now() && !may_have_forgotten(process, other.term_id)) {
      violated(1, process.facts.name + " and " + other.facts.name + " (for another " +
                      std::to_string(seconds(other.believes_until - world_.now())) +
                      " s) both believe");
    }
  }
  for (const auto& [pod, work] : work_) {
    if (pod != process.facts.pod && work.obeys && work.until > world_.now() &&
        !limits_.contains(Limit::longer_d_forgotten)) {
      violated(1, process.facts.name + " believes while the application of Pod " +
                      std::to_string(pod) + " works for another " +
                      std::to_string(seconds(work.until - world_.now())) + " s");
    }
  }
}

void Invariants::answered(ProcessId id, Instant deadline) {
  processes_[id].handed_out = std::max(processes_[id].handed_out, deadline);
  if (processes_[id].facts.clock.local(world_.now()) >= deadline) {
    violated(10, processes_[id].facts.name + " said yes at or after its deadline");
  }
}

void Invariants::works(int pod, Time until, bool obeys) { work_[pod] = {until, obeys}; }

bool Resource::write(election::Token token) {
  if (checks_ && token < highest_) return false;
  if (token < content_) ++corruptions_;
  content_ = token;
  highest_ = std::max(highest_, token);
  return true;
}

bool Invariants::resource_write(election::Token token, const std::string& term_id) {
  const auto [owner, first] = token_owner_.emplace(token, term_id);
  if (!first && owner->second != term_id) {
    violated(3, "token " + std::to_string(token) + " came from two terms");
  }
  unfenced_.write(token);
  const bool is_taken = fenced_.write(token);
  if (!is_taken) ++refusals_;
  if (!is_taken && token >= highest_acquired_) {
    violated(3, "the resource refused the newest term, token " + std::to_string(token));
  }
  if (fenced_.corruptions() > 0) {
    violated(3, "the resource holds a write of an older term, token " + std::to_string(token));
  }
  return is_taken;
}

void Invariants::record_became(const election::Lease* lease, election::Revision revision,
                               bool by_hand) {
  if (lease != nullptr) {
    if (by_hand && carried_s(*lease) < recorded_s_) {
      duration_lost();
    }
    recorded_s_ = carried_s(*lease);
    const std::string& term = lease->annotated(annotation::kTerm);
    recorded_term_ = term.empty() ? recorded_term_ : term;
  }
  const election::Token token = lease == nullptr ? 0 : token_of(*lease);
  if (token < highest_recorded_ && revision <= highest_recorded_) {  // the next may be as of now
    not_covered(Limit::raised_token_lost);
  }
  highest_recorded_ = std::max(highest_recorded_, token);
}

bool Invariants::anyone_believes() const {
  return std::any_of(processes_.begin(), processes_.end(), [this](const Process& process) {
    return process.alive && process.believes && process.believes_until > world_.now();
  });
}

}  // namespace baton::simulation
