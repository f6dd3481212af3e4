#include "unit/election/driver.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "election/record.h"

namespace baton::election::testing {

Timings balanced() {
  return {.lease_duration = seconds(15),
          .renew_deadline = seconds(12),
          .renew_period = seconds(5),
          .request_timeout = seconds(2),
          .retry_min = milliseconds(250),
          .retry_max = milliseconds(450)};
}

Options options_of(const std::string& identity) {
  Options options;
  options.identity = identity;
  options.timings = balanced();
  options.replicas = 2;  // R17: no wait
  for (const char character : identity) {
    options.seed = options.seed * 31 + static_cast<unsigned char>(character);
  }
  return options;
}

Lease released_lease(Token token) {
  Lease lease;
  lease.duration_s = 1;
  lease.transitions = 7;
  lease.annotations = {{annotation::kTerm, "old"},
                       {annotation::kReleased, "old/7"},
                       {annotation::kHolder, "gone"},
                       {annotation::kDuration, "15"},
                       {annotation::kFencingToken, std::to_string(token)}};
  return lease;
}

Lease held_lease(const std::string& holder, std::int64_t duration_s) {
  Lease lease;
  lease.holder = holder;
  lease.duration_s = duration_s;
  lease.transitions = 3;
  lease.annotations = {{annotation::kTerm, "running"},
                       {annotation::kHolder, holder},
                       {annotation::kDuration, std::to_string(duration_s)},
                       {annotation::kFencingToken, "400"}};
  return lease;
}

// The store.

std::variant<Lease, Failure> Store::put(const LeaseWrite& write) {
  Lease lease;
  if (write.kind == WriteKind::create) {
    if (lease_) return Failure{FailureKind::refused, {}, "422 must be specified for an update"};
    lease.uid = "uid-" + std::to_string(++uids_);
  } else {
    if (!lease_ || lease_->uid != write.base.uid || lease_->version != write.base.version) {
      return Failure{FailureKind::conflict, {}, "409 the object has been modified"};
    }
    lease = *lease_;
  }
  lease.holder = write.holder;
  lease.duration_s = write.duration_s;
  lease.transitions = write.transitions;
  lease.annotations = write.annotations;
  if (lease.annotations.count(annotation::kPauseUntil) == 0) lease.paused_until = kLongAgo;
  ++writes_;
  commit(lease);
  return *lease_;
}

void Store::commit(std::optional<Lease> lease) {
  ++revision_;
  if (lease) {
    lease->version = revision_;
    lease->spec = lease->holder + "|" + std::to_string(lease->duration_s.value_or(0)) + "|" +
                  std::to_string(lease->transitions) + "|" + std::to_string(writes_);
  }
  lease_ = std::move(lease);
  const auto kind = lease_ ? WatchEventKind::changed : WatchEventKind::deleted;
  if (listener_) listener_(kind, revision_, lease_);
}

void Store::edit(const std::function<void(Lease&)>& change) {
  Lease lease = lease_.value();
  change(lease);
  commit(lease);
}

void Store::remove() { commit(std::nullopt); }

void Store::create(Lease lease) {
  lease.uid = "uid-" + std::to_string(++uids_);
  commit(std::move(lease));
}

void Store::hold_as_foreign(const std::string& holder, std::int64_t duration_s) {
  ++writes_;
  edit([&](Lease& lease) {
    if (lease.holder != holder) ++lease.transitions;
    lease.holder = holder;
    lease.duration_s = duration_s;
  });
}

void Store::restore(const std::optional<Lease>& lease, Revision revision) {
  lease_ = lease;
  revision_ = revision;
}

// Fates.

Fate served() { return {}; }
Fate lost(bool is_applied) {
  return {.is_applied = is_applied,
          .answer = Failure{FailureKind::unknown, {}, "no answer within the request timeout"},
          .delay = balanced().request_timeout};
}
Fate failed(FailureKind kind, std::optional<Duration> retry_after) {
  return {.is_applied = false, .answer = Failure{kind, retry_after, to_string(kind)}};
}
Fate slow(Duration delay) { return {.is_applied = true, .answer = {}, .delay = delay}; }

// One candidate.

Runner::Runner(World& world, Options given, Instant start)
    : options(given), world_(world), election_(given, start) {}

bool Runner::leads() const { return status().believes && world_.now < status().deadline; }

const Step& Runner::feed(const Event& event) {
  steps_at_once_ = stepped_at_ == world_.now ? steps_at_once_ + 1 : 0;
  stepped_at_ = world_.now;
  EXPECT_LT(steps_at_once_, 50) << options.identity << " spins";
  last = election_.step(event, world_.now, handed_out);
  EXPECT_GE(last.wake_at, world_.now);
  if (asks && leads()) handed_out = std::max(handed_out, status().deadline);
  for (const Action& action : last.actions) {
    std::visit([this](const auto& wanted) { perform(wanted); }, action);
  }
  if (world_.observer) world_.observer(*this, event, last);
  return last;
}

void Runner::perform(const SendList& action) {
  ++lists;
  const Fate chosen = fate(nullptr);
  Event answer = Listed{action.id, world_.store.revision(), world_.store.lease()};
  if (chosen.answer) answer = ListFailed{action.id, *chosen.answer};
  world_.schedule(world_.now + chosen.delay, *this, answer);
}

void Runner::perform(const SendWrite& action) {
  written.push_back(action.write);
  written_at.push_back(world_.now);
  const Fate chosen = fate(&action.write);
  auto result = std::make_shared<std::variant<Lease, Failure>>(Failure{});
  const auto apply = [this, write = action.write, result] { *result = world_.store.put(write); };
  if (chosen.is_applied && chosen.applied_after == Duration::zero()) apply();
  if (chosen.is_applied && chosen.applied_after != Duration::zero()) {
    world_.schedule(world_.now + chosen.applied_after, nullptr, apply);
  }
  world_.schedule(world_.now + chosen.delay, this, [this, id = action.id, chosen, result] {
    const auto* stored = std::get_if<Lease>(result.get());
    if (!chosen.answer && stored != nullptr) {
      feed(Written{id, *stored});
    } else {
      feed(WriteFailed{id, chosen.answer ? *chosen.answer : std::get<Failure>(*result)});
    }
  });
}

void Runner::perform(const StartWatch& action) {
  watch_ = action.id;
  watched_from.push_back(action.from);
  const auto& lease = world_.store.lease();
  if (lease && *lease->version > action.from) {
    world_.schedule(world_.now + kOneWay, *this,
                    Watched{action.id, WatchEventKind::changed, *lease->version, lease});
  }
}

void Runner::perform(const StopWatch&) { watch_ = 0; }

std::vector<Notice> Runner::notices(NoticeKind kind) const {
  std::vector<Notice> found;
  for (const Notice& notice : noticed) {
    if (notice.kind == kind) found.push_back(notice);
  }
  return found;
}

std::vector<LeaseWrite> Runner::writes(WriteKind kind) const {
  std::vector<LeaseWrite> found;
  for (const LeaseWrite& write : written) {
    if (write.kind == kind) found.push_back(write);
  }
  return found;
}

// The world.

World::World() {
  store.set_listener([this](WatchEventKind kind, Revision revision, const auto& lease) {
    for (const auto& runner : runners_) {
      if (runner->watch_ == 0 || runner->is_cut_off) continue;
      schedule(now + runner->event_delay, *runner, Watched{runner->watch_, kind, revision, lease});
    }
  });
}

Runner& World::add(Options options) {
  runners_.push_back(std::make_unique<Runner>(*this, options, now));
  schedule(now, *runners_.back(), Tick{});
  return *runners_.back();
}

void World::kill(Runner& runner) {
  std::erase_if(queue_, [&](const auto& entry) { return entry.second.first == &runner; });
  const auto found = std::find_if(runners_.begin(), runners_.end(),
                                  [&](const auto& owned) { return owned.get() == &runner; });
  dead_.push_back(std::move(*found));
  runners_.erase(found);
}

void World::break_watch(Runner& runner, FailureKind kind) {
  schedule(now, runner, WatchEnded{runner.watch_, {kind, {}, "cut"}});
  runner.watch_ = 0;
}

void World::bookmark() {
  for (const auto& runner : runners_) {
    if (runner->watch_ == 0 || runner->is_cut_off) continue;
    schedule(now + kOneWay, *runner,
             Watched{runner->watch_, WatchEventKind::bookmark, store.revision(), {}});
  }
}

void World::schedule(Instant at, Runner& runner, Event event) {
  schedule(at, &runner, [&runner, event = std::move(event)] { runner.feed(event); });
}

void World::schedule(Instant at, Runner* owner, std::function<void()> act) {
  queue_.emplace(at, std::make_pair(owner, std::move(act)));
}

bool World::run_next(Instant until) {
  Runner* next = nullptr;
  Instant at = until;
  for (const auto& runner : runners_) {
    if (runner->has_exited || runner->last.wake_at > at) continue;
    if (next == nullptr || runner->last.wake_at < at) {
      next = runner.get();
      at = runner->last.wake_at;
    }
  }
  if (!queue_.empty() && queue_.begin()->first <= at) {
    const auto [owner, act] = queue_.begin()->second;
    now = std::max(now, queue_.begin()->first);
    queue_.erase(queue_.begin());
    if (owner == nullptr || !owner->has_exited) act();
    return true;
  }
  if (next == nullptr) return false;
  now = std::max(now, at);
  next->feed(Tick{});
  return true;
}

void World::run_until(Instant until) {
  while (run_next(until)) {
  }
  now = until;
}

bool World::run_until_true(const std::function<bool()>& condition, Duration limit) {
  const Instant until = now + limit;
  while (!condition()) {
    if (!run_next(until)) return condition();
  }
  return true;
}

}  // namespace baton::election::testing
