// The judgements of `baton check`, and what it says without a cluster.
#include "cli/findings.h"

#include <gtest/gtest.h>

#include "config/table.h"
#include "unit/cli/fake_sidecar.h"

namespace baton::cli {
namespace {

using std::chrono::milliseconds;

template <typename Judge>
std::string said(Judge judge) {
  std::ostringstream out;
  Findings findings(out);
  judge(findings);
  return out.str();
}

TEST(Findings, LatencyMustFitInTheRequestTimeoutWithRoom) {
  const election::Timings timings = config::profiles()[0].timings;  // aggressive: R 400 ms
  const auto judged = [&](std::vector<election::Duration> latencies) {
    return said([&](Findings& findings) { judge_latency(latencies, timings, findings); });
  };
  EXPECT_EQ(judged({milliseconds(30), milliseconds(10), milliseconds(20)}),
            "ok   latency of 3 LISTs: median 20ms, max 30ms, request-timeout 400ms\n");
  EXPECT_TRUE(judged({milliseconds(10), milliseconds(10), milliseconds(400)}).starts_with("FAIL "));
  EXPECT_TRUE(judged({milliseconds(250), milliseconds(250), milliseconds(260)})
                  .starts_with("FAIL latency of 3 LISTs: median 250ms"));
}

TEST(Findings, AClockThatDiffersIsANoteBecauseItDecidesNothing) {
  const auto judged = [](std::int64_t ours_s) {
    return said([&](Findings& findings) { judge_clock(1000, ours_s, findings); });
  };
  EXPECT_EQ(judged(1002), "ok   clock agrees with the API server's\n");
  EXPECT_TRUE(judged(1060).starts_with("note clock is 60s ahead of the API server's"));
  EXPECT_TRUE(judged(940).starts_with("note clock is 60s behind the API server's"));
}

TEST(Findings, ALeaseIsDescribedOrRefused) {
  const auto judged = [](const std::optional<election::Lease>& lease) {
    return said([&](Findings& findings) { describe_lease(lease, findings); });
  };
  EXPECT_TRUE(judged({}).starts_with("ok   Lease is readable: it does not exist yet"));
  election::Lease lease;
  EXPECT_TRUE(judged(lease).starts_with("FAIL Lease: its resourceVersion"));
  lease.version = 7;
  EXPECT_EQ(judged(lease), "ok   Lease is readable: nobody holds it\n");
  lease.holder = "other";
  EXPECT_EQ(judged(lease),
            "ok   Lease is readable: held by other, a foreign elector: its fencing token is "
            "unknown\n");
  lease.annotations = {{"baton/holder", "other"}, {"baton/fencing-token", "12"}};
  EXPECT_EQ(judged(lease), "ok   Lease is readable: held by other, fencing token 12\n");
  lease.strategy = "OldestEmulationVersion";
  EXPECT_TRUE(judged(lease).starts_with("FAIL Lease: belongs to coordinated election"));
}

TEST(Findings, CheckNamesEveryBadSettingAndAnUnreadableKubeconfig) {
  Outcome outcome = run_cli({"check", "--replicas=0", "--sidecar=x"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 3);
  outcome = run_cli({"check", "--election=app", "--kubeconfig=/no/such/file"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(outcome.out.starts_with("ok   configuration: ")) << outcome.out;
  EXPECT_NE(outcome.out.find("FAIL cluster: "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("/no/such/file"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace baton::cli
