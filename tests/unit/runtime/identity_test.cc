#include "runtime/identity.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace baton::runtime {
namespace {

/// A service account's token whose claims are {"kubernetes.io":{"namespace":"shop",
/// "pod":{"name":"worker-1","uid":"0a1b2c3d-4e5f"}}}.
constexpr const char* kToken =
    "e30."
    "eyJrdWJlcm5ldGVzLmlvIjp7Im5hbWVzcGFjZSI6InNob3AiLCJwb2QiOnsibmFtZSI6Indvcmtlci0xIiwidWlkIjoi"
    "MGExYjJjM2QtNGU1ZiJ9fX0."
    "c2ln";

Identity identity_of(const config::Settings& settings, const std::string& token) {
  kube::Cluster cluster;
  cluster.token = token;
  kube::Credentials credentials(cluster);
  return *find_identity(settings, credentials);
}

TEST(Identity, ANamespaceThatNothingNamesIsAnErrorInAPodAlone) {
  config::Settings settings;
  EXPECT_EQ(identity_of(settings, "opaque").namespace_name, "default");
  kube::Cluster cluster;
  cluster.is_in_cluster = true;
  cluster.token = "opaque";
  kube::Credentials credentials(cluster);
  EXPECT_EQ(find_identity(settings, credentials).error(),
            "no namespace: the service account's volume holds no file 'namespace' and its token "
            "names none; mount that file, or set namespace");
  settings.namespace_name = "shop";
  EXPECT_EQ(find_identity(settings, credentials)->namespace_name, "shop");
}

TEST(Identity, ComesFromTheTokensClaims) {
  const Identity identity = identity_of({}, kToken);
  EXPECT_EQ(identity.namespace_name, "shop");
  EXPECT_EQ(identity.pod_name, "worker-1");
  EXPECT_EQ(identity.pod_uid, "0a1b2c3d-4e5f");
  EXPECT_EQ(identity.holder.substr(0, 18), "worker-1_0a1b2c3d_");
}

TEST(Identity, IsAnotherOneAtEachStart) {
  EXPECT_NE(identity_of({}, kToken).holder, identity_of({}, kToken).holder);
}

TEST(Identity, AnotherPodsNameTakesNoUidFromTheToken) {
  config::Settings settings;
  settings.pod_name = "other";
  const Identity identity = identity_of(settings, kToken);
  EXPECT_EQ(identity.pod_uid, "");
  EXPECT_EQ(identity.holder.substr(0, 12), "other_local_");
}

TEST(Identity, TheLegacyIdReplacesThePodsNameInTheIdentityOnly) {
  config::Settings settings;
  settings.id = "me";
  const Identity identity = identity_of(settings, kToken);
  EXPECT_EQ(identity.pod_name, "worker-1");
  EXPECT_EQ(identity.legacy_name, "me");
  EXPECT_EQ(identity.holder.substr(0, 3), "me_");
}

TEST(R19, OneProcessOfAPodHoldsTheSocketAndTheSecondIsTold) {
  Identity identity = identity_of({}, kToken);
  identity.pod_uid = std::to_string(random_bits());
  auto first = claim_incarnation(identity, "worker");
  ASSERT_TRUE(first.ok()) << first.error();
  EXPECT_TRUE(first->name.starts_with(identity.pod_uid + "/"));

  const auto second = claim_incarnation(identity, "worker");
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().find("process " + std::to_string(::getpid())), std::string::npos);
  EXPECT_TRUE(claim_incarnation(identity, "another-election").ok());

  first->socket = Descriptor();
  EXPECT_TRUE(claim_incarnation(identity, "worker").ok());
}

TEST(R19, WithoutAPodUidThereIsNoSocketAndNoIncarnation) {
  const auto incarnation = claim_incarnation(identity_of({}, ""), "worker");
  ASSERT_TRUE(incarnation.ok());
  EXPECT_EQ(incarnation->name, "");
  EXPECT_FALSE(incarnation->socket.open());
}

TEST(R19, LongNamesStillFitTheSocket) {
  Identity identity = identity_of({}, "");
  identity.pod_uid = std::to_string(random_bits());
  const std::string election(253, 'e');
  const auto first = claim_incarnation(identity, election);
  ASSERT_TRUE(first.ok()) << first.error();
  EXPECT_FALSE(claim_incarnation(identity, election).ok());
}

}  // namespace
}  // namespace baton::runtime
