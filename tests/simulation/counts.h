// How often what happened: printed at the end of a run over many seeds.
#pragma once

#include <map>
#include <string>

namespace baton::simulation {

struct Counts {
  std::map<int, long> rules;              // R1-R19: how often each decided something
  std::map<std::string, long> faults;     // a fault that never hit fails the run
  std::map<std::string, long> notices;    // by kind
  std::map<std::string, long> writes;     // sent, by kind
  std::map<std::string, long> crossings;  // from state to state
  std::map<std::string, long> limits;     // runs in which something not covered happened
  long seeds = 0;
  long events = 0;
  long terms = 0;
  long most_terms = 0;
  long refusals = 0;
  long corruptions = 0;

  void add(const Counts& other);
  /// Every rule that a reason names, as in "R11: the Lease was deleted" or "waited out (R4)".
  void count_rules(const std::string& reason);
};

std::string report(const Counts& counts);

}  // namespace baton::simulation
