#include <gtest/gtest.h>

#include "base/text.h"
#include "kube/cluster.h"
#include "unit/kube/folder.h"
#include "unit/kube/pems.h"

namespace baton::kube {
namespace {

class KubeconfigTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_.write("ca.crt", kFirst.certificate_pem);
    folder_.write("other/token", "from-file\n");
  }

  /// A kubeconfig with these lines in its cluster and its user.
  std::string config(const std::string& cluster_lines, const std::string& user_lines,
                     const std::string& context_lines = "") {
    const auto indented = [](const std::string& lines) {
      std::string out;
      for (std::size_t at = 0; at < lines.size();) {
        const std::size_t end = std::min(lines.find('\n', at), lines.size());
        out += "    " + lines.substr(at, end - at) + "\n";
        at = end + 1;
      }
      return out;
    };
    return "apiVersion: v1\nkind: Config\ncurrent-context: main\npreferences: {}\n"
           "contexts:\n- name: main\n  context:\n    cluster: east\n    user: me\n" +
           indented(context_lines) +
           "- name: spare\n  context: {cluster: nowhere, user: nobody}\n"
           "clusters:\n- name: east\n  cluster:\n    unused-but-empty: \"\"\n" +
           indented(cluster_lines) + "users:\n- name: me\n  user:\n    username: \"\"\n" +
           indented(user_lines);
  }
  Result<Cluster> load(const std::string& text, const std::string& context = "") {
    return from_kubeconfig(folder_.write("config", text), context);
  }
  Result<Cluster> load_user(const std::string& user_lines) {
    return load(
        config("server: https://k.example:6443\ncertificate-authority: ca.crt", user_lines));
  }
  Result<Cluster> load_cluster(const std::string& cluster_lines) {
    return load(config(cluster_lines, "token: t"));
  }
  Result<Cluster> load_server(const std::string& server) {
    return load_cluster("server: '" + server + "'\ncertificate-authority: ca.crt");
  }
  static void expect_error(const Result<Cluster>& cluster, const std::string& part) {
    ASSERT_FALSE(cluster.ok()) << part;
    EXPECT_NE(cluster.error().find(part), std::string::npos) << cluster.error();
    for (const std::string& line : lines_of(cluster.error())) {
      EXPECT_EQ(printable(line, line.size()), line);
      EXPECT_NE(line.find("ubeconfig"), std::string::npos) << line;
    }
  }

  Folder folder_;
};

TEST_F(KubeconfigTest, ReadsWhatItSupports) {
  const auto cluster = load(config(
      "server: https://k.example:6443/prefix/\ncertificate-authority: ca.crt\n"
      "tls-server-name: kubernetes.default\nextensions: [{name: note, extension: {a: 1}}]\n"
      "insecure-skip-tls-verify: false",
      "token: t-1\nclient-certificate: pair/tls.crt\nclient-key: pair/tls.key", "namespace: shop"));
  expect_error(cluster, "pair/tls.crt: No such file");
  folder_.write("pair/tls.crt", kSecond.certificate_pem);
  folder_.write("pair/tls.key", kSecond.key_pem);
  const auto good = from_kubeconfig(folder_.path("config"), "main");
  ASSERT_TRUE(good.ok()) << good.error();
  EXPECT_EQ(good->endpoint.host, "k.example");
  EXPECT_EQ(good->endpoint.port, 6443);
  EXPECT_EQ(good->endpoint.authority, "k.example:6443");
  EXPECT_EQ(good->path_prefix, "/prefix");
  EXPECT_EQ(good->tls_server_name, "kubernetes.default");
  EXPECT_EQ(good->ca_file, folder_.path("ca.crt"));  // relative to the file, not to us
  EXPECT_EQ(good->client_key_file, folder_.path("pair/tls.key"));
  EXPECT_EQ(good->token, "t-1");
  EXPECT_EQ(good->namespace_name, "shop");
  EXPECT_EQ(good->source, folder_.path("config") + " (context main)");
}

TEST_F(KubeconfigTest, DataWinsOverFilesAndTokenFileOverToken) {
  const std::string ca_base64 = [] {
    static constexpr const char* kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::string text = kSecond.certificate_pem + "\n\n";
    std::string out;
    for (std::size_t i = 0; i + 2 < text.size(); i += 3) {
      unsigned bits = 0;
      for (std::size_t j = 0; j < 3; ++j)
        bits = bits << 8 | static_cast<unsigned char>(text[i + j]);
      for (int shift = 18; shift >= 0; shift -= 6) out += kAlphabet[bits >> shift & 63];
    }
    return out;
  }();
  const auto cluster =
      load(config("server: https://k.example\ncertificate-authority: missing.crt\n"
                  "certificate-authority-data: " +
                      ca_base64,
                  "token: fixed\ntokenFile: other/token"));
  ASSERT_TRUE(cluster.ok()) << cluster.error();
  EXPECT_EQ(cluster->ca_file, "");
  EXPECT_EQ(cluster->ca_pem.find("-----BEGIN CERTIFICATE-----"), 0u);
  EXPECT_EQ(cluster->token, "");
  EXPECT_EQ(Credentials(*cluster).bearer(), "from-file");
}

TEST_F(KubeconfigTest, ServerAddresses) {
  const auto v6 = load_server("https://[fd00::1]:6443");
  ASSERT_TRUE(v6.ok()) << v6.error();
  EXPECT_EQ(v6->endpoint.host, "fd00::1");
  EXPECT_EQ(v6->endpoint.authority, "[fd00::1]:6443");
  EXPECT_EQ(load_server("https://k.example")->endpoint.port, 443);
  EXPECT_EQ(load_server("https://[fd00::1]")->endpoint.port, 443);
  expect_error(load_server("http://127.0.0.1:8080"), "plain http");
  expect_error(load_server(""), "server is missing");
  for (const char* bad : {"k.example:6443", "https://", "https://:443", "https://k.example:",
                          "https://k.example:0", "https://k.example:65536", "https://k.example:4x",
                          "https://user@k.example", "https://[fd00::1", "https://[fd00::1]6443",
                          "https://[]:443", "https://k.example/?a=b", "https://k ex", "ftp://k"}) {
    expect_error(load_server(bad), "server '");
  }
}

TEST_F(KubeconfigTest, ErrorsAreOneLineWhateverTheyName) {
  expect_error(load_user("tokenFile: \"a\\nb\\e[0m\""), "a?b?[0m: No such file");
}

TEST_F(KubeconfigTest, RefusesByNameWithWhatToUseInstead) {
  expect_error(load_user("exec:\n  command: aws"), "user me: exec is not supported; use tokenFile");
  expect_error(load_user("auth-provider: {name: gcp}"), "auth-provider is not supported; use");
  expect_error(load_user("username: joe\npassword: x"), "username is not supported; use token");
  expect_error(load_user("username: joe\npassword: x"), "password is not supported; use token");
  expect_error(load_user("as: joe"), "as is not supported");
  expect_error(load_user("as-groups: [a]"), "as-groups is not supported");
  expect_error(load_user("as-user-extra: {a: [b]}"), "as-user-extra is not supported");
  expect_error(load_user("surprise: 1"), "surprise is not supported; remove it");
  expect_error(load_cluster("server: https://k\ninsecure-skip-tls-verify: true"),
               "insecure-skip-tls-verify is not supported; give certificate-authority");
  expect_error(
      load_cluster("server: https://k\nproxy-url: socks5://x\ncertificate-authority: ca.crt"),
      "proxy-url is not supported");
  expect_error(load_cluster("server: https://k"), "certificate-authority is missing");
}

TEST_F(KubeconfigTest, RefusesByNameAlsoBesideTheEntriesAndFalseWhereItIsNoSwitch) {
  const std::string good = config("server: https://k\ncertificate-authority: ca.crt", "token: t");
  EXPECT_TRUE(load(good).ok()) << load(good).error();
  expect_error(load(good + "surprise: 1\n"), "surprise is not supported; remove it");
  expect_error(load("preferences: {colors: true}\n" + good.substr(good.find("contexts:")), "main"),
               "preferences is not supported; remove it");
  std::string beside = good;
  beside.insert(beside.find("  context:\n"), "  odd: 1\n");
  expect_error(load(beside), "context main: odd is not supported; remove it");
  expect_error(load_user("username: false"), "username is not supported; use token");
}

TEST_F(KubeconfigTest, SaysEverythingAtOnceOnALineEach) {
  const auto cluster =
      load(config("server: ftp://x\nproxy-url: y", "exec: {command: z}\ntokenFile: missing"));
  ASSERT_FALSE(cluster.ok());
  EXPECT_EQ(lines_of(cluster.error()).size(), 5U) << cluster.error();
  expect_error(cluster, "missing: No such file");
  expect_error(cluster, "proxy-url");
  expect_error(cluster, "ftp://x");
  expect_error(cluster, "certificate-authority is missing");
  expect_error(cluster, "exec");
}

TEST_F(KubeconfigTest, AContextThatDoesNotExistNamesThoseThatDo) {
  const std::string text = config("server: https://k\ncertificate-authority: ca.crt", "token: t");
  expect_error(load(text, "prod"), "context 'prod' does not exist; there are: main, spare");
  expect_error(load(text, "spare"), "context spare: cluster 'nowhere' does not exist");
  expect_error(load(text, "spare"), "user 'nobody' does not exist");
  expect_error(load("contexts: []"), "current-context is not set");
  expect_error(load("current-context: a"), "there are: none");
}

TEST_F(KubeconfigTest, BadMaterialIsAnErrorAtLoad) {
  folder_.write("ca.crt", "not a certificate");
  expect_error(load_server("https://k"), "no PEM");
  expect_error(load_cluster("server: https://k\ncertificate-authority-data: '%%%'"), "no base64");
  folder_.write("ca.crt", kFirst.certificate_pem);
  expect_error(load_user("tokenFile: missing"), "missing: No such file");
  expect_error(load_user("client-certificate: ca.crt"), "need each other");
  expect_error(load_user("token: [1]"), "token must be a text");
  expect_error(load_user("token: \"a\\nX: y\""), "token is none, which is one word of visible");
}

TEST_F(KubeconfigTest, FilesThatAreNone) {
  expect_error(from_kubeconfig(folder_.path("absent"), ""), "No such file");
  expect_error(load(""), "no YAML map");
  expect_error(load("- a\n- b"), "no YAML map");
  expect_error(load("a: [unclosed"), "kubeconfig ");
  expect_error(load("a: &x [*x]"), "current-context");
  expect_error(load(std::string(100'000, '[')), "kubeconfig ");
  expect_error(load("current-context: a\ncontexts: 5"), "there are: none");
  expect_error(load("current-context: a\ncontexts: [5, {name: [b]}, {name: a, context: 7}]"),
               "cluster '' does not exist");
}

TEST_F(KubeconfigTest, OneFileInTheVariable) {
  const std::string text = config("server: https://k\ncertificate-authority: ca.crt", "token: t");
  const std::string path = folder_.write(".kube/config", text);
  folder_.write(".kube/ca.crt", kFirst.certificate_pem);
  {
    const Environment environment({{"HOME", folder_.path("")}});
    EXPECT_TRUE(from_kubeconfig("", "").ok());
    EXPECT_TRUE(find_cluster("", "").ok());
  }
  {
    const Environment environment({{"KUBECONFIG", ":" + path + ":"}});
    EXPECT_TRUE(from_kubeconfig("", "").ok());
  }
  const Environment environment({{"KUBECONFIG", path + ":/other"}});
  expect_error(from_kubeconfig("", ""), "kubectl config view --flatten");
}

}  // namespace
}  // namespace baton::kube
