#include "simulation/shrink.h"

#include <algorithm>
#include <numeric>

namespace baton::simulation {
namespace {

bool breaks(const Plan& plan, int invariant) {
  Simulation simulation(plan);
  simulation.run();
  const auto& violations = simulation.violations();
  return std::any_of(violations.begin(), violations.end(),
                     [&](const Violation& violation) { return violation.invariant == invariant; });
}

}  // namespace

std::vector<std::size_t> shrink(Plan plan, int invariant) {
  plan.transcript = false;
  std::vector<std::size_t> left(Simulation(plan).schedule().size());
  std::iota(left.begin(), left.end(), std::size_t{0});
  // Windows of half the strikes first, then of a quarter…; of one until none can go.
  std::size_t window = std::max<std::size_t>(left.size() / 2, 1);
  bool has_shrunk = false;
  for (std::size_t at = 0; !left.empty();) {
    std::vector<std::size_t> without = left;
    const auto first = without.begin() + static_cast<std::ptrdiff_t>(at);
    const auto length = std::min(window, left.size() - at);
    without.erase(first, first + static_cast<std::ptrdiff_t>(length));
    plan.strikes = without;
    if (breaks(plan, invariant)) {
      left = std::move(without);
      has_shrunk = true;
    } else {
      at += window;
    }
    if (at < left.size()) {
      continue;
    }
    if (window == 1 && !has_shrunk) {
      break;
    }
    window = std::max<std::size_t>(window / 2, 1);
    has_shrunk = false;
    at = 0;
  }
  return left;
}

}  // namespace baton::simulation
