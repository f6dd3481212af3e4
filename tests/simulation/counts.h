// How often what happened: printed at the end of a run over many seeds.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "simulation/crossings.h"

namespace baton::simulation {

struct Counts {
  std::map<int, long> rules;             // R1-R19: how often each decided something
  std::map<std::string, long> faults;    // by name, which says the number F1-F30
  std::map<std::string, long> controls;  // of R18: what was asked for, refused, and done
  std::map<std::string, long> notices;   // by kind
  std::map<std::string, long> writes;    // sent, by kind
  std::array<std::array<long, kStates>, kStates> crossings{};  // from state to state
  std::map<std::string, long> limits;  // runs in which something not covered happened
  long seeds = 0;
  long events = 0;
  long terms = 0;
  long most_terms = 0;
  long most_candidates = 0;
  long refusals = 0;
  long corruptions = 0;
  long foreign_overlaps = 0;

  void add(const Counts& other);
  /// Every rule that a reason names, as in "R11: the Lease was deleted" or "waited out (R4)".
  void count_rules(const std::string& reason);
  /// How often the faults struck whose names say this number of the list F1-F30.
  long hits(int number) const;
};

std::string report(const Counts& counts);

/// What a run over `counts.seeds` seeds ought to have shown and has not, one a line; "" if it is
/// whole.
std::string gaps(const Counts& counts);

}  // namespace baton::simulation
