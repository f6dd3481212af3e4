// A fixture for what waits: R4, R5, R7, R17, R18, R19.
#pragma once

#include <gtest/gtest.h>

#include "unit/election/driver.h"

namespace baton::election::testing {

class Waiting : public ::testing::Test {
 protected:
  /// Receives the record as it is at world.now + one way or a LIST's time; returns the receipt.
  Runner& follower() {
    Runner& runner = world.add("a");
    world.run_for(2 * kOneWay);
    received = world.now;
    return runner;
  }
  /// When the first acquisition is written, kNever if none within two minutes.
  Instant written(Runner& runner) {
    const bool came =
        world.run_until_true([&] { return !runner.writes(WriteKind::acquire).empty(); });
    return came ? runner.written_at.back() : kNever;
  }
  /// The acquisition is written when the wait is over: after one LIST, sent when the timer fired.
  void expect_waits(Runner& runner, Instant from, Duration wait) {
    EXPECT_EQ(written(runner), from + wait + 2 * kOneWay);
  }
  World world;
  Instant received;
};

}  // namespace baton::election::testing
