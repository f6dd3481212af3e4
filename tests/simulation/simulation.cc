#include "simulation/simulation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "simulation/faults.h"

namespace baton::simulation {

election::Timings balanced() { return {15s, 12s, 5s, 2s, 250ms, 450ms}; }
election::Timings aggressive() { return {3s, 2400ms, 1s, 400ms, 50ms, 90ms}; }
election::Timings conservative() { return {45s, 36s, 10s, 5s, 500ms, 5s}; }

std::vector<std::string> fault_names() {
  std::vector<std::string> names;
  for (const Fault& fault : all_faults()) {
    names.emplace_back(fault.name);
  }
  return names;
}

namespace {

constexpr Time kAllStarted = 2s;

// One to eight kinds of faults: alone each is seen clearly, together they meet.
std::vector<std::size_t> draw_kinds(Random& random, const std::vector<std::string>& only) {
  std::vector<std::size_t> kinds;
  const auto& all = all_faults();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (only.empty() || std::find(only.begin(), only.end(), all[i].name) != only.end()) {
      kinds.push_back(i);
    }
  }
  const std::size_t count =
      only.empty() ? 1 + static_cast<std::size_t>(random.below(8)) : kinds.size();
  for (std::size_t i = 0; i < count; ++i) {
    std::swap(kinds[i], kinds[i + random.next() % (kinds.size() - i)]);
  }
  kinds.resize(count);
  return kinds;
}

// Few, and in every 400th run many: 8 to 500, as many of them in each doubling.
int draw_candidates(Random& random, std::uint64_t seed) {
  if (seed % 400 != 0) {
    return 1 + random.below(7);
  }
  return static_cast<int>(8 * std::pow(500.0 / 8, random.unit()));
}

// Half of the clocks are as wrong as R3 allows for.
int draw_ppm(Random& random) {
  constexpr int kMost = 100'000;
  const double share = random.unit();
  if (share < 0.5) {
    return share < 0.25 ? -kMost : kMost;
  }
  return random.below(2 * kMost + 1) - kMost;
}

}  // namespace

Simulation::Simulation(Plan plan)
    : plan_(std::move(plan)),
      world_(plan_.seed, plan_.transcript),
      invariants_(world_),
      server_(world_, invariants_, world_.random().pick<election::Revision>({5, 1000, 123456})),
      stage_{world_, server_, invariants_, counts_} {
  Random& random = world_.random();
  timings_ = draw_timings();
  mixed_ = random.chance(0.25);
  if (mixed_) {
    timings_ = balanced();
  }
  const int count = draw_candidates(random, plan_.seed);
  world_.expect_candidates(count);
  counts_.most_candidates = count;
  if (count >= 8) {
    ++counts_.faults["eight candidates or more (F30)"];
  }
  lock_delay_ = random.chance(0.15)
                    ? std::chrono::floor<std::chrono::seconds>(timings_.lease_duration / 2)
                    : 0s;
  counts_.faults["two versions on one Lease"] += plan_.seed % 4 == 1 ? 1 : 0;
  const bool warms_up = random.chance(0.2);
  for (int slot = 0; slot < count; ++slot) {
    ReplicaOptions options;
    options.election.timings = mixed_ && random.chance(0.5) ? aggressive() : timings_;
    if (plan_.renew_deadline_share > 0) {
      options.election.timings.renew_deadline =
          scaled(timings_.lease_duration, plan_.renew_deadline_share);
    }
    options.election.replicas = count;
    options.election.lock_delay = lock_delay_;
    options.election.announcement = timings_.lease_duration / 2;
    options.election.max_term = plan_.seed % 8 == 3 ? 3 * timings_.lease_duration : 0s;
    options.election.warm_up_limit = warms_up ? timings_.lease_duration : 0s;
    options.says = random.pick<Says>({Says::drained, Says::closes, Says::exits, Says::nothing});
    options.native = random.chance(0.4);
    options.is_drawn = plan_.drawing;
    options.is_rolling = plan_.seed % 4 == 1;
    options.recovery =
        random.chance(0.2) ? Duration{-1} : random.between(0s, timings_.lease_duration / 3);
    const MachineClock clock{random.between(1s, 100'000s), draw_ppm(random)};
    counts_.faults["clock rate wrong by 5 % or more (F6)"] += std::abs(clock.ppm) >= 50'000 ? 1 : 0;
    replicas_.push_back(std::make_unique<Replica>(stage_, slot, std::move(options), clock));
    if (plan_.wall_clocks_strobe) {
      replicas_.back()->strobe_wall_clock(Time::max());
    }
  }
  draw_schedule();
}

// A profile, or any timings that R3 and R15 let pass.
election::Timings Simulation::draw_timings() {
  Random& random = world_.random();
  const double share = random.unit();
  if (share < 0.5) {
    return balanced();
  }
  if (share < 0.8) {
    return aggressive();
  }
  if (share < 0.85) {
    return conservative();
  }
  const Duration d = std::chrono::seconds(2 + random.below(29));
  const Duration v = scaled(d, 0.4 + 0.5 * random.unit());
  const Duration timeout = scaled(v, 0.05 + 0.2 * random.unit());
  const Duration retry = scaled(timeout, 0.05 + 0.2 * random.unit());
  const election::Timings drawn{d,       v,     scaled(v, 0.1 + 0.5 * random.unit()),
                                timeout, retry, 2 * retry};
  const auto refusals = check_timings(drawn);
  for (const std::string& refusal : refusals) counts_.count_rules(refusal);
  return refusals.empty() ? drawn : balanced();
}

void Simulation::draw_schedule() {
  Random random(plan_.seed ^ 0x5ca1ab1e);
  const Duration d = timings_.lease_duration;
  kinds_ = draw_kinds(random, plan_.only);
  const Duration pause = scaled(d, random.chance(0.5) ? 0.15 : 0.6);
  // In some runs while the first term is still to come; every Pod has started by then.
  const Time first = random.chance(0.2) ? random.between(kAllStarted, kAllStarted + d)
                                        : d + d / 2 + kAllStarted + lock_delay_;
  faults_end_ = first + scaled(d, 3 + 9 * random.unit());
  for (Time when = first; when <= faults_end_; when += random.exponential(pause)) {
    schedule_.push_back({when, random.pick(kinds_),
                         random.pick<double>({0.05, 0.3, 1, 2}) * random.unit(), random.chance(0.6),
                         random.next()});
  }
}

std::vector<std::size_t> Simulation::planned() const {
  if (plan_.strikes) {
    return *plan_.strikes;
  }
  std::vector<std::size_t> all(schedule_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

std::string Simulation::described_schedule() const {
  std::ostringstream text;
  text.precision(3);
  for (const std::size_t number : planned()) {
    const Strike& strike = schedule_.at(number);
    text << "  " << number << " at " << std::fixed << seconds(strike.when)
         << " s: " << all_faults()[strike.kind].name << " for up to "
         << seconds(scaled(timings_.lease_duration, strike.share)) << " s\n";
  }
  return text.str();
}

std::string Simulation::described() const {
  std::ostringstream text;
  text << replicas_.size() << " replicas, D " << seconds(timings_.lease_duration) << " s"
       << (mixed_ ? " and 3 s" : "") << ", lock-delay " << seconds(lock_delay_) << " s; faults:";
  for (const std::size_t kind : kinds_) {
    text << ' ' << all_faults()[kind].name << ';';
  }
  return text.str();
}

Replica& Simulation::victim(const Strike& strike) {
  const auto leader = std::find_if(replicas_.begin(), replicas_.end(),
                                   [](const auto& replica) { return replica->believes(); });
  return leader != replicas_.end() && strike.at_leader
             ? **leader
             : *replicas_[strike.otherwise % replicas_.size()];
}

void Simulation::strike(const Strike& strike) {
  const Fault& fault = all_faults()[strike.kind];
  const Time until =
      std::min(faults_end_, world_.now() + scaled(timings_.lease_duration, strike.share));
  Replica& struck = victim(strike);
  world_.say("*** ", fault.name, ", until ", seconds(until));
  if (!fault.strike(*this, struck, until)) {
    return;
  }
  ++counts_.faults[fault.name];
  if (plan_.drawing) {
    const std::string whom = struck.alive() ? struck.sidecar()->name() : "a candidate that is away";
    drawn_faults_.bars.push_back({observe::Bar::Kind::fault, Instant(world_.now()), Instant(until),
                                  fault.name, std::string(fault.name) + " (" + whom + ")"});
  }
}

observe::Timeline Simulation::timeline() const {
  const Instant start{Duration{0}};
  observe::Timeline timeline{"seed " + std::to_string(plan_.seed), {described()}, {drawn_faults_}};
  timeline.lanes.front().bars.push_back({observe::Bar::Kind::fault, start, start, "", "the start"});
  for (const Violation& violation : violations()) {
    const std::string what = "I" + std::to_string(violation.invariant) + ": " + violation.what;
    timeline.notes.push_back(what);
    timeline.lanes.front().marks.push_back(
        {observe::Mark::Kind::alarm, Instant(violation.when), what});
  }
  for (const auto& replica : replicas_) {
    replica->draw(timeline.lanes);
  }
  return timeline;
}

void Simulation::heal() {
  world_.say("*** the faults end");
  for (const auto& replica : replicas_) {
    replica->heal();
  }
  if (foreign_ != nullptr) {
    foreign_->leave();
  }
  server_.heal();
}

// (D + 2 h + 2 R + w + L) / 0.9, and what this run makes everybody wait for besides.
Duration Simulation::bound() {
  const Duration d = timings_.lease_duration;
  const Duration w = std::max<Duration>(d, std::chrono::seconds(server_.longest_duration_s()));
  Duration bound = d + 2 * timings_.renew_period + 2 * timings_.request_timeout + w + lock_delay_;
  for (const auto& replica : replicas_) {
    if (replica->terminating() || !replica->alive()) {
      bound += 2 * d + 500ms;  // the next Pod, at the latest
      break;
    }
  }
  bound += d;  // hold-off after a resign, an announcement, a Retry-After
  return scaled(bound, 1 / 0.9);
}

void Simulation::await_leader() {
  const Time limit = world_.now() + bound();
  while (!invariants_.anyone_believes()) {
    if (world_.now() > limit) {
      std::string states;
      for (const auto& replica : replicas_) {
        if (replica->alive()) {
          const election::Status& status = replica->sidecar()->status();
          states += "; " + replica->sidecar()->name() + ' ' + to_string(status.state) + ' ' +
                    status.reason;
        }
      }
      invariants_.violated(5, "no leader " + std::to_string(seconds(limit - faults_end_)) +
                                  " s after the faults ended" + states);
      return;
    }
    world_.run_until(world_.now() + timings_.lease_duration / 20);
  }
}

void Simulation::run() {
  world_.say(described());
  Random& random = world_.random();
  const Duration d = timings_.lease_duration;
  for (const auto& replica : replicas_) {
    world_.at(random.between(0s, kAllStarted), [&replica] { replica->start_pod(); });
  }
  for (const std::size_t kind : kinds_) {
    if (std::string_view(all_faults()[kind].name).starts_with("client-go")) {
      const Duration foreign_d = std::chrono::floor<std::chrono::seconds>(
          random.chance(0.5) ? d : std::max<Duration>(2s, d / 3));
      foreign_ = std::make_unique<ForeignCandidate>(
          world_, server_, invariants_, "client-go",
          ForeignCandidate::Timings{foreign_d, foreign_d * 2 / 3, foreign_d * 2 / 15});
      foreign_->start();
      break;
    }
  }
  std::function<void()> others = [&] {
    server_.other_write();
    world_.after(world_.random().exponential(3s), others);
  };
  others();
  for (const std::size_t number : planned()) {
    const Strike& one = schedule_.at(number);
    world_.at(one.when, [this, &one] { strike(one); });
  }
  world_.run_until(faults_end_);
  heal();
  await_leader();
  world_.run_until(world_.now() + scaled(d, 1.5));
  if (world_.is_endless()) {
    invariants_.violated(8, "a million events");
  }
  ++counts_.seeds;
  counts_.events = static_cast<long>(world_.events());
  counts_.terms = invariants_.terms();
  counts_.most_terms = counts_.terms;
  counts_.refusals = invariants_.refusals();
  counts_.corruptions = invariants_.unfenced_corruptions();
  counts_.foreign_overlaps = invariants_.foreign_overlaps();
  for (const Limit limit : invariants_.limits()) {
    ++counts_.limits[to_string(limit)];
  }
}

}  // namespace baton::simulation
