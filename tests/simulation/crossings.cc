#include "simulation/crossings.h"

#include <array>
#include <string_view>

namespace baton::simulation {
namespace {

// Columns are in the order of the rows. `starting` ends with the first LIST and comes back only if
// that is refused before it ever was answered. `stopped` reads back an acquisition that was under
// way: it may have to be released.
constexpr std::array<std::string_view, kStates> kTable = {
    /* starting  */ "-ccrrrrrccc",
    /* following */ "r-crrrcrccc",
    /* acquiring */ "rc-ccrrrccr",
    /* warming   */ "rcc-crcrrrr",
    /* leading   */ "rccr-ccrccr",
    /* uncertain */ "rccrc-crrrr",
    /* draining  */ "rccrrr-cccc",
    /* released  */ "rccrrrr-rcr",
    /* degraded  */ "rccrrrcr-cc",
    /* blocked   */ "rccrrrrcc-c",
    /* stopped   */ "rrrrrrrrrr-",
};

}  // namespace

Expectation expectation(election::State from, election::State to) {
  switch (kTable.at(static_cast<std::size_t>(from)).at(static_cast<std::size_t>(to))) {
    case 'c': return Expectation::common;
    case 'r': return Expectation::rare;
    default: return Expectation::never;
  }
}

}  // namespace baton::simulation
