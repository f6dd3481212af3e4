// A failing run cut down: the fewest strikes of its schedule that still break the same invariant.
#pragma once

#include <cstddef>
#include <vector>

#include "simulation/simulation.h"

namespace baton::simulation {

/// The numbers of the strikes that are left. `plan` breaks `invariant`. Leaving out any one more
/// strike does not break it any longer. A run takes milliseconds, and a few hundred are made.
std::vector<std::size_t> shrink(Plan plan, int invariant);

}  // namespace baton::simulation
