#include "observe/timeline.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/text.h"
#include "unit/election/driver.h"

namespace baton::observe {
namespace {

using election::testing::kStart;
using election::testing::Runner;
using election::testing::World;
using std::chrono::seconds;
using test::holds;

/// Lanes of a world's candidates.
class Traced {
 public:
  Traced() {
    world.store.create(election::testing::released_lease(41));
    world.observer = [this](Runner& runner, const election::Event& event,
                            const election::Step& step) {
      tracers_.try_emplace(&runner, runner.options.identity)
          .first->second.step(event, world.now, step, runner.status());
    };
  }
  Lane lane(Runner& runner) { return tracers_.at(&runner).finish(); }

  World world;

 private:
  std::map<Runner*, LaneTracer> tracers_;
};

std::vector<Bar> bars(const Lane& lane, Bar::Kind kind) {
  std::vector<Bar> found;
  std::ranges::copy_if(lane.bars, std::back_inserter(found),
                       [kind](const Bar& bar) { return bar.kind == kind; });
  return found;
}

std::vector<Mark> marks(const Lane& lane, Mark::Kind kind) {
  std::vector<Mark> found;
  std::ranges::copy_if(lane.marks, std::back_inserter(found),
                       [kind](const Mark& mark) { return mark.kind == kind; });
  return found;
}

TEST(Timeline, BeliefLastsFromTheReplyToTheDeadline) {
  Traced traced;
  Runner& leader = traced.world.add("a");
  traced.world.run_for(seconds(7));
  leader.fate = [](const auto*) { return election::testing::lost(false); };
  leader.is_cut_off = true;
  traced.world.run_for(seconds(30));
  const Lane lane = traced.lane(leader);
  const auto beliefs = bars(lane, Bar::Kind::belief);
  ASSERT_EQ(beliefs.size(), 1U);
  // The LIST is answered after 10 ms, the watch shows the PUT 5 ms later.
  EXPECT_EQ(beliefs[0].from, kStart + std::chrono::milliseconds(15));
  // V after the last renewal that was answered went out.
  const auto renewal = leader.written_at[1];
  EXPECT_EQ(beliefs[0].until, renewal + seconds(12));
  EXPECT_TRUE(holds(beliefs[0].label, "token 1001 · term "));
  const auto lost = marks(lane, Mark::Kind::lost);
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_TRUE(holds(lost[0].tip, "R2: no renewal was confirmed")) << lost[0].tip;
  EXPECT_GE(bars(lane, Bar::Kind::failed_request).size(), 3U);
  EXPECT_TRUE(holds(bars(lane, Bar::Kind::failed_request)[0].tip, "no answer within"));
}

TEST(Timeline, ADrainEndsWithTheRelease) {
  Traced traced;
  Runner& leader = traced.world.add("a");
  traced.world.run_for(seconds(2));
  leader.feed(election::Resign{});
  const Instant resigned = traced.world.now;
  leader.feed(election::WorkEnded{election::Proof::drained, ""});
  traced.world.run_for(seconds(5));
  const Lane lane = traced.lane(leader);
  ASSERT_EQ(bars(lane, Bar::Kind::belief).size(), 1U);
  EXPECT_EQ(bars(lane, Bar::Kind::belief)[0].until, resigned);
  const auto draining = bars(lane, Bar::Kind::draining);
  ASSERT_EQ(draining.size(), 1U);
  const auto released = marks(lane, Mark::Kind::released);
  ASSERT_EQ(released.size(), 1U);
  EXPECT_EQ(draining[0].from, resigned);
  EXPECT_EQ(draining[0].until, released[0].at);
  EXPECT_TRUE(holds(draining[0].tip, "resigned on request"));
}

TEST(Timeline, ShowsWhereTheProcessDidNotRun) {
  LaneTracer tracer("a");
  tracer.step(election::Tick{}, kStart, {{}, kStart + seconds(1)}, {});
  tracer.step(election::Tick{}, kStart + seconds(4), {{}, kStart + seconds(5)}, {});
  tracer.gap("3 steps were not recorded");
  tracer.step(election::Tick{}, kStart + seconds(9), {}, {});
  const auto stalls = bars(tracer.finish(), Bar::Kind::stall);
  ASSERT_EQ(stalls.size(), 2U);
  EXPECT_EQ(stalls[0].from, kStart + seconds(1));
  EXPECT_EQ(stalls[0].until, kStart + seconds(4));
  EXPECT_EQ(stalls[1].from, kStart + seconds(4));
  EXPECT_EQ(stalls[1].until, kStart + seconds(9));
  EXPECT_EQ(stalls[1].tip, "3 steps were not recorded");
}

TEST(Timeline, IsCutAtItsBeginning) {
  Timeline timeline{"",
                    {},
                    {{"a",
                      {{Bar::Kind::belief, kStart, kStart + seconds(1)},
                       {Bar::Kind::belief, kStart + seconds(2), kStart + seconds(9)}},
                      {{Mark::Kind::lost, kStart, "early"}}}}};
  cut(timeline, kStart + seconds(5));
  ASSERT_EQ(timeline.lanes[0].bars.size(), 1U);
  EXPECT_EQ(timeline.lanes[0].bars[0].from, kStart + seconds(5));
  EXPECT_TRUE(timeline.lanes[0].marks.empty());
}

TEST(Svg, MarksTwoBeliefsAtOnceAndEscapesTexts) {
  const Timeline timeline{
      "election <w> & \"co\"",
      {"a note"},
      {{"<script>", {{Bar::Kind::belief, kStart, kStart + seconds(3), "token 1", "x < y"}}, {}},
       {"b\x01", {{Bar::Kind::belief, kStart + seconds(2), kStart + seconds(4), "token 2"}}, {}}}};
  const std::string svg = to_svg(timeline);
  EXPECT_TRUE(holds(svg, "election &lt;w&gt; &amp; &quot;co&quot;"));
  EXPECT_FALSE(holds(svg, "<script"));
  EXPECT_FALSE(holds(svg, "\x01"));
  EXPECT_TRUE(holds(svg, "2.000 s to 3.000 s: two believe at once: b? and &lt;script&gt;"));
  EXPECT_TRUE(holds(svg, "0.000 s to 3.000 s: x &lt; y"));
  EXPECT_TRUE(holds(svg, "prefers-color-scheme:dark"));
}

TEST(Svg, DrawsWhatFollowsWithoutOverlap) {
  const Timeline timeline{
      "t",
      {},
      {{"a", {{Bar::Kind::belief, kStart, kStart + seconds(3)}}, {}},
       {"b", {{Bar::Kind::belief, kStart + seconds(3), kStart + seconds(4)}}, {}}}};
  EXPECT_FALSE(holds(to_svg(timeline), "two believe at once: "));
}

TEST(Svg, DrawsNothingToo) {
  EXPECT_TRUE(to_svg({}).ends_with("</svg>\n"));
  EXPECT_TRUE(
      to_svg({"t", {}, {{"a", {}, {{Mark::Kind::lost, kStart, "why"}}}}}).ends_with("</svg>\n"));
}

}  // namespace
}  // namespace baton::observe
