// The two ways of leading traffic here, against scripted answers: what is written, over which
// version, and what is left alone.
#include "kube/route.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "unit/kube/scripted_server.h"

namespace baton::kube {
namespace {

using election::FailureKind;
using nlohmann::json;

const std::string kSlicePath = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
const std::string kForbidden = R"({"kind":"Status","message":"it is forbidden"})";

/// What a leader with this token has written.
json slice(const std::string& token, const std::string& uid, const std::string& version = "7") {
  return {
      {"apiVersion", "discovery.k8s.io/v1"},
      {"kind", "EndpointSlice"},
      {"metadata",
       {{"name", "web"},
        {"namespace", "shop"},
        {"uid", "s-1"},
        {"resourceVersion", version},
        {"labels",
         {{"kubernetes.io/service-name", "web"},
          {"endpointslice.kubernetes.io/managed-by", "baton"}}},
        {"annotations", {{"baton/fencing-token", token}, {"kept", "yes"}}}}},
      {"addressType", "IPv4"},
      {"endpoints",
       {{{"addresses", {"10.0.0.9"}},
         {"conditions", {{"ready", true}}},
         {"targetRef", {{"kind", "Pod"}, {"namespace", "shop"}, {"name", "w-9"}, {"uid", uid}}}}}},
      {"ports", {{{"name", "http"}, {"port", 8080}, {"protocol", "TCP"}}}}};
}

class RouteTest : public testing::Test {
 protected:
  void expect_done(const std::optional<election::Failure>& failure) {
    EXPECT_FALSE(failure.has_value()) << failure->what;
  }
  void pod_is(const std::string& address) {
    server_.then(answer(200, json{{"kind", "Pod"},
                                  {"metadata", {{"uid", "p-1"}}},
                                  {"spec", {{"nodeName", "n-1"}}},
                                  {"status", {{"podIP", address}}}}
                                 .dump()));
  }
  std::string line(std::size_t index) const { return server_.requests()[index].line; }
  json body(std::size_t index) const { return json::parse(server_.requests()[index].body); }

  ScriptedServer server_;
  std::shared_ptr<SideClient> side_ =
      std::make_shared<SideClient>(std::make_shared<Credentials>(server_.cluster()));
  const PodIdentity pod_{"shop", "w-1", "p-1"};
  std::unique_ptr<Route> slice_ = slice_route(side_, pod_, "web", {{"http", 8080}}, kGenerous);
  std::unique_ptr<Route> label_ = label_route(side_, pod_, "billing", kGenerous);
};

bool yes() { return true; }

TEST_F(RouteTest, AMissingSliceIsCreated) {
  pod_is("10.0.0.1");
  server_.then(answer(404, "{}"));
  server_.then(answer(201, "{}"));
  expect_done(slice_->show(41, yes));
  EXPECT_EQ(line(0), "GET /api/v1/namespaces/shop/pods/w-1 HTTP/1.1");
  EXPECT_EQ(line(1), "GET " + kSlicePath + "/web HTTP/1.1");
  EXPECT_EQ(line(2), "POST " + kSlicePath + "?fieldManager=baton HTTP/1.1");
  const json written = body(2);
  const json& metadata = written["metadata"];
  EXPECT_EQ(metadata["name"], "web");
  EXPECT_EQ(metadata["labels"]["kubernetes.io/service-name"], "web");
  EXPECT_EQ(metadata["labels"]["endpointslice.kubernetes.io/managed-by"], "baton");
  EXPECT_EQ(metadata["annotations"]["baton/fencing-token"], "41");
  EXPECT_EQ(written["addressType"], "IPv4");
  ASSERT_EQ(written["endpoints"].size(), 1u);
  const json& endpoint = written["endpoints"][0];
  EXPECT_EQ(endpoint["addresses"], json({"10.0.0.1"}));
  EXPECT_EQ(endpoint["conditions"]["ready"], true);
  EXPECT_EQ(endpoint["nodeName"], "n-1");
  EXPECT_EQ(endpoint["targetRef"]["uid"], "p-1");
  EXPECT_EQ(written["ports"], json::parse(R"([{"name":"http","port":8080,"protocol":"TCP"}])"));
}

TEST_F(RouteTest, AnotherLeadersSliceIsReplacedInOneWriteOverTheVersionRead) {
  pod_is("10.0.0.1");
  server_.then(answer(200, slice("40", "p-9").dump()));
  server_.then(answer(200, "{}"));
  expect_done(slice_->show(41, yes));
  ASSERT_EQ(server_.requests().size(), 3u);
  EXPECT_EQ(line(2), "PUT " + kSlicePath + "/web?fieldManager=baton HTTP/1.1");
  EXPECT_EQ(body(2)["metadata"]["resourceVersion"], "7");
  EXPECT_EQ(body(2)["metadata"]["annotations"]["kept"], "yes");
  EXPECT_EQ(body(2)["endpoints"].size(), 1u);
  EXPECT_EQ(body(2)["endpoints"][0]["targetRef"]["uid"], "p-1");
}

TEST_F(RouteTest, AConflictIsReadAgainAndTheAddressOnce) {
  pod_is("fd00::1");
  server_.then(answer(404, "{}"));
  server_.then(answer(409, "{}"));
  json theirs = slice("40", "p-9");
  theirs["addressType"] = "IPv6";
  server_.then(answer(200, theirs.dump()));
  server_.then(answer(200, "{}"));
  expect_done(slice_->show(41, yes));
  EXPECT_EQ(body(4)["addressType"], "IPv6");
  const json shown = body(4);
  server_.then(answer(200, shown.dump()));
  expect_done(slice_->show(41, yes));  // as it is wanted: nothing is written
  EXPECT_EQ(server_.requests().size(), 6u);
}

// A candidate that was stopped for a while must not take the traffic of the leader after it.
TEST_F(RouteTest, ASliceWithAHigherTokenIsNeverReplaced) {
  pod_is("10.0.0.1");
  server_.then(answer(200, slice("42", "p-9").dump()));
  const auto failure = slice_->show(41, yes);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->kind, FailureKind::refused);
  EXPECT_TRUE(holds(failure->what, "token 42 of a later term")) << failure->what;
  EXPECT_EQ(server_.requests().size(), 2u);
}

TEST_F(RouteTest, NothingIsWrittenOnceTheTermIsOver) {
  pod_is("10.0.0.1");
  server_.then(answer(200, slice("40", "p-9").dump()));
  expect_done(slice_->show(41, [] { return false; }));
  EXPECT_EQ(server_.requests().size(), 2u);
  server_.then(answer(200, R"({"items":[{"metadata":{"name":"w-9"}}]})"));
  expect_done(label_->show(41, [] { return false; }));
  EXPECT_EQ(server_.requests().size(), 3u);
}

TEST_F(RouteTest, ASliceOfAnotherManagerOrFamilyIsRefused) {
  pod_is("10.0.0.1");
  json theirs = slice("40", "p-9");
  theirs["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] = "other";
  server_.then(answer(200, theirs.dump()));
  EXPECT_TRUE(holds(slice_->show(41, yes)->what, "managed by other: delete it"));
  theirs = slice("40", "p-9");
  theirs["addressType"] = "IPv6";
  server_.then(answer(200, theirs.dump()));
  EXPECT_TRUE(holds(slice_->show(41, yes)->what, "another family than 10.0.0.1"));
  EXPECT_EQ(server_.requests().size(), 3u);
}

TEST_F(RouteTest, OnlyTheOwnEndpointIsTakenOut) {
  server_.then(answer(404, "{}"));
  expect_done(slice_->withdraw());
  server_.then(answer(200, slice("42", "p-9").dump()));
  expect_done(slice_->withdraw());
  EXPECT_EQ(server_.requests().size(), 2u);
  server_.then(answer(200, slice("41", "p-1").dump()));
  server_.then(answer(409, "{}"));
  server_.then(answer(200, slice("41", "p-1", "8").dump()));
  server_.then(answer(200, "{}"));
  expect_done(slice_->withdraw());
  ASSERT_EQ(server_.requests().size(), 6u);
  EXPECT_EQ(body(5)["endpoints"], json::array());
  EXPECT_EQ(body(5)["metadata"]["resourceVersion"], "8");
  EXPECT_EQ(body(5)["metadata"]["annotations"]["baton/fencing-token"], "41");
}

TEST_F(RouteTest, FailuresNameTheMend) {
  server_.then(answer(403, kForbidden));
  EXPECT_TRUE(holds(slice_->show(41, yes)->what,
                    "get pod shop/w-1: 403: it is forbidden; bind the Role 'traffic'"));
  pod_is("");
  EXPECT_TRUE(holds(slice_->show(41, yes)->what, "pod shop/w-1 has no status.podIP yet"));
  server_.then(answer(403, kForbidden));
  EXPECT_EQ(slice_->withdraw()->what,
            "get endpointslice shop/web: 403: it is forbidden; bind the Role 'traffic', or another "
            "that allows 'get', 'create' and 'update' on endpointslices.discovery.k8s.io and 'get' "
            "on pods in namespace 'shop', to this identity");
  server_.then(answer(500, "oops"));
  EXPECT_EQ(slice_->withdraw()->kind, FailureKind::unavailable);
  server_.then(answer(200, "<html>"));
  EXPECT_EQ(slice_->withdraw()->kind, FailureKind::garbled);
  for (int i = 0; i < 3; ++i) {
    server_.then(answer(200, slice("41", "p-1").dump()));
    server_.then(answer(409, "{}"));
  }
  EXPECT_EQ(slice_->withdraw()->kind, FailureKind::conflict);
}

TEST_F(RouteTest, AnotherPodOfTheNameIsNotTheOwn) {
  server_.then(
      answer(200, R"({"kind":"Pod","metadata":{"uid":"p-2"},"status":{"podIP":"1.2.3.4"}})"));
  EXPECT_TRUE(holds(slice_->show(41, yes)->what, "another one of this name"));
}

TEST_F(RouteTest, TheWinnerTakesTheLabelOffTheOthersFirst) {
  server_.then(
      answer(200, R"({"items":[{"metadata":{"name":"w-9","uid":"p-9","resourceVersion":"5"}}]})"));
  server_.then(answer(200, "{}"));
  server_.then(answer(200, "{}"));
  expect_done(label_->show(41, yes));
  EXPECT_EQ(line(0),
            "GET /api/v1/namespaces/shop/pods?labelSelector=baton%2Fleader%3Dbilling HTTP/1.1");
  EXPECT_EQ(line(1), "PATCH /api/v1/namespaces/shop/pods/w-9?fieldManager=baton HTTP/1.1");
  EXPECT_EQ(server_.requests()[1].header("Content-Type"), "application/merge-patch+json");
  EXPECT_EQ(body(1), json::parse(R"({"metadata":{"uid":"p-9","resourceVersion":"5",
                                     "labels":{"baton/leader":null}}})"));
  EXPECT_EQ(line(2), "PATCH /api/v1/namespaces/shop/pods/w-1?fieldManager=baton HTTP/1.1");
  EXPECT_EQ(body(2),
            json::parse(R"({"metadata":{"uid":"p-1","labels":{"baton/leader":"billing"}}})"));
}

TEST_F(RouteTest, APodThatChangedIsReadAgainBeforeItLosesTheLabel) {
  server_.then(answer(200, R"({"items":[{"metadata":{"name":"w-9","resourceVersion":"5"}}]})"));
  server_.then(answer(409, "{}"));
  server_.then(answer(200, R"({"items":[{"metadata":{"name":"w-1"}}]})"));
  expect_done(label_->show(41, yes));  // it has the label already
  EXPECT_EQ(server_.requests().size(), 3u);
}

// With two Pods in the Service a standby would get requests; with none they fail at once.
TEST_F(RouteTest, TheOwnPodGetsNoLabelBesideAnother) {
  server_.then(answer(200, R"({"items":[{"metadata":{"name":"w-9","resourceVersion":"5"}}]})"));
  server_.then(answer(403, kForbidden));
  EXPECT_EQ(label_->show(41, yes)->what,
            "patch pod shop/w-9: 403: it is forbidden; bind the Role 'traffic', or another that "
            "allows 'list' and 'patch' on pods in namespace 'shop', to this identity");
  EXPECT_EQ(server_.requests().size(), 2u);
}

TEST_F(RouteTest, TheLabelIsTakenOffTheOwnPod) {
  server_.then(answer(200, "{}"));
  expect_done(label_->withdraw());
  EXPECT_EQ(body(0), json::parse(R"({"metadata":{"uid":"p-1","labels":{"baton/leader":null}}})"));
  server_.then(answer(404, "{}"));  // the Pod is gone, and the label with it
  expect_done(label_->withdraw());
  server_.then(answer(500, "{}"));
  EXPECT_EQ(label_->withdraw()->kind, FailureKind::unavailable);
}

}  // namespace
}  // namespace baton::kube
