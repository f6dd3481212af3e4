// R7, R17, R18, R19: with which token, after which reading, and who may be quicker.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "election/record.h"
#include "election/wait.h"
#include "election/writes.h"
#include "observe/codec.h"
#include "unit/election/waiting.h"

namespace baton::election::testing {
namespace {

using R7 = Waiting;
using R17 = Waiting;
using R18LockDelay = Waiting;
using R19 = Waiting;

Token token_sent(const LeaseWrite& write) {
  return std::stoll(write.annotations.at(annotation::kFencingToken));
}

/// The same Lease shows this record from now on.
void become(Store& store, Lease record) {
  store.edit([&](Lease& lease) {
    record.uid = lease.uid;
    lease = record;
  });
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

// "attempts over one version exclude each other, so they carry the same token": any number that was
// never answered leaves the token at the store's revision.
TEST_F(R7, AttemptsOverOneVersionCarryOneToken) {
  world.store.create(released_lease(400));
  Runner& a = world.add("a");
  a.fate = [&](const LeaseWrite* write) {
    return write != nullptr && a.written.size() < 4 ? failed(FailureKind::unavailable) : served();
  };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  ASSERT_EQ(a.written.size(), 4U);
  for (const LeaseWrite& attempt : a.written) {
    EXPECT_EQ(token_sent(attempt), a.written.at(0).base.version);
  }
}

// "highest token ever sent by this process + 1" over another version, though nobody else has shown
// that it knows that token.
TEST_F(R7, AnAttemptOverAnotherVersionIsAboveTheOneSent) {
  world.store.create(released_lease(400));
  Options options = options_of("a");
  options.token_floor = 7'000'000;
  Runner& a = world.add(options);
  a.fate = [&](const LeaseWrite* write) {
    if (write == nullptr || a.written.size() > 1) return served();
    world.store.edit([](Lease& lease) { lease.annotations["baton/of-tomorrow"] = "later"; });
    return failed(FailureKind::unavailable);
  };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  ASSERT_EQ(a.written.size(), 2U);
  EXPECT_EQ(token_sent(a.written.at(0)), 7'000'000);
  EXPECT_EQ(token_sent(a.written.at(1)), 7'000'001);
}

// A restore may bring back a version over which a token was sent, and applied, before.
TEST_F(R7, AVersionThatAnOlderHistoryShowsIsAnotherOne) {
  Memory memory;
  memory.newest = Observation{.lease = released_lease(400), .version = 400, .as_of = 500};
  memory.sent = 500;
  memory.sent_over_uid = memory.newest->lease->uid;
  memory.sent_over = 400;
  memory.highest_revision = 600;
  EXPECT_EQ(next_token(memory, 0), 500);
  const Taken taken = take_in(
      memory,
      {.lease = released_lease(400), .version = 400, .as_of = 450, .before_sending = Revision{600}},
      {}, seconds(15));
  EXPECT_NE(taken.alarm, "");
  EXPECT_EQ(next_token(memory, 0), 501);
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

// "after a broken watch likewise": here it breaks during the wait of R17.
TEST_F(R7, ABrokenWatchTakesTheRightAway) {
  world.store.create(held_lease("other", 15));
  Options options = options_of("a");
  options.replicas = 100;
  Runner& a = world.add(options);
  world.run_for(seconds(1));
  world.store.edit([](Lease& lease) {
    lease.holder = "";
    lease.annotations[annotation::kReleased] = "running/3";
  });
  world.run_for(kOneWay);
  ASSERT_TRUE(a.written.empty()) << "its share of the spread is not zero";
  world.break_watch(a);
  bool follows_a_list = false;
  world.observer = [&](Runner&, const Event& event, const Step& step) {
    if (find<SendWrite>(step)) follows_a_list = std::holds_alternative<Listed>(event);
  };
  ASSERT_TRUE(world.run_until_true([&] { return a.written.size() == 1; }));
  EXPECT_TRUE(follows_a_list);
  EXPECT_GE(a.lists, 2);
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

// "wait a place, one of N - 1, times delta"; "the place changes with the token so that no Pod is
// favoured"
TEST_F(R17, TheFollowersArePutOnNLessOnePlaces) {
  const Duration delta = milliseconds(25);
  std::map<Duration, int> of_two, of_many;
  for (int i = 0; i < 500; ++i) {
    const std::string identity = "pod-" + std::to_string(i);
    EXPECT_EQ(spread(identity, 400, 2, delta), Duration::zero()) << "the only follower";
    ++of_two[spread(identity, 400, 3, delta)];
    ++of_many[spread(identity, 400, 500, delta)];
  }
  ASSERT_EQ(of_two.size(), 2U);
  EXPECT_NEAR(of_two[Duration::zero()], 250, 50);
  EXPECT_NEAR(of_two[delta], 250, 50);
  for (const auto& [share, followers] : of_many) {
    EXPECT_EQ(share % delta, Duration::zero());
    EXPECT_LT(share, 499 * delta);
    EXPECT_LT(followers, 9);
  }
  EXPECT_GT(of_many.rbegin()->first, 450 * delta);
  EXPECT_NE(spread("pod-1", 400, 500, delta), spread("pod-1", 401, 500, delta));
}

Options of_three(const std::string& identity) {
  Options options = options_of(identity);
  options.replicas = 3;
  return options;
}

/// A release, and after `took` another candidate's acquisition.
void let_another_win(World& world, Duration took, const std::string& identity = "winner") {
  const Token token = world.store.lease()->version.value();
  become(world.store, released_lease(token));
  world.run_for(took);
  Lease won = held_lease(identity, 15);
  won.annotations[annotation::kFencingToken] = std::to_string(token + 1);
  become(world.store, won);
  world.run_for(seconds(1));
}

Fate no_write_arrives(const LeaseWrite* write) { return write == nullptr ? served() : lost(false); }

/// A follower that others' acquisitions have passed over so many times, each after 100 ms.
Runner& passed_over(World& world, int times, int replicas = 3) {
  world.store.create(held_lease("leader", 15));
  Options options = options_of("passed-over");
  options.replicas = replicas;
  Runner& runner = world.add(options);
  world.run_for(seconds(1));
  runner.fate = no_write_arrives;
  for (int i = 0; i < times; ++i) {
    let_another_win(world, milliseconds(100), "winner-" + std::to_string(i));
  }
  world.run_for(seconds(5));  // past its time-out
  runner.fate = [](const LeaseWrite*) { return served(); };
  return runner;
}

/// How long after it heard of a release this follower writes; Duration::max(): not in a second.
Duration writes_after_a_release(World& world, Runner& runner) {
  const std::size_t before = runner.written.size();
  become(world.store, released_lease(world.store.lease()->version.value()));
  const Instant heard = world.now + runner.event_delay;
  world.run_for(seconds(1));
  return runner.written.size() == before ? Duration::max() : runner.written_at[before] - heard;
}

// Of two followers that see the same release, one that was passed over leaves the write to the
// other, which was not: it has joined since, as the last leader or as what replaced it.
TEST_F(R17, WhoWasPassedOverLeavesTheWriteToTheOther) {
  Runner& senior = passed_over(world, 1);
  Runner& newcomer = world.add(of_three("newcomer"));
  world.run_for(seconds(1));
  EXPECT_EQ(writes_after_a_release(world, senior), Duration::max());
  EXPECT_TRUE(newcomer.leads());
}

TEST_F(R17, WithoutTheOtherItWritesHalfAsMuchAgainAsAWriteTakesLater) {
  EXPECT_EQ(writes_after_a_release(world, passed_over(world, 1)), milliseconds(150));
}

TEST_F(R17, ItGivesWayEightTimesInARow) {
  EXPECT_EQ(writes_after_a_release(world, passed_over(world, 8)), milliseconds(150));
  World after_nine;
  EXPECT_EQ(writes_after_a_release(after_nine, passed_over(after_nine, 9)), Duration::zero());
}

// Two that nothing has told apart write at once: two writes cost less than a wait for nobody.
TEST_F(R17, WhoWasNotPassedOverWritesAtOnce) {
  EXPECT_EQ(writes_after_a_release(world, passed_over(world, 0)), Duration::zero());
}

TEST_F(R17, NorDoesALoneFollowerWaitThatWasPassedOver) {
  EXPECT_EQ(writes_after_a_release(world, passed_over(world, 1, 2)), Duration::zero());
}

// Both may have followed since before the first term of all.
TEST_F(R17, NobodyIsPassedOverByTheFirstTerm) {
  Runner& a = world.add(of_three("a"));
  a.fate = no_write_arrives;  // nor its creation
  world.run_for(seconds(1));
  Lease created = held_lease("", 15);
  created.annotations = {{annotation::kFormat, "1"}};
  world.store.create(created);
  world.run_for(seconds(16));  // its turn has come
  Lease won = held_lease("winner", 15);
  become(world.store, won);
  world.run_for(seconds(5));
  a.fate = [](const LeaseWrite*) { return served(); };
  EXPECT_EQ(writes_after_a_release(world, a), Duration::zero());
}

// Nor by who took what was released before they came, as after a scale-up from none: nobody has led
// before who would follow now.
TEST_F(R17, NobodyIsPassedOverInATermThatNobodyHasFollowed) {
  world.store.create(released_lease(400));
  Runner& a = world.add(of_three("a"));
  a.fate = no_write_arrives;
  world.run_for(seconds(1));
  become(world.store, held_lease("winner", 15));
  world.run_for(seconds(5));
  a.fate = [](const LeaseWrite*) { return served(); };
  EXPECT_EQ(writes_after_a_release(world, a), Duration::zero());
}

TEST_F(R17, AnOwnTermEndsIt) {
  Runner& a = passed_over(world, 1);
  EXPECT_EQ(writes_after_a_release(world, a), milliseconds(150));
  ASSERT_TRUE(a.leads());
  a.feed(WorkEnded{Proof::drained, ""});
  world.run_for(seconds(1));
  let_another_win(world, milliseconds(100), "next");
  EXPECT_EQ(writes_after_a_release(world, a), Duration::zero());
}

// A candidate that starts, or reads after a broken watch, was woken by nothing that wakes others.
TEST_F(R17, WhatAListShowsAsTakeableIsTakenAtOnceByOneOfThree) {
  for (int i = 0; i < 10; ++i) {
    World one;
    one.store.create(released_lease(400));
    Runner& a = one.add(of_three("pod-" + std::to_string(i)));
    one.run_for(2 * kOneWay);
    EXPECT_EQ(a.written.size(), 1U) << i;
  }
  Runner& senior = passed_over(world, 1);
  senior.is_cut_off = true;
  become(world.store, released_lease(world.store.lease()->version.value()));
  const std::size_t before = senior.written.size();
  for (const int lists = senior.lists; senior.lists == lists;) world.run_for(milliseconds(1));
  world.run_for(2 * kOneWay);
  EXPECT_EQ(senior.written.size(), before + 1);
}

Duration delta(const Runner& runner) {
  return Duration(observe::to_json(runner.election()).at("write_delta").get<std::int64_t>());
}

// "delta the measured write + watch time"
TEST_F(R17, DeltaIsTheTimeUntilTheOwnWatchTells) {
  world.store.create(released_lease(400));
  Runner& a = follower();
  a.event_delay = milliseconds(425);  // long after the answer
  world.run_for(seconds(60));
  ASSERT_TRUE(a.leads());
  EXPECT_GT(delta(a), milliseconds(400));
  a.is_cut_off = true;  // its watch tells nothing: the last measure stays
  world.run_for(seconds(1));
  const Duration measured = delta(a);
  world.run_for(seconds(6));
  EXPECT_EQ(delta(a), measured);
}

TEST_F(R17, UntilThenItIsAGuessThatGrowsWithTheDistance) {
  world.store.create(held_lease("leader", 15));
  EXPECT_EQ(delta(follower()), Options().write_delta);
  Runner& far = world.add("far");
  far.fate = [](const LeaseWrite*) { return slow(milliseconds(400)); };
  world.run_for(seconds(1));
  EXPECT_EQ(delta(far), milliseconds(400));
}

// "of the own writes, and of another's that was sent without a wait"
TEST_F(R17, DeltaIsAlsoTheTimeUntilTheWatchTellsOfTheWinner) {
  world.store.create(held_lease("leader", 15));
  Runner& a = world.add(of_three("a"));
  world.run_for(seconds(1));
  a.fate = no_write_arrives;
  let_another_win(world, milliseconds(100), "b");
  EXPECT_EQ(delta(a), milliseconds(100)) << "the first measure replaces the guess";
  let_another_win(world, milliseconds(140), "c");
  EXPECT_EQ(delta(a), milliseconds(110)) << "later ones are smoothed";
  let_another_win(world, milliseconds(200), "d");
  EXPECT_EQ(delta(a), milliseconds(110)) << "the winner may have given way too";
  a.feed(Announce{});
  let_another_win(world, milliseconds(90), "e");
  EXPECT_EQ(delta(a), milliseconds(110)) << "who does not contend has no turn to count from";
}

TEST_F(R17, AWinnerOfAHerdThatWaitedForItsPlaceIsNoMeasure) {
  constexpr Token kToken = 400;
  for (const bool has_waited : {false, true}) {
    World one;
    one.store.create(held_lease("leader", 15));
    Options options = options_of("a");
    options.replicas = 9;
    Runner& a = one.add(options);
    one.run_for(seconds(1));
    a.fate = no_write_arrives;
    const Duration before = delta(a);
    std::string winner = "w";
    const auto waits = [&] { return spread(winner, kToken, 9, Duration(1)) != Duration::zero(); };
    for (int i = 0; i < 100 && waits() != has_waited; ++i) winner += "w";
    become(one.store, released_lease(kToken));
    one.run_for(milliseconds(100));
    become(one.store, held_lease(winner, 15));
    one.run_for(seconds(1));
    EXPECT_EQ(delta(a), has_waited ? before : milliseconds(100));
  }
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

TEST_F(R18LockDelay, OfARecordOfAHigherFormatToo) {
  Lease lease = held_lease("other", 15);
  lease.annotations[annotation::kFormat] = std::to_string(kRecordFormat + 1);
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
