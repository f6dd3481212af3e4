// One replica of the workload: a machine, the Pods that run on it one after the other, and in each
// an application and the starts of its sidecar.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "simulation/application.h"

namespace baton::simulation {

struct Stage {
  World& world;
  ApiServer& server;
  Invariants& invariants;
  Counts& counts;
  int pods = 0;
};

struct ReplicaOptions {
  election::Options election;  // identity, incarnation and seed are filled in
  Says says = Says::drained;
  bool native = false;
  Duration recovery{0};
  bool is_drawn = false;
  int ahead = 0;            // of its starts, see SidecarOptions
  bool is_rolling = false;  // each start is of another version: this one and the next by turns
};

class Replica {
 public:
  Replica(Stage& stage, int slot, ReplicaOptions options, MachineClock clock);

  void start_pod();
  // Faults and what people and Kubernetes do; nothing happens to a Pod that is not there.
  bool kill_sidecar();
  bool kill_pod();
  bool terminate_pod();
  bool replace_container();
  bool stop_sidecar(Time until);
  bool stop_application(Time until);
  bool freeze_machine(Duration length);  // the clock stands still too
  void strobe_wall_clock(Time until);
  void heal() { machine_.link = {}; }
  void roll_to(int ahead) { options_.ahead = ahead; }  // from its next start on
  void tell(const election::Event& event);

  Sidecar* sidecar() { return sidecars_.empty() ? nullptr : sidecars_.back().get(); }
  bool alive() const { return !sidecars_.empty() && sidecars_.back()->alive(); }
  bool terminating() const { return terminating_; }
  bool believes() const { return alive() && sidecars_.back()->believes(); }
  Application* application() {
    return applications_.empty() ? nullptr : applications_.back().get();
  }
  Link& link() { return machine_.link; }
  /// Of every start of its sidecar.
  void draw(std::vector<observe::Lane>& lanes) const;
  const election::Timings& timings() const { return options_.election.timings; }

 private:
  friend struct Faults;

  void start_sidecar();
  void sidecar_again_after(Duration delay);
  void end_pod_and_start_another(Duration delay);

  Stage& stage_;
  int slot_;
  ReplicaOptions options_;
  Machine machine_;
  int pod_ = 0;
  bool terminating_ = false;
  bool frozen_ = false;
  int starts_ = 0;
  std::vector<std::unique_ptr<Sidecar>> sidecars_;
  std::vector<std::unique_ptr<Application>> applications_;
};

}  // namespace baton::simulation
