// R6, R11, R13, R14, R16: what an observation does to a term and to the wait.
#include <gtest/gtest.h>

#include "election/record.h"
#include "unit/election/driver.h"

namespace baton::election::testing {
namespace {

class Observing : public ::testing::Test {
 protected:
  Observing() { world.store.create(released_lease(400)); }
  Runner& leader() {
    Runner& runner = world.add("a");
    EXPECT_TRUE(world.run_until_true([&] { return runner.leads(); }));
    world.run_for(seconds(1));
    return runner;
  }
  /// The edit ends the term with the first step that sees it, which sends nothing.
  void expect_ends(const std::function<void()>& act, const std::string& reason) {
    Runner& a = leader();
    const std::string term = a.status().term_id;
    a.noticed.clear();
    world.observer = [&](Runner&, const Event&, const Step& step) {
      if (a.notices(NoticeKind::lost).size() == 1 && lost_at == kLongAgo) {
        lost_at = world.now;
        EXPECT_FALSE(a.status().believes) << "first answer no";
        EXPECT_EQ(find<SendWrite>(step), nullptr) << "then anything on the network";
        EXPECT_EQ(find<SendList>(step), nullptr);
      }
    };
    act();
    const Instant acted = world.now;
    world.run_for(kOneWay);
    EXPECT_EQ(lost_at, acted + kOneWay) << "at once";
    ASSERT_EQ(a.notices(NoticeKind::lost).size(), 1U);
    EXPECT_NE(a.notices(NoticeKind::lost)[0].reason.find(reason), std::string::npos)
        << a.notices(NoticeKind::lost)[0].reason;
    world.run_for(seconds(100));
    EXPECT_TRUE(a.leads()) << "contends again (R18)";
    EXPECT_NE(a.status().term_id, term);
    world.observer = nullptr;
  }
  // A follower whose watch, from its first LIST, has told it that the leader renewed.
  Runner& told_follower() {
    world.store.hold_as_foreign("other", 15);
    Runner& a = world.add("a");
    world.run_for(seconds(5));
    world.store.hold_as_foreign("other", 15);
    world.run_for(seconds(1));
    return a;
  }
  World world;
  Instant lost_at = kLongAgo;
};
using R6 = Observing;
using R11 = Observing;
using R13 = Observing;
using R14 = Observing;
using R16 = Observing;

// "Another holder, an empty holder, DELETED, another uid, or a lower token ... ends the term at
// once"
TEST_F(R11, AnotherHolder) {
  expect_ends([&] { world.store.hold_as_foreign("intruder", 15); }, "held by intruder");
}
// The process was stopped for longer than a watch may be silent: its first step has the event.
TEST_F(R11, AnEventThatEndsALongSilenceCounts) {
  WatchId watch = 0;
  world.observer = [&](Runner&, const Event&, const Step& step) {
    if (const auto* start = find<StartWatch>(step)) watch = start->id;
  };
  Runner& a = leader();
  Lease cleared = *world.store.lease();
  cleared.holder = "";
  cleared.version = *cleared.version + 1;
  world.now = a.status().deadline - milliseconds(500);  // silent for 11.5 s, 11 s are allowed
  a.feed(Watched{watch, WatchEventKind::changed, *cleared.version, cleared});
  ASSERT_EQ(a.notices(NoticeKind::lost).size(), 1U);
  EXPECT_NE(a.notices(NoticeKind::lost)[0].reason.find("R11"), std::string::npos);
}
// R9: an answer that was altered on its way shows nothing new of a version already known.
TEST_F(R6, AKnownVersionNeverShowsOtherContent) {
  WatchId watch = 0;
  world.observer = [&](Runner&, const Event&, const Step& step) {
    if (const auto* start = find<StartWatch>(step)) watch = start->id;
  };
  Runner& a = leader();
  Lease altered = *world.store.lease();
  altered.annotations.clear();
  a.feed(Watched{watch, WatchEventKind::changed, *altered.version, altered});
  world.run_for(seconds(30));
  EXPECT_TRUE(a.leads()) << "renews on";
  EXPECT_FALSE(a.has(NoticeKind::lost));
}
TEST_F(R11, AnEmptyHolder) {
  expect_ends([&] { world.store.edit([](Lease& lease) { lease.holder = ""; }); }, "cleared");
}
TEST_F(R11, Deleted) {
  expect_ends([&] { world.store.remove(); }, "deleted");
}
TEST_F(R11, AnotherUid) {
  expect_ends(
      [&] {
        Lease copy = *world.store.lease();
        world.store.restore(std::nullopt, world.store.revision() + 1);  // DELETED was not seen
        world.store.create(copy);
      },
      "re-created");
}
TEST_F(R11, ALowerToken) {
  expect_ends(
      [&] {
        world.store.edit([](Lease& lease) { lease.annotations[annotation::kFencingToken] = "3"; });
      },
      "R14");
}
TEST_F(R11, ATokenThatIsNone) {
  Runner& a = leader();
  world.store.edit([](Lease& lease) { lease.annotations[annotation::kFencingToken] = "x"; });
  world.run_for(kOneWay);
  EXPECT_FALSE(a.status().believes);
  EXPECT_EQ(a.status().state, State::blocked);
}
TEST_F(R11, AnotherTermOfTheSameHolder) {
  expect_ends(
      [&] { world.store.edit([](Lease& lease) { lease.annotations[annotation::kTerm] = "x"; }); },
      "another term");
}

// "in a version above our newest own write"
TEST_F(R11, AnOlderVersionEndsNothing) {
  Runner& a = leader();
  const Lease before = *world.store.lease();
  ASSERT_TRUE(world.run_until_true([&] { return a.writes(WriteKind::renew).size() == 2; }));
  world.run_for(seconds(1));
  Lease late = before;
  late.holder = "";
  a.feed(Watched{1, WatchEventKind::changed, *late.version, late});
  EXPECT_TRUE(a.leads());
}

// "deletionTimestamp set: drain and stop; never acquire"
TEST_F(R11, BeingDeletedDrainsAndStops) {
  Runner& a = leader();
  world.store.edit([](Lease& lease) { lease.being_deleted = true; });
  world.run_for(kOneWay);
  EXPECT_EQ(a.status().state, State::draining);
  EXPECT_FALSE(a.status().believes);
  world.run_for(seconds(60));
  EXPECT_EQ(a.writes(WriteKind::release).size(), 1U);
  EXPECT_EQ(a.writes(WriteKind::acquire).size(), 1U);
  EXPECT_EQ(a.status().state, State::blocked);
}

// "a holder drains and stops when preferredHolder is set"; "do not contest"
TEST_F(R13, APreferredHolderDrainsAndStops) {
  Runner& a = leader();
  world.store.edit([](Lease& lease) { lease.strategy = "x/y"; });
  world.run_for(seconds(10));
  EXPECT_TRUE(a.leads());
  world.store.edit([](Lease& lease) { lease.preferred_holder = "other"; });
  world.run_for(kOneWay);
  EXPECT_EQ(a.status().state, State::draining);
  world.run_for(seconds(60));
  EXPECT_EQ(a.writes(WriteKind::release).size(), 1U);
  EXPECT_EQ(a.writes(WriteKind::acquire).size(), 1U);
  EXPECT_EQ(a.status().state, State::blocked);
  EXPECT_NE(a.status().reason.find("R13"), std::string::npos);
}

TEST_F(R13, AStrategyAloneIsNotContested) {
  world.store.edit([](Lease& lease) { lease.strategy = "OldestEmulationVersion"; });
  Runner& a = world.add("a");
  world.run_for(seconds(60));
  EXPECT_TRUE(a.written.empty());
  EXPECT_EQ(a.status().state, State::blocked);
}

// "An observation with a lower resourceVersion than one already seen never overwrites it"
TEST_F(R6, ALateReplyNeverOverwritesANewerObservation) {
  Runner& a = world.add("a");
  a.fate = [](const LeaseWrite*) { return slow(milliseconds(500)); };
  world.run_for(kOneWay);
  world.store.hold_as_foreign("other", 15);
  world.run_for(seconds(1));  // the LIST was answered with the released record
  EXPECT_TRUE(a.writes(WriteKind::acquire).size() <= 1U);
  EXPECT_EQ(a.status().leader.identity, "other");
  EXPECT_FALSE(a.has(NoticeKind::history_went_back)) << "merely late (R14)";
}

TEST_F(R6, AnOlderEventNeverOverwritesANewerObservation) {
  const Lease released = *world.store.lease();
  world.store.hold_as_foreign("other", 15);
  Runner& a = world.add("a");
  world.run_for(seconds(1));
  a.feed(Watched{1, WatchEventKind::changed, *released.version, released});
  a.feed(Watched{1, WatchEventKind::deleted, *released.version, {}});
  world.run_for(seconds(1));
  EXPECT_EQ(a.status().leader.identity, "other");
  EXPECT_TRUE(a.written.empty());
}

// "a Lease whose version is no positive integer gets no token and no leader (fail closed, with the
// reason shown)"
TEST_F(R6, AnUnusableVersionEndsTheTermAndBlocks) {
  Runner& a = leader();
  Lease odd = *world.store.lease();
  odd.version = {};
  a.feed(Watched{1, WatchEventKind::changed, world.store.revision(), odd});
  EXPECT_FALSE(a.status().believes);
  EXPECT_EQ(a.status().state, State::blocked);
  EXPECT_NE(a.status().reason.find("resourceVersion"), std::string::npos);
}

TEST_F(R6, AnUnusableVersionInTheFirstListBlocks) {
  Election election(options_of("a"), kStart);
  Step step = election.step(Tick{}, kStart, kLongAgo);
  Lease odd = *world.store.lease();
  odd.version = {};
  step = election.step(Listed{find<SendList>(step)->id, 1001, odd}, kStart, kLongAgo);
  EXPECT_EQ(election.status().state, State::blocked);
  EXPECT_EQ(find<SendWrite>(step), nullptr);
  EXPECT_EQ(find<SendList>(step), nullptr) << "no hot loop";
}

class HistoryTest : public Observing {
 protected:
  void expect_alarm_and_wait(Runner& a, const std::string& reason) {
    ASSERT_TRUE(world.run_until_true([&] { return a.has(NoticeKind::history_went_back); }));
    const Instant alarm = world.now;
    EXPECT_NE(a.notices(NoticeKind::history_went_back)[0].reason.find(reason), std::string::npos);
    EXPECT_FALSE(a.status().believes) << "end the term";
    const auto before = a.writes(WriteKind::acquire).size();
    ASSERT_TRUE(world.run_until_true([&] { return a.writes(WriteKind::acquire).size() > before; }));
    EXPECT_GE(world.now, alarm + seconds(15)) << "and wait w";
    world.run_for(seconds(1));
    EXPECT_TRUE(a.leads());
    EXPECT_EQ(a.notices(NoticeKind::history_went_back).size(), 1U) << "one alarm, not a stream";
  }
};
using R14History = HistoryTest;

// "a LIST, sent after revision r was received, answers with a list revision < r"
TEST_F(R14History, AListRevisionWentBack) {
  Runner& a = leader();
  const Lease before = *world.store.lease();
  const Token token = a.status().token;
  world.run_for(seconds(20));
  world.store.restore(before, *before.version);
  world.break_watch(a);
  expect_alarm_and_wait(a, "list's revision");
  EXPECT_GT(a.status().token, token) << "keep the highest token";
}

// "a LIST whose revision is >= every revision received before it was sent shows the object at a
// version below one already seen (a restore with bump)"
TEST_F(R14History, ARestoreWithABump) {
  Runner& a = leader();
  const Lease before = *world.store.lease();
  world.run_for(seconds(20));
  world.store.restore(before, 1'000'000);
  world.break_watch(a);
  expect_alarm_and_wait(a, "shows version");
  EXPECT_GE(a.status().token, 1'000'000);
}

// Checked before R6: the restored object is taken although its version is lower; and a restored
// *released* record is no invitation.
TEST_F(R14History, ARestoredReleaseMarkIsWaitedOut) {
  const Lease released = *world.store.lease();
  Runner& a = leader();
  world.run_for(seconds(20));
  world.store.restore(released, 1'000'000);
  world.break_watch(a);
  expect_alarm_and_wait(a, "shows version");
}

TEST_F(R14History, AFollowerWaitsToo) {
  const Lease released = *world.store.lease();
  world.store.hold_as_foreign("other", 15);
  Runner& a = world.add("a");
  world.run_for(seconds(1));
  world.store.restore(released, 1'000'000);
  world.break_watch(a);
  expect_alarm_and_wait(a, "shows version");
}

// "a newer version of the same uid shows a lower token than the one before"
TEST_F(R14History, ALoweredToken) {
  Runner& a = leader();
  world.store.edit([](Lease& lease) { lease.annotations[annotation::kFencingToken] = "7"; });
  expect_alarm_and_wait(a, "shows token 7");
}

// "Whenever the record's token is below the highest seen, the at-once paths of R4, R10 and R19 do
// not apply."
TEST_F(R14, ALowTokenTakesTheShortcutAway) {
  world.store.edit([](Lease& lease) {
    lease.holder = "other";
    lease.annotations[annotation::kHolder] = "other";
    lease.annotations[annotation::kFencingToken] = "9000";
    lease.annotations.erase(annotation::kReleased);
  });
  Runner& a = world.add("a");
  world.run_for(seconds(1));
  world.store.remove();
  world.store.create(released_lease(400));
  world.run_for(seconds(10));
  EXPECT_TRUE(a.writes(WriteKind::acquire).empty());
  EXPECT_FALSE(a.has(NoticeKind::history_went_back)) << "re-created: no alarm";
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(30)));
  EXPECT_GT(a.status().token, 9000);
}

// "A late reply or event that is merely old, and a re-created Lease without a token, are no alarm."
TEST_F(R14, WhatIsMerelyOldIsNoAlarm) {
  Runner& a = leader();
  const Lease old = *world.store.lease();
  world.run_for(seconds(20));
  a.feed(Watched{1, WatchEventKind::changed, *old.version, old});
  world.run_for(seconds(5));
  world.store.remove();
  world.run_for(seconds(1));
  EXPECT_FALSE(a.has(NoticeKind::history_went_back));
}

TEST_F(R14, AListOvertakenByAnEventIsNoAlarm) {
  world.store.hold_as_foreign("other", 15);
  Runner& a = world.add("a");
  world.run_for(seconds(14));
  ASSERT_TRUE(a.status().watch_live);
  const int lists = a.lists;
  a.fate = [](const LeaseWrite*) { return slow(milliseconds(900)); };
  ASSERT_TRUE(world.run_until_true([&] { return a.lists > lists; }));  // the expiry's LIST (R7)
  world.store.hold_as_foreign("other", 15);                            // renewed in the meantime
  world.run_for(seconds(2));
  EXPECT_FALSE(a.has(NoticeKind::history_went_back));
  EXPECT_TRUE(a.written.empty());
  EXPECT_EQ(a.status().state, State::following);
}

// "Every candidate, the leader included, holds one watch"; "A watch silent for 0.6 D + R ... falls
// back to LISTs"
TEST_F(R16, ASilentWatchIsReplacedByAListAndANewWatch) {
  world.store.hold_as_foreign("other", 60);
  Runner& a = world.add("a");
  world.run_for(seconds(1));
  const Instant heard = kStart + 2 * kOneWay;
  ASSERT_EQ(a.lists, 1);
  world.run_until(heard + seconds(11) - Duration(1));
  EXPECT_EQ(a.lists, 1) << "0 reads while the watch is live";
  EXPECT_TRUE(a.status().watch_live);
  world.run_for(Duration(1));
  EXPECT_EQ(a.lists, 2);
  world.run_for(2 * kOneWay);
  EXPECT_TRUE(a.status().watch_live);
}

TEST_F(R16, BookmarksKeepTheWatch) {
  world.store.hold_as_foreign("other", 60);
  Runner& a = world.add("a");
  for (int i = 0; i < 5; ++i) {
    world.run_for(seconds(10));
    world.bookmark();
  }
  EXPECT_EQ(a.lists, 1);
  EXPECT_EQ(a.status().state, State::following);
}

// "A watch that the server ended goes on at once from the newest revision known, without a LIST"
TEST_F(R16, AWatchThatTheServerEndedGoesOnWithoutAList) {
  world.store.hold_as_foreign("other", 15);
  Runner& a = world.add("a");
  for (int i = 0; i < 5; ++i) {
    world.run_for(seconds(5));
    world.store.hold_as_foreign("other", 15);
    world.store.bump(10);  // others' writes, of which only a bookmark tells
    if (i % 2 == 0) world.bookmark();
    const Revision told = i % 2 == 0 ? world.store.revision() : *world.store.lease()->version;
    world.run_for(seconds(1));
    world.break_watch(a, FailureKind::ended);
    world.run_for(Duration(1));
    EXPECT_EQ(a.watched_from.back(), told);
    EXPECT_TRUE(a.status().watch_live);
  }
  EXPECT_EQ(a.watched_from.size(), 6U);
  EXPECT_EQ(a.lists, 1);
}

// A server that ends each watch soon after a word is not asked in a loop.
TEST_F(R16, AWatchThatHardlyLivedGoesOnAfterTheRetryDelay) {
  world.store.hold_as_foreign("other", 60);
  Runner& a = world.add("a");
  world.observer = [&](Runner& runner, const Event&, const Step& step) {
    if (find<StartWatch>(step) == nullptr) return;
    world.bookmark();
    world.run_after(2 * kOneWay, [&] { world.break_watch(runner, FailureKind::ended); });
  };
  world.run_for(seconds(10));
  EXPECT_GT(a.watched_from.size(), 10U);
  EXPECT_LE(a.watched_from.size(), 41U) << "one per retry_min";
  EXPECT_EQ(a.lists, 1);
}

TEST_F(R16, NothingThatHappensBetweenTwoWatchesIsLost) {
  Runner& a = told_follower();
  world.break_watch(a, FailureKind::ended);
  world.run_for(milliseconds(10));
  world.store.hold_as_foreign("third", 15);
  world.run_for(seconds(1));
  EXPECT_EQ(a.lists, 1);
  EXPECT_EQ(a.status().leader.identity, "third");
}

// What a watch that broke, or told nothing, or whose revision is forgotten (410) has missed is
// not known.
class WatchEnd : public R16, public ::testing::WithParamInterface<FailureKind> {};
TEST_P(WatchEnd, OfAnyOtherKindIsFollowedByAList) {
  Runner& a = told_follower();
  world.break_watch(a, GetParam());
  world.run_for(seconds(1));
  EXPECT_EQ(a.lists, 2);
  EXPECT_EQ(a.watched_from.back(), world.store.revision());
}
INSTANTIATE_TEST_SUITE_P(Kinds, WatchEnd,
                         ::testing::Values(FailureKind::gone, FailureKind::refused,
                                           FailureKind::throttled, FailureKind::unavailable,
                                           FailureKind::garbled, FailureKind::unknown),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST_F(R16, AWatchThatToldNothingIsFollowedByAList) {
  world.store.hold_as_foreign("other", 60);
  Runner& a = world.add("a");
  world.run_for(seconds(1));
  world.break_watch(a, FailureKind::ended);
  world.run_for(seconds(1));
  EXPECT_EQ(a.lists, 2);
}

// R14: after an alarm the present history is read, whatever the watch that ended has told.
TEST_F(R16, AfterAnAlarmTheNextWatchFollowsAList) {
  world.store.create(held_lease("other", 15));
  Runner& a = world.add("a");
  world.run_for(seconds(1));
  const Lease before = *world.store.lease();
  world.store.edit([](Lease& lease) { lease.annotations[annotation::kFencingToken] = "300"; });
  world.break_watch(a, FailureKind::ended);
  world.run_for(seconds(1));
  EXPECT_TRUE(a.has(NoticeKind::history_went_back));
  EXPECT_EQ(a.lists, 2);
}

TEST_F(R16, ARefusedWatchIsTriedWithBackOff) {
  world.store.hold_as_foreign("other", 600);
  Runner& a = world.add("a");
  world.observer = [&](Runner& runner, const Event&, const Step& step) {
    if (find<StartWatch>(step) != nullptr) world.break_watch(runner);
  };
  world.run_for(seconds(60));
  EXPECT_GT(a.lists, 8);
  EXPECT_LT(a.lists, 20);
}

}  // namespace
}  // namespace baton::election::testing
