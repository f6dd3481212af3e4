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
