// Thousands of seeded runs. BATON_SEEDS=N runs N (default 2000), BATON_FIRST_SEED=K from K on;
// BATON_SEED=K replays one and prints its transcript; BATON_FAILURES=N stops after N failures.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "simulation/simulation.h"

namespace baton::simulation {
namespace {

long setting(const char* name, long fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : std::strtol(value, nullptr, 10);
}

// Whether the seed kept every invariant.
bool run(std::uint64_t seed, bool transcript, Counts& sum) {
  Simulation simulation({.seed = seed, .transcript = transcript});
  simulation.run();
  sum.add(simulation.counts());
  for (const Violation& violation : simulation.violations()) {
    std::cout << "I" << violation.invariant << " at " << seconds(violation.when)
              << " s: " << violation.what << '\n';
  }
  if (!simulation.violations().empty()) {
    std::cout << "seed " << seed << " (" << simulation.described() << ")\n"
              << "replay: BATON_SEED=" << seed
              << " simulation_test --gtest_filter=SeedsTest.EveryInvariantHolds\n";
  }
  return simulation.violations().empty();
}

TEST(SeedsTest, EveryInvariantHolds) {
  Counts sum;
  if (const long seed = setting("BATON_SEED", 0); seed > 0) {
    EXPECT_TRUE(run(static_cast<std::uint64_t>(seed), true, sum));
    return;
  }
  const long first = setting("BATON_FIRST_SEED", 1);
  const long count = setting("BATON_SEEDS", 2000);
  const long most = setting("BATON_FAILURES", 5);
  long failures = 0;
  for (long seed = first; seed < first + count && failures < most; ++seed) {
    failures += run(static_cast<std::uint64_t>(seed), false, sum) ? 0 : 1;
  }
  EXPECT_EQ(failures, 0);
  std::cout << report(sum);
  if (failures > 0 || count < 500) {
    return;
  }
  for (const std::string& fault : fault_names()) {
    EXPECT_GT(sum.faults[fault], 0) << fault << " never hit: the run proves nothing about it";
  }
  EXPECT_GT(sum.corruptions, 0) << "no stale write ever reached the resource";
}

}  // namespace
}  // namespace baton::simulation
