// R3, R15 and bad answers: the timings, the pace of retries, and what is told about failures.
#include <gtest/gtest.h>

#include "election/record.h"
#include "unit/election/driver.h"

namespace baton::election::testing {
namespace {

Timings aggressive() {
  return {.lease_duration = seconds(3),
          .renew_deadline = milliseconds(2400),
          .renew_period = seconds(1),
          .request_timeout = milliseconds(400),
          .retry_min = milliseconds(50),
          .retry_max = milliseconds(90)};
}

/// One line for each rule broken, with these words.
void expect_refusals(const Timings& timings, const std::vector<std::string>& words) {
  const auto refusals = check_timings(timings);
  ASSERT_EQ(refusals.size(), words.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    EXPECT_NE(refusals[i].find(words[i]), std::string::npos) << refusals[i];
  }
}

// "5 V <= 4 D in whole nanoseconds, D in whole seconds"
TEST(R3, TheProfilesObeyTheRules) {
  EXPECT_TRUE(check_timings(balanced()).empty());
  EXPECT_TRUE(check_timings(aggressive()).empty());
  const Timings conservative{seconds(45), seconds(36),       seconds(10),
                             seconds(5),  milliseconds(500), seconds(5)};
  EXPECT_TRUE(check_timings(conservative).empty());
}

TEST(R3, OneNanosecondAboveIsRefusedWithTheMend) {
  Timings timings = balanced();
  timings.renew_deadline += Duration(1);
  expect_refusals(timings, {"choose at most 12 s"});
}

TEST(R3, APartOfASecondIsRefused) {
  Timings timings = balanced();
  timings.lease_duration += milliseconds(500);
  expect_refusals(timings, {"15.5 s"});
}

TEST(R3, ZeroNegativeAndHugeTimingsAreRefused) {
  for (Duration Timings::*member :
       {&Timings::lease_duration, &Timings::renew_deadline, &Timings::renew_period,
        &Timings::request_timeout, &Timings::retry_min, &Timings::retry_max}) {
    for (const Duration wrong : {Duration(0), Duration(-1), Duration::min(), Duration::max()}) {
      Timings timings = balanced();
      timings.*member = wrong;
      EXPECT_FALSE(check_timings(timings).empty());
    }
  }
}

TEST(R3, EveryRuleThatIsBrokenIsSaid) {
  Timings timings = balanced();
  timings.renew_deadline = seconds(13);
  timings.renew_period = seconds(9);
  std::swap(timings.retry_min, timings.retry_max);
  expect_refusals(timings, {"swap them", "choose at most 12 s", "R15"});
}

TEST(R3, RetriesInTheWrongOrderAreRefused) {
  Timings timings = balanced();
  std::swap(timings.retry_min, timings.retry_max);
  EXPECT_FALSE(check_timings(timings).empty());
}

// "Three attempts fit in V even if each hangs: h + 3 R + 2 retry_max < V"
TEST(R3, ThreeAttemptsMustFit) {
  Timings timings = balanced();
  timings.renew_period = seconds(12) - 3 * timings.request_timeout - 2 * timings.retry_max;
  expect_refusals(timings, {"R15"});
  timings.renew_period -= Duration(1);
  EXPECT_TRUE(check_timings(timings).empty());
}

class Paced : public ::testing::Test {
 protected:
  Paced() {
    Lease lease;
    lease.transitions = 7;
    lease.annotations = {{annotation::kTerm, "old"}, {annotation::kReleased, "old/7"}};
    world.store.create(lease);
  }
  Runner& leader() {
    Runner& runner = world.add("a");
    EXPECT_TRUE(world.run_until_true([&] { return runner.leads(); }));
    return runner;
  }
  World world;
};
using R15 = Paced;
using BadAnswers = Paced;
using States = Paced;

TEST_F(R15, ARenewalIsSentEveryPeriodCountedFromSending) {
  Runner& a = leader();
  a.fate = [](const LeaseWrite*) { return slow(milliseconds(900)); };
  a.is_cut_off = true;
  ASSERT_TRUE(world.run_until_true([&] { return a.written.size() == 4; }));
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(a.written_at[i] - a.written_at[i - 1], seconds(5));
  }
}

// Each request hangs for R. The third is answered before the deadline.
TEST_F(R15, ThreeHangingAttemptsFit) {
  Runner& a = leader();
  a.is_cut_off = true;
  int requests = 0;
  a.fate = [&](const LeaseWrite* write) {
    ++requests;
    if (requests < 3) return lost(write != nullptr);
    return slow(balanced().request_timeout - Duration(1));
  };
  const std::string term = a.status().term_id;
  world.run_for(seconds(14));
  EXPECT_EQ(a.status().term_id, term) << "the read-back counted: the first PUT had been applied";
  EXPECT_TRUE(a.leads());
}

// "An outage shorter than 2 R + 2 retry_min never costs leadership."
TEST_F(R15, AShortOutageNeverCostsLeadership) {
  for (Duration begin = seconds(0); begin < seconds(6); begin += milliseconds(37)) {
    World local;
    Lease lease;
    lease.transitions = 7;
    lease.annotations = {{annotation::kTerm, "old"}, {annotation::kReleased, "old/7"}};
    local.store.create(lease);
    Runner& a = local.add("a");
    ASSERT_TRUE(local.run_until_true([&] { return a.leads(); }));
    const Instant from = local.now + begin;
    const Instant until = from + 2 * seconds(2) + 2 * milliseconds(250);
    a.fate = [&](const LeaseWrite*) {
      return local.now >= from && local.now < until ? lost(false) : served();
    };
    local.run_for(seconds(40));
    EXPECT_TRUE(a.leads());
    EXPECT_EQ(a.writes(WriteKind::acquire).size(), 1U) << begin.count();
  }
}

// "Retry-After is obeyed, at most to deadline - R"
TEST_F(R15, RetryAfterIsObeyedUpToTheDeadlineLessTheTimeout) {
  Runner& a = leader();
  bool first = true;
  a.fate = [&](const LeaseWrite* write) {
    if (write == nullptr || !first) return served();
    first = false;
    return failed(FailureKind::throttled, seconds(3600));
  };
  const Instant deadline = a.status().deadline;
  ASSERT_TRUE(world.run_until_true([&] { return a.lists == 2; }));
  EXPECT_EQ(world.now, deadline - seconds(2));
  world.run_for(seconds(1));
  EXPECT_TRUE(a.leads());
  EXPECT_EQ(a.writes(WriteKind::acquire).size(), 1U);
}

TEST_F(R15, ACandidateObeysRetryAfterUpToAMinute) {
  Runner& a = world.add("a");
  a.fate = [](const LeaseWrite*) { return failed(FailureKind::throttled, seconds(3600)); };
  world.run_for(seconds(59));
  EXPECT_EQ(a.lists, 1);
  world.run_for(seconds(2));
  EXPECT_EQ(a.lists, 2);
}

// "At most one read or write of the Lease is in flight": an answer to nothing is ignored.
TEST_F(R15, AnswersNobodyAskedForAreIgnored) {
  Runner& a = leader();
  const Status before = a.status();
  a.feed(Written{1, Lease{}});
  a.feed(WriteFailed{99, {}});
  a.feed(Listed{1, 5, {}});
  a.feed(ListFailed{77, {}});
  a.feed(Watched{99, WatchEventKind::deleted, 5000, {}});
  a.feed(WatchEnded{99, {}});
  EXPECT_TRUE(a.status() == before);
}

// No belief gained, no crash, no hot loop, reason visible, recovery without a restart.
class BadKind : public Paced, public ::testing::WithParamInterface<FailureKind> {};
TEST_P(BadKind, ListsAreRetriedWithBackOffAndRecover) {
  Runner& a = world.add("a");
  a.fate = [](const LeaseWrite*) { return failed(GetParam()); };
  world.run_for(seconds(60));
  EXPECT_LT(a.lists, 16);
  EXPECT_GT(a.lists, 6);
  EXPECT_EQ(a.status().state,
            GetParam() == FailureKind::refused ? State::blocked : State::degraded);
  EXPECT_NE(a.status().reason.find(to_string(GetParam())), std::string::npos);
  a.fate = [](const LeaseWrite*) { return served(); };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(8)));
}

TEST_P(BadKind, WritesAreRetriedWithBackOffAndRecover) {
  Runner& a = world.add("a");
  a.fate = [](const LeaseWrite* write) { return write ? failed(GetParam()) : served(); };
  world.run_for(seconds(60));
  EXPECT_LT(a.written.size(), 16U);
  EXPECT_GT(a.written.size(), 6U);
  EXPECT_FALSE(a.leads());
  EXPECT_EQ(a.status().state,
            GetParam() == FailureKind::refused ? State::blocked : State::acquiring);
  EXPECT_NE(a.status().reason.find(to_string(GetParam())), std::string::npos);
  a.fate = [](const LeaseWrite*) { return served(); };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(8)));
}

TEST_P(BadKind, ALeaderStaysUntilItsDeadlineAndNotLonger) {
  Runner& a = leader();
  const Instant deadline = a.status().deadline;
  a.fate = [](const LeaseWrite* write) { return write ? failed(GetParam()) : served(); };
  world.run_until(deadline - Duration(1));
  EXPECT_EQ(a.status().state, State::uncertain);
  EXPECT_NE(a.status().reason.find(to_string(GetParam())), std::string::npos);
  EXPECT_LT(a.written.size(), 40U);
  world.run_until(deadline);
  EXPECT_FALSE(a.status().believes);
  a.fate = [](const LeaseWrite*) { return served(); };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(8)));
}
INSTANTIATE_TEST_SUITE_P(Kinds, BadKind,
                         ::testing::Values(FailureKind::conflict, FailureKind::not_found,
                                           FailureKind::gone, FailureKind::refused,
                                           FailureKind::throttled, FailureKind::unavailable,
                                           FailureKind::garbled, FailureKind::unknown),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST_F(States, StartingUntilTheFirstList) {
  Runner& a = world.add("a");
  a.fate = [](const LeaseWrite*) { return lost(false); };
  world.run_for(seconds(1));
  EXPECT_EQ(a.status().state, State::starting);
  world.run_for(seconds(11));
  EXPECT_EQ(a.status().state, State::degraded) << "nothing fresh for V";
}

TEST_F(States, AFollowerWithoutNewsIsDegradedAndRecovers) {
  world.store.hold_as_foreign("other", 600);
  Runner& a = world.add("a");
  world.run_for(seconds(1));
  EXPECT_EQ(a.status().state, State::following);
  a.is_cut_off = true;
  a.fate = [](const LeaseWrite*) { return lost(false); };
  world.run_until(kStart + 2 * kOneWay + seconds(12));
  EXPECT_EQ(a.status().state, State::degraded);
  a.fate = [](const LeaseWrite*) { return served(); };
  world.run_for(seconds(8));
  EXPECT_EQ(a.status().state, State::following);
}

TEST_F(States, TheLeaderIsToldAsObserved) {
  Options options = options_of("a");
  options.address = "10.0.0.7";
  Runner& a = world.add(options);
  Runner& b = world.add("b");
  ASSERT_TRUE(world.run_until_true([&] { return a.leads() || b.leads(); }));
  world.run_for(seconds(1));
  Runner& leads = a.leads() ? a : b;
  const Leader& seen = (a.leads() ? b : a).status().leader;
  EXPECT_EQ(seen.identity, leads.options.identity);
  EXPECT_EQ(seen.address, leads.options.address);
  EXPECT_EQ(seen.fencing_token, leads.status().token);
  EXPECT_EQ(seen.transitions, 8);
  EXPECT_EQ(seen.expires, leads.written_at.front() + kOneWay + seconds(15));
}

// The same seed and the same events give the same steps.
TEST_F(States, SameInputSameOutput) {
  Election one(options_of("a"), kStart);
  Election other(options_of("a"), kStart);
  for (Election* election : {&one, &other}) {
    Step step = election->step(Tick{}, kStart, kLongAgo);
    step = election->step(
        Listed{find<SendList>(step)->id, world.store.revision(), world.store.lease()}, kStart,
        kLongAgo);
    ASSERT_NE(find<SendWrite>(step), nullptr);
  }
  EXPECT_TRUE(one.status() == other.status());
}

// A follower's connection is ready when it matters: 2 R before the expiry.
TEST_F(States, DialsAheadBeforeAnExpiryAndWhenTheLeaderDrains) {
  Runner& a = leader();
  Runner& b = world.add("b");
  world.run_for(seconds(9));
  EXPECT_EQ(b.dials, 0) << "0 reads and dials while the leader renews";
  a.feed(Announce{});
  world.run_for(milliseconds(100));
  EXPECT_EQ(b.dials, 1);
  const Instant renewed = a.written_at.back() + kOneWay;
  world.kill(a);
  world.run_until(renewed + seconds(15) + 2 * kOneWay);
  EXPECT_EQ(b.writes(WriteKind::acquire).size(), 1U);
}

}  // namespace
}  // namespace baton::election::testing
