#include "unit/election/storm.h"

namespace baton::election::testing {
namespace {

TEST(Storm, NeverTwoBelieversAndALeaderAfterwards) {
  const char* wanted = std::getenv("BATON_SEED");
  const std::uint64_t first = wanted != nullptr ? std::stoull(wanted) : 1;
  const std::uint64_t last = wanted != nullptr ? first : 500;
  for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    SCOPED_TRACE("BATON_SEED=" + std::to_string(seed));
    Storm storm(seed);
    storm.blow(seconds(300));
    storm.calm();
  }
}

}  // namespace
}  // namespace baton::election::testing
