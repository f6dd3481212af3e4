// Three candidates in weather that the fuzzer makes: never two believers, tokens that only rise,
// no candidate that spins, and a leader again when it is over.
#include "fuzz/target.h"
#include "unit/election/storm.h"

BATON_FUZZ_TARGET(election_weather) {
  baton::fuzz::Choices choices(input);
  baton::election::testing::Storm storm([&](std::uint64_t below) { return choices.pick(below); });
  for (int strikes = 0; !choices.empty() && strikes < 40; ++strikes) storm.strike_and_wait();
  storm.calm();
}
