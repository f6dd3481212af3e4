// R18: who lost or gave up a term contends again, and when.
#include <gtest/gtest.h>

#include "election/record.h"
#include "unit/election/draining.h"

namespace baton::election::testing {
namespace {

using R18 = Draining;

// "a resign starts a hold-off: not for D or until it has seen another term, whichever is first"
TEST_F(R18, AfterAResignItHoldsOffForD) {
  Runner& a = leader();
  a.feed(WorkEnded{Proof::drained, ""});
  world.run_for(kOneWay);
  EXPECT_EQ(a.status().state, State::released);
  const Instant released = world.now;
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(20)));
  EXPECT_GE(a.written_at.back(), released + seconds(15));
  EXPECT_LT(a.written_at.back(), released + seconds(16))
      << "a single candidate leads again after D";
}

TEST_F(R18, AnotherTermEndsTheHoldOff) {
  Runner& a = leader();
  Runner& b = world.add("b");
  world.run_for(seconds(1));
  a.feed(WorkEnded{Proof::drained, ""});
  ASSERT_TRUE(world.run_until_true([&] { return b.leads(); }, seconds(1)));
  world.run_for(seconds(1));
  b.feed(WorkEnded{Proof::drained, ""});
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(1)));
}

TEST_F(R18, AFollowerThatResignsHoldsOffToo) {
  Runner& a = leader();
  Runner& b = world.add("b");
  world.run_for(seconds(1));
  b.feed(Resign{});
  a.feed(WorkEnded{Proof::drained, ""});
  world.run_for(seconds(10));
  EXPECT_FALSE(b.leads());
  world.run_for(seconds(10));
  EXPECT_TRUE(a.leads() || b.leads());
}

TEST_F(R18, AResignDuringAnAcquisitionReleasesIt) {
  Runner& a = world.add("a");
  a.is_cut_off = true;
  a.fate = [](const LeaseWrite*) { return slow(milliseconds(500)); };
  ASSERT_TRUE(world.run_until_true([&] { return a.written.size() == 1; }));
  a.feed(Resign{});
  world.run_for(seconds(2));
  EXPECT_FALSE(a.has(NoticeKind::gained));
  EXPECT_EQ(releases(a), 1U);
  EXPECT_EQ(world.store.lease()->holder, "");
}

// "a resigned term that lapses may still be released under R12"
TEST_F(R18, AResignedTermThatLapsedIsStillReleased) {
  Runner& a = leader();
  a.fate = [](const LeaseWrite*) { return failed(FailureKind::unavailable); };
  a.feed(Resign{});
  const Instant lapse = a.status().deadline;
  world.run_until(lapse + milliseconds(500));
  EXPECT_EQ(a.status().state, State::draining);
  a.fate = [](const LeaseWrite*) { return served(); };
  world.run_for(seconds(2));
  EXPECT_EQ(world.store.lease()->holder, "");
}

// "A candidate that lost its term contends again, without a restart of the process"
TEST_F(R18, AnUnhealthyApplicationResignsAndDoesNotContend) {
  Runner& a = leader();
  a.feed(ApplicationHealth{false, "no answer"});
  EXPECT_EQ(a.status().state, State::draining);
  world.run_for(seconds(60));
  EXPECT_EQ(a.status().state, State::blocked);
  EXPECT_FALSE(a.leads());
  a.feed(ApplicationHealth{true, ""});
  world.run_for(seconds(1));
  EXPECT_TRUE(a.leads());
}

// "The first term that a candidate loses by the clock costs nothing"; the next ones within an hour
// are left to others for a time that doubles.
class R18Lost : public R18 {
 protected:
  /// Until its term has lapsed, by an API server that answers nobody for that long.
  void lose_a_term(Runner& runner) {
    runner.fate = [](const LeaseWrite*) { return failed(FailureKind::unavailable); };
    ASSERT_TRUE(world.run_until_true([&] { return !runner.leads(); }));
    runner.fate = [](const LeaseWrite*) { return served(); };
  }
  /// How long after the record could be taken by everybody this candidate leads.
  Duration waits(Runner& runner) {
    EXPECT_TRUE(world.run_until_true([&] { return runner.leads(); }));
    return runner.written_at.back() - (renewed + seconds(15));
  }
  void renew(Runner& runner) {
    const std::size_t before = runner.notices(NoticeKind::extended).size();
    ASSERT_TRUE(
        world.run_until_true([&] { return runner.notices(NoticeKind::extended).size() > before; }));
    renewed = world.now;
  }
  Instant renewed;
};

TEST_F(R18Lost, TheFirstCostsNothingAndLaterOnesLetOthersGoFirst) {
  Runner& a = leader();
  renew(a);
  lose_a_term(a);
  EXPECT_LT(waits(a), Duration::zero()) << "its own lapsed term is taken back at once (R10)";
  const Duration d = seconds(15);
  for (const Duration most : {d / 8, d / 4, d / 2, d / 2}) {
    renew(a);
    lose_a_term(a);
    world.run_for(seconds(1));
    EXPECT_NE(a.status().reason.find("left to others first"), std::string::npos);
    const Duration waited = waits(a);
    EXPECT_GE(waited, most / 2);
    EXPECT_LE(waited, most + milliseconds(100));
  }
}

TEST_F(R18Lost, AnotherTakesAReleasedLeaseBefore) {
  Runner& a = leader();
  for (int i = 0; i < 2; ++i) {
    renew(a);
    lose_a_term(a);
    waits(a);
  }
  Runner& b = world.add("b");
  renew(a);
  lose_a_term(a);
  ASSERT_TRUE(world.run_until_true([&] { return b.leads(); }, seconds(16)));
  world.run_for(seconds(1));
  b.feed(WorkEnded{Proof::drained, ""});
  world.run_for(seconds(1));
  EXPECT_FALSE(a.leads()) << "it has been free for less than the back-off";
  EXPECT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(8)));
}

TEST_F(R18Lost, AnHourLaterItIsForgotten) {
  Runner& a = leader();
  for (int i = 0; i < 2; ++i) {
    renew(a);
    lose_a_term(a);
    waits(a);
  }
  world.run_for(std::chrono::hours(1));
  renew(a);
  lose_a_term(a);
  EXPECT_LT(waits(a), Duration::zero());
}

TEST_F(R18Lost, ASingleReplicaHasNobodyToLetGoFirst) {
  Options options = options_of("a");
  options.replicas = 1;
  Runner& a = leader(options);
  for (int i = 0; i < 3; ++i) {
    renew(a);
    lose_a_term(a);
    EXPECT_LT(waits(a), Duration::zero());
  }
}

// "a term that has lasted for the maximum term is handed over"
class R18MaxTerm : public R18 {
 protected:
  Runner& leader_for(Duration most) {
    Options options = options_of("a");
    options.max_term = most;
    return leader(options);
  }
};

TEST_F(R18MaxTerm, EndsInAResignWithItsDrain) {
  Runner& a = leader_for(seconds(150));
  const Instant began = world.now - seconds(1);
  Runner& b = world.add("b");
  ASSERT_TRUE(world.run_until_true([&] { return !a.leads(); }, seconds(200)));
  EXPECT_EQ(a.status().state, State::draining);
  EXPECT_EQ(a.status().reason, "it has led for the maximum term (R18)");
  EXPECT_GE(world.now, began + seconds(150));
  EXPECT_LE(world.now, began + seconds(151));
  EXPECT_EQ(releases(a), 0U) << "section 5: no release without a proof";
  a.feed(WorkEnded{Proof::drained, ""});
  EXPECT_TRUE(world.run_until_true([&] { return b.leads(); }, seconds(1)));
  world.run_for(seconds(300));
  EXPECT_TRUE(b.leads()) << "who sets no maximum leads on";
}

TEST_F(R18MaxTerm, WaitsWhileNoRenewalSucceeds) {
  Runner& a = leader_for(seconds(150));
  world.run_for(seconds(143));
  a.fate = [](const LeaseWrite*) { return failed(FailureKind::unavailable); };
  world.run_until(kStart + seconds(151));
  EXPECT_TRUE(a.leads()) << "nobody could take over";
  a.fate = [](const LeaseWrite*) { return served(); };
  ASSERT_TRUE(world.run_until_true([&] { return !a.leads(); }, seconds(1)));
  EXPECT_EQ(a.status().state, State::draining);
}

// "While warming, isLeader is true and the token is given; a limit, then resign"
TEST_F(R18, WarmingEndsWithReadyOrWithAResign) {
  Options options = options_of("a");
  options.warm_up_limit = seconds(8);
  Runner& a = leader(options);
  EXPECT_EQ(a.status().state, State::warming);
  EXPECT_TRUE(a.leads());
  world.run_for(seconds(7));
  EXPECT_EQ(a.status().state, State::draining);
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(60)));
  a.feed(ReadyToLead{"another"});
  EXPECT_EQ(a.status().state, State::warming);
  a.feed(ReadyToLead{a.status().term_id});
  EXPECT_EQ(a.status().state, State::leading);
  world.run_for(seconds(30));
  EXPECT_EQ(a.status().state, State::leading);
}

}  // namespace
}  // namespace baton::election::testing
