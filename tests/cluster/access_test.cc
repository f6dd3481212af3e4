// Who may do what: the Roles that baton ships, each without one verb, and access reviews.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/api.h"
#include "support/cluster.h"
#include "support/text.h"

namespace baton::test {
namespace {

using nlohmann::json;

std::string lease(const std::string& name) { return kLeases + "/" + name; }
std::string list_of(const std::string& name) {
  return kLeases + "?fieldSelector=metadata.name%3D" + name;
}
std::string watch_of(const std::string& name) {
  return list_of(name) + "&watch=true&timeoutSeconds=1";
}

void expect_forbidden(const Answer& answer) {
  EXPECT_EQ(answer.status, 403) << answer.what;
  EXPECT_EQ(answer.json().value("reason", ""), "Forbidden") << answer.what;
}

bool may(Api& api, const std::string& verb, const std::string& group, const std::string& resource,
         const std::string& name) {
  const json review = {{"apiVersion", "authorization.k8s.io/v1"},
                       {"kind", "SelfSubjectAccessReview"},
                       {"spec",
                        {{"resourceAttributes",
                          {{"namespace", "baton-test"},
                           {"verb", verb},
                           {"group", group},
                           {"resource", resource},
                           {"name", name}}}}}};
  const Answer answer = api.post(kReviews, review);
  EXPECT_EQ(answer.status, 201) << answer.what;
  return answer.json()["status"]["allowed"];
}

TEST(Access, CandidateHasItsLeasesByNameOnly) {
  Api candidate("candidate-1");
  const std::string name = "e46";
  EXPECT_EQ(candidate.get(lease(name)).status, 404);
  EXPECT_EQ(candidate.get(list_of(name)).status, 200);
  EXPECT_EQ(candidate.get(watch_of(name)).status, 200);
  EXPECT_EQ(candidate.put(lease(name), lease_body(name, json::object())).status, 201);
  for (const std::string& target :
       {lease("another"), list_of("another"), watch_of("another"), kLeases, kLeases + "?watch=true",
        std::string("/apis/coordination.k8s.io/v1/namespaces/other/leases/e0")}) {
    expect_forbidden(candidate.get(target));
  }
  expect_forbidden(candidate.put(lease("another"), lease_body("another", json::object())));
  expect_forbidden(candidate.remove(lease(name)));
  expect_forbidden(candidate.patch(lease(name), json::object()));
  // Creation by POST names nothing, so a rule with names cannot allow it.
  expect_forbidden(candidate.post(kLeases, lease_body(name, json::object())));
}

TEST(Access, EachVerbIsRefusedAlone) {
  const std::string name = "e45";
  const std::string missing = "e44";
  const json body = lease_body(name, json::object());
  Api no_create("no-create");
  expect_forbidden(no_create.put(lease(name), body));
  json with_uid = lease_body(missing, json::object());
  with_uid["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555";
  with_uid["metadata"]["resourceVersion"] = "1";
  EXPECT_EQ(no_create.put(lease(missing), with_uid).status, 409);  // compared first

  json stored = Api("candidate-0").put(lease(name), body).json();
  stored["spec"]["holderIdentity"] = "x";
  Api no_update("no-update");
  expect_forbidden(no_update.put(lease(name), stored));
  expect_forbidden(no_update.put(lease(missing), lease_body(missing, json::object())));
  EXPECT_EQ(no_update.get(list_of(name)).status, 200);
  EXPECT_EQ(no_create.put(lease(name), stored).status, 200);

  Api no_watch("no-watch");
  expect_forbidden(no_watch.get(watch_of(name)));
  EXPECT_EQ(no_watch.get(list_of(name)).status, 200);

  Api nobody("nobody");
  expect_forbidden(nobody.get(lease(name)));
  expect_forbidden(nobody.get(list_of(name)));
  expect_forbidden(nobody.get(watch_of(name)));
  expect_forbidden(nobody.put(lease(name), stored));
}

/// The rules of the Role NAME in a file of objects, without the names that they are for.
std::vector<std::string> rules_of(const std::string& path, const std::string& name) {
  for (const YAML::Node& object : YAML::LoadAllFromFile(BATON_SOURCE_FOLDER + path)) {
    if (object["kind"].as<std::string>() != "Role" ||
        object["metadata"]["name"].as<std::string>() != name) {
      continue;
    }
    std::vector<std::string> rules;
    for (YAML::Node rule : object["rules"]) {
      rule.remove("resourceNames");
      rules.push_back(YAML::Dump(rule));
    }
    return rules;
  }
  return {};
}

TEST(Access, TheRolesOfTheseTestsAreThoseThatAreShipped) {
  for (const std::string role : {"lease", "extras"}) {
    const auto shipped = rules_of("/manifests/rbac.yaml", "baton-" + role + "-worker");
    EXPECT_FALSE(shipped.empty());
    EXPECT_EQ(rules_of("/e2e/rbac.yaml", role), shipped) << role;
  }
}

TEST(Access, ReviewsTellPerVerbAndName) {
  const std::string group = "coordination.k8s.io";
  Api candidate("candidate-0");
  for (const char* verb : {"get", "list", "watch", "update", "create"}) {
    EXPECT_TRUE(may(candidate, verb, group, "leases", "e0")) << verb;
    EXPECT_FALSE(may(candidate, verb, group, "leases", "another")) << verb;
  }
  EXPECT_FALSE(may(candidate, "delete", group, "leases", "e0"));
  EXPECT_TRUE(may(candidate, "get", "", "pods", "p0"));
  EXPECT_TRUE(may(candidate, "create", "", "events", ""));
  EXPECT_FALSE(may(candidate, "create", "events.k8s.io", "events", ""));
  EXPECT_FALSE(may(candidate, "patch", "", "pods", "p0"));

  Api lease_only("lease-only");
  EXPECT_TRUE(may(lease_only, "update", group, "leases", "e0"));
  EXPECT_FALSE(may(lease_only, "get", "", "pods", "p0"));
  EXPECT_FALSE(may(lease_only, "create", "", "events", ""));

  for (const char* verb : {"create", "watch", "update"}) {
    Api lacking(std::string("no-") + verb);
    EXPECT_FALSE(may(lacking, verb, group, "leases", "e0")) << verb;
    EXPECT_TRUE(may(lacking, "get", group, "leases", "e0")) << verb;
  }
  Api nobody("nobody");
  EXPECT_FALSE(may(nobody, "get", group, "leases", "e0"));
}

TEST(Access, ReviewWithoutAttributesIs422) {
  Api candidate("candidate-0");
  EXPECT_EQ(candidate.post(kReviews, {{"spec", json::object()}}).status, 422);
}

TEST(Access, UnknownTokenIs401) {
  TestCluster& cluster = TestCluster::get();
  const std::string text = text_of(cluster.kubeconfig("nobody"));
  const std::size_t at = text.find("token:");
  ASSERT_NE(at, std::string::npos);
  std::ofstream(cluster.kubeconfig("stranger"))
      << text.substr(0, at) << "token: \"no-such-token\"}\n"
      << text.substr(text.find("contexts:"));
  const Answer answer = Api("stranger").get(lease("e0"));
  EXPECT_EQ(answer.status, 401) << answer.what;
  EXPECT_EQ(answer.json().value("reason", ""), "Unauthorized");
}

TEST(Access, EventsAreCreatedOnlyWithExtras) {
  const auto event = [](const std::string& name_space) {
    return json{{"apiVersion", "v1"},
                {"kind", "Event"},
                {"metadata", {{"generateName", "e0."}, {"namespace", "baton-test"}}},
                {"involvedObject",
                 {{"kind", "Lease"},
                  {"namespace", name_space},
                  {"name", "e0"},
                  {"apiVersion", "coordination.k8s.io/v1"}}},
                {"reason", "LeaderElection"},
                {"type", "Normal"},
                {"message", "p0 became leader"}};
  };
  Api candidate("candidate-0");
  EXPECT_EQ(candidate.post(kEvents, event("baton-test")).status, 201);
  EXPECT_EQ(candidate.post(kEvents, event("elsewhere")).status, 422);
  expect_forbidden(candidate.get(kEvents));
  expect_forbidden(Api("lease-only").post(kEvents, event("baton-test")));
}

TEST(Access, OwnPodIsReadOnlyWithExtras) {
  Api admin("admin");
  const std::string name = "pod-access";
  Api candidate("candidate-0");
  EXPECT_EQ(candidate.get(kPods + "/" + name).status, 404);
  const std::string uid = admin.make_pod(name, "candidate-0");
  const json running = candidate.get(kPods + "/" + name).json();
  EXPECT_EQ(running["metadata"].value("uid", "none"), uid);
  EXPECT_FALSE(running["metadata"].contains("deletionTimestamp"));
  expect_forbidden(Api("lease-only").get(kPods + "/" + name));

  ASSERT_EQ(admin.remove(kPods + "/" + name).status, 200);
  const json ending = candidate.get(kPods + "/" + name).json();
  EXPECT_FALSE(ending["metadata"].value("deletionTimestamp", "").empty());
  EXPECT_EQ(ending["metadata"]["deletionGracePeriodSeconds"], 30);
  ASSERT_EQ(admin.request("DELETE", kPods + "/" + name, R"({"gracePeriodSeconds":0})").status, 200);
  EXPECT_EQ(candidate.get(kPods + "/" + name).status, 404);
}

}  // namespace
}  // namespace baton::test
