// Thousands of seeded runs, on all processors. BATON_SEEDS=N runs N (default 2000),
// BATON_FIRST_SEED=K from K on; BATON_SEED=K replays one and prints its transcript, with
// BATON_STRIKES=I,J,… only those strikes of its schedule and with BATON_SVG=FILE also drawn on one
// time axis; BATON_FAILURES=N stops after N failures, each of which is drawn in the temporary
// folder.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "simulation/shrink.h"
#include "simulation/simulation.h"

namespace baton::simulation {
namespace {

// Fewer show too little to judge what they have not shown.
constexpr long kEnough = 2000;

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

/// Runs `plan` once more and draws it.
void draw(Plan plan, const std::filesystem::path& path) {
  plan.transcript = false;
  plan.drawing = true;
  Simulation simulation(plan);
  simulation.run();
  std::ofstream(path) << observe::to_svg(simulation.timeline());
}

/// The shortest schedule that breaks the invariant too, what breaks under it, and the command that
/// shows it.
std::string explain(const Simulation& simulation, const Plan& plan) {
  Plan shortest = plan;
  if (!plan.strikes) {
    shortest.strikes = shrink(plan, simulation.violations().front().invariant);
  }
  shortest.transcript = false;
  Simulation shown(shortest);
  shown.run();
  const auto drawing =
      std::filesystem::temp_directory_path() / ("baton-seed-" + std::to_string(plan.seed) + ".svg");
  draw(shortest, drawing);
  std::ostringstream out;
  out << "seed " << plan.seed << " (" << simulation.described() << ")\n"
      << shortest.strikes->size() << " of its " << simulation.schedule().size()
      << " strikes are enough:\n"
      << shown.described_schedule();
  for (const Violation& violation : shown.violations()) {
    out << "I" << violation.invariant << " at " << seconds(violation.when)
        << " s: " << violation.what << '\n';
  }
  out << "replay: BATON_SEED=" << plan.seed << " BATON_STRIKES=" << joined(*shortest.strikes) << ' '
      << std::filesystem::read_symlink("/proc/self/exe").string()
      << " --gtest_filter=SeedsTest.EveryInvariantHolds\ndrawn: " << drawing.string() << '\n';
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
    if (const char* path = std::getenv("BATON_SVG")) {
      draw(plan, path);
    }
    return;
  }
  const long first = setting("BATON_FIRST_SEED", 1);
  const long count = setting("BATON_SEEDS", kEnough);
  const long most = setting("BATON_FAILURES", 5);
  const auto start = std::chrono::steady_clock::now();
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
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << report(sum) << sum.seeds << " seeds in " << took.count() << " s, "
            << static_cast<double>(sum.seeds) / took.count() << " seeds/s\n";
  if (failures == 0 && count >= kEnough) {
    EXPECT_EQ(gaps(sum), "");
  }
}

// F5: the wall clock decides nothing. Every run is the same run where all wall clocks jump by an
// hour, forth and back, at every write.
TEST(SeedsTest, WallClocksDecideNothing) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Simulation steady({.seed = seed});
    Simulation strobing({.seed = seed, .wall_clocks_strobe = true});
    steady.run();
    strobing.run();
    ASSERT_EQ(steady.digest(), strobing.digest()) << "seed " << seed;
  }
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
