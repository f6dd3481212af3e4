#include "simulation/replica.h"

namespace baton::simulation {

using election::Proof;
using election::WorkEnded;

Replica::Replica(Stage& stage, int slot, ReplicaOptions options, MachineClock clock)
    : stage_(stage), slot_(slot), options_(std::move(options)), machine_{.clock = clock} {}

void Replica::start_pod() {
  pod_ = ++stage_.pods;
  terminating_ = false;
  starts_ = 0;
  if (stage_.world.random().chance(0.5)) {  // another node
    machine_.clock.offset = stage_.world.random().between(1s, 100'000s);
  }
  applications_.push_back(std::make_unique<Application>(
      stage_.world, stage_.invariants, machine_.clock,
      ApplicationOptions{pod_, options_.says, timings(), options_.recovery},
      [this]() -> std::optional<Answer> { return alive() ? sidecar()->ask() : std::nullopt; },
      [this](const election::Event& event) { tell(event); }));
  start_sidecar();
  application()->start();
}

void Replica::start_sidecar() {
  SidecarOptions options{options_.election, pod_, nullptr, nullptr, options_.is_drawn};
  options.election.identity =
      "pod" + std::to_string(slot_) + '.' + std::to_string(pod_) + '_' + std::to_string(++starts_);
  options.election.incarnation = "uid" + std::to_string(pod_) + "/boot/net";
  options.election.seed = stage_.world.random().next();
  options.election.seed2 = stage_.world.random().next();
  options.ahead = options_.is_rolling ? (pod_ + starts_) % 2 : options_.ahead;
  options.asks = [this] { application()->poll(); };
  options.exited = [this, pod = pod_] {
    if (pod == pod_ && !terminating_) {
      sidecar_again_after(stage_.world.random().between(50ms, 1s));
    }
  };
  sidecars_.push_back(std::make_unique<Sidecar>(stage_.world, stage_.server, stage_.invariants,
                                                stage_.counts, machine_, std::move(options)));
  sidecar()->start();
}

void Replica::tell(const election::Event& event) {
  if (alive()) {
    sidecar()->deliver(event);
  }
}

void Replica::sidecar_again_after(Duration delay) {
  stage_.world.after(delay, [this, pod = pod_] {
    if (pod == pod_ && !alive() && !terminating_) {
      start_sidecar();
    }
  });
}

void Replica::end_pod_and_start_another(Duration delay) {
  sidecar()->kill();
  application()->exit();
  terminating_ = true;
  stage_.world.after(delay, [this, pod = pod_] {
    if (pod == pod_) {
      start_pod();
    }
  });
}

bool Replica::kill_sidecar() {
  if (!alive() || terminating_) {
    return false;
  }
  sidecar()->kill();
  sidecar_again_after(scaled(timings().lease_duration, 0.01 + 0.2 * stage_.world.random().unit()));
  return true;
}

bool Replica::kill_pod() {
  if (terminating_) {
    return false;
  }
  stage_.world.say("Pod ", pod_, " is killed");
  end_pod_and_start_another(
      scaled(timings().lease_duration, 0.05 + 0.6 * stage_.world.random().unit()));
  return true;
}

bool Replica::terminate_pod() {
  if (!alive() || terminating_) {
    return false;
  }
  World& world = stage_.world;
  world.say("Pod ", pod_, " terminates");
  terminating_ = true;
  const Duration work = world.random().between(0s, timings().lease_duration / 2);
  const auto here = [this, pod = pod_](auto what) {
    return [this, pod, what] {
      if (pod == pod_) {
        what();
      }
    };
  };
  const bool pre_stop = world.random().chance(0.3);
  world.after(work, here([this, pre_stop] {
                application()->exit();
                if (pre_stop) {  // POST /resign?drained=true
                  tell(election::Resign{});
                  tell(WorkEnded{Proof::drained, ""});
                }
              }));
  if (options_.native) {
    world.after(work + 10ms, here([this] { tell(election::Terminate{}); }));
    world.after(work + 20ms, here([this] { tell(WorkEnded{Proof::native_termination, ""}); }));
  } else {
    if (world.random().chance(0.5)) {
      tell(election::Announce{});
    }
    world.after(world.random().between(0s, 200ms), here([this] { tell(election::Terminate{}); }));
  }
  const double grace = world.random().chance(0.5) ? 0.7 : 2;
  world.after(scaled(timings().lease_duration, grace),
              here([this] { end_pod_and_start_another(500ms); }));
  return true;
}

bool Replica::replace_container() {
  if (!alive() || terminating_) {
    return false;
  }
  World& world = stage_.world;
  Sidecar* replaced = sidecar();
  world.say(replaced->name(), " only this container is replaced");
  tell(election::Terminate{});
  if (world.random().chance(0.7)) {
    world.after(20ms, [this, replaced] {
      if (replaced == sidecar()) {
        tell(election::OnlyContainerReplaced{});
      }
    });
  }
  world.after(scaled(timings().lease_duration, world.random().chance(0.5) ? 0.1 : 1.2),
              [this, replaced] {
                if (replaced == sidecar() && replaced->alive() && !terminating_) {
                  replaced->kill();
                  sidecar_again_after(100ms);
                }
              });
  return true;
}

bool Replica::stop_sidecar(Time until) {
  if (!alive()) {
    return false;
  }
  stage_.world.say(sidecar()->name(), " is stopped until ", seconds(until));
  sidecar()->stop_until(until);
  return true;
}

bool Replica::stop_application(Time until) {
  if (!application()->working()) {
    return false;
  }
  stage_.world.say("the application of Pod ", pod_, " is stopped until ", seconds(until));
  application()->stop_until(until);
  return true;
}

void Replica::draw(std::vector<observe::Lane>& lanes) const {
  for (const auto& sidecar : sidecars_) {
    if (auto lane = sidecar->drawn()) {
      lanes.push_back(std::move(*lane));
    }
  }
}

void Replica::strobe_wall_clock(Time until) {
  machine_.strobes_until = std::max(machine_.strobes_until, until);
}

// Shown by setting the clock back when the machine goes on: nothing looks at it in between.
bool Replica::freeze_machine(Duration length) {
  if (!alive() || frozen_) {
    return false;
  }
  World& world = stage_.world;
  frozen_ = true;
  stage_.invariants.not_covered(Limit::frozen_clock);
  const Time after = world.now() + length + 1us;  // whatever else ends then, the clock is set first
  sidecar()->stop_until(after);
  application()->stop_until(after);
  world.after(length, [this, froze_at = machine_.clock.local(world.now()), frozen = sidecar()] {
    frozen_ = false;
    if (frozen == sidecar() && frozen->alive()) {
      machine_.clock.offset -= machine_.clock.local(stage_.world.now()) - froze_at;
      frozen->clock_changed();
    }
  });
  return true;
}

}  // namespace baton::simulation
