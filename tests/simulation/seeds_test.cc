// Thousands of seeded runs, on all processors. BATON_SEEDS=N runs N (default 2000),
// BATON_FIRST_SEED=K from K on; BATON_SEED=K replays one and prints its transcript, with
// BATON_STRIKES=I,J,… only those strikes of its schedule; BATON_FAILURES=N stops after N failures.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "simulation/shrink.h"
#include "simulation/simulation.h"

namespace baton::simulation {
namespace {

long setting(const char* name, long fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : std::strtol(value, nullptr, 10);
}

std::optional<std::vector<std::size_t>> strikes_setting() {
  const char* value = std::getenv("BATON_STRIKES");
  if (value == nullptr) {
    return {};
  }
  std::vector<std::size_t> strikes;
  std::istringstream text(value);
  for (std::string number; std::getline(text, number, ',');) {
    strikes.push_back(std::stoul(number));
  }
  return strikes;
}

std::string joined(const std::vector<std::size_t>& numbers) {
  std::string text;
  for (const std::size_t number : numbers) {
    text += (text.empty() ? "" : ",") + std::to_string(number);
  }
  return text;
}

/// What broke, the shortest schedule that still breaks it, and the command that shows it.
std::string explain(const Simulation& simulation, const Plan& plan) {
  std::ostringstream out;
  for (const Violation& violation : simulation.violations()) {
    out << "I" << violation.invariant << " at " << seconds(violation.when)
        << " s: " << violation.what << '\n';
  }
  Plan shortest = plan;
  if (!plan.strikes) {
    shortest.strikes = shrink(plan, simulation.violations().front().invariant);
  }
  out << "seed " << plan.seed << " (" << simulation.described() << ")\n"
      << shortest.strikes->size() << " of its " << simulation.schedule().size()
      << " strikes are enough:\n"
      << Simulation(shortest).described_schedule() << "replay: BATON_SEED=" << plan.seed
      << " BATON_STRIKES=" << joined(*shortest.strikes)
      << " simulation_test --gtest_filter=SeedsTest.EveryInvariantHolds\n";
  return out.str();
}

// Whether the seed kept every invariant.
bool run(const Plan& plan, Counts& sum, std::mutex& output) {
  Simulation simulation(plan);
  simulation.run();
  sum.add(simulation.counts());
  if (simulation.violations().empty()) {
    return true;
  }
  const std::string why = explain(simulation, plan);
  const std::lock_guard lock(output);
  std::cout << why;
  return false;
}

TEST(SeedsTest, EveryInvariantHolds) {
  Counts sum;
  std::mutex mutex;
  if (const long seed = setting("BATON_SEED", 0); seed > 0) {
    const Plan plan{
        .seed = static_cast<std::uint64_t>(seed), .transcript = true, .strikes = strikes_setting()};
    EXPECT_TRUE(run(plan, sum, mutex));
    return;
  }
  const long first = setting("BATON_FIRST_SEED", 1);
  const long count = setting("BATON_SEEDS", 2000);
  const long most = setting("BATON_FAILURES", 5);
  std::atomic<long> next = first;
  std::atomic<long> failures = 0;
  std::vector<std::jthread> threads(std::max(std::thread::hardware_concurrency(), 1U));
  for (std::jthread& thread : threads) {
    thread = std::jthread([&] {
      Counts own;
      for (long seed = next++; seed < first + count && failures < most; seed = next++) {
        failures += run({.seed = static_cast<std::uint64_t>(seed)}, own, mutex) ? 0 : 1;
      }
      const std::lock_guard lock(mutex);
      sum.add(own);
    });
  }
  threads.clear();  // joins
  EXPECT_EQ(failures, 0);
  std::cout << report(sum);
  if (failures > 0 || count < 500) {
    return;
  }
  for (int rule = 1; rule <= 19; ++rule) {
    // R3 speaks of settings: check_timings() has refused all others before a run begins.
    EXPECT_TRUE(rule == 3 || sum.rules[rule] > 0) << "R" << rule << " never decided anything";
  }
  for (const std::string& fault : fault_names()) {
    EXPECT_GT(sum.faults[fault], 0) << fault << " never hit: the run proves nothing about it";
  }
  EXPECT_GT(sum.corruptions, 0) << "no stale write ever reached the resource";
}

// A belief that outlasts the lease duration is broken by some schedules only; the shortest one has
// nothing in it that could be left out.
TEST(ShrinkTest, CutsAFailingScheduleToWhatItNeeds) {
  Plan plan{.renew_deadline_share = 1.3};
  std::vector<Violation> violations;
  for (; violations.empty() && plan.seed < 100; ++plan.seed) {
    Simulation simulation(plan);
    simulation.run();
    violations = simulation.violations();
  }
  --plan.seed;
  ASSERT_FALSE(violations.empty());
  const int invariant = violations.front().invariant;
  const std::vector<std::size_t> shortest = shrink(plan, invariant);
  ASSERT_LT(shortest.size(), Simulation(plan).schedule().size());
  const auto breaks = [&](std::vector<std::size_t> strikes) {
    plan.strikes = std::move(strikes);
    Simulation simulation(plan);
    simulation.run();
    return std::any_of(simulation.violations().begin(), simulation.violations().end(),
                       [&](const Violation& one) { return one.invariant == invariant; });
  };
  EXPECT_TRUE(breaks(shortest));
  for (std::size_t i = 0; i < shortest.size(); ++i) {
    std::vector<std::size_t> without = shortest;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(breaks(without)) << "strike " << shortest[i] << " is not needed";
  }
}

}  // namespace
}  // namespace baton::simulation
