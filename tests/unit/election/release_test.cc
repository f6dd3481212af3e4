// R12, R19 and section 5: the work stops before the release.
#include <gtest/gtest.h>

#include "election/record.h"
#include "unit/election/draining.h"

namespace baton::election::testing {
namespace {

using R12 = Draining;
using Section5 = Draining;

// "The release writes holder "", leaseDurationSeconds: 1, baton/released = own term id, the token
// max(annotation if valid, own), and leaves leaseTransitions"
TEST_F(R12, WhatAReleaseWrites) {
  Runner& a = leader();
  world.store.edit([](Lease& lease) { lease.annotations[annotation::kFencingToken] = "9999"; });
  world.run_for(seconds(1));
  const Lease before = *world.store.lease();
  a.feed(WorkEnded{Proof::drained, a.status().term_id});
  ASSERT_EQ(releases(a), 1U);
  const LeaseWrite write = a.written.back();
  EXPECT_EQ(write.holder, "");
  EXPECT_EQ(write.duration_s, 1);
  EXPECT_EQ(write.transitions, before.transitions);
  EXPECT_EQ(write.annotations.at(annotation::kFencingToken), "9999");
  EXPECT_EQ(write.annotations.at(annotation::kReleased),
            before.annotated(annotation::kTerm) + "/" + std::to_string(before.transitions));
  EXPECT_EQ(*write.base.version, *before.version);
}

// A webhook or a hand took the annotation away: "0" would be no token and block everyone (R7).
TEST_F(R12, AReleaseOverARecordWithoutATokenWritesTheOneSent) {
  Runner& a = leader();
  const Token token = a.status().token;
  world.store.edit([](Lease& lease) { lease.annotations.erase(annotation::kFencingToken); });
  world.run_for(seconds(1));
  a.feed(Resign{});
  world.run_for(seconds(30));
  ASSERT_EQ(releases(a), 1U);
  EXPECT_EQ(a.writes(WriteKind::release)[0].annotations.at(annotation::kFencingToken),
            std::to_string(token));
}

// "Release only a version that shows own term id; 409 means read and check again, never overwrite"
TEST_F(R12, AConflictIsReadAndNeverOverwritten) {
  Runner& a = leader();
  a.is_cut_off = true;
  world.store.hold_as_foreign("intruder", 15);
  a.feed(WorkEnded{Proof::drained, ""});
  world.run_for(seconds(5));
  EXPECT_EQ(releases(a), 1U);
  EXPECT_EQ(world.store.lease()->holder, "intruder");
  EXPECT_EQ(a.status().leader.identity, "intruder");
}

TEST_F(R12, AReleaseWhoseAnswerIsLostIsReadBack) {
  Runner& a = leader();
  a.is_cut_off = true;
  a.fate = [](const LeaseWrite* write) { return write != nullptr ? lost(true) : served(); };
  a.feed(WorkEnded{Proof::drained, ""});
  world.run_for(seconds(5));
  EXPECT_EQ(releases(a), 1U);
  EXPECT_TRUE(a.has(NoticeKind::released));
  EXPECT_EQ(a.status().state, State::released);
}

// "With L > 0 a release that rests on proof (e) alone does not write the mark."
TEST_F(R12, WithALockDelayProofEWritesNoMark) {
  Options options = options_of("a");
  options.lock_delay = seconds(5);
  Runner& a = leader(options);
  a.feed(Resign{});
  ASSERT_NE(released_at(a), kNever);
  EXPECT_EQ(a.written.back().annotations.count(annotation::kReleased), 0U);
}

TEST_F(R12, WithALockDelayAHardProofWritesTheMark) {
  Options options = options_of("a");
  options.lock_delay = seconds(5);
  Runner& a = leader(options);
  a.feed(WorkEnded{Proof::drained, ""});
  EXPECT_EQ(a.written.back().annotations.count(annotation::kReleased), 1U);
}

// "(a) POST /drained for this term": release now, in the same step.
TEST_F(Section5, DrainedReleasesAtOnce) {
  Runner& a = leader();
  a.feed(WorkEnded{Proof::drained, a.status().term_id});
  EXPECT_EQ(releases(a), 1U);
  EXPECT_FALSE(a.status().believes);
}

// "another term id is 409 and does nothing"
TEST_F(Section5, DrainedOfAnotherTermDoesNothing) {
  Runner& a = leader();
  a.feed(WorkEnded{Proof::drained, "another"});
  world.run_for(seconds(1));
  EXPECT_TRUE(a.leads());
  EXPECT_EQ(releases(a), 0U);
}

// (b)-(d) prove the end of a drained term; a term still led may have a next connection.
class Section5Proof : public Draining, public ::testing::WithParamInterface<Proof> {};
TEST_P(Section5Proof, CountsOnceDraining) {
  Runner& a = leader();
  a.feed(WorkEnded{GetParam(), ""});
  EXPECT_TRUE(a.leads());
  a.feed(Resign{});
  EXPECT_EQ(releases(a), 0U) << "what ended before the resign may have been followed by more";
  a.feed(WorkEnded{GetParam(), ""});
  world.run_for(Duration(0));
  ASSERT_TRUE(world.run_until_true([&] { return releases(a) == 1; }, seconds(1)));
}
INSTANTIATE_TEST_SUITE_P(Proofs, Section5Proof,
                         ::testing::Values(Proof::connections_closed, Proof::process_exited,
                                           Proof::native_termination));

// "(e) the largest validity ever handed out in an answer has run out"
TEST_F(Section5, WithoutProofTheValidityHandedOutRunsOutFirst) {
  Runner& a = leader();
  a.asks = false;  // the last answer carried this deadline
  const Instant handed_out = a.handed_out;
  a.feed(Terminate{});
  EXPECT_FALSE(a.status().believes);
  EXPECT_EQ(released_at(a), handed_out);
  ASSERT_TRUE(world.run_until_true([&] { return a.has_exited; }, seconds(1)));
}

// "if none was handed out, at once": in the step after the one that said no.
TEST_F(Section5, NothingHandedOutIsReleasedAtOnce) {
  Options options = options_of("a");
  Runner& a = world.add(options);
  a.asks = false;
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  world.run_for(seconds(1));
  a.feed(Resign{});
  EXPECT_EQ(releases(a), 0U) << "an answer may have gone out just before this step";
  EXPECT_EQ(a.last.wake_at, world.now);
  EXPECT_EQ(released_at(a), world.now);
}

// The race that the rule above is for: the answer's deadline is only known to the next step.
TEST_F(Section5, AnAnswerGivenDuringTheStepIsWaitedFor) {
  Runner& a = world.add("a");
  a.asks = false;
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  world.run_for(seconds(1));
  const Instant deadline = a.status().deadline;
  a.feed(Resign{});
  a.handed_out = deadline;
  EXPECT_EQ(released_at(a), deadline);
}

// "keep renewing while waiting for (a)-(d)"; "baton/draining" is written with the renewal
TEST_F(Section5, ADrainingTermIsRenewedAndSaysSo) {
  Runner& a = leader();
  a.handed_out = world.now + seconds(40);
  a.asks = false;
  a.feed(Resign{});
  world.run_for(seconds(20));
  EXPECT_GE(a.writes(WriteKind::renew).size(), 4U);
  EXPECT_FALSE(world.store.lease()->annotated(annotation::kDraining).empty());
  EXPECT_EQ(world.store.lease()->holder, "a");
  EXPECT_EQ(a.status().state, State::draining);
}

// "The write of baton/draining never delays a release whose proof is already there."
TEST_F(Section5, NoDrainingIsWrittenWhenTheProofIsThere) {
  Runner& a = leader();
  a.feed(Resign{});
  a.feed(WorkEnded{Proof::process_exited, ""});
  EXPECT_EQ(releases(a), 1U);
  EXPECT_TRUE(a.writes(WriteKind::renew).empty());
}

// "The own Pod read and no deletionTimestamp in it: ... (e) is not waited for: exit without
// releasing"
TEST_F(Section5, OnlyTheContainerIsReplaced) {
  Runner& a = leader();
  a.feed(Terminate{});
  a.feed(OnlyContainerReplaced{});
  EXPECT_TRUE(a.has_exited);
  EXPECT_EQ(releases(a), 0U);
}

// "(a)-(c) still release"
TEST_F(Section5, OnlyTheContainerIsReplacedButTheWorkHasEnded) {
  Runner& a = leader();
  a.feed(Terminate{});
  a.feed(WorkEnded{Proof::drained, ""});
  a.feed(OnlyContainerReplaced{});
  EXPECT_FALSE(a.has_exited);
  ASSERT_TRUE(world.run_until_true([&] { return a.has_exited; }, seconds(1)));
  EXPECT_EQ(world.store.lease()->holder, "");
}

// A Job's Pod ends so: its object, without a deletionTimestamp, may come before the answer to the
// write of baton/draining, for which the release waits.
TEST_F(Section5, OnlyTheContainerIsReplacedAfterTheConnectionsClosed) {
  Runner& a = leader();
  a.feed(Terminate{});
  ASSERT_TRUE(world.run_until_true([&] { return a.writes(WriteKind::renew).size() == 1; }));
  a.feed(WorkEnded{Proof::connections_closed, ""});
  EXPECT_EQ(releases(a), 0U);
  a.feed(OnlyContainerReplaced{});
  EXPECT_FALSE(a.has_exited);
  ASSERT_TRUE(world.run_until_true([&] { return a.has_exited; }, seconds(1)));
  EXPECT_EQ(world.store.lease()->holder, "");
}

// "SIGKILL before that: the Lease expires by itself": so does it when the API server is away.
TEST_F(Section5, TerminationIsBoundedWithoutAnApiServer) {
  Runner& a = leader();
  a.fate = [](const LeaseWrite*) { return lost(false); };
  a.is_cut_off = true;
  const Instant sent = a.written_at.at(0);
  a.feed(Terminate{});
  ASSERT_TRUE(world.run_until_true([&] { return a.has_exited; }, seconds(30)));
  EXPECT_LE(world.now, sent + seconds(15));
}

// "On SIGTERM during an unresolved acquisition: read back once within R; if it is ours and nothing
// was handed out, release."
TEST_F(Section5, AnUnresolvedAcquisitionIsReadBackAndReleased) {
  Runner& a = world.add("a");
  a.is_cut_off = true;
  a.fate = [](const LeaseWrite* write) {
    return write != nullptr && write->kind == WriteKind::acquire ? lost(true) : served();
  };
  ASSERT_TRUE(world.run_until_true([&] { return a.written.size() == 1; }));
  a.feed(Terminate{});
  EXPECT_FALSE(a.has_exited);
  ASSERT_TRUE(world.run_until_true([&] { return a.has_exited; }, seconds(4)));
  EXPECT_EQ(world.store.lease()->holder, "");
  EXPECT_TRUE(is_released(*world.store.lease()));
  EXPECT_FALSE(a.has(NoticeKind::gained));
}

TEST_F(Section5, AnAcquisitionOverARecordThatChangedSinceIsNotReadBack) {
  Runner& a = world.add("a");
  a.fate = [](const LeaseWrite* write) { return write != nullptr ? lost(false) : served(); };
  ASSERT_TRUE(world.run_until_true([&] { return a.writes(WriteKind::acquire).size() == 1; }));
  world.store.hold_as_foreign("other", 15);
  world.run_for(seconds(5));
  ASSERT_EQ(a.status().leader.identity, "other");
  a.feed(Terminate{});
  EXPECT_TRUE(a.has_exited);
}

TEST_F(Section5, TheReadBackIsTriedOnce) {
  Runner& a = world.add("a");
  a.is_cut_off = true;
  ASSERT_TRUE(world.run_until_true([&] { return a.lists == 1; }));
  a.fate = [](const LeaseWrite*) { return lost(false); };
  ASSERT_TRUE(world.run_until_true([&] { return a.written.size() == 1; }));
  a.feed(Terminate{});
  ASSERT_TRUE(world.run_until_true([&] { return a.has_exited; }, seconds(5)));
  EXPECT_EQ(a.lists, 2);
}

TEST_F(Section5, AFollowerExitsAtOnce) {
  world.store.hold_as_foreign("other", 15);
  Runner& a = world.add("a");
  world.run_for(seconds(1));
  a.feed(Terminate{});
  EXPECT_TRUE(a.has_exited);
  EXPECT_EQ(a.status().state, State::stopped);
}

// "releases nothing; expires by itself"
TEST_F(Section5, AnAnnouncementReleasesNothingAndExpires) {
  Runner& a = leader();
  const std::string term = a.status().term_id;
  a.feed(Announce{});
  EXPECT_FALSE(a.status().believes);
  world.run_for(seconds(29));
  EXPECT_EQ(a.status().state, State::draining);
  EXPECT_EQ(releases(a), 0U);
  EXPECT_EQ(world.store.lease()->holder, "a");
  world.run_for(seconds(2));
  EXPECT_TRUE(a.leads()) << "the Pod did not end after all";
  EXPECT_NE(a.status().term_id, term);
}

TEST_F(Section5, AnAnnouncedTermIsReleasedOnProof) {
  Runner& a = leader();
  a.feed(Announce{});
  world.run_for(seconds(1));
  a.feed(WorkEnded{Proof::connections_closed, ""});
  world.run_for(seconds(1));
  EXPECT_EQ(releases(a), 1U);
  world.run_for(seconds(20));
  EXPECT_FALSE(a.leads()) << "announced: not until the announcement expires (R18)";
  world.run_for(seconds(10));
  EXPECT_TRUE(a.leads());
}

TEST_F(Section5, AResignAfterAnAnnouncementReleases) {
  Runner& a = leader();
  a.asks = false;
  const Instant handed_out = a.handed_out;
  a.feed(Announce{});
  world.run_for(seconds(1));
  a.feed(Resign{});
  EXPECT_EQ(released_at(a), handed_out);
}

// "A health URL that falls silent only stops new validity"
TEST_F(Section5, AnUnhealthyApplicationProvesNothing) {
  Runner& a = leader();
  a.asks = false;
  const Instant handed_out = a.handed_out;
  a.feed(ApplicationHealth{false, "silent"});
  EXPECT_FALSE(a.status().believes);
  EXPECT_EQ(released_at(a), handed_out);
}

// Its URL falls silent as the Pod ends.
TEST_F(Section5, AnUnhealthyApplicationHastensNoAnnouncedEnd) {
  Runner& a = leader();
  a.feed(Announce{});
  world.run_for(seconds(3));
  a.feed(ApplicationHealth{false, "silent"});
  world.run_for(seconds(26));
  EXPECT_EQ(releases(a), 0U);
  EXPECT_EQ(world.store.lease()->holder, "a");
  world.run_for(seconds(3));
  EXPECT_EQ(world.store.lease()->holder, "") << "the Pod did not end after all";
}

TEST_F(Section5, AnUnhealthyApplicationDelaysNoProof) {
  Runner& a = leader();
  a.feed(ApplicationHealth{false, "silent"});
  world.run_for(seconds(1));
  a.feed(Terminate{});
  a.feed(WorkEnded{Proof::native_termination, ""});
  const Instant proven = world.now;
  EXPECT_LE(released_at(a), proven + kOneWay);
  world.run_for(seconds(1));
  EXPECT_TRUE(a.has_exited);
}

class Adopted : public Draining {
 protected:
  Runner& adopter() {
    world.store.edit([](Lease& lease) {
      lease.holder = "earlier";
      lease.duration_s = 15;
      lease.annotations = {{annotation::kTerm, "running"},
                           {annotation::kHolder, "earlier"},
                           {annotation::kDuration, "15"},
                           {annotation::kIncarnation, "pod/boot/net"},
                           {annotation::kFencingToken, "400"}};
    });
    Options options = options_of("a");
    options.incarnation = "pod/boot/net";
    Runner& runner = world.add(options);
    runner.asks = false;
    EXPECT_TRUE(world.run_until_true([&] { return runner.leads(); }, seconds(1)));
    world.run_for(seconds(1));
    return runner;
  }
};
using R19Release = Adopted;

// "it releases no earlier than start + that"
TEST_F(R19Release, NoEarlierThanStartPlusTheDurationFound) {
  Runner& a = adopter();
  a.feed(Resign{});
  EXPECT_EQ(released_at(a), kStart + seconds(15));
}

TEST_F(R19Release, ClosedConnectionsToThisIncarnationProveNothingBeforeThat) {
  Runner& a = adopter();
  a.feed(Resign{});
  a.feed(WorkEnded{Proof::connections_closed, ""});
  EXPECT_EQ(released_at(a), kStart + seconds(15));
}

// "unless the application said drained to this incarnation or its exit is proven"
TEST_F(R19Release, DrainedToThisIncarnationReleases) {
  Runner& a = adopter();
  a.feed(WorkEnded{Proof::drained, a.status().term_id});
  EXPECT_EQ(releases(a), 1U);
}

TEST_F(R19Release, AProvenExitReleases) {
  Runner& a = adopter();
  a.feed(Resign{});
  a.feed(WorkEnded{Proof::process_exited, ""});
  world.run_for(milliseconds(100));
  EXPECT_EQ(releases(a), 1U);
}

}  // namespace
}  // namespace baton::election::testing
