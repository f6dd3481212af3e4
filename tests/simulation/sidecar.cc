#include "simulation/sidecar.h"

#include <nlohmann/json.hpp>

namespace baton::simulation {

using election::Event;
using election::Failure;
using election::FailureKind;
using election::Step;

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
                              options_.election.timings, options_.election.lock_delay})) {}

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
  const Instant handed_out = handed_out_;
  const Step step = election_.step(event, local_now(), handed_out);
  if (world_.random().chance(0.05)) {
    options_.asks();  // answered from the status before this step
  }
  if (published_.state != election_.status().state) {
    const std::string crossing =
        std::string(to_string(published_.state)) + " -> " + to_string(election_.status().state);
    ++counts_.crossings[crossing];
    counts_.count_rules(election_.status().reason);
    world_.say(name(), ' ', crossing, ' ', election_.status().reason);
  }
  published_ = election_.status();
  invariants_.stepped(id_);
  invariants_.believes(id_, published_);
  for (const election::Action& action : step.actions) {
    act(action);
  }
  wake(step.wake_at);
}

void Sidecar::saw(const Event& event) {
  count_rules(event);
  if (const auto* watched = std::get_if<election::Watched>(&event)) {
    if (watched->id == watch_.id && watched->kind == election::WatchEventKind::changed) {
      invariants_.saw(id_, *watched->lease);
    } else if (watched->id == watch_.id && watched->kind == election::WatchEventKind::deleted) {
      invariants_.saw_absence(id_, watched->revision);
    }
  } else if (const auto* listed = std::get_if<election::Listed>(&event)) {
    if (listed->lease) {
      invariants_.saw(id_, *listed->lease);
    }
  } else if (const auto* written = std::get_if<election::Written>(&event)) {
    invariants_.saw(id_, written->lease);
  } else if (const auto* ended = std::get_if<election::WorkEnded>(&event)) {
    invariants_.told_of_end(id_, ended->term_id.empty() ? published_.term_id : ended->term_id);
  }
}

// The rules that decide without a word: what arrives is refused, ignored or read back.
void Sidecar::count_rules(const Event& event) {
  if (const auto* failed = std::get_if<election::WriteFailed>(&event)) {
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
  const std::uint64_t wake = ++wakes_;
  if (at == election::kNever || !alive_) {
    return;
  }
  const Time when = at == election::kLongAgo ? world_.now() : machine_.clock.real(at);
  world_.at(std::max(when, world_.now() + 1us), [this, wake] {
    if (wake == wakes_) {
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

void Sidecar::clock_changed() {
  invariants_.clock_changed(id_, machine_.clock);
  wake(local_now());
}

void Sidecar::act(const election::Action& action) {
  if (const auto* list_request = std::get_if<election::SendList>(&action)) {
    list(list_request->id);
  } else if (const auto* send = std::get_if<election::SendWrite>(&action)) {
    write(*send);
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

void Sidecar::later(Duration delay, Event event) {
  world_.after(delay, [this, event = std::move(event)] { deliver(event); });
}

void Sidecar::begin_request(election::RequestId id, Event timed_out) {
  if (has_outstanding_) {
    invariants_.violated(8, name() + " has two requests in flight");
  }
  outstanding_ = id;
  has_outstanding_ = true;
  const Instant limit = local_now() + options_.election.timings.request_timeout;
  world_.at(machine_.clock.real(limit),
            [this, id, timed_out = std::move(timed_out)] { answer(id, timed_out); });
}

// The first answer counts, the time-out being one: what comes later finds nobody waiting. While
// the process is stopped both wait in line.
void Sidecar::answer(election::RequestId id, Event event) {
  if (alive_ && stopped()) {
    world_.at(stopped_until_, [this, id, event = std::move(event)] { answer(id, event); });
    return;
  }
  if (alive_ && has_outstanding_ && outstanding_ == id) {
    has_outstanding_ = false;
    deliver(event);
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

void Sidecar::list(election::RequestId id) {
  invariants_.sent_list(id_);
  ++counts_.writes["list"];
  begin_request(id, election::ListFailed{id, {FailureKind::unknown, {}, "timed out"}});
  if (lost(machine_.link.out_cut_until)) {
    return;
  }
  world_.after(delay(), [this, id, epoch = server_.epoch()] {
    if (epoch != server_.epoch() || lost(machine_.link.in_cut_until)) {
      return;
    }
    Event reply;
    if (server_.down()) {
      reply = election::ListFailed{id, {FailureKind::unavailable, {}, "503"}};
    } else if (auto failure = error(false)) {
      reply = election::ListFailed{id, *failure};
    } else {
      const ListReply listed = server_.list();
      reply = election::Listed{id, listed.revision, std::nullopt};
      if (listed.lease != nullptr) {
        std::get<election::Listed>(reply).lease = *listed.lease;
      }
    }
    world_.after(delay(), [this, id, reply = std::move(reply)] { answer(id, reply); });
  });
}

void Sidecar::write(const election::SendWrite& send) {
  invariants_.sent_write(id_, send.write, server_.since(send.write.base));
  ++counts_.writes[to_string(send.write.kind)];
  if (send.write.kind == election::WriteKind::acquire) {
    ++counts_.rules[7];  // a token, and
    ++counts_.rules[8];  // a term id of its own
    counts_.rules[17] += options_.election.replicas > 3 ? 1 : 0;
  }
  begin_request(send.id, election::WriteFailed{send.id, {FailureKind::unknown, {}, "timed out"}});
  if (lost(machine_.link.out_cut_until)) {
    return;
  }
  const Duration out = delay();
  const auto arrives = [this, send, body = server_.encode(send.write), sent_at = local_now(),
                        epoch = server_.epoch()] { serve_write(send, body, sent_at, epoch); };
  world_.after(out, arrives);
  if (world_.random().chance(0.03)) {
    ++counts_.faults["duplicate"];
    world_.after(out + world_.random().between(0s, 3s), arrives);
  }
}

// 200 with the object as it was: nothing was written.
void Sidecar::swallow(election::RequestId id) {
  const LeaseView present = server_.list().lease;
  if (present != nullptr) {
    ++counts_.faults["swallowed write"];
    world_.after(delay(), [this, id, present] { answer(id, election::Written{id, *present}); });
  }
}

void Sidecar::serve_write(const election::SendWrite& send, const nlohmann::json& body,
                          Instant sent_at, int epoch) {
  if (epoch != server_.epoch()) {
    return;
  }
  std::optional<Failure> failure;
  LeaseView lease;
  if (server_.down()) {
    failure = Failure{FailureKind::unavailable, {}, "503"};
  } else if (world_.random().chance(0.5)) {
    failure = error(false);
  }
  if (!failure && world_.now() < machine_.link.altered_until && world_.random().chance(0.3)) {
    swallow(send.id);
    return;
  }
  if (!failure) {
    WriteReply reply = server_.write(id_, send.write, body, sent_at);
    failure = reply.failure ? reply.failure : error(true);
    lease = std::move(reply.lease);
  }
  if (lost(machine_.link.in_cut_until)) {
    return;
  }
  Event reply = election::WriteFailed{send.id, failure.value_or(Failure{})};
  if (!failure) {
    election::Lease shown = *lease;
    if (world_.now() < machine_.link.altered_until) {
      ++counts_.faults["altered answer"];
      switch (world_.random().below(3)) {
        case 0: shown.version = send.write.base.version.value_or(1); break;
        case 1: shown.annotations = {{election::annotation::kTerm, "altered"}}; break;
        default: shown.holder = "somebody-else";
      }
    }
    reply = election::Written{send.id, std::move(shown)};
  }
  world_.after(delay(), [this, id = send.id, reply = std::move(reply)] { answer(id, reply); });
}

}  // namespace baton::simulation
