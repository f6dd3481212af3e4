#include "kube/server_clock.h"

#include <gtest/gtest.h>

namespace baton::kube {
namespace {

using election::Lease;
using std::chrono::hours;
using std::chrono::seconds;

constexpr std::int64_t kNoon_s = 1'767'268'800;  // 2026-01-01T12:00:00Z
const Instant kHeard{hours(70)};

Instant read(const ServerClock& clock, const std::string& until) {
  Lease lease;
  lease.annotations[election::annotation::kPauseUntil] = until;
  clock.read_pause(lease);
  return lease.paused_until;
}

TEST(ServerClock, KnowsNoTimeBeforeTheFirstAnswer) {
  const ServerClock clock;
  EXPECT_EQ(clock.when(kNoon_s), kNever);
  EXPECT_EQ(read(clock, "2026-01-01T12:00:00Z"), kNever);
}

TEST(ServerClock, ReadsAPauseByTheServersDate) {
  ServerClock clock;
  clock.heard(kNoon_s, kHeard);
  EXPECT_EQ(read(clock, "2026-01-01T12:01:00Z"), kHeard + seconds(60));
  EXPECT_EQ(read(clock, "2026-01-01T13:01:00.5+01:00"), kHeard + seconds(60));
  EXPECT_EQ(read(clock, "2026-01-01T11:59:59Z"), kHeard - seconds(1));
  clock.heard(kNoon_s + 30, kHeard + seconds(20));  // a machine that was stopped with its clocks
  EXPECT_EQ(read(clock, "2026-01-01T12:01:00Z"), kHeard + seconds(50));
}

TEST(ServerClock, KeepsWhatIsNoPauseApart) {
  ServerClock clock;
  clock.heard(kNoon_s, kHeard);
  Lease lease;
  clock.read_pause(lease);
  EXPECT_EQ(lease.paused_until, kLongAgo);
  for (const char* text : {"", "tomorrow", "12:30", "2026-01-01 12:00", "2026-01-01T12:00:00",
                           "2026-13-01T12:00:00Z", "1767268800"}) {
    EXPECT_EQ(read(clock, text), kNever) << text;
  }
  EXPECT_LT(read(clock, "1970-01-01T00:00:00Z"), kHeard);
  const Instant far = read(clock, "9999-12-31T23:59:59Z");
  EXPECT_GT(far, kHeard + hours(24 * 365));
  EXPECT_LT(far, kNever);
}

TEST(ServerClock, TakesNoDateThatCannotBe) {
  ServerClock clock;
  clock.heard(0, kHeard);
  clock.heard(-1, kHeard);
  clock.heard(253'402'300'799, kHeard);  // the year 9999
  EXPECT_EQ(clock.when(kNoon_s), kNever);
}

}  // namespace
}  // namespace baton::kube
