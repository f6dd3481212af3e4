// A fixture for what gives the Lease up: R12, R18, R19, section 5.
#pragma once

#include <gtest/gtest.h>

#include "election/record.h"
#include "unit/election/driver.h"

namespace baton::election::testing {

class Draining : public ::testing::Test {
 protected:
  Draining() {
    Lease lease;
    lease.transitions = 7;
    lease.annotations = {{annotation::kTerm, "old"},
                         {annotation::kReleased, "old/7"},
                         {annotation::kFencingToken, "400"}};
    world.store.create(lease);
  }
  Runner& leader() { return leader(options_of("a")); }
  Runner& leader(const Options& options) {
    Runner& runner = world.add(options);
    EXPECT_TRUE(world.run_until_true([&] { return runner.leads(); }));
    world.run_for(seconds(1));
    return runner;
  }
  static std::size_t releases(Runner& runner) { return runner.writes(WriteKind::release).size(); }
  Instant released_at(Runner& runner) {
    const bool came = world.run_until_true([&] { return releases(runner) > 0; });
    return came ? runner.written_at.back() : kNever;
  }
  World world;
};

}  // namespace baton::election::testing
