// The faults: each does something to a running simulation and says whether it could.
//
// A name says which of F1-F30 it is; hits that come by themselves while a fault lasts (a write that
// was applied and never answered, say) are counted where they happen, under such names too. The
// report adds them up by number, and a run over many seeds fails over a number that was never hit.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "simulation/simulation.h"

namespace baton::simulation {

struct Fault {
  const char* name;  // and where it stands in the list of faults, F1-F30
  bool (*strike)(Simulation& simulation, Replica& victim, Time until);
};

const std::vector<Fault>& all_faults();

/// The numbers of the list F1-F30 that time and messages cannot express, each with the reason.
const std::map<int, std::string>& left_to_other_tests();

}  // namespace baton::simulation
