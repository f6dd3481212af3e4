// One run: replicas, an API server, faults drawn from a seed, and the invariants at every step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "simulation/counts.h"
#include "simulation/foreign_candidate.h"
#include "simulation/replica.h"

namespace baton::simulation {

struct Plan {
  std::uint64_t seed = 1;
  bool transcript = false;
  std::vector<std::string> only{};  // these faults; empty: drawn
  double renew_deadline_share = 0;  // of D, in place of the profile's: for tests of the test
};

class Simulation {
 public:
  explicit Simulation(Plan plan);
  /// Start, faults, their end, a leader in time (I5), and some more.
  void run();

  const std::vector<Violation>& violations() const { return invariants_.violations(); }
  const Counts& counts() const { return counts_; }
  std::string described() const;

 private:
  friend struct Faults;

  election::Timings profile();
  void fault();
  void heal();
  void await_leader();
  Replica& victim();
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
  std::vector<int> kinds_;
  Duration fault_pause_{0};
  Time faults_end_{0};
};

/// The timings of the design's profiles.
election::Timings balanced();
election::Timings aggressive();

/// Names of all faults that can be drawn.
std::vector<std::string> fault_names();

}  // namespace baton::simulation
