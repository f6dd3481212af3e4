// One run: replicas, an API server, faults drawn from a seed, and the invariants at every step.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulation/counts.h"
#include "simulation/foreign_candidate.h"
#include "simulation/replica.h"

namespace baton::simulation {

struct Plan {
  std::uint64_t seed = 1;
  bool transcript = false;
  bool drawing = false;
  std::vector<std::string> only{};                    // these faults; empty: drawn
  std::optional<std::vector<std::size_t>> strikes{};  // of the schedule, by number; empty: all
  double renew_deadline_share = 0;  // of D, in place of the profile's: for tests of the test
  bool wall_clocks_strobe = false;  // of every machine, all the time
};

/// One fault of the schedule, which the seed draws apart from all other chance: leaving one out
/// moves no other.
struct Strike {
  Time when;
  std::size_t kind;
  double share;             // of D: how long it lasts
  bool at_leader;           // if there is one
  std::uint64_t otherwise;  // the replica's number
};

class Simulation {
 public:
  explicit Simulation(Plan plan);
  /// Start, faults, their end, a leader in time (I5), and some more.
  void run();

  const std::vector<Violation>& violations() const { return invariants_.violations(); }
  const Counts& counts() const { return counts_; }
  std::uint64_t digest() const { return world_.digest(); }
  std::string described() const;
  const std::vector<Strike>& schedule() const { return schedule_; }
  /// The strikes that the plan leaves in, one a line.
  std::string described_schedule() const;
  /// All candidates and the faults on one time axis; `plan.drawing` was set.
  observe::Timeline timeline() const;

 private:
  friend struct Faults;

  election::Timings draw_timings();
  void draw_schedule();
  std::vector<std::size_t> planned() const;
  void strike(const Strike& strike);
  void heal();
  void await_leader();
  Replica& victim(const Strike& strike);
  Duration bound();

  Plan plan_;
  World world_;
  Invariants invariants_;
  ApiServer server_;
  Counts counts_;
  Stage stage_;
  election::Timings timings_;  // the longest D's
  bool mixed_ = false;
  Duration lock_delay_{0};
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::unique_ptr<ForeignCandidate> foreign_;
  std::vector<std::size_t> kinds_;  // of all_faults()
  std::vector<Strike> schedule_;
  Time faults_end_{0};
  observe::Lane drawn_faults_{"faults", {}, {}};
};

/// The timings of the design's profiles.
election::Timings balanced();
election::Timings aggressive();

/// Names of all faults that can be drawn.
std::vector<std::string> fault_names();

}  // namespace baton::simulation
