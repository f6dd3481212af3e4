// Stories whose times and numbers are promised, in logical time: one way over the network takes
// 1 to 20 ms.
#include <gtest/gtest.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "simulation/story.h"

namespace baton::simulation {
namespace {

constexpr Duration kOneWay = 20ms;

#define EXPECT_NO_VIOLATION(story)                                   \
  for (const Violation& violation : (story).invariants.violations()) \
  ADD_FAILURE() << "I" << violation.invariant << ": " << violation.what

// R4, R7, R16: the record runs out, a LIST, a PUT; and not a poll's time more.
TEST(StoriesTest, ACrashIsTakenOverWhenTheRecordRunsOut) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Story story(3, seed);
    Replica* old = story.run_until_led();
    ASSERT_NE(old, nullptr);
    const Instant renewal = old->sidecar()->status().deadline - story.timings.renew_deadline;
    const Duration age =
        story.world.now() - renewal.time_since_epoch() + (old->sidecar()->clock_offset());
    old->kill_pod();
    const Duration took = story.run_until_another_leads_than(old);
    EXPECT_GE(took, story.timings.lease_duration - age);
    EXPECT_LE(took, story.timings.lease_duration - age + 6 * kOneWay + 1ms);
    EXPECT_NO_VIOLATION(story);
  }
}

// R4, R12: release PUT, watch event, acquire PUT.
TEST(StoriesTest, AHandOverWithProofTakesTwoWritesAndAnEvent) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Story story(3, seed);
    Replica* old = story.run_until_led();
    ASSERT_NE(old, nullptr);
    const election::Token token = old->sidecar()->status().token;
    const Duration waited_for_reply = story.run_until(
        [old] { return old->sidecar()->status().state == election::State::leading; }, 1s);
    ASSERT_GE(waited_for_reply, 0s);
    story.hand_over(*old);
    const Duration took = story.run_until_another_leads_than(old);
    ASSERT_GE(took, 0s);
    EXPECT_LE(took, 6 * kOneWay + 1ms) << "two of them for a renewal that may be under way";
    EXPECT_GT(story.leader()->sidecar()->status().token, token);
    EXPECT_NO_VIOLATION(story);
  }
}

// Section 5 (e): without proof the Lease is kept until the last answer's validity has run out.
TEST(StoriesTest, WithoutProofNothingIsReleasedWhileAnAnswerIsValid) {
  Story story(2);
  Replica* old = story.run_until_led();
  ASSERT_NE(old, nullptr);
  const std::optional<Answer> answer = old->sidecar()->ask();
  ASSERT_TRUE(answer);
  const Time deadline = Time(answer->deadline.time_since_epoch()) - old->sidecar()->clock_offset();
  old->application()->stop_until(deadline);  // it says nothing
  old->tell(election::Terminate{});
  const Duration took = story.run_until_another_leads_than(old);
  EXPECT_GE(story.world.now(), deadline);
  EXPECT_GE(took, 0s);
  EXPECT_LE(story.world.now(), deadline + 6 * kOneWay + 1ms);
  EXPECT_NO_VIOLATION(story);
}

// R19: at once, in a new term with a new token.
TEST(StoriesTest, ARestartedSidecarTakesItsPodsLeaseBack) {
  Story story(3);
  Replica* leader = story.run_until_led();
  ASSERT_NE(leader, nullptr);
  const election::Status before = leader->sidecar()->status();
  leader->kill_sidecar();
  ASSERT_GE(story.run_until([leader] { return leader->alive(); }, 15s), 0s);
  const Duration took = story.run_until([leader] { return leader->believes(); }, 15s);
  ASSERT_GE(took, 0s);
  EXPECT_LE(took, 5 * kOneWay);
  EXPECT_GT(leader->sidecar()->status().token, before.token);
  EXPECT_NE(leader->sidecar()->status().term_id, before.term_id);
  EXPECT_NO_VIOLATION(story);
}

// R5: created at once, waited out once.
TEST(StoriesTest, ANewInstallationWaitsOneD) {
  Story story(3);
  const Duration took = story.run_until([&] { return story.leader() != nullptr; }, 60s);
  EXPECT_GE(took, story.timings.lease_duration);
  EXPECT_LE(took, story.timings.lease_duration + 10 * kOneWay);
  EXPECT_NO_VIOLATION(story);
}

// R4: the next version takes this one's release at once; this one waits once for the next one's.
TEST(StoriesTest, ARollOutToTheNextVersionHandsOverAtOnceAndBackWaitsOnce) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Story story(2, seed);
    Replica* leader = story.run_until_led();
    ASSERT_NE(leader, nullptr);
    if (leader != &story.replica(0)) {
      story.hand_over(*leader);
      leader = story.run_until_led();
    }
    ASSERT_EQ(leader, &story.replica(0));
    story.replica(1).roll_to(1);
    story.replica(1).kill_pod();
    story.run_for(story.timings.lease_duration);
    story.hand_over(*leader);
    const Duration forth = story.run_until_another_leads_than(leader);
    EXPECT_GE(forth, 0s);
    EXPECT_LE(forth, 6 * kOneWay + 1ms) << "two of them for a renewal that may be under way";
    const election::Token token = story.replica(1).sidecar()->status().token;
    story.run_for(2s);
    story.hand_over(story.replica(1));
    story.run_for(1s);
    story.replica(1).roll_to(0);
    story.replica(1).kill_pod();
    const Duration back = 1s + story.run_until([&] { return story.replica(0).believes(); }, 60s);
    EXPECT_GE(back, story.timings.lease_duration);
    EXPECT_LE(back, story.timings.lease_duration + 1s);
    EXPECT_GT(story.replica(0).sidecar()->status().token, token);
    EXPECT_NO_VIOLATION(story);
  }
}

// R4: a record wiped by another elector's late release is not a release.
TEST(StoriesTest, AWipedRecordIsWaitedOut) {
  Story story(3);
  Replica* old = story.run_until_led();
  ASSERT_NE(old, nullptr);
  old->link().in_cut_until = old->link().out_cut_until = story.world.now() + 1h;
  story.server.edit("wipe", [](LeaseParts lease) {
    lease.spec["holderIdentity"] = "";
    lease.spec["leaseDurationSeconds"] = 1;
  });
  const Duration took = story.run_until_another_leads_than(old);
  EXPECT_GE(took, story.timings.lease_duration);
  EXPECT_NO_VIOLATION(story);
}

// R4's debt: a foreign holder with a short duration does not undercut the term it replaced, not
// even for a candidate whose own D is short.
TEST(StoriesTest, AShortRecordDoesNotUndercutTheLongerTermBeforeIt) {
  Story story(std::vector<election::Timings>{balanced(), aggressive()});
  Replica* leader = story.run_until_led();
  ASSERT_NE(leader, nullptr);
  if (leader != &story.replica(0)) {
    story.hand_over(*leader);
    leader = story.run_until_led();
  }
  ASSERT_EQ(leader, &story.replica(0));
  leader->link().in_cut_until = leader->link().out_cut_until = story.world.now() + 1h;
  story.server.edit("another holder", [](LeaseParts lease) {
    lease.annotations.erase(election::annotation::kDuration);
    lease.spec["holderIdentity"] = "somebody-else";
    lease.spec["leaseDurationSeconds"] = 1;
  });
  const Duration took = story.run_until_another_leads_than(leader);
  EXPECT_GE(took, balanced().lease_duration);
  EXPECT_NO_VIOLATION(story);
}

// R18: nobody leads in a pause, and somebody within a LIST, a PUT and R17's spread after it.
TEST(StoriesTest, APauseThatEndedLetsALeaderComeAtOnce) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Story story(static_cast<int>(1 + seed % 5), seed);
    Replica* old = story.run_until_led();
    ASSERT_NE(old, nullptr);
    const Time end = std::chrono::ceil<std::chrono::seconds>(story.world.now() + 40s);
    story.annotate(election::annotation::kPauseUntil, ApiServer::clock_text(end));
    ASSERT_GE(story.run_until_drained(*old), 0s);
    ASSERT_LT(story.run_until([&] { return story.leader() != nullptr; }, end - story.world.now()),
              0s);
    const Duration took = story.run_until([&] { return story.leader() != nullptr; }, 10s);
    ASSERT_GE(took, 0s) << "seed " << seed;
    EXPECT_LE(took, 8 * kOneWay + 6 * kOneWay)
        << "seed " << seed << ": LIST and PUT, up to 3 places";
    EXPECT_NO_VIOLATION(story);
  }
}

// R18: a hand-over finds whom it names; one that is dead costs 2 R.
TEST(StoriesTest, AHandOverGoesToWhomItNamesOrCostsABoundedTime) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Story story(4, seed);
    Replica* old = story.run_until_led();
    ASSERT_NE(old, nullptr);
    Replica& named = story.replica(old == &story.replica(3) ? 2 : 3);
    const std::string identity = named.sidecar()->name();
    const bool is_dead = seed % 2 == 0;
    story.annotate(election::annotation::kHandOverTo,
                   identity.substr(0, identity.find('_')) + "/" +
                       std::to_string(old->sidecar()->status().token));
    if (is_dead) named.kill_pod();
    ASSERT_GE(story.run_until_drained(*old), 0s);
    const Duration took = story.run_until_another_leads_than(old);
    ASSERT_GE(took, 0s);
    if (is_dead) {
      EXPECT_GE(took, 2 * story.timings.request_timeout - 3 * kOneWay);
      EXPECT_LE(took, 2 * story.timings.request_timeout + 14 * kOneWay);
    } else {
      EXPECT_EQ(story.leader(), &named) << "seed " << seed;
      EXPECT_LE(took, 6 * kOneWay + 1ms);
    }
    EXPECT_NO_VIOLATION(story);
  }
}

// R15: shorter than 2 R + 2 retry_min, at whatever moment, by silence or by error answers.
TEST(StoriesTest, AShortOutageNeverCostsLeadership) {
  const election::Timings timings = balanced();
  const Duration outage = 2 * timings.request_timeout + 2 * timings.retry_min - 2 * kOneWay;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Story story(2, seed);
    Replica* leader = story.run_until_led();
    ASSERT_NE(leader, nullptr);
    const std::string term_id = leader->sidecar()->status().term_id;
    story.run_for(story.world.random().between(0s, 2 * timings.renew_period));
    const Time end = story.world.now() + outage;
    if (seed % 2 == 0) {
      story.server.go_down_until(end);
    } else {
      leader->link().in_cut_until = leader->link().out_cut_until = end;
    }
    while (story.world.now() < end + 2 * timings.lease_duration) {
      story.run_for(50ms);
      ASSERT_TRUE(leader->believes())
          << "seed " << seed << ", " << seconds(story.world.now() - end) << " s after its end";
    }
    EXPECT_EQ(leader->sidecar()->status().term_id, term_id);
  }
}

/// How one leader follows another: means over `hand_overs` each of `seeds` runs.
struct HandOvers {
  double writes;   // acquisitions sent
  double seconds;  // without a leader
};
HandOvers hand_over(int candidates, int seeds, int hand_overs, bool by_crash) {
  long writes = 0;
  Duration leaderless{0};
  for (int seed = 1; seed <= seeds; ++seed) {
    Story story(candidates, static_cast<std::uint64_t>(seed));
    Replica* leader = story.run_until_led();
    const long before = story.acquisitions();
    for (int i = 0; i < hand_overs && leader != nullptr; ++i) {
      if (by_crash) {
        leader->kill_pod();
      } else {
        story.hand_over(*leader);
      }
      leaderless += story.run_until_another_leads_than(leader);
      story.run_for(2s);  // its application has asked
      leader = story.leader();
    }
    EXPECT_NE(leader, nullptr);
    EXPECT_NO_VIOLATION(story);
    writes += story.acquisitions() - before;
  }
  const double count = seeds * hand_overs;
  return {static_cast<double>(writes) / count, seconds(leaderless) / count};
}

// F30, R17: no herd, whether the leader released the Lease or died.
TEST(StoriesTest, AHandOverTakesTwoWritesAtMostOnAverage) {
  struct Case {
    int candidates, seeds, hand_overs;
  };
  for (const auto& [candidates, seeds, hand_overs] :
       {Case{2, 20, 20}, Case{3, 20, 20}, Case{10, 20, 20}, Case{100, 5, 20}, Case{500, 2, 20}}) {
    const HandOvers released = hand_over(candidates, seeds, hand_overs, false);
    const HandOvers crashed = hand_over(candidates, seeds, hand_overs, true);
    std::cout << candidates << " candidates: " << released.writes << " acquisitions and "
              << released.seconds << " s without a leader at a release, " << crashed.writes
              << " and " << crashed.seconds << " s at a crash\n";
    EXPECT_LE(released.writes, 2) << candidates << " candidates";
    EXPECT_LE(crashed.writes, 2) << candidates << " candidates";
  }
}

// R2 on CLOCK_BOOTTIME: stopped past its deadline, the first answer is "no" though no timer ran.
TEST(StoriesTest, AStoppedLeaderSaysNoWhenItGoesOn) {
  Story story(3);
  Replica* old = story.run_until_led();
  ASSERT_NE(old, nullptr);
  Sidecar* stopped = old->sidecar();
  stopped->stop_until(story.world.now() + 20s);
  story.run_until([&] { return !stopped->stopped(); }, 30s);
  EXPECT_FALSE(stopped->ask());
  EXPECT_NE(story.leader(), old);
  EXPECT_NE(story.leader(), nullptr);
  EXPECT_NO_VIOLATION(story);
}

// I8: idle followers send nothing.
TEST(StoriesTest, IdleFollowersSendNoRequest) {
  Story story(3);
  ASSERT_NE(story.run_until_led(), nullptr);
  const long lists = story.counts.writes["list"];
  const long acquisitions = story.acquisitions();
  story.run_for(45s);
  EXPECT_EQ(story.counts.writes["list"], lists);
  EXPECT_EQ(story.acquisitions(), acquisitions);
}

// The test of the test: what R3 forbids must show. V = 0.95 D with clocks of +-10 %.
TEST(StoriesTest, ARenewDeadlineAgainstR3IsCaught) {
  int caught = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Simulation simulation({.seed = seed,
                           .transcript = false,
                           .only = {"partition (F7, F8)", "answers lost (F7, F11)"},
                           .renew_deadline_share = 0.95});
    simulation.run();
    caught += std::any_of(simulation.violations().begin(), simulation.violations().end(),
                          [](const Violation& violation) { return violation.invariant == 1; })
                  ? 1
                  : 0;
  }
  std::cout << "V = 0.95 D: two leaders in " << caught << " of 300 runs\n";
  EXPECT_GT(caught, 3);
}

}  // namespace
}  // namespace baton::simulation
