#include "simulation/crossings.h"

#include <array>
#include <string_view>

namespace baton::simulation {
namespace {

// From a row to the state of the column; columns are in the order of the rows. c: common, r: rare,
// a: allowed.
// `starting` ends with the first LIST; it comes back only if that was refused and then fails in
// another way. Belief begins with an own write: right after `acquiring`, or where the write's
// answer was missing and a later event tells. Whoever led is asked for `draining` before `stopped`,
// unless the term had lapsed unnoticed; `stopped` reads back an acquisition that was under way,
// which may have to be released, and so may an own term that a restored store shows.
constexpr std::array<std::string_view, kStates> kTable = {
    /* starting  */ "-cc-----ccc",
    /* following */ "--crr-c-ccc",
    /* acquiring */ "-c-cc-r-ccr",
    /* warming   */ "-cc-ccc-rra",
    /* leading   */ "-cc--cc-cca",
    /* uncertain */ "-ccrc-c-rra",
    /* draining  */ "-cc----cccc",
    /* released  */ "-cc---a-rcr",
    /* degraded  */ "-ccaa-rr-cc",
    /* blocked   */ "rccrr-rcc-c",
    /* stopped   */ "------r----",
};

}  // namespace

Expectation expectation(election::State from, election::State to) {
  switch (kTable.at(static_cast<std::size_t>(from)).at(static_cast<std::size_t>(to))) {
    case 'c': return Expectation::common;
    case 'a': return Expectation::allowed;
    case 'r': return Expectation::rare;
    default: return Expectation::never;
  }
}

}  // namespace baton::simulation
