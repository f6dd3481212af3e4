// SIGSTOP past the deadline: the first answer after SIGCONT, over a connection that was open before
// the stop, is no, by the clock alone. The API server is out of reach then, or the only candidate
// might have a new term before it is asked.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

TEST(Stopped, FirstAnswerAfterwardsIsNoTwentyTimes) {
  Candidates candidates(1);
  Baton& baton = candidates.at(0);
  for (int shown = 0; shown < 20;) {
    ASSERT_EQ(candidates.wait_for_leader(), 0);
    // One more renewal may have been under way: V is 2.4 s.
    const std::int64_t deadline_ns = baton.deadline_ns() + 2'400'000'000;
    baton.process().send(SIGSTOP);
    EXPECT_TRUE(wait_until([&] { return boottime_ns() > deadline_ns; }));
    const dev::Fault cut_off(nlohmann::json{{"action", "partition"}});
    baton.process().send(SIGCONT);
    const Answer first = baton.get("/leader");
    if (!first.reused_connection) {
      ASSERT_TRUE(baton.process().running()) << baton.log();
      continue;  // a connection that was closed shows nothing
    }
    ++shown;
    EXPECT_EQ(first.status, 503) << first.what;
    EXPECT_EQ(baton.get("/token").status, 503);
  }
}

}  // namespace
}  // namespace baton::test
