// The faults: each does something to a running simulation and says whether it could.
#pragma once

#include <string>
#include <vector>

#include "simulation/simulation.h"

namespace baton::simulation {

struct Fault {
  const char* name;  // and where it stands in the list of faults, F1-F30
  bool (*strike)(Simulation& simulation, Replica& victim, Time until);
};

const std::vector<Fault>& all_faults();

}  // namespace baton::simulation
