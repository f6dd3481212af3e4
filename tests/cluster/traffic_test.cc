// Traffic to the leader: the EndpointSlice and the label as two candidates hand over.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

using nlohmann::json;

const std::string kSlices = "/apis/discovery.k8s.io/v1/namespaces/baton-test/endpointslices";

/// Pods with an address each, as a kubelet would report it; gone with the object.
class Pods {
 public:
  explicit Pods(const std::string& prefix, int count = 2) {
    for (int i = 0; i < count; ++i) {
      const std::string name = prefix + "-" + std::to_string(i);
      uids_.push_back(admin_.make_pod(name, "traffic-0"));
      const std::string ip = "10.1.2." + std::to_string(i + 1);
      const json status = {{"status", {{"podIP", ip}, {"podIPs", {{{"ip", ip}}}}}}};
      const std::string path = kPods + "/" + name + (TestCluster::get().is_real() ? "/status" : "");
      const Answer patched = admin_.patch(path, status);
      EXPECT_EQ(patched.status, 200) << patched.what;
      names_.push_back(name);
    }
  }
  ~Pods() {
    for (const std::string& name : names_) {
      admin_.request("DELETE", kPods + "/" + name, R"({"gracePeriodSeconds":0})");
    }
  }

  const std::string& name(int index) const { return names_[static_cast<std::size_t>(index)]; }
  const std::string& uid(int index) const { return uids_[static_cast<std::size_t>(index)]; }
  void label(int index, const json& value) {
    const json patch = {{"metadata", {{"labels", {{"baton/leader", value}}}}}};
    EXPECT_EQ(admin_.patch(kPods + "/" + name(index), patch).status, 200);
  }
  /// The Pods that carry the label of this election.
  std::vector<std::string> labelled(const std::string& election) {
    const json list = admin_.get(kPods + "?labelSelector=baton%2Fleader%3D" + election).json();
    std::vector<std::string> found;
    for (const json& pod : list["items"]) {
      found.push_back(pod["metadata"]["name"]);
    }
    return found;
  }

 private:
  Api admin_{"admin"};
  std::vector<std::string> names_, uids_;
};

class Traffic : public testing::Test {
 protected:
  /// Two candidates in Pods of their own, with these settings.
  std::unique_ptr<Candidates> candidates(Pods& pods, std::vector<std::string> flags) {
    return std::make_unique<Candidates>(2, [&pods, flags](BatonOptions& options) {
      const int index = options.pod == "p0" ? 0 : 1;
      options.user = "traffic-" + std::to_string(index);
      options.pod = pods.name(index);
      options.flags = flags;
      options.flags.push_back("--pod-uid=" + pods.uid(index));
    });
  }
  json slice() { return admin_.get(kSlices + "/" + service_).json(); }
  /// The Pod that the slice leads to, "" if to none.
  std::string led_to() {
    const json found = slice();
    const json endpoints = found.value("endpoints", json::array());
    return endpoints.is_array() && !endpoints.empty() ? endpoints[0]["targetRef"].value("name", "")
                                                      : "";
  }
  void SetUp() override { admin_.remove(kSlices + "/" + service_); }

  Api admin_{"admin"};
  const std::string service_ = "traffic";
  const std::vector<std::string> by_slice_ = {"--leader-service=traffic",
                                              "--leader-service-ports=http=8080"};
};

TEST_F(Traffic, TheSliceFollowsTheLeader) {
  Pods pods("slice");
  const auto pair = candidates(pods, by_slice_);
  const int first = pair->wait_for_leader();
  ASSERT_GE(first, 0);
  ASSERT_TRUE(wait_until([&] { return led_to() == pods.name(first); })) << pair->at(first).log();
  const json shown = slice();
  EXPECT_EQ(shown["metadata"]["labels"]["kubernetes.io/service-name"], service_);
  EXPECT_EQ(shown["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"], "baton");
  EXPECT_EQ(shown["metadata"]["annotations"]["baton/fencing-token"],
            std::to_string(pair->at(first).token()));
  EXPECT_EQ(shown["addressType"], "IPv4");
  EXPECT_EQ(shown["endpoints"][0]["addresses"], json({"10.1.2." + std::to_string(first + 1)}));
  EXPECT_EQ(shown["endpoints"][0]["nodeName"], "node0");
  EXPECT_EQ(shown["ports"][0]["port"], 8080);

  EXPECT_EQ(pair->at(first).post("/resign?drained=true&wait=10s").status, 200);
  const int second = pair->wait_for_leader(first);
  ASSERT_EQ(second, 1 - first);
  EXPECT_TRUE(wait_until([&] { return led_to() == pods.name(second); })) << pair->at(second).log();
  EXPECT_EQ(slice()["metadata"]["annotations"]["baton/fencing-token"],
            std::to_string(pair->at(second).token()));

  // Nobody leads after the last one has gone, and nothing leads there.
  pair->at(first).process().send(SIGTERM);
  pair->at(first).process().wait();
  pair->at(second).process().send(SIGTERM);
  pair->at(second).process().wait();
  EXPECT_EQ(led_to(), "") << pair->at(second).log();
}

// A leader that was stopped does not know that it leads no more: it must not take the traffic back.
TEST_F(Traffic, AStoppedLeaderDoesNotTakeTheSliceBack) {
  Pods pods("stopped");
  const auto pair = candidates(pods, by_slice_);
  const int first = pair->wait_for_leader();
  ASSERT_GE(first, 0);
  // Not between the write and its answer: what it then takes away it would not tell.
  ASSERT_TRUE(wait_until([&] { return !pair->at(first).log_lines("traffic led here").empty(); }));
  ASSERT_EQ(led_to(), pods.name(first));
  pair->at(first).process().send(SIGSTOP);
  const int second = pair->wait_for_leader(first);
  EXPECT_TRUE(wait_until([&] { return led_to() == pods.name(1 - first); }));
  const std::string version = slice()["metadata"]["resourceVersion"];
  pair->at(first).process().send(SIGCONT);
  ASSERT_TRUE(wait_until([&] { return pair->at(first).state() == "following"; }));
  ASSERT_TRUE(wait_until([&] { return !pair->at(first).log_lines("traffic taken away").empty(); }))
      << pair->at(first).log();
  EXPECT_EQ(led_to(), pods.name(second));
  EXPECT_EQ(slice()["metadata"]["resourceVersion"], version);
}

TEST_F(Traffic, TheLabelFollowsTheLeader) {
  Pods pods("label", 3);
  pods.label(2, "another");  // of another election
  const auto pair = candidates(pods, {"--leader-label"});
  const std::string& election = pair->election();
  const int first = pair->wait_for_leader();
  ASSERT_GE(first, 0);
  const auto is_labelled = [&](int index) {
    return pods.labelled(election) == std::vector<std::string>{pods.name(index)};
  };
  EXPECT_TRUE(wait_until([&] { return is_labelled(first); })) << pair->at(first).log();
  pods.label(2, election);  // what a Pod has left behind
  EXPECT_EQ(pair->at(first).post("/resign?drained=true&wait=10s").status, 200);
  const int second = pair->wait_for_leader(first);
  EXPECT_TRUE(wait_until([&] { return is_labelled(second); })) << pair->at(second).log();
}

// What a Pod's process before this one has left behind leads nobody astray.
TEST_F(Traffic, TheLabelIsRemovedAtTheStart) {
  Pods pods("start");
  const auto pair = candidates(pods, {"--leader-label"});
  const int first = pair->wait_for_leader();
  ASSERT_GE(first, 0);
  ASSERT_TRUE(wait_until([&] { return !pods.labelled(pair->election()).empty(); }));
  pods.label(1 - first, pair->election());
  pair->restart(1 - first);
  EXPECT_TRUE(wait_until([&] {
    return pods.labelled(pair->election()) == std::vector<std::string>{pods.name(first)};
  }));
}

}  // namespace
}  // namespace baton::test
