#include "kube/cluster.h"

#include <gtest/gtest.h>

#include "unit/kube/folder.h"
#include "unit/kube/pems.h"

namespace baton::kube {
namespace {

Folder& mounted(Folder& folder) {
  folder.write("token", "abc.def.ghi\n");
  folder.write("ca.crt", kFirst.certificate_pem);
  folder.write("namespace", "shop\n");
  return folder;
}

TEST(InCluster, FromTheEnvironmentAndTheMount) {
  const Environment environment(
      {{"KUBERNETES_SERVICE_HOST", "fd00:10:96::1"}, {"KUBERNETES_SERVICE_PORT", "443"}});
  Folder folder;
  const auto cluster = in_cluster(mounted(folder).path(""));
  EXPECT_TRUE(cluster.ok() && cluster->is_in_cluster);
  ASSERT_TRUE(cluster.ok()) << cluster.error();
  EXPECT_EQ(cluster->endpoint.host, "fd00:10:96::1");
  EXPECT_EQ(cluster->endpoint.port, 443);
  EXPECT_EQ(cluster->namespace_name, "shop");
  EXPECT_EQ(cluster->source, "in-cluster");
  EXPECT_EQ(Credentials(*cluster).bearer(), "abc.def.ghi");
}

TEST(InCluster, SaysWhatIsMissing) {
  const auto error = [](const std::string& port, const Folder& folder) {
    const Environment environment(
        {{"KUBERNETES_SERVICE_HOST", "10.96.0.1"}, {"KUBERNETES_SERVICE_PORT", port}});
    const auto cluster = in_cluster(folder.path(""));
    return cluster.ok() ? "" : cluster.error();
  };
  Folder folder;
  EXPECT_NE(error("443", folder).find("automountServiceAccountToken"), std::string::npos);
  mounted(folder);
  EXPECT_EQ(error("443", folder), "");
  EXPECT_NE(error("70000", folder).find("'70000', must be 1 to 65535"), std::string::npos);
  folder.write("ca.crt", "no pem");
  EXPECT_NE(error("443", folder).find("no PEM"), std::string::npos);
  folder.write("ca.crt", kFirst.certificate_pem);
  folder.write("token", "two\nlines");
  EXPECT_NE(error("443", folder).find("holds no token"), std::string::npos);
  const Environment outside({});
  EXPECT_NE(in_cluster().error().find("KUBERNETES_SERVICE_HOST"), std::string::npos);
}

TEST(FindCluster, NamesTheThreePlaces) {
  const Folder folder;
  const Environment environment({{"HOME", folder.path("")}});
  const auto cluster = find_cluster("", "");
  ASSERT_FALSE(cluster.ok());
  for (const char* place : {"KUBERNETES_SERVICE_HOST", "KUBECONFIG", "~/.kube/config"}) {
    EXPECT_NE(cluster.error().find(place), std::string::npos) << place;
  }
}

TEST(FindCluster, WhatIsNamedWins) {
  const Folder folder;
  const std::string config = folder.write("config", "no: kubeconfig");
  const Environment pod({{"KUBERNETES_SERVICE_HOST", "10.96.0.1"},
                         {"KUBERNETES_SERVICE_PORT", "443"},
                         {"KUBECONFIG", config}});
  EXPECT_EQ(find_cluster("", "").error().find("kubeconfig " + config), 0u);
  EXPECT_EQ(find_cluster("/nowhere", "").error().find("kubeconfig /nowhere"), 0u);
  const Environment no_variable({{"KUBERNETES_SERVICE_HOST", "10.96.0.1"},
                                 {"KUBERNETES_SERVICE_PORT", "x"},
                                 {"HOME", folder.path("")}});
  EXPECT_EQ(find_cluster("", "").error().find("in-cluster: "), 0u);
  EXPECT_EQ(find_cluster("", "some").error().find("kubeconfig "), 0u);
}

class CredentialsTest : public testing::Test {
 protected:
  Cluster cluster() {
    Cluster cluster;
    cluster.token_file = folder_.path("token");
    cluster.ca_file = folder_.path("ca");
    cluster.client_certificate_file = folder_.path("certificate");
    cluster.client_key_file = folder_.path("key");
    return cluster;
  }
  void SetUp() override {
    folder_.write("token", " first \n");
    folder_.write("ca", kFirst.certificate_pem);
    folder_.write("certificate", kFirst.certificate_pem);
    folder_.write("key", kFirst.key_pem);
  }
  Folder folder_;
};

TEST_F(CredentialsTest, ATokenIsKeptForAMinuteAndDroppedAfterA401) {
  Credentials credentials(cluster());
  EXPECT_EQ(credentials.bearer(), "first");
  folder_.write("token", "second");
  EXPECT_EQ(credentials.bearer(), "first");
  credentials.drop_token();
  EXPECT_EQ(credentials.bearer(), "second");
}

TEST_F(CredentialsTest, AnUnusableTokenFileLeavesTheOldToken) {
  Credentials credentials(cluster());
  EXPECT_EQ(credentials.bearer(), "first");
  for (const char* bad : {"", "\n", "a\r\nX-Injected: 1", "a b", "caf\xc3\xa9"}) {
    folder_.write("token", bad);
    credentials.drop_token();
    EXPECT_EQ(credentials.bearer(), "first") << bad;
  }
  folder_.remove("token");
  credentials.drop_token();
  EXPECT_EQ(credentials.bearer(), "first");
  folder_.write("token", "third");
  EXPECT_EQ(credentials.bearer(), "third");
}

TEST_F(CredentialsTest, AFixedTokenNeedsNoFile) {
  Cluster fixed;
  fixed.token = "fixed";
  EXPECT_EQ(Credentials(fixed).bearer(), "fixed");
  EXPECT_EQ(Credentials(Cluster()).bearer(), "");
}

TEST_F(CredentialsTest, TheContextChangesWithTheFiles) {
  Credentials credentials(cluster());
  const auto first = credentials.tls();
  ASSERT_TRUE(first.ok()) << first.error();
  EXPECT_EQ(*credentials.tls(), *first);  // its session cache with it
  folder_.write("ca", kSecond.certificate_pem);
  const auto second = credentials.tls();
  ASSERT_TRUE(second.ok()) << second.error();
  EXPECT_NE(*second, *first);
}

TEST_F(CredentialsTest, HalfOfARotationLeavesTheOldContext) {
  Credentials credentials(cluster());
  const auto first = credentials.tls();
  folder_.write("certificate", kSecond.certificate_pem);  // its key comes later
  EXPECT_EQ(*credentials.tls(), *first);
  folder_.remove("key");
  EXPECT_EQ(*credentials.tls(), *first);
  folder_.write("key", kSecond.key_pem);
  EXPECT_NE(*credentials.tls(), *first);
}

TEST_F(CredentialsTest, TheFirstContextNeedsGoodFiles) {
  const auto expect_wrong = [&](const std::vector<std::string>& parts) {
    const auto wrong = check_files(cluster());
    ASSERT_EQ(wrong.size(), parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      EXPECT_NE(wrong[i].find(parts[i]), std::string::npos) << wrong[i];
    }
  };
  expect_wrong({});
  folder_.write("key", kSecond.key_pem);
  expect_wrong({"does not belong"});
  folder_.write("key", kFirst.key_pem);
  folder_.write("ca", "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n");
  expect_wrong({folder_.path("ca")});
  folder_.remove("ca");
  expect_wrong({"No such file"});
  folder_.write("token", "two words");
  expect_wrong({"holds no token", "No such file"});
}

TEST_F(CredentialsTest, ValidityIsTheTokensOwnClaim) {
  folder_.write("token", "e30.eyJleHAiOjIwMDAwMDAwMDAsImlhdCI6MTk5OTk5NjQwMH0.c2ln");
  EXPECT_EQ(Credentials(cluster()).token_validity().until_s, 2000000000);
  EXPECT_EQ(Credentials(cluster()).token_validity().from_s, 1999996400);
  folder_.write("token", "opaque");
  EXPECT_FALSE(Credentials(cluster()).token_validity().until_s);
}

// The tests' certificates hold from a day ago for 31.
TEST_F(CredentialsTest, ValidityIsTheClientCertificatesOwn) {
  const Validity made = Credentials(cluster()).client_certificate_validity();
  ASSERT_TRUE(made.from_s && made.until_s);
  EXPECT_LE(std::abs(*made.until_s - *made.from_s - 31 * 86400), 1);
  EXPECT_LE(*made.from_s, wall_now_s() - 86400);
  EXPECT_GT(*made.until_s, wall_now_s());
  folder_.remove("key");
  EXPECT_FALSE(Credentials(cluster()).client_certificate_validity().until_s);
}

}  // namespace
}  // namespace baton::kube
