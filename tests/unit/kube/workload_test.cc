#include "kube/workload.h"

#include <gtest/gtest.h>

#include "unit/kube/folder.h"
#include "unit/kube/scripted_server.h"

namespace baton::kube {
namespace {

constexpr const char* kOwned =
    R"("metadata":{"ownerReferences":[{"kind":"Lease","name":"x"},
       {"kind":"ReplicaSet","name":"web-7d","controller":true}]})";

TEST(DecodePodSpec, HasTheGracePeriodAndTheController) {
  const auto spec =
      decode_pod_spec(std::string(R"({"kind":"Pod",)") + kOwned +
                      R"(,"spec":{"terminationGracePeriodSeconds":7,"hostNetwork":true}})");
  ASSERT_TRUE(spec.ok()) << spec.error();
  EXPECT_EQ(spec->grace_period_s, 7);
  EXPECT_EQ(spec->owner.kind, "ReplicaSet");
  EXPECT_EQ(spec->owner.name, "web-7d");
  EXPECT_FALSE(spec->is_ready_only_as_leader);
  EXPECT_TRUE(spec->is_on_host_network);
  EXPECT_EQ(decode_pod_spec(R"({"kind":"Pod"})")->owner.kind, "");
  EXPECT_FALSE(decode_pod_spec(R"({"kind":"Pod"})")->is_on_host_network);
}

TEST(DecodePodSpec, SeesWhoSharesItsProcesses) {
  const auto shares = [](const std::string& spec) {
    return decode_pod_spec(R"({"kind":"Pod","spec":{)" + spec + "}}")->shares_processes;
  };
  EXPECT_TRUE(shares(R"("shareProcessNamespace":true)"));
  EXPECT_TRUE(shares(R"("hostPID":true)"));
  EXPECT_FALSE(shares(""));
  EXPECT_FALSE(shares(R"("shareProcessNamespace":false,"hostPID":null)"));
}

TEST(DecodePodSpec, SeesWhoIsReadyOnlyAsLeader) {
  const auto is_gated = [](const std::string& list, const std::string& probe) {
    return decode_pod_spec(R"({"kind":"Pod","spec":{")" + list +
                           R"(":[{"name":"a"},{"readinessProbe":)" + probe + "}]}}")
        ->is_ready_only_as_leader;
  };
  const std::string path = R"({"httpGet":{"path":"/leaderz","port":4041}})";
  EXPECT_TRUE(is_gated("containers", path));
  EXPECT_TRUE(is_gated("initContainers", path));
  EXPECT_TRUE(is_gated("containers", R"({"exec":{"command":["/baton","probe","leader"]}})"));
  EXPECT_FALSE(is_gated("containers", R"({"exec":{"command":["/baton","probe","ready"]}})"));
  EXPECT_FALSE(is_gated("containers", R"({"exec":{"command":["/baton",5]}})"));
  EXPECT_FALSE(is_gated("containers", R"({"httpGet":{"path":"/readyz"}})"));
}

TEST(DecodeWorkload, HasTheStrategyAsWritten) {
  const auto deployment = decode_workload(
      R"({"kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":3,"strategy":
          {"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":1}}}})");
  ASSERT_TRUE(deployment.ok()) << deployment.error();
  EXPECT_EQ(deployment->self.name, "web");
  EXPECT_EQ(deployment->replicas, 3);
  EXPECT_EQ(deployment->strategy, "RollingUpdate");
  EXPECT_EQ(deployment->max_unavailable, "25%");
  EXPECT_EQ(deployment->max_surge, "1");
  const auto set = decode_workload(
      R"({"kind":"StatefulSet","metadata":{"name":"db"},"spec":{"updateStrategy":{"type":"OnDelete"}}})");
  EXPECT_EQ(set->strategy, "OnDelete");
  EXPECT_EQ(set->replicas, 1);
}

TEST(DecodeWorkload, WhatIsNoneIsAnError) {
  for (const char* bad :
       {"", "<html>", "[]", R"({"kind":"Status"})", R"({"kind":["Deployment"]})"}) {
    EXPECT_FALSE(decode_workload(bad).ok()) << bad;
    EXPECT_FALSE(decode_pod_spec(bad).ok()) << bad;
  }
}

class ReadWorkload : public testing::Test {
 protected:
  auto read(const Owner& owner) { return read_workload(side_, "shop", owner, kGenerous); }
  ScriptedServer server_;
  SideClient side_{std::make_shared<Credentials>(server_.cluster())};
};

TEST_F(ReadWorkload, FollowsAReplicaSetToItsDeployment) {
  server_.then(answer(200, R"({"kind":"ReplicaSet","metadata":{"ownerReferences":
                              [{"kind":"Deployment","name":"web","controller":true}]}})"));
  server_.then(answer(200, R"({"kind":"Deployment","metadata":{"name":"web"}})"));
  const auto workload = read({"ReplicaSet", "web-7d"});
  ASSERT_TRUE(workload.ok()) << workload.error();
  EXPECT_EQ(workload->self.name, "web");
  EXPECT_EQ(server_.requests()[0].line,
            "GET /apis/apps/v1/namespaces/shop/replicasets/web-7d HTTP/1.1");
  EXPECT_EQ(server_.requests()[1].line,
            "GET /apis/apps/v1/namespaces/shop/deployments/web HTTP/1.1");
}

TEST_F(ReadWorkload, SaysWhyItCouldNot) {
  server_.then(answer(403, R"({"kind":"Status","message":"forbidden"})"));
  EXPECT_EQ(read({"StatefulSet", "db"}).error(), "get statefulsets db: 403: forbidden");
  EXPECT_EQ(read({"DaemonSet", "agent"}).error(),
            "it belongs to no Deployment or StatefulSet but to the DaemonSet agent");
  EXPECT_EQ(read({}).error(), "it belongs to no Deployment or StatefulSet");
}

}  // namespace
}  // namespace baton::kube
