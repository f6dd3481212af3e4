// A client-go candidate in the mix. It takes part without tokens: its terms have none, ours keep
// rising across them, and a baton never believes while client-go holds the Lease.
#include "support/client_go.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/api.h"
#include "support/candidates.h"

namespace baton::test {
namespace {

using nlohmann::json;

TEST(ClientGo, TakesTurnsWithBaton) {
  Candidates candidates(2);
  const int first = candidates.wait_for_leader();
  ASSERT_GE(first, 0);
  const std::int64_t token = candidates.at(first).token();
  ClientGo foreign({.election = candidates.election()});

  // Two crashes leave it the only one; it takes the Lease after the record's duration.
  candidates.at(0).process().send(SIGKILL);
  candidates.at(1).process().send(SIGKILL);
  ASSERT_TRUE(wait_until([&] { return foreign.leads(); })) << foreign.process().output();

  candidates.restart(0);
  candidates.restart(1);
  for (int i = 0; i < 2; ++i) {
    Baton& baton = candidates.at(i);
    EXPECT_TRUE(wait_until([&] { return baton.state() == "following"; })) << baton.log();
    const json leader = baton.status()["leader"];
    EXPECT_EQ(leader.value("identity", ""), "client-go");
    EXPECT_TRUE(leader.value("fencingToken", json()).is_null()) << leader;
    EXPECT_EQ(baton.get("/").json()["name"], "client-go");
  }
  foreign.process().send(SIGTERM);  // it releases
  const int next = candidates.wait_for_leader();
  ASSERT_GE(next, 0);
  EXPECT_GT(candidates.at(next).token(), token);
}

TEST(ClientGo, FollowsWhileBatonLeads) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  ClientGo foreign({.election = candidates.election()});
  const json identity = candidates.at(leader).status()["identity"];
  ASSERT_TRUE(wait_until([&] { return foreign.followed() == identity; }));
  const std::int64_t token = candidates.at(leader).token();
  EXPECT_GT(token, 0);
  // Whoever wins the free Lease, never two of us at once, and our tokens rise.
  EXPECT_EQ(candidates.at(leader).post("/resign?drained=true&wait=30s").status, 200);
  EXPECT_TRUE(wait_until(
      [&] { return foreign.leads() || candidates.at(0).leads() || candidates.at(1).leads(); }));
  foreign.process().send(SIGTERM);
  const int next = candidates.wait_for_leader();
  ASSERT_GE(next, 0);
  EXPECT_GT(candidates.at(next).token(), token);
}

}  // namespace
}  // namespace baton::test
