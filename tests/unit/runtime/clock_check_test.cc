#include "runtime/clock_check.h"

#include <gtest/gtest.h>

namespace baton::runtime {
namespace {

using std::chrono::seconds;

const Instant kStart{seconds(1000)};

TEST(ClockCheck, IsSilentWithinTenPercentAndTheCutOff) {
  ClockCheck check;
  EXPECT_FALSE(check.sample(500, kStart));
  EXPECT_FALSE(check.sample(567, kStart + seconds(60)));  // 7 s ahead: within 6 + 2
  EXPECT_FALSE(check.sample(620, kStart + seconds(120)));
}

TEST(ClockCheck, SeesAMachineThatWasPausedWithItsClocks) {
  ClockCheck check;
  EXPECT_FALSE(check.sample(500, kStart));
  const auto gap_s = check.sample(600, kStart + seconds(60));
  ASSERT_TRUE(gap_s);
  EXPECT_DOUBLE_EQ(*gap_s, 40);
  EXPECT_FALSE(check.sample(660, kStart + seconds(120))) << "one pause is one alarm";
}

TEST(ClockCheck, NeedsAnAnswerAndAMinute) {
  ClockCheck check;
  EXPECT_FALSE(check.sample({}, kStart));
  EXPECT_FALSE(check.sample(500, kStart));
  EXPECT_FALSE(check.sample(900, kStart + seconds(59)));
}

// While the API server is silent its last Date stays and says nothing about the time that passes.
TEST(ClockCheck, TheSameDateAgainIsNoSample) {
  ClockCheck check;
  EXPECT_FALSE(check.sample(500, kStart));
  EXPECT_FALSE(check.sample(500, kStart + seconds(300)));
  EXPECT_FALSE(check.sample(801, kStart + seconds(301)));
}

}  // namespace
}  // namespace baton::runtime
