#include "kube/object_codec.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::kube {
namespace {

using nlohmann::json;

// {"exp":2000000000,"kubernetes.io":{"namespace":"shop","pod":{"name":"web-0","uid":"p-1"},
//  "serviceaccount":{"name":"web","uid":"s-1"}}}
constexpr const char* kToken =
    "eyJhbGciOiJub25lIn0."
    "eyJleHAiOjIwMDAwMDAwMDAsImt1YmVybmV0ZXMuaW8iOnsibmFtZXNwYWNlIjoic2hvcCIsInBvZCI6eyJuYW1lIjoid2"
    "ViLTAiLCJ1aWQiOiJwLTEifSwic2VydmljZWFjY291bnQiOnsibmFtZSI6IndlYiIsInVpZCI6InMtMSJ9fX0"
    ".c2ln";

TEST(DecodeClaims, OfABoundToken) {
  const Claims claims = decode_claims(kToken);
  EXPECT_EQ(claims.pod.namespace_name, "shop");
  EXPECT_EQ(claims.pod.pod_name, "web-0");
  EXPECT_EQ(claims.pod.pod_uid, "p-1");
  EXPECT_EQ(claims.pod.service_account, "web");
  EXPECT_EQ(claims.validity.until_s, 2000000000);
  EXPECT_FALSE(claims.validity.from_s);
  EXPECT_EQ(pod_identity(kToken).pod_uid, "p-1");
}

TEST(DecodeClaims, WhatIsNoTokenHasNone) {
  for (const char* bad : {"", "opaque", ".", "..", "a.b", "a.%%%.c", "a.bm90IGpzb24.c", "a.W10.c",
                          "a.eyJleHAiOiIxIiwia3ViZXJuZXRlcy5pbyI6eyJwb2QiOltdfX0.c"}) {
    const Claims claims = decode_claims(bad);
    EXPECT_EQ(claims.pod.pod_uid, "") << bad;
    EXPECT_FALSE(claims.validity.until_s) << bad;
  }
}

TEST(DecodePod, WithAndWithoutDeletion) {
  const auto living = decode_pod(R"({"kind":"Pod","metadata":{"uid":"p-1"}})");
  ASSERT_TRUE(living.ok()) << living.error();
  EXPECT_EQ(living->uid, "p-1");
  EXPECT_FALSE(living->deletion_s);
  const auto dying = decode_pod(
      R"({"kind":"Pod","metadata":{"uid":"p-1","deletionTimestamp":"1970-01-01T00:01:40Z",
          "deletionGracePeriodSeconds":30}})");
  EXPECT_EQ(dying->deletion_s, 100);
  EXPECT_EQ(dying->deletion_grace_s, 30);
}

// Section 5 (d): a deletionTimestamp that cannot be read must not look like a living Pod.
TEST(DecodePod, WhatCannotBeReadIsAnError) {
  for (const char* bad :
       {"", "<html>", "[]", "{}", R"({"kind":"Status"})", R"({"kind":"Pod","metadata":{}})",
        R"({"kind":"Pod","metadata":{"uid":5}})",
        R"({"kind":"Pod","metadata":{"uid":"p","deletionTimestamp":"soon"}})",
        R"({"kind":"Pod","metadata":{"uid":"p","deletionTimestamp":17}})"}) {
    EXPECT_FALSE(decode_pod(bad).ok()) << bad;
  }
}

// Section 5 (d): subtracted from the end of the Pod, such a period would wrap round into a proof.
TEST(DecodePod, AGracePeriodOutOfRangeIsAnError) {
  for (const char* bad : {"-1", "-9223372036854775808", "9223372036854775808", "1e3", "\"30\""}) {
    const std::string pod = std::string(R"({"kind":"Pod","metadata":{"uid":"p",)") +
                            R"("deletionGracePeriodSeconds":)" + bad + "}}";
    EXPECT_FALSE(decode_pod(pod).ok()) << bad;
  }
}

// A copy of such a value would go as deep in the stack.
TEST(DecodePod, DepthDoesNoHarm) {
  constexpr std::size_t kDepth = 500'000;
  const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
  EXPECT_FALSE(decode_pod(deep).ok());
  EXPECT_FALSE(
      decode_pod(R"({"kind":"Pod","metadata":{"uid":"p","deletionTimestamp":)" + deep + "}}").ok());
  EXPECT_FALSE(decode_pod(R"({"kind":"Pod","metadata":{"uid":"p","deletionGracePeriodSeconds":)" +
                          deep + "}}")
                   .ok());
  EXPECT_FALSE(decode_review(R"({"status":{"allowed":)" + deep + "}}").ok());
}

TEST(EncodeEvent, SpeaksOfTheLease) {
  const json event = json::parse(
      encode_event({"Lease", "shop", "billing", "u-1", "web-0_x", "web-0_x became leader"},
                   "billing.17", "2031-05-06T07:08:09.000123Z"));
  EXPECT_EQ(event["metadata"]["name"], "billing.17");
  EXPECT_EQ(event["metadata"]["namespace"], "shop");
  EXPECT_EQ(event["involvedObject"], (json{{"apiVersion", "coordination.k8s.io/v1"},
                                           {"kind", "Lease"},
                                           {"name", "billing"},
                                           {"namespace", "shop"},
                                           {"uid", "u-1"}}));
  EXPECT_EQ(event["reason"], "LeaderElection");
  EXPECT_EQ(event["type"], "Normal");
  EXPECT_EQ(event["source"]["component"], "baton");
  EXPECT_EQ(event["message"], "web-0_x became leader");
  EXPECT_EQ(event["firstTimestamp"], "2031-05-06T07:08:09Z");
}

TEST(EncodeEvent, WarnsOnThePod) {
  const json event = json::parse(
      encode_event({"Pod", "shop", "web-0", "p-1", "web-0_x", "blocked: why", "Warning"},
                   "web-0.17", "2031-05-06T07:08:09Z"));
  EXPECT_EQ(event["type"], "Warning");
  EXPECT_EQ(event["involvedObject"], (json{{"apiVersion", "v1"},
                                           {"kind", "Pod"},
                                           {"name", "web-0"},
                                           {"namespace", "shop"},
                                           {"uid", "p-1"}}));
}

TEST(Review, QuestionAndAnswer) {
  const json question =
      json::parse(encode_review({"update", "coordination.k8s.io", "leases", "shop", "billing"}));
  EXPECT_EQ(question["kind"], "SelfSubjectAccessReview");
  EXPECT_EQ(question["spec"]["resourceAttributes"], (json{{"verb", "update"},
                                                          {"group", "coordination.k8s.io"},
                                                          {"resource", "leases"},
                                                          {"namespace", "shop"},
                                                          {"name", "billing"}}));
  EXPECT_TRUE(*decode_review(R"({"status":{"allowed":true}})"));
  EXPECT_FALSE(*decode_review(R"({"status":{"allowed":false,"denied":true}})"));
  for (const char* bad : {"", "{}", R"({"status":{"allowed":"true"}})", "<html>"}) {
    EXPECT_FALSE(decode_review(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace baton::kube
