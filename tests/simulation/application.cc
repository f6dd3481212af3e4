#include "simulation/application.h"

#include <algorithm>
#include <utility>

namespace baton::simulation {

Application::Application(World& world, Invariants& invariants, const MachineClock& clock,
                         ApplicationOptions options, Ask ask, Tell tell)
    : world_(world),
      invariants_(invariants),
      clock_(clock),
      options_(options),
      ask_(std::move(ask)),
      tell_(std::move(tell)) {}

void Application::start() {
  alive_ = true;
  poll_again();
}

void Application::poll_again() {
  const Duration period = scaled(options_.timings.renew_period, 1.0 / 3);
  world_.after(world_.random().between(scaled(period, 0.05), scaled(period, 0.6)), [this] {
    if (alive_) {
      poll();
      poll_again();
    }
  });
}

void Application::report() {
  invariants_.works(options_.pod, working() ? until_ : Time{0}, world_.now() >= stopped_until_);
}

void Application::poll() {
  if (!alive_ || world_.now() < stopped_until_) {
    return;
  }
  const std::optional<Answer> answer = ask_();
  if (answer && !said_.contains(answer->term_id)) {
    told_yes(*answer);
  } else if (working() && !finishing_) {
    told_no();
  }
}

void Application::told_yes(const Answer& answer) {
  term_id_ = answer.term_id;
  token_ = answer.token;
  until_ = clock_.real(answer.deadline);
  finishing_ = false;
  report();
  if (answer.warming && ready_for_ != term_id_ && options_.recovery >= 0s) {
    ready_for_ = term_id_;
    world_.after(options_.recovery, [this, term_id = term_id_] {
      if (alive_) {
        tell_(election::ReadyToLead{term_id});
      }
    });
  }
  const Duration way = world_.random().chance(0.02) ? world_.random().between(0s, 5s)
                                                    : world_.random().between(1ms, 20ms);
  world_.after(way, [this, token = token_, term_id = term_id_] {
    invariants_.resource_write(token, term_id);
  });
}

// Stops its work after a while, never later than the deadline.
void Application::told_no() {
  finishing_ = true;
  until_ = std::min(until_, world_.now() + world_.random().between(
                                               0s, scaled(options_.timings.lease_duration, 0.3)));
  report();
  world_.at(until_, [this, term_id = term_id_] {
    if (finishing_ && term_id_ == term_id && world_.now() >= stopped_until_) {
      finish(term_id);
    }
  });
}

void Application::finish_work() {
  if (working()) {
    finish(std::string(term_id_));
  }
}

void Application::finish(const std::string& term_id) {
  finishing_ = false;
  term_id_.clear();
  report();
  say_ended(term_id);
}

void Application::say_ended(const std::string& term_id) {
  switch (options_.says) {
    case Says::drained:
      said_.insert(term_id);
      tell_(election::WorkEnded{election::Proof::drained, term_id});
      break;
    case Says::closes:
      said_.insert(term_id);
      tell_(election::WorkEnded{election::Proof::connections_closed, term_id});
      break;
    case Says::exits:
      said_.insert(term_id);
      tell_(election::WorkEnded{election::Proof::process_exited, term_id});
      break;
    case Says::nothing: break;
  }
}

void Application::exit() {
  if (!alive_) {
    return;
  }
  alive_ = false;
  const std::string term_id = std::exchange(term_id_, "");
  invariants_.works(options_.pod, Time{0}, true);
  // The kernel closes its connections and its pidfd becomes readable; nobody says drained.
  if (!term_id.empty() && (options_.says == Says::closes || options_.says == Says::exits)) {
    say_ended(term_id);
  }
}

// Stopped between its check and its effect: the write that comes after is what the token is for.
void Application::stop_until(Time until) {
  stopped_until_ = std::max(stopped_until_, until);
  report();
  world_.at(stopped_until_, [this] {
    if (!alive_ || world_.now() < stopped_until_) {
      return;
    }
    if (!term_id_.empty()) {
      invariants_.resource_write(token_, term_id_);
    }
    if (until_ <= world_.now()) {
      term_id_.clear();
      finishing_ = false;
    }
    report();
  });
}

}  // namespace baton::simulation
