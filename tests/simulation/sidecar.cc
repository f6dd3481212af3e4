#include "simulation/sidecar.h"

#include "simulation/crossings.h"

namespace baton::simulation {

using election::Event;
using election::Failure;
using election::FailureKind;
using election::Listed;
using election::ListFailed;
using election::RequestId;
using election::Step;
using election::WriteFailed;
using election::WriteKind;
using election::Written;

namespace {

// All candidates run this code, so a version ahead is shown and writes each format so much lower
// and higher: what is of its own format to it is of a higher one to the others.
void shift_format(std::map<std::string, std::string>& annotations, int by) {
  const auto format = annotations.find(election::annotation::kFormat);
  if (by != 0 && format != annotations.end()) {
    format->second = std::to_string(std::stoi(format->second) + by);
  }
}

}  // namespace

Sidecar::Sidecar(World& world, ApiServer& server, Invariants& invariants, Counts& counts,
                 Machine& machine, SidecarOptions options)
    : world_(world),
      server_(server),
      invariants_(invariants),
      counts_(counts),
      machine_(machine),
      options_(std::move(options)),
      election_(options_.election, local_now()),
      id_(invariants.started({options_.election.identity, options_.pod,
                              options_.election.incarnation, machine.clock,
                              options_.election.timings, options_.election.lock_delay})),
      clock_(machine.clock) {
  if (options_.is_drawn) {
    tracer_.emplace(name(), [this](Instant local) { return Instant(clock_.real(local)); });
  }
}

void Sidecar::start() {
  world_.say(name(), " starts");
  alive_ = true;
  deliver(election::Tick{});
}

void Sidecar::kill() {
  if (!alive_) {
    return;
  }
  world_.say(name(), " ends");
  alive_ = false;
  stop_watch();
  invariants_.ended(id_);
}

void Sidecar::deliver(const Event& event) {
  if (!alive_) {
    return;
  }
  if (stopped()) {
    world_.at(stopped_until_, [this, event] { deliver(event); });
    return;
  }
  saw(event);
  step(event);
}

void Sidecar::step(const Event& event) {
  const Instant handed_out = handed_out_;
  Step step = election_.step(event, local_now(), handed_out);
  if (world_.random().chance(0.05)) {
    options_.asks();  // answered from the status before this step
  }
  const election::Status& status = election_.status();
  if (tracer_) {
    tracer_->step(event, local_now(), step, status);
  }
  world_.decided(static_cast<std::uint64_t>(world_.now().count()));
  world_.decided(static_cast<std::uint64_t>(status.state) * 31 + id_);
  world_.decided(static_cast<std::uint64_t>(status.deadline.time_since_epoch().count()));
  world_.decided(static_cast<std::uint64_t>(status.token) * 31 + step.actions.size());
  world_.decided(static_cast<std::uint64_t>(step.wake_at.time_since_epoch().count()));
  if (published_.state != status.state) {
    cross(published_.state, status);
  }
  published_ = status;
  invariants_.stepped(id_);
  invariants_.believes(id_, published_);
  for (election::Action& action : step.actions) {
    act(action);
  }
  wake(step.wake_at);
}

void Sidecar::cross(election::State from, const election::Status& status) {
  ++counts_.crossings[static_cast<std::size_t>(from)][static_cast<std::size_t>(status.state)];
  counts_.count_rules(status.reason);
  world_.say(name(), ' ', to_string(from), " -> ", to_string(status.state), ' ', status.reason);
  if (expectation(from, status.state) == Expectation::never) {
    invariants_.violated(11, name() + " went from " + to_string(from) + " to " +
                                 to_string(status.state) + ", which the table does not allow");
  }
}

void Sidecar::saw(const Event& event) {
  count_rules(event);
  if (const auto* watched = std::get_if<election::Watched>(&event)) {
    if (watched->id == watch_.id && watched->kind == election::WatchEventKind::changed) {
      invariants_.saw(id_, *watched->lease);
    } else if (watched->id == watch_.id && watched->kind == election::WatchEventKind::deleted) {
      invariants_.saw_absence(id_, watched->revision);
    }
  } else if (const auto* listed = std::get_if<Listed>(&event)) {
    if (listed->lease) {
      invariants_.saw(id_, *listed->lease);
    }
  } else if (const auto* written = std::get_if<Written>(&event)) {
    invariants_.saw(id_, written->lease);
  } else if (const auto* ended = std::get_if<election::WorkEnded>(&event)) {
    invariants_.told_of_end(id_, ended->term_id.empty() ? published_.term_id : ended->term_id);
  }
}

// The rules that decide without a word: what arrives is refused, ignored or read back.
void Sidecar::count_rules(const Event& event) {
  if (const auto* failed = std::get_if<WriteFailed>(&event)) {
    const bool is_conflict = failed->failure.kind == FailureKind::conflict;
    ++counts_.rules[is_conflict ? 1 : 10];
  } else if (const auto* watched = std::get_if<election::Watched>(&event)) {
    if (watched->revision < highest_revision_) {
      ++counts_.rules[6];
    }
    highest_revision_ = std::max(highest_revision_, watched->revision);
  }
}

void Sidecar::wake(Instant at) {
  if (at == wakes_at_ && at != election::kNever) {
    return;  // it is on its way
  }
  wakes_at_ = at;
  const std::uint64_t wake = ++wakes_;
  if (at == election::kNever || !alive_) {
    return;
  }
  const Time when = at == election::kLongAgo ? world_.now() : machine_.clock.real(at);
  world_.at(std::max(when, world_.now() + 1us), [this, wake] {
    if (wake == wakes_) {
      wakes_at_ = election::kNever;
      deliver(election::Tick{});
    }
  });
}

bool Sidecar::believes() const {
  return alive_ && published_.believes && local_now() < published_.deadline;
}

std::optional<Answer> Sidecar::ask() {
  if (!believes() || stopped()) {
    return std::nullopt;
  }
  invariants_.answered(id_, published_.deadline);
  handed_out_ = std::max(handed_out_, published_.deadline);
  return Answer{published_.term_id, published_.token, published_.deadline,
                published_.state == election::State::warming};
}

std::optional<observe::Lane> Sidecar::drawn() {
  return tracer_ ? std::optional(tracer_->finish()) : std::nullopt;
}

void Sidecar::clock_changed() {
  clock_ = machine_.clock;
  invariants_.clock_changed(id_, machine_.clock);
  wakes_at_ = election::kNever;
  wake(local_now());
}

void Sidecar::act(election::Action& action) {
  if (const auto* list_request = std::get_if<election::SendList>(&action)) {
    list(list_request->id);
  } else if (auto* send = std::get_if<election::SendWrite>(&action)) {
    write(std::move(*send));
  } else if (const auto* watch = std::get_if<election::StartWatch>(&action)) {
    start_watch(watch->id, watch->from);
  } else if (std::holds_alternative<election::StopWatch>(action)) {
    stop_watch();
  } else if (const auto* notice = std::get_if<election::Notice>(&action)) {
    note(*notice);
  } else if (std::holds_alternative<election::Exit>(action)) {
    kill();
    options_.exited();
  }
}

void Sidecar::note(const election::Notice& notice) {
  ++counts_.notices[to_string(notice.kind)];
  counts_.count_rules(notice.reason);
  if (notice.kind == election::NoticeKind::extended) {
    ++counts_.rules[15];
  } else if (notice.kind == election::NoticeKind::released) {
    ++counts_.rules[12];
  }
  world_.say(name(), "   ", to_string(notice.kind), ' ', notice.reason, " term=", notice.term_id,
             " token=", notice.token, " revision=", notice.revision);
}

election::Lease Sidecar::shown(election::Lease lease) const {
  shift_format(lease.annotations, -options_.ahead);
  if (lease.annotations.contains(election::annotation::kPauseUntil)) {
    lease.paused_until = pause_of(lease.annotated(election::annotation::kPauseUntil));
  }
  return lease;
}

// kube::ServerClock: here the server's clock is the world's.
Instant Sidecar::pause_of(const std::string& text) const {
  const std::optional<Time> end = ApiServer::clock_time(text);
  if (!end) {
    return election::kNever;
  }
  const Duration left = *end - world_.now();  // none that is obeyed outlasts a run
  return left < 1h ? machine_.clock.local(*end) : local_now() + left;
}

// --- the link

Duration Sidecar::delay() {
  Random& random = world_.random();
  Duration delay = random.between(1ms, 20ms);
  if (world_.now() < machine_.link.slow_until && random.chance(0.5)) {
    delay += random.between(0s, 3 * options_.election.timings.request_timeout);
  }
  return delay;
}

bool Sidecar::lost(Time cut_until) {
  return world_.now() < cut_until ||
         (world_.now() < machine_.link.lossy_until && world_.random().chance(0.3));
}

void Sidecar::begin_request(RequestId id, bool is_write) {
  if (has_outstanding_) {
    invariants_.violated(8, name() + " has two requests in flight");
  }
  outstanding_ = id;
  has_outstanding_ = true;
  const Instant limit = local_now() + options_.election.timings.request_timeout;
  world_.at(machine_.clock.real(limit), [this, id, is_write] {
    const Failure timed_out{FailureKind::unknown, {}, "timed out"};
    answer(id, {.of_write = is_write, .is_time_out = true, .failure = timed_out});
  });
}

// The first answer counts, the time-out being one. While the process is stopped both wait in line.
// What comes later, or twice, has to be ignored by the election too.
void Sidecar::answer(RequestId id, const Reply& reply) {
  if (!alive_) {
    return;
  }
  if (stopped()) {
    world_.at(stopped_until_, [this, id, reply] { answer(id, reply); });
    return;
  }
  const bool is_awaited = has_outstanding_ && outstanding_ == id;
  if (!is_awaited && reply.is_time_out) {
    return;
  }
  Event event;
  if (reply.failure) {
    event = reply.of_write ? Event(WriteFailed{id, *reply.failure})
                           : Event(ListFailed{id, *reply.failure});
  } else if (reply.of_write) {
    event = Written{id, shown(*reply.lease)};
  } else {
    event = Listed{id, reply.revision, std::nullopt};
    if (reply.lease != nullptr) {
      std::get<Listed>(event).lease = shown(*reply.lease);
    }
  }
  if (is_awaited) {
    has_outstanding_ = false;
    deliver(event);
  } else {
    ++counts_.faults["answer late or twice (F9, F12)"];
    step(event);
  }
}

// An API server that falls before the answer has left takes it along.
void Sidecar::send_back(RequestId id, Reply reply) {
  const int front = machine_.front;
  world_.after(delay(),
               [this, id, front, falls = server_.falls(front), reply = std::move(reply)]() mutable {
                 if (server_.falls(front) != falls) {
                   ++counts_.faults["answer lost with its API server (F14)"];
                   reply.failure = Failure{FailureKind::unknown, {}, "connection reset"};
                 }
                 answer(id, reply);
               });
}

// Whoever is refused by one API server is sent to the other next time.
std::optional<Failure> Sidecar::unreachable() {
  if (!server_.down(machine_.front)) {
    return std::nullopt;
  }
  machine_.front = 1 - machine_.front;
  return Failure{FailureKind::unavailable, {}, "503"};
}

void Sidecar::lose_front(int front) {
  if (watch_.open && watch_.front == front) {
    break_watch(FailureKind::unknown);
  }
}

// What an API server or a proxy before it may answer instead. After a write was applied only
// those kinds that leave that open.
std::optional<Failure> Sidecar::error(bool applied) {
  Random& random = world_.random();
  if (world_.now() >= machine_.link.errors_until || random.chance(0.3)) {
    return std::nullopt;
  }
  static const std::vector<FailureKind> kOpen = {FailureKind::unavailable, FailureKind::garbled,
                                                 FailureKind::unknown};
  static const std::vector<FailureKind> kAny = {
      FailureKind::not_found,   FailureKind::refused, FailureKind::throttled, FailureKind::conflict,
      FailureKind::unavailable, FailureKind::garbled, FailureKind::unknown,   FailureKind::gone};
  Failure failure{random.pick(applied ? kOpen : kAny), std::nullopt, "injected"};
  if (failure.kind == FailureKind::throttled || random.chance(0.1)) {
    failure.retry_after = random.between(0s, options_.election.timings.lease_duration);
  }
  return failure;
}

void Sidecar::list(RequestId id) {
  invariants_.sent_list(id_);
  ++counts_.writes["list"];
  begin_request(id, false);
  if (lost(machine_.link.out_cut_until)) {
    return;
  }
  world_.after(delay(), [this, id, epoch = server_.epoch()] {
    if (epoch != server_.epoch() || lost(machine_.link.in_cut_until)) {
      return;
    }
    Reply reply{.failure = unreachable()};
    if (!reply.failure) {
      reply.failure = error(false);
    }
    if (!reply.failure) {
      ListReply listed = server_.list();
      reply.revision = listed.revision;
      reply.lease = std::move(listed.lease);
    }
    send_back(id, std::move(reply));
  });
}

// Of the wall clock, which must decide nothing: drawn apart, so that a run with and a run without
// are the same run.
Duration Sidecar::wall_clock_error() {
  if (world_.now() >= machine_.strobes_until) {
    return Duration{0};
  }
  Random apart(static_cast<std::uint64_t>(world_.now().count()) ^ id_);
  return apart.pick<Duration>({-1h, 0s, 1h});
}

void Sidecar::write(election::SendWrite send) {
  invariants_.sent_write(id_, send.write, server_.since(send.write.base));
  ++counts_.writes[to_string(send.write.kind)];
  if (send.write.kind == WriteKind::acquire) {
    ++counts_.rules[7];  // a token, and
    ++counts_.rules[8];  // a term id of its own
    counts_.rules[17] += options_.election.replicas > 3 ? 1 : 0;
  }
  begin_request(send.id, true);
  if (lost(machine_.link.out_cut_until)) {
    return;
  }
  const Duration out = delay();
  shift_format(send.write.annotations, options_.ahead);
  std::string body = server_.encode(send.write, wall_clock_error());
  const auto put = std::make_shared<const Outgoing>(
      Outgoing{std::move(send), std::move(body), local_now(), server_.epoch()});
  const auto arrives = [this, put] { serve_write(*put); };
  world_.after(out, arrives);
  if (world_.random().chance(world_.now() < machine_.link.repeats_until ? 0.7 : 0.02)) {
    ++counts_.faults["PUT delivered twice (F12)"];
    world_.after(out + world_.random().between(0s, 3s), arrives);
  }
}

void Sidecar::serve_write(const Outgoing& put) {
  if (put.epoch != server_.epoch()) {
    return;
  }
  Reply reply{.of_write = true, .failure = unreachable()};
  if (!reply.failure && world_.random().chance(0.5)) {
    reply.failure = error(false);
  }
  if (!reply.failure && world_.now() < machine_.link.altered_until && world_.random().chance(0.3)) {
    reply.lease = server_.list().lease;  // 200 with the object as it was: nothing was written
    if (reply.lease != nullptr) {
      ++counts_.faults["write swallowed (F27)"];
      send_back(put.send.id, std::move(reply));
    }
    return;
  }
  if (reply.failure) {
    if (!lost(machine_.link.in_cut_until)) {
      send_back(put.send.id, std::move(reply));
    }
    return;
  }
  WriteReply written = server_.write(id_, put.send.write, put.body, put.sent_at);
  reply.failure = std::move(written.failure);
  reply.lease = std::move(written.lease);
  reply_to(put, std::move(reply));
}

// The answer to a write that has reached the store: what was applied may still be unknown.
void Sidecar::reply_to(const Outgoing& put, Reply reply) {
  const bool applied = !reply.failure;
  const bool is_awaited = has_outstanding_ && outstanding_ == put.send.id;
  if (applied && !is_awaited) {
    ++counts_.faults["applied when given up (F10)"];
  }
  if (applied) {
    reply.failure = error(true);
  }
  const bool is_lost = lost(machine_.link.in_cut_until);
  if (applied && (reply.failure || is_lost)) {
    ++counts_.faults[std::string("ambiguous ") + to_string(put.send.write.kind) + " (F11)"];
  }
  if (is_lost) {
    return;
  }
  if (!reply.failure && world_.now() < machine_.link.altered_until) {
    reply.lease = altered(reply.lease, put);
  }
  send_back(put.send.id, std::move(reply));
}

LeaseView Sidecar::altered(const LeaseView& lease, const Outgoing& put) {
  ++counts_.faults["answer altered (F27)"];
  election::Lease shown = *lease;
  switch (world_.random().below(3)) {
    case 0: shown.version = put.send.write.base.version.value_or(1); break;
    case 1: shown.annotations = {{election::annotation::kTerm, "altered"}}; break;
    default: shown.holder = "somebody-else";
  }
  return std::make_shared<const election::Lease>(std::move(shown));
}

}  // namespace baton::simulation
