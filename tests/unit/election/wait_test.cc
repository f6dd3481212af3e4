// R4, R5: from when on a candidate may write.
#include <gtest/gtest.h>

#include "election/record.h"
#include "unit/election/waiting.h"

namespace baton::election::testing {
namespace {

using R4 = Waiting;
using R5 = Waiting;

// "A challenger writes at once only if the record is unheld and released"
TEST_F(R4, AReleasedRecordIsTakenAtOnce) {
  world.store.create(released_lease(400));
  Runner& a = follower();
  EXPECT_EQ(written(a), received);
}

// "baton/released names the baton/term and the leaseTransitions that the record shows"
TEST_F(R4, UnheldWithoutTheMarkIsWaitedOut) {
  Lease lease = released_lease(400);
  lease.annotations.erase(annotation::kReleased);
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(15));
}

TEST_F(R4, AMarkOfAnotherTermIsWaitedOut) {
  Lease lease = released_lease(400);
  lease.annotations[annotation::kReleased] = "older/7";
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(15));
}

TEST_F(R4, AMarkOfEarlierTransitionsIsWaitedOut) {  // client-go came and went in between
  Lease lease = released_lease(400);
  lease.transitions = 8;
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(15));
}

// "baton/format (a record of a higher format is treated as a foreign elector's ...)"
TEST_F(R4, TheMarkOfAnUnknownFormatIsWaitedOut) {
  for (const std::string& format : {std::to_string(kRecordFormat + 1), std::string("99"),
                                    std::string("-1"), std::string("one")}) {
    SCOPED_TRACE(format);
    Lease lease = released_lease(400);
    lease.annotations[annotation::kFormat] = format;
    World one;
    one.store.create(lease);
    Runner& a = one.add("a");
    one.run_for(seconds(1));
    EXPECT_EQ(a.status().reason, "unheld, and its baton/format is '" + format +
                                     "', which this version does not read: waiting 15 s without a "
                                     "change");
    ASSERT_TRUE(one.run_until_true([&] { return !a.writes(WriteKind::acquire).empty(); }));
    EXPECT_GE(a.written_at.back() - kStart, seconds(15));
    // "... its token still counts"
    EXPECT_GT(std::stoll(a.written.back().annotations.at(annotation::kFencingToken)), 400);
    EXPECT_EQ(a.written.back().annotations.at(annotation::kFormat), std::to_string(kRecordFormat));
  }
}

TEST_F(R4, AHigherFormatsShorterDurationIsNotObeyed) {
  Lease lease = held_lease("other", 6);
  lease.annotations[annotation::kFormat] = std::to_string(kRecordFormat + 1);
  world.store.create(lease);
  Runner& a = follower();
  EXPECT_FALSE(a.status().leader.fencing_token.has_value()) << "the token is unknown";
  expect_waits(a, received, seconds(15));
}

// A roll-out to the next version hands over as quickly as any.
TEST_F(R4, TheMarkOfALowerFormatIsTakenAtOnce) {
  Lease lease = released_lease(400);
  lease.annotations[annotation::kFormat] = std::to_string(kRecordFormat - 1);
  world.store.create(lease);
  Runner& a = follower();
  EXPECT_EQ(written(a), received);
}

TEST_F(R4, ALowerFormatsShorterDurationIsObeyed) {
  Lease lease = held_lease("other", 6);
  lease.annotations[annotation::kFormat] = std::to_string(kRecordFormat - 1);
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(6));
}

TEST_F(R4, AMarkOnAHeldRecordSaysNothing) {
  Lease lease = released_lease(400);
  lease.holder = "gone";
  lease.duration_s = 15;
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(15));
}

// "it must itself have seen uid, spec and baton/* unchanged for the wait w"
TEST_F(R4, EveryChangeOfTheRecordStartsTheWaitAgain) {
  world.store.create(held_lease("other", 15));
  Runner& a = follower();
  world.run_for(seconds(10));
  world.store.edit([](Lease& lease) { lease.annotations[annotation::kAttempt] = "next"; });
  expect_waits(a, world.now + kOneWay, seconds(15));
}

// "(labels and other annotations do not count)"
TEST_F(R4, ALabelDoesNotStartTheWaitAgain) {
  world.store.create(held_lease("other", 15));
  Runner& a = follower();
  world.run_for(seconds(10));
  world.store.edit([](Lease&) {});  // a new version of the same record
  expect_waits(a, received, seconds(15));
  EXPECT_EQ(a.written.back().base.version, world.store.revision() - 1) << "the newest version";
}

// "w is max(leaseDurationSeconds, baton/duration) for a record held by a baton candidate"
TEST_F(R4, AShortenedDurationDoesNotShortenTheWait) {
  Lease lease = held_lease("other", 15);
  lease.duration_s = 1;
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(15));
}

TEST_F(R4, ABatonHoldersShorterDurationIsObeyed) {
  world.store.create(held_lease("other", 6));
  Runner& a = follower();
  expect_waits(a, received, seconds(6));
}

// "where baton/holder is not holderIdentity ... also own D"
TEST_F(R4, AForeignHoldersShorterDurationIsNot) {
  Lease lease = held_lease("other", 6);
  lease.holder = "client-go";
  world.store.create(lease);
  Runner& a = follower();
  EXPECT_FALSE(a.status().leader.fencing_token.has_value()) << "the token is unknown";
  expect_waits(a, received, seconds(15));
}

TEST_F(R4, AForeignHoldersLongerDurationIsObeyed) {
  Lease lease = held_lease("other", 6);
  lease.holder = "client-go";
  lease.duration_s = 60;
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(60));
}

// "when a version is superseded, debt = max(debt, receipt of its successor + the duration it
// carried)"
TEST_F(R4, ASupersededLongDurationIsADebtOnce) {
  world.store.create(held_lease("other", 60));
  Runner& a = follower();
  world.run_for(seconds(10));
  world.store.edit([](Lease& lease) {
    lease.duration_s = 15;
    lease.annotations[annotation::kDuration] = "15";
  });
  expect_waits(a, world.now + kOneWay, seconds(60));
}

// "a wrong value seen once does no lasting harm"
TEST_F(R4, ASupersededAbsurdDurationIsADebtOfTheOwnOnly) {
  world.store.create(held_lease("other", 1'000'000'000));
  Runner& a = follower();
  world.run_for(seconds(10));
  EXPECT_EQ(a.status().state, State::blocked);
  world.store.edit([](Lease& lease) {
    lease.duration_s = 5;
    lease.annotations[annotation::kDuration] = "5";
  });
  expect_waits(a, world.now + kOneWay, seconds(15));
}

TEST_F(R4, ADebtThatIsOverDelaysNothing) {
  world.store.create(held_lease("other", 60));
  Runner& a = follower();
  for (int i = 0; i < 8; ++i) {
    world.run_for(seconds(10));
    world.store.edit([&](Lease& lease) {
      lease.duration_s = 15;
      lease.annotations[annotation::kDuration] = "15";
      lease.annotations[annotation::kAttempt] = std::to_string(i);
    });
  }
  expect_waits(a, world.now + kOneWay, seconds(15));
}

// "A foreign duration is obeyed; above one hour the state is blocked with the reason."
TEST_F(R4, MoreThanAnHourIsBlockedWithTheReason) {
  Lease lease = held_lease("other", 15);
  lease.holder = "client-go";
  lease.duration_s = 7200;
  world.store.create(lease);
  Runner& a = follower();
  EXPECT_EQ(a.status().state, State::blocked);
  EXPECT_NE(a.status().reason.find("more than an hour"), std::string::npos) << a.status().reason;
  world.store.hold_as_foreign("client-go", 15);
  world.run_for(kOneWay);
  EXPECT_EQ(a.status().state, State::following) << "once seen, it does no lasting harm";
}

// Absurd durations: no crash, no overflow, nothing taken early.
class R4Absurd : public Waiting, public ::testing::WithParamInterface<std::int64_t> {};
TEST_P(R4Absurd, DurationsNeverOverflow) {
  Lease lease = held_lease("other", 15);
  lease.duration_s = GetParam();
  lease.annotations[annotation::kDuration] = "99999999999999999999999999";
  lease.annotations[annotation::kLockDelay] = "99999999999999999999999999";
  world.store.create(lease);
  Runner& a = follower();
  EXPECT_EQ(a.status().state, State::blocked);
  EXPECT_EQ(written(a), kNever);
}
INSTANTIATE_TEST_SUITE_P(Values, R4Absurd,
                         ::testing::Values(0, -1, INT64_MIN, INT64_MAX, 2147483647));

TEST_F(R4, ZeroAndNegativeDurationsCountAsTheOwn) {
  Lease lease = held_lease("other", -5);
  lease.annotations[annotation::kDuration] = "0";
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(15));
}

// "A missing Lease (seen by a LIST) is created at once, unheld, without the mark, with the highest
// token known and baton/duration = own D; only then is it waited out, by its creator too."
TEST_F(R5, AMissingLeaseIsCreatedAtOnceAndWaitedOut) {
  Runner& a = follower();
  ASSERT_EQ(a.writes(WriteKind::create).size(), 1U);
  const LeaseWrite created = a.written.at(0);
  EXPECT_EQ(a.written_at.at(0), received);
  EXPECT_EQ(created.holder, "");
  EXPECT_EQ(created.annotations.count(annotation::kReleased), 0U);
  EXPECT_EQ(created.annotations.at(annotation::kDuration), "15");
  EXPECT_EQ(created.annotations.count(annotation::kFencingToken), 0U) << "no token known yet";
  expect_waits(a, received + kOneWay, seconds(15));
}

TEST_F(R5, TheHighestTokenKnownIsWrittenIntoTheNewLease) {
  world.store.create(held_lease("other", 15));
  Runner& a = follower();
  world.store.remove();
  world.run_for(seconds(1));
  ASSERT_EQ(a.writes(WriteKind::create).size(), 1U);
  EXPECT_EQ(a.written.at(0).annotations.at(annotation::kFencingToken), "400");
  EXPECT_EQ(a.lists, 2) << "a DELETED event alone creates nothing: a LIST has to show the absence";
}

// The validity of the deleted record is waited out, by its creator as by everybody.
TEST_F(R5, TheDeletedRecordsDurationIsADebt) {
  world.store.create(held_lease("other", 40));
  Runner& a = follower();
  world.store.remove();
  expect_waits(a, world.now + 4 * kOneWay, seconds(40));  // event, LIST, PUT, event
}

// Who never saw the deleted record waits as long as who did: the new one says what is still owed.
TEST_F(R5, WhatIsOwedIsWrittenIntoTheNewLease) {
  world.store.create(held_lease("other", 40));
  Runner& a = follower();
  const Instant served_from = world.now + seconds(10);
  a.fate = [&](const LeaseWrite* write) {
    return write != nullptr && world.now < served_from ? failed(FailureKind::unavailable)
                                                       : served();
  };
  world.store.remove();
  const Instant owed_until = world.now + kOneWay + seconds(40);
  ASSERT_TRUE(world.run_until_true([&] { return world.store.lease().has_value(); }));
  const auto owed = std::chrono::ceil<seconds>(owed_until - a.written_at.back());
  ASSERT_LT(owed, seconds(31));
  EXPECT_EQ(world.store.lease()->annotations.at(annotation::kDuration),
            std::to_string(owed.count()));
  world.kill(a);
  Runner& newcomer = world.add("b");
  world.run_for(2 * kOneWay);
  expect_waits(newcomer, world.now, owed);
}

// "Without that right: state blocked, reason 'Lease missing'."
TEST_F(R5, CreationRefusedIsBlockedWithBoundedBackOffAndRecovers) {
  Runner& a = world.add("a");
  a.fate = [](const LeaseWrite* write) {
    return write != nullptr ? failed(FailureKind::refused) : served();
  };
  world.run_for(seconds(60));
  EXPECT_EQ(a.status().state, State::blocked);
  EXPECT_EQ(a.status().reason.find("Lease missing"), 0U) << a.status().reason;
  EXPECT_LT(a.written.size(), 16U);
  EXPECT_GT(a.written.size(), 6U);
  EXPECT_EQ(a.notices(NoticeKind::blocked).size(), 1U);
  world.store.create(released_lease(400));
  a.fate = [](const LeaseWrite*) { return served(); };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(12)));
  EXPECT_EQ(a.status().state, State::leading);
}

}  // namespace
}  // namespace baton::election::testing
