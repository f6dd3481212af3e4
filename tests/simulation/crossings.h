// The table of crossings: from which state of section 4 to which other one a step may lead.
#pragma once

#include "election/status.h"

namespace baton::simulation {

inline constexpr int kStates = 11;

/// What a run over many seeds must show of a crossing.
enum class Expectation {
  never,    // a candidate that crosses so is wrong (I11)
  allowed,  // by the rules, but it takes too much at once to be asked for
  rare,     // 100,000 seeds show it
  common,   // 2,000 seeds show it
};

Expectation expectation(election::State from, election::State to);

}  // namespace baton::simulation
