// Beliefs of a mixed election that overlap, and why the later leader could have the Lease. Among
// baton candidates there is none (the judge of support/belief_log.h says so); client-go promises
// none, and this tells which of its rules let it happen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mixed/lease_history.h"
#include "support/belief_log.h"

namespace baton::test {

/// A term with the identity that its Lease shows.
struct Belief {
  Term term;
  std::string holder;
  bool is_baton = false;
};

/// While a process was stopped by SIGSTOP.
struct Stop {
  std::string holder;
  std::int64_t from_ns = 0, until_ns = 0;
};

struct Overlap {
  Belief earlier, later;
  std::int64_t length_ns = 0;
  std::string cause;
};

/// Every pair that involves client-go, by the time it began.
std::vector<Overlap> client_go_overlaps(std::vector<Belief> beliefs,
                                        const std::vector<LeaseVersion>& versions,
                                        const std::vector<Stop>& stops);

}  // namespace baton::test
