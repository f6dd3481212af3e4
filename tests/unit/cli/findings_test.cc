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

TEST(Findings, AGracePeriodWithinTheRenewDeadlineIsANote) {
  const auto judged = [](std::int64_t grace_period_s) {
    return said([&](Findings& findings) {
      judge_grace_period(grace_period_s, milliseconds(12000), findings);
    });
  };
  EXPECT_EQ(judged(13),
            "ok   terminationGracePeriodSeconds is 13, above the renew-deadline of 12s\n");
  EXPECT_TRUE(judged(12).starts_with(
      "note terminationGracePeriodSeconds is 12, not above the renew-deadline of 12s: "))
      << judged(12);
  EXPECT_TRUE(judged(12).ends_with("set it to at least 13\n")) << judged(12);
}

TEST(Findings, WithHostNetworkOnlyASocketIsThePodsOwn) {
  const auto judged = [](const std::vector<std::string>& addresses) {
    return said([&](Findings& findings) { judge_host_network(addresses, findings); });
  };
  EXPECT_EQ(judged({"unix:/run/baton/baton.sock"}), "");
  EXPECT_EQ(judged({}), "");
  EXPECT_TRUE(judged({"unix:/a", "127.0.0.1:4040"})
                  .starts_with("note hostNetwork: the local API on 127.0.0.1:4040 is the node's"));
}

TEST(Findings, AnApplicationsProcessIsSeenWhereTheContainersShareThem) {
  const auto judged = [](bool is_seen, bool shares_processes) {
    return said([&](Findings& f) { judge_app_process("worker", is_seen, shares_processes, f); });
  };
  EXPECT_EQ(judged(false, true), "");  // it may not run yet
  EXPECT_EQ(judged(true, true), "");
  EXPECT_EQ(judged(true, false), "");  // one image holds both
  EXPECT_TRUE(judged(false, false).starts_with("note app-process is worker, and the Pod's "))
      << judged(false, false);
  EXPECT_TRUE(judged(false, false).ends_with("; set shareProcessNamespace: true in the Pod\n"))
      << judged(false, false);
}

// As seen on a node: docs/charts.md has the table.
TEST(Findings, ARollOutThatGetsStuckIsANote) {
  struct Case {
    std::int64_t replicas;
    const char *strategy, *max_unavailable, *max_surge, *said;
  };
  constexpr const char* kStuck = "gets stuck";
  constexpr const char* kEndless = "never reports success";
  constexpr const char* kFine = "completes";
  for (const Case& each : std::initializer_list<Case>{{1, "Recreate", "", "", kFine},
                                                      {1, "RollingUpdate", "1", "0", kFine},
                                                      {1, "RollingUpdate", "25%", "0", kFine},
                                                      {1, "RollingUpdate", "25%", "25%", kStuck},
                                                      {1, "RollingUpdate", "", "", kStuck},
                                                      {3, "RollingUpdate", "25%", "25%", kStuck},
                                                      {3, "RollingUpdate", "2", "1", kStuck},
                                                      {3, "RollingUpdate", "99%", "0", kStuck},
                                                      {3, "RollingUpdate", "100%", "25%", kEndless},
                                                      {3, "RollingUpdate", "3", "1", kEndless},
                                                      {3, "Recreate", "", "", kEndless}}) {
    const kube::Workload deployment{
        {"Deployment", "web"}, each.replicas, each.strategy, each.max_unavailable, each.max_surge};
    const std::string line = said([&](Findings& f) { judge_roll_out(deployment, f); });
    EXPECT_NE(line.find(each.said), std::string::npos) << each.replicas << each.strategy << line;
    EXPECT_EQ(line.starts_with("note roll-out of the Deployment web"), each.said != kFine) << line;
  }
  const std::string line = said([](Findings& f) {
    judge_roll_out({{"StatefulSet", "db"}, 3, "RollingUpdate", "", ""}, f);
  });
  EXPECT_TRUE(line.starts_with("note roll-out of the StatefulSet db (replicas 3, Ready only as"))
      << line;
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
