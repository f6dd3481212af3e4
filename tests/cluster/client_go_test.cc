// A client-go candidate in the mix. It takes part without tokens: its terms have none, ours keep
// rising across them, and a baton never believes while client-go holds the Lease.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/api.h"
#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

using nlohmann::json;

class ClientGoCandidate {
 public:
  explicit ClientGoCandidate(const std::string& election)
      : port_(free_port()),
        process_({BATON_SOURCE_FOLDER "/.cache/e2e/bin/client-go-candidate",
                  "-kubeconfig=" + TestCluster::get().kubeconfig("client-go-0"),
                  "-namespace=baton-test", "-lease=" + election, "-id=client-go",
                  "-lease-duration=3s", "-renew-deadline=2s", "-retry-period=500ms",
                  "-release-on-cancel", "-http=127.0.0.1:" + std::to_string(port_)},
                 {}, make_folder("client-go") + "/log"),
        local_(port_) {}

  bool leads() { return local_.request("GET", "/leader").status == 200; }
  /// The identity of the leader that it sees.
  json followed() {
    const json answer = local_.request("GET", "/").json();
    return answer.is_object() ? answer["name"] : json();
  }
  Process& process() { return process_; }

 private:
  std::uint16_t port_;
  Process process_;
  LocalClient local_;
};

TEST(ClientGo, TakesTurnsWithBaton) {
  Candidates candidates(2);
  const int first = candidates.wait_for_leader();
  ASSERT_GE(first, 0);
  const std::int64_t token = candidates.at(first).token();
  ClientGoCandidate foreign(candidates.election());

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
  ClientGoCandidate foreign(candidates.election());
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
