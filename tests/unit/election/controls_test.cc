// R18: what people ask for by annotations of the Lease: pauses, resigns, hand-overs.
#include "election/controls.h"

#include <gtest/gtest.h>

#include "unit/election/draining.h"

namespace baton::election::testing {
namespace {

using std::chrono::hours;

class R18Controls : public Draining {
 protected:
  static Options pod(const std::string& name) { return options_of(name + "_1a2b3c4d_77"); }
  void annotate(const char* key, const std::string& value) {
    world.store.edit([&](Lease& lease) { lease.annotations[key] = value; });
  }
  void pause_until(Instant end, const std::string& text = "2026-01-02T15:04:05Z") {
    world.store.edit([&](Lease& lease) {
      lease.annotations[annotation::kPauseUntil] = text;
      lease.paused_until = end;
    });
  }
  void end_pause() {
    world.store.edit([](Lease& lease) {
      lease.annotations.erase(annotation::kPauseUntil);
      lease.paused_until = kLongAgo;
    });
  }
  static std::string token_of(const Runner& runner) {
    return std::to_string(runner.status().token);
  }
  bool is_annotated(const char* key) const {
    return world.store.lease()->annotations.count(key) != 0;
  }
  /// Its work ends as soon as it has heard.
  void drain(Runner& runner) {
    ASSERT_TRUE(
        world.run_until_true([&] { return runner.status().state == State::draining; }, seconds(1)));
    runner.feed(WorkEnded{Proof::drained, ""});
  }
  void expect_refused(Runner& leader, const char* key, const std::string& why) {
    const std::size_t before = leader.notices(NoticeKind::control_refused).size();
    world.run_for(seconds(1));
    EXPECT_TRUE(leader.leads()) << why;
    const auto notices = leader.notices(NoticeKind::control_refused);
    ASSERT_EQ(notices.size(), before + 1) << why;
    EXPECT_NE(notices.back().reason.find(why), std::string::npos) << notices.back().reason;
    EXPECT_FALSE(is_annotated(key)) << "the leader's next write drops it";
  }
};

// "baton/pause-until: the leader drains and releases, nobody acquires until then"
TEST_F(R18Controls, APauseEndsTheTermAndKeepsEverybodyFromTheNext) {
  Runner& a = leader(pod("a"));
  Runner& b = world.add(pod("b"));
  world.run_for(seconds(1));
  const Instant end = world.now + seconds(60);
  pause_until(end);
  world.run_for(kOneWay);
  EXPECT_FALSE(a.leads());
  EXPECT_EQ(a.status().reason, "paused until '2026-01-02T15:04:05Z' by baton/pause-until (R18)");
  EXPECT_EQ(a.notices(NoticeKind::control_obeyed).size(), 1U);
  EXPECT_EQ(releases(a), 0U) << "section 5: no release without a proof";
  drain(a);
  world.run_until(end - Duration(1));
  EXPECT_EQ(world.store.lease()->holder, "");
  EXPECT_TRUE(b.writes(WriteKind::acquire).empty());
  EXPECT_EQ(b.status().state, State::following);
  EXPECT_EQ(b.status().reason, a.status().reason);
  const int lists = a.lists + b.lists;
  ASSERT_TRUE(world.run_until_true([&] { return a.leads() || b.leads(); }, milliseconds(50)));
  EXPECT_FALSE(is_annotated(annotation::kPauseUntil)) << "an acquisition drops what is over";
  EXPECT_EQ(a.lists + b.lists, lists + 2) << "R7: the end of a pause is a timer's";
}

TEST_F(R18Controls, APauseThatIsTakenAwayEndsAtOnce) {
  Runner& a = leader(pod("a"));
  Runner& b = world.add(pod("b"));
  world.run_for(seconds(1));
  pause_until(world.now + hours(1));
  drain(a);
  world.run_for(seconds(60));
  EXPECT_FALSE(a.leads() || b.leads());
  end_pause();
  EXPECT_TRUE(world.run_until_true([&] { return a.leads() || b.leads(); }, milliseconds(50)));
}

TEST_F(R18Controls, APauseOutlastsARecordThatRunsOut) {
  Runner& a = leader(pod("a"));
  Runner& b = world.add(pod("b"));
  world.run_for(seconds(1));
  world.kill(a);
  const Instant end = world.now + seconds(40);
  pause_until(end);
  world.run_until(end - Duration(1));
  EXPECT_TRUE(b.writes(WriteKind::acquire).empty());
  EXPECT_TRUE(world.run_until_true([&] { return b.leads(); }, milliseconds(50)));
}

TEST_F(R18Controls, APauseOfADayIsObeyedAndNotOfMore) {
  Runner& a = leader(pod("a"));
  pause_until(world.now + kOneWay + hours(24) + Duration(1));
  expect_refused(a, annotation::kPauseUntil,
                 "'2026-01-02T15:04:05Z', which is more than 24 h ahead");
  pause_until(world.now + kOneWay + hours(24));
  world.run_for(kOneWay);
  EXPECT_EQ(a.status().state, State::draining);
}

// "A typo must never stop an election silently nor break one."
TEST_F(R18Controls, APauseThatCannotBeReadIsRefusedAndDropped) {
  Runner& a = leader(pod("a"));
  pause_until(kNever, "tomorrow");
  expect_refused(a, annotation::kPauseUntil, "baton/pause-until is 'tomorrow', which is no time");
  pause_until(world.now - seconds(1));
  expect_refused(a, annotation::kPauseUntil, "which has passed");
}

TEST_F(R18Controls, WhatIsRefusedIsCutBetweenCharacters) {
  Runner& a = leader(pod("a"));
  std::string text = "x";
  for (int i = 0; i < 100; ++i) text += "ä";
  pause_until(kNever, text);
  expect_refused(a, annotation::kPauseUntil, "is '" + text.substr(0, 79) + "…', which");
}

// A tool that writes it again and again meets the pace of renewals, and one word.
TEST_F(R18Controls, WhatIsRefusedAgainIsDroppedWithTheNextRenewal) {
  Runner& a = leader(pod("a"));
  pause_until(kNever, "tomorrow");
  expect_refused(a, annotation::kPauseUntil, "tomorrow");
  const std::size_t renewals = a.writes(WriteKind::renew).size();
  for (int i = 0; i < 40; ++i) {
    pause_until(kNever, "tomorrow");
    world.run_for(milliseconds(500));
  }
  EXPECT_LE(a.writes(WriteKind::renew).size(), renewals + 5);
  EXPECT_EQ(a.notices(NoticeKind::control_refused).size(), 1U);
  EXPECT_TRUE(a.leads());
}

TEST_F(R18Controls, AnUnheldLeaseWithARefusedPauseIsTaken) {
  world.store.edit([&](Lease& lease) {
    lease.annotations[annotation::kPauseUntil] = "soon";
    lease.paused_until = kNever;
  });
  Runner& a = world.add(pod("a"));
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }, seconds(1)));
  EXPECT_EQ(a.notices(NoticeKind::control_refused).size(), 1U);
  EXPECT_FALSE(is_annotated(annotation::kPauseUntil));
}

// "baton/resign: the present term with exactly that token resigns"
TEST_F(R18Controls, AResignNamesTheTokenOfOneTerm) {
  Runner& a = leader(pod("a"));
  Runner& b = world.add(pod("b"));
  world.run_for(seconds(1));
  const std::string token = token_of(a);
  annotate(annotation::kResign, token);
  drain(a);
  EXPECT_EQ(a.notices(NoticeKind::control_obeyed).back().reason,
            "asked to resign by baton/resign (R18)");
  ASSERT_TRUE(world.run_until_true([&] { return b.leads(); }, seconds(1)));
  EXPECT_FALSE(is_annotated(annotation::kResign)) << "of a term that is over";
  annotate(annotation::kResign, token);
  expect_refused(
      b, annotation::kResign,
      "baton/resign is '" + token + "', and the present term has the token " + token_of(b));
  annotate(annotation::kResign, "");
  expect_refused(b, annotation::kResign, "baton/resign is ''");
}

// "baton/hand-over-to: after the release only the named candidate acquires"
TEST_F(R18Controls, AHandOverGoesToWhomItNames) {
  Runner& a = leader(pod("a"));
  Runner& b = world.add(pod("b"));
  Runner& c = world.add(pod("c"));
  world.run_for(seconds(1));
  annotate(annotation::kHandOverTo, "c/" + token_of(a));
  drain(a);
  ASSERT_TRUE(world.run_until_true([&] { return c.leads(); }, 4 * kOneWay));
  EXPECT_TRUE(b.writes(WriteKind::acquire).empty());
  EXPECT_FALSE(is_annotated(annotation::kHandOverTo));
  const std::string identity = b.options.identity;
  annotate(annotation::kHandOverTo, identity + "/" + token_of(c));
  drain(c);
  EXPECT_TRUE(world.run_until_true([&] { return b.leads(); }, 4 * kOneWay));
}

TEST_F(R18Controls, AHandOverToADeadPodCostsABoundedTime) {
  Runner& a = leader(pod("a"));
  Runner& b = world.add(pod("b"));
  world.run_for(seconds(1));
  annotate(annotation::kHandOverTo, "gone/" + token_of(a));
  drain(a);
  world.run_for(seconds(2));
  EXPECT_EQ(b.status().reason, "released for 'gone', which may take it first (R18)");
  const Instant released = a.written_at.back() + kOneWay;
  ASSERT_TRUE(world.run_until_true([&] { return b.leads(); }, seconds(10)));
  EXPECT_GE(b.written_at.back(), released + seconds(4)) << "2 R";
  EXPECT_LE(b.written_at.back(), released + seconds(4) + 2 * kOneWay);
}

TEST_F(R18Controls, AHandOverThatCannotBeIsRefused) {
  Runner& a = leader(pod("a"));
  const std::string token = token_of(a);
  for (const auto& [value, why] : std::map<std::string, std::string>{
           {"a/" + token, "names the leader itself, 'a'"},
           {a.options.identity + "/" + token, "names the leader itself"},
           {"b/1" + token, "and the present term has the token " + token},
           {"b", "'b', which is not POD/TOKEN"},
           {"/" + token, "which is not POD/TOKEN"},
           {"b/", "which is not POD/TOKEN"}}) {
    annotate(annotation::kHandOverTo, value);
    expect_refused(a, annotation::kHandOverTo, why);
  }
}

// R4: "labels and other annotations do not count", nor do these: they renew nothing.
TEST_F(R18Controls, TheyDoNotStartTheWaitAgain) {
  Runner& a = leader(pod("a"));
  Runner& b = world.add(pod("b"));
  ASSERT_TRUE(world.run_until_true([&] { return a.has(NoticeKind::extended); }, seconds(6)));
  world.kill(a);
  const Instant renewed = world.now;
  for (int i = 0; i < 6; ++i) {
    world.run_for(seconds(2));
    annotate(annotation::kResign, std::to_string(i));
    pause_until(world.now + milliseconds(100));
    annotate(annotation::kHandOverTo, "x/" + std::to_string(i));
  }
  ASSERT_TRUE(world.run_until_true([&] { return b.leads(); }, seconds(10)));
  EXPECT_LE(b.written_at.back(), renewed + seconds(15) + 3 * kOneWay);
}

}  // namespace
}  // namespace baton::election::testing
