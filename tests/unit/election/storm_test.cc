// Three candidates in bad weather, by seed: never two believers, tokens that only rise, and a
// leader again when the weather is over. The simulator in tests/simulation goes much further.
#include "unit/election/storm.h"

#include <gtest/gtest.h>

#include <random>

namespace baton::election::testing {
namespace {

TEST(Storm, NeverTwoBelieversAndALeaderAfterwards) {
  const char* wanted = std::getenv("BATON_SEED");
  const std::uint64_t first = wanted != nullptr ? std::stoull(wanted) : 1;
  const std::uint64_t last = wanted != nullptr ? first : 500;
  for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    SCOPED_TRACE("BATON_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    Storm storm([&](std::uint64_t below) { return random() % below; });
    storm.blow(seconds(300));
    storm.calm();
  }
}

}  // namespace
}  // namespace baton::election::testing
