// Design section 5: the label is withdrawn before the release, tried for one request timeout at
// most; the EndpointSlice is left for the next leader's one write, and withdrawn if none comes;
// nothing that goes wrong with them costs a term. Order is read from the devserver's log.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "support/candidates.h"
#include "support/cluster.h"
#include "support/text.h"

namespace baton::test {
namespace {

using nlohmann::json;
using std::chrono::seconds;

const std::string kSlices = "/apis/discovery.k8s.io/v1/namespaces/baton-test/endpointslices";

/// A leader in a Pod of its own, with both routes, on a Lease that it need not wait for.
class TrafficFaults : public testing::Test {
 protected:
  void start(const std::string& pod, const std::string& user,
             const std::vector<std::string>& timings = {}) {
    Api admin("admin");
    admin.remove(kSlices + "/traffic");
    const json body = {{"metadata", {{"name", pod}}}, {"status", {{"podIP", "10.1.2.3"}}}};
    const std::string uid = admin.post(kPods, body).json()["metadata"]["uid"];
    user_ = user;
    candidates_ = std::make_unique<Candidates>(1, [&](BatonOptions& options) {
      options.user = user;
      options.pod = pod;
      options.profile = "balanced";  // R is 2 s
      options.flags = {"--pod-uid=" + uid, "--leader-label", "--leader-service=traffic",
                       "--leader-service-ports=8080"};
      options.flags.insert(options.flags.end(), timings.begin(), timings.end());
      json released = lease_body(options.election, {{"holderIdentity", ""}});
      released["metadata"]["annotations"] = {{"baton/term", "t"}, {"baton/released", "t/0"}};
      EXPECT_EQ(admin.post(kLeases, released).status, 201);
    });
    ASSERT_EQ(candidates_->wait_for_leader(), 0);
  }
  Baton& leader() { return candidates_->at(0); }
  bool is_led() {
    return wait_until([&] { return leader().log_lines("traffic led here").size() == 2; });
  }
  /// When the last write of this kind came in; 0 if none did.
  std::int64_t last(const std::string& verb, const std::string& resource, bool is_release = false) {
    std::int64_t at = 0;
    for (const dev::Seen& seen : dev::requests(sequence_)) {
      const bool fits = seen.user == user_ && seen.verb == verb && seen.resource == resource;
      if (fits && (!is_release || seen.holder.empty())) at = seen.boottime_ns;
    }
    return at;
  }
  std::int64_t released_at() { return last("update", "leases", true); }
  void resign() {
    sequence_ = dev::last_sequence();
    EXPECT_EQ(leader().post("/resign?drained=true&wait=10s").status, 200) << leader().log();
  }

  std::string user_;
  std::int64_t sequence_ = 0;
  std::unique_ptr<Candidates> candidates_;
};

TEST_F(TrafficFaults, TheLabelIsWithdrawnBeforeTheReleaseAndTheSliceAfterIt) {
  start("ordered", "traffic-0");
  ASSERT_TRUE(is_led()) << leader().log();
  resign();
  EXPECT_GT(last("patch", "pods"), 0);
  EXPECT_LT(last("patch", "pods"), released_at());
  EXPECT_TRUE(wait_until([&] { return last("update", "endpointslices") > 0; })) << leader().log();
  EXPECT_GT(last("update", "endpointslices"), released_at());
}

TEST_F(TrafficFaults, AReleaseWaitsForOneRequestTimeoutAtMost) {
  start("bounded", "traffic-0");
  ASSERT_TRUE(is_led()) << leader().log();
  const dev::Fault silent({{"action", "drop_request"}, {"resource", "pods"}});
  const std::int64_t before = boot_now().time_since_epoch().count();
  resign();  // while the label's withdrawal is never answered
  EXPECT_GT(released_at() - before, std::chrono::nanoseconds(seconds(1)).count());
}

TEST_F(TrafficFaults, WithoutTheRightsTheElectionGoesOnAndTheMendIsToldOnce) {
  // A release that was held up would wait for longer than resign() does.
  start("forbidden", "candidate-0",
        {"--lease-duration=60s", "--renew-deadline=48s", "--request-timeout=14s"});
  const std::int64_t token = leader().token();
  const auto counted = [&](const char* route) {
    return leader().metric("baton_request_failures_total",
                           {{"request", route}, {"kind", "refused"}});
  };
  EXPECT_TRUE(wait_until([&] { return counted("endpointslice") > 2 && counted("label") > 2; }))
      << leader().log();
  EXPECT_EQ(leader().token(), token);
  const json shown = leader().status()["traffic"];
  EXPECT_NE(shown["leads"], "here") << shown;
  EXPECT_NE(shown["reason"].dump().find("bind the Role 'traffic'"), std::string::npos) << shown;
  EXPECT_EQ(leader().metric("baton_traffic_leads_here", {}), 0);
  std::set<std::string> told;
  for (const char* message : {"traffic not taken away", "traffic not led here"}) {
    for (const json& line : leader().log_lines(message)) {
      const std::string reason = line.value("reason", "");
      EXPECT_NE(reason.find("bind the Role 'traffic'"), std::string::npos) << line;
      EXPECT_TRUE(told.insert(line.value("route", "") + reason).second) << "again: " << line;
    }
  }
  EXPECT_TRUE(told.lower_bound("endpointslice") != told.lower_bound("label"));
  EXPECT_TRUE(told.lower_bound("label") != told.end());
  resign();
  EXPECT_GT(released_at(), 0);
}

TEST_F(TrafficFaults, CheckNamesTheRightsOfWhatIsConfigured) {
  const auto lines_of_check = [](const std::string& user, std::vector<std::string> more) {
    std::vector<std::string> command = {
        baton_program(),          "check",
        "--namespace=baton-test", "--kubeconfig=" + TestCluster::get().kubeconfig(user),
        "--election=e47",         "--pod-name=checked"};
    command.insert(command.end(), more.begin(), more.end());
    Process check(command, {}, make_folder("check") + "/log");
    check.wait();
    return check.output();
  };
  const std::vector<std::string> both = {"--leader-label", "--leader-service=traffic",
                                         "--leader-service-ports=8080"};
  const std::string plain = lines_of_check("candidate-0", {});
  EXPECT_FALSE(holds(plain, "endpointslices")) << plain;
  EXPECT_FALSE(holds(plain, "patch pods")) << plain;
  const std::string lacking = lines_of_check("candidate-0", both);
  const std::string granted = lines_of_check("traffic-0", both);
  for (const char* right : {"get endpointslices traffic", "update endpointslices traffic",
                            "create endpointslices", "list pods", "patch pods"}) {
    EXPECT_TRUE(holds(lacking, std::string("FAIL right to ") + right + ": not granted")) << lacking;
    EXPECT_TRUE(holds(granted, std::string("ok   right to ") + right + "\n")) << granted;
  }
  EXPECT_TRUE(holds(lacking,
                    "the Service traffic does not lead to the leader; allow update on "
                    "endpointslices with resourceNames [traffic] in a Role of namespace "
                    "baton-test, and bind it to this identity"))
      << lacking;
}

// A server that answers nothing but the Lease costs no renewal.
TEST_F(TrafficFaults, SilenceCostsNoTerm) {
  start("silent", "traffic-0");
  const dev::Fault slices({{"action", "drop_request"}, {"resource", "endpointslices"}});
  const dev::Fault pods({{"action", "drop_request"}, {"resource", "pods"}});
  const std::int64_t token = leader().token();
  const auto renewed = leader().log_lines("extended").size();
  EXPECT_TRUE(wait_until([&] { return leader().log_lines("extended").size() >= renewed + 3; }));
  EXPECT_EQ(leader().token(), token);
}

}  // namespace
}  // namespace baton::test
