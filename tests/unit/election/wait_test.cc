// R4, R5, R7, R17, R19: from when on a candidate may write, and with which token.
#include "election/wait.h"

#include <gtest/gtest.h>

#include "election/record.h"
#include "unit/election/driver.h"

namespace baton::election::testing {
namespace {

Lease released_lease(Token token) {
  Lease lease;
  lease.duration_s = 1;
  lease.transitions = 7;
  lease.annotations = {{annotation::kTerm, "old"},
                       {annotation::kReleased, "old/7"},
                       {annotation::kHolder, "gone"},
                       {annotation::kDuration, "15"},
                       {annotation::kFencingToken, std::to_string(token)}};
  return lease;
}

Lease held_lease(const std::string& holder, std::int64_t duration_s) {
  Lease lease;
  lease.holder = holder;
  lease.duration_s = duration_s;
  lease.transitions = 3;
  lease.annotations = {{annotation::kTerm, "running"},
                       {annotation::kHolder, holder},
                       {annotation::kDuration, std::to_string(duration_s)},
                       {annotation::kFencingToken, "400"}};
  return lease;
}

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
using R4 = Waiting;
using R5 = Waiting;
using R7 = Waiting;
using R17 = Waiting;
using R18LockDelay = Waiting;
using R19 = Waiting;

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

TEST_F(R4, TheMarkOfAnUnknownFormatIsWaitedOut) {
  Lease lease = released_lease(400);
  lease.annotations[annotation::kFormat] = "2";
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(15));
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
  EXPECT_EQ(a.status().state, State::blocked) << "the debt is obeyed too";
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

// The validity of the deleted record is waited out although the new one carries less.
TEST_F(R5, TheDeletedRecordsDurationIsADebt) {
  world.store.create(held_lease("other", 40));
  Runner& a = follower();
  world.store.remove();
  expect_waits(a, world.now + kOneWay, seconds(40));
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

// "T = max(asOf, annotated token + 1, highest token ever seen or sent by this process + 1,
// configured floor)"
TEST_F(R7, TheTokenIsTheStoresRevisionOfTheReading) {
  world.store.create(released_lease(400));
  world.store.bump(500);
  Runner& a = follower();
  EXPECT_EQ(a.written.at(0).annotations.at(annotation::kFencingToken),
            std::to_string(world.store.revision() - 1))
      << "of the LIST, not the object's own version";
  EXPECT_GT(world.store.revision() - 1, *a.written.at(0).base.version);
}

TEST_F(R7, TheTokenIsAboveTheAnnotatedOne) {
  world.store.create(released_lease(5'000'000));
  Runner& a = follower();
  EXPECT_EQ(a.written.at(0).annotations.at(annotation::kFencingToken), "5000001");
}

TEST_F(R7, TheTokenIsAtLeastTheFloor) {
  world.store.create(released_lease(400));
  Options options = options_of("a");
  options.token_floor = 7'000'000;
  Runner& a = world.add(options);
  world.run_for(2 * kOneWay);
  EXPECT_EQ(a.written.at(0).annotations.at(annotation::kFencingToken), "7000000");
}

TEST_F(R7, ABookmarkRaisesTheToken) {
  world.store.create(held_lease("other", 15));
  Runner& a = follower();
  world.store.bump(77);
  world.bookmark();
  world.run_for(kOneWay);
  world.store.edit([](Lease& lease) {
    lease.holder = "";
    lease.annotations[annotation::kReleased] = "running/3";
  });
  const Revision event = world.store.revision();
  world.run_for(kOneWay);
  EXPECT_EQ(a.written.at(0).annotations.at(annotation::kFencingToken), std::to_string(event));
}

// "An acquisition that no event on the live watch triggered first needs a LIST sent after its timer
// fired"
TEST_F(R7, AnExpiryIsReadAfreshBeforeTheWrite) {
  world.store.create(held_lease("other", 15));
  Runner& a = follower();
  world.run_until(received + seconds(15) - Duration(1));
  const int lists = a.lists;
  world.run_for(Duration(1));
  EXPECT_EQ(a.lists, lists + 1);
  EXPECT_TRUE(a.written.empty());
  world.run_for(2 * kOneWay);
  EXPECT_EQ(a.written.size(), 1U);
}

TEST_F(R7, AnEventOfTheLiveWatchTriggersAtOnce) {
  world.store.create(held_lease("other", 15));
  Runner& a = follower();
  world.store.edit([](Lease& lease) {
    lease.holder = "";
    lease.annotations[annotation::kReleased] = "running/3";
  });
  EXPECT_EQ(written(a), world.now);
  EXPECT_EQ(a.lists, 1);
}

// "after a broken watch likewise"
TEST_F(R7, ABrokenWatchTakesTheRightAway) {
  world.store.create(held_lease("other", 15));
  Runner& a = world.add("a");
  a.fate = [](const LeaseWrite* write) {
    return write ? failed(FailureKind::throttled) : served();
  };
  world.run_for(2 * kOneWay);
  world.store.edit([](Lease& lease) {
    lease.holder = "";
    lease.annotations[annotation::kReleased] = "running/3";
  });
  ASSERT_TRUE(world.run_until_true([&] { return a.written.size() == 1; }));
  world.break_watch(a);
  a.fate = [](const LeaseWrite*) { return served(); };
  ASSERT_TRUE(world.run_until_true([&] { return a.written.size() == 2; }));
  EXPECT_EQ(a.lists, 2);
}

// "an annotated token outside that never enters memory: state blocked, reason, documented mend"
class R7Invalid : public Waiting, public ::testing::WithParamInterface<const char*> {};
TEST_P(R7Invalid, TokenBlocksAndAMendRecovers) {
  Lease lease = released_lease(400);
  lease.annotations[annotation::kFencingToken] = GetParam();
  world.store.create(lease);
  Runner& a = follower();
  world.run_for(seconds(30));
  EXPECT_TRUE(a.written.empty());
  EXPECT_EQ(a.status().state, State::blocked);
  EXPECT_NE(a.status().reason.find("set it to the highest token"), std::string::npos);
  world.store.edit([](Lease& edited) { edited.annotations[annotation::kFencingToken] = "500"; });
  world.run_for(seconds(1));
  EXPECT_TRUE(a.leads());
}
INSTANTIATE_TEST_SUITE_P(Values, R7Invalid,
                         ::testing::Values("0", "-3", "", "12x", " 12", "012", "+12", "1e9",
                                           "1000000000000000000", "99999999999999999999"));

TEST_F(R7, UsedUpTokensBlock) {
  world.store.create(released_lease(kMaxToken));
  Runner& a = follower();
  EXPECT_EQ(a.status().state, State::blocked);
  EXPECT_TRUE(a.written.empty());
}

// "Up to three candidates need no wait"; "the share changes with the token so that no Pod is
// favoured"
TEST_F(R17, TheShareIsSpreadOverNTimesDelta) {
  const Duration delta = milliseconds(25);
  EXPECT_EQ(spread("a", 400, 3, delta), Duration::zero());
  double sum = 0;
  Duration most = Duration::zero();
  for (int i = 0; i < 500; ++i) {
    const Duration share = spread("pod-" + std::to_string(i), 400, 500, delta);
    EXPECT_LT(share, 500 * delta);
    EXPECT_GE(share, Duration::zero());
    most = std::max(most, share);
    sum += std::chrono::duration<double>(share).count();
  }
  EXPECT_NEAR(sum / 500, 500 * 0.025 / 2, 1.0);
  EXPECT_GT(most, 450 * delta);
  EXPECT_NE(spread("pod-1", 400, 500, delta), spread("pod-1", 401, 500, delta));
}

// "before writing, wait ..., and check memory again (this precedes R7's LIST)"
TEST_F(R17, AHerdWritesLittle) {
  world.store.create(released_lease(400));
  std::vector<Runner*> runners;
  for (int i = 0; i < 40; ++i) {
    Options options = options_of("pod-" + std::to_string(i));
    options.replicas = 40;
    runners.push_back(&world.add(options));
  }
  world.run_for(seconds(2));
  std::size_t writes = 0;
  for (Runner* runner : runners) writes += runner->writes(WriteKind::acquire).size();
  EXPECT_LE(writes, 4U);
  Runner* leader = nullptr;
  for (Runner* runner : runners) leader = runner->leads() ? runner : leader;
  ASSERT_NE(leader, nullptr);
  leader->feed(WorkEnded{Proof::drained, ""});
  world.run_for(seconds(2));
  std::size_t more = 0;
  for (Runner* runner : runners) more += runner->writes(WriteKind::acquire).size();
  EXPECT_LE(more - writes, 4U);
}

// "the next term waits w + L, L the larger of own setting and record; none after a release with
// the mark"
TEST_F(R18LockDelay, TheRecordsLargerDelayIsObeyed) {
  Lease lease = held_lease("other", 15);
  lease.annotations[annotation::kLockDelay] = "20";
  world.store.create(lease);
  Runner& a = follower();
  expect_waits(a, received, seconds(35));
}

TEST_F(R18LockDelay, NoneAfterAReleaseWithTheMark) {
  Lease lease = released_lease(400);
  lease.annotations[annotation::kLockDelay] = "20";
  world.store.create(lease);
  Runner& a = follower();
  EXPECT_EQ(written(a), received);
}

Lease own_pod_lease() {
  Lease lease = held_lease("earlier", 15);
  lease.annotations[annotation::kIncarnation] = "pod/boot/net";
  return lease;
}
Options own_pod_options() {
  Options options = options_of("a");
  options.incarnation = "pod/boot/net";
  return options;
}

// "takes over from its own Pod's earlier incarnation at once, as a new term with a new token"
TEST_F(R19, TheOwnPodsRecordIsTakenAtOnce) {
  world.store.create(own_pod_lease());
  Runner& a = world.add(own_pod_options());
  EXPECT_EQ(written(a), world.now);
  EXPECT_EQ(world.now, kStart + 2 * kOneWay);
  EXPECT_NE(a.written.at(0).annotations.at(annotation::kTerm), "running");
  EXPECT_GT(std::stoll(a.written.at(0).annotations.at(annotation::kFencingToken)), 400);
}

// "equals its own, non-empty"
TEST_F(R19, AnotherPodsRecordIsWaitedOut) {
  Lease lease = own_pod_lease();
  lease.annotations[annotation::kIncarnation] = "other/boot/net";
  world.store.create(lease);
  Runner& a = world.add(own_pod_options());
  EXPECT_GE(written(a), kStart + seconds(15));
}

TEST_F(R19, AnEmptyIncarnationIsNobodys) {
  Lease lease = own_pod_lease();
  lease.annotations[annotation::kIncarnation] = "";
  world.store.create(lease);
  Runner& a = world.add("a");
  EXPECT_GE(written(a), kStart + seconds(15));
}

TEST_F(R19, AForeignElectorsHoldIsWaitedOut) {  // the annotations are left over
  Lease lease = own_pod_lease();
  lease.holder = "client-go";
  world.store.create(lease);
  Runner& a = world.add(own_pod_options());
  EXPECT_GE(written(a), kStart + seconds(15));
}

// "With L > 0 it does not apply."
TEST_F(R19, NotWithALockDelay) {
  Lease lease = own_pod_lease();
  lease.annotations[annotation::kLockDelay] = "5";
  world.store.create(lease);
  Runner& a = world.add(own_pod_options());
  EXPECT_GE(written(a), kStart + seconds(20));
}

}  // namespace
}  // namespace baton::election::testing
