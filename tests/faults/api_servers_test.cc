// What only a real kube-apiserver and etcd can show: restarts, two servers of which one lags, an
// etcd that stands still, etcd's own snapshots restored, tokens that expire, certificates that are
// replaced, and a priority level that is starved (F13 to F17, F19, F22).
#include <gtest/gtest.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "kube/cluster.h"
#include "kube/formats.h"
#include "servers.h"
#include "stage.h"
#include "support/text.h"

namespace baton::test {
namespace {

using nlohmann::json;

void replace_file(const std::string& path, const std::string& text) {
  std::ofstream(path + ".new") << text;
  std::filesystem::rename(path + ".new", path);
}

/// Lets the proxy send on to another server while it lives.
class Upstream {
 public:
  explicit Upstream(const std::string& kubeconfig) { go_to(kubeconfig); }
  ~Upstream() { go_to(TestCluster::get().kubeconfig("admin")); }
  static void go_to(const std::string& kubeconfig) {
    proxy().post("/upstream", {{"kubeconfig", kubeconfig}});
    proxy().post("/watches/close", json::object());
  }
};

class ApiServers : public testing::Test {
 protected:
  void SetUp() override {
    if (!TestCluster::get().is_real()) {
      GTEST_SKIP() << "needs a real kube-apiserver and etcd: tier e2e runs it";
    }
  }
};

// Long enough for a kube-apiserver to start anew: an outage shorter than 2 R + 2 retry-min costs
// nothing (R15).
void outlast_restarts(BatonOptions& options) {
  begin_released(options.election);
  options.flags = {"--lease-duration=60s", "--renew-deadline=48s", "--renew-period=2s",
                   "--request-timeout=15s", "--retry-max=450ms"};
}

TEST_F(ApiServers, F14KilledAndRestarted) {
  constexpr std::int64_t kHarmless_ns = 30'000'000'000;  // 2 R
  ApiServerCopy server;
  const Upstream upstream(server.kubeconfig("admin"));
  Stage stage({.candidates = 2, .change = outlast_restarts});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  const std::int64_t killed_ns = boottime_ns();
  server.kill();
  server.start();
  const std::int64_t outage_ns = boottime_ns() - killed_ns;
  std::printf("kube-apiserver was away for %.1f s\n", static_cast<double>(outage_ns) / 1e9);
  EXPECT_TRUE(stage.renews(leader, 2)) << stage.at(leader).log();
  EXPECT_TRUE(stage.terms() == 1U || outage_ns >= kHarmless_ns) << stage.at(leader).log();
}

// One server after the other is replaced, as in a rolling update behind one address.
TEST_F(ApiServers, F14RollingUpdateCostsNothing) {
  ApiServerCopy other;
  Stage stage;
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  for (int round = 0; round < 4; ++round) {
    const Upstream upstream(other.kubeconfig("admin"));
    proxy().post("/connections/close", json::object());
    EXPECT_TRUE(stage.renews(leader, 1));
  }
  EXPECT_EQ(stage.terms(), 1U) << stage.at(leader).log();
}

TEST_F(ApiServers, F15EtcdStandsStill) {
  const pid_t etcd = pid_in_cluster("etcd");
  Stage stage;
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  ::kill(etcd, SIGSTOP);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(wait_until([&] { return stage.at(i).state() == "degraded"; }));
  }
  ::kill(etcd, SIGCONT);
  const int next = stage.leader();
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

// Two servers on one etcd: one is stopped while the leader changes at the other, and shows the past
// for a moment when it goes on.
TEST_F(ApiServers, F19TwoServersOfWhichOneLags) {
  ApiServerCopy lagging;
  Stage stage({.candidates = 3, .change = [&](BatonOptions& options) {
                 if (options.pod == "p0") options.kubeconfig = lagging.kubeconfig(options.user);
               }});
  for (int round = 0; round < 3; ++round) {
    const int old = stage.leader();
    ASSERT_TRUE(old >= 0 && stage.writes(old, 3));
    lagging.process().send(SIGSTOP);
    const int next = stage.leader(0);  // its terms at the other server go on, or begin
    ASSERT_GE(next, 0);
    stage.at(next).post("/resign?drained=true&wait=30s");
    EXPECT_GE(stage.leader(0), 0);
    lagging.process().send(SIGCONT);
    EXPECT_TRUE(wait_until([&] { return stage.at(0).probe("/readyz").status == 200; }));
  }
  const int last = stage.leader();
  EXPECT_TRUE(last >= 0 && stage.writes(last, 3));
}

class Restore : public ApiServers, public testing::WithParamInterface<int> {};

// etcd's database as it once was, restored by etcdutl behind an API server of its own, while
// candidates live. The old servers are away for longer than D before the new ones answer.
TEST_P(Restore, F22OfEtcdsDatabase) {
  const int bump = GetParam();
  Stage stage({.with_applications = bump > 0, .restores = true});
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  const std::string snapshot = make_folder("snapshot") + "/db";
  copy_database(snapshot);
  EXPECT_TRUE(stage.renews(old, 3));
  stage.at(old).post("/resign?drained=true&wait=30s");
  const int before = stage.leader();
  ASSERT_TRUE(before >= 0 && stage.renews(before, 1));
  const std::int64_t token = stage.at(before).token();
  const RestoredEtcd etcd(snapshot, bump);
  ApiServerCopy restored({{"--etcd-servers", etcd.url()}});
  proxy().post("/listener", {{"open", false}});
  let_pass(std::chrono::milliseconds(3500));
  const Upstream upstream(restored.kubeconfig("admin"));
  proxy().post("/listener", {{"open", true}});
  EXPECT_TRUE(wait_until([&] {
    return !stage.at(0).log_lines("history_went_back").empty() ||
           !stage.at(1).log_lines("history_went_back").empty();
  })) << stage.at(0).log();
  const int next = stage.leader();
  ASSERT_GE(next, 0);
  EXPECT_GT(stage.at(next).token(), token);
  EXPECT_TRUE(stage.renews(next, 1));
  stage.check();  // before the proxy leads to the old server again
}

INSTANTIATE_TEST_SUITE_P(Bump, Restore, testing::Values(1'000'000, 0));

std::string to_base64_url(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  text.erase(std::find(text.begin(), text.end(), '='), text.end());
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

// ECDSA P-256 with SHA-256 as a JWT has it: r and s, 32 bytes each.
std::string sign(const std::string& text, const std::string& key_path) {
  std::FILE* file = std::fopen(key_path.c_str(), "r");
  EVP_PKEY* key = PEM_read_PrivateKey(file, nullptr, nullptr, nullptr);
  std::fclose(file);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::string der(128, '\0');
  std::size_t size = der.size();
  EXPECT_EQ(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key), 1);
  EXPECT_EQ(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(der.data()), &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()),
            1);
  const auto* begin = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &begin, static_cast<long>(size));
  std::string raw(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 32, 32);
  ECDSA_SIG_free(signature);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return raw;
}

/// The service account's token again, with another lifetime: the shortest that the API server gives
/// out is ten minutes. It takes an expired one for another minute.
std::string token_for(const std::string& token, int lifetime_s) {
  const std::string header = token.substr(0, token.find('.'));
  const auto middle = token.substr(header.size() + 1, token.rfind('.') - header.size() - 1);
  json claims = json::parse(kube::decode_base64(middle).value_or(""));
  constexpr int kLeeway_s = 60;
  const std::int64_t now = std::time(nullptr);
  claims["iat"] = claims["nbf"] = now - 7200;
  claims["exp"] = now + lifetime_s - kLeeway_s;
  const std::string text = header + "." + to_base64_url(claims.dump());
  return text + "." + to_base64_url(sign(text, TestCluster::get().folder() + "/pki/sa.key"));
}

// The kubelet rewrites a token's file before it expires; the old token is refused when it has, and
// the file is read again at once.
TEST_F(ApiServers, F17TokenExpiresAndIsRotated) {
  constexpr int kLifetime_s = 12;
  std::vector<std::string> files;
  std::vector<std::string> tokens;
  for (int i = 0; i < 2; ++i) {
    files.push_back(proxy().kubeconfig(user_name(i)) + ".token");
    tokens.push_back(text_of(files.back()));
    tokens.back().pop_back();
    replace_file(files.back(), token_for(tokens.back(), kLifetime_s));
  }
  const std::int64_t expires_ns = boottime_ns() + kLifetime_s * 1'000'000'000LL;
  Stage stage;
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  for (int i = 0; i < 2; ++i) {
    replace_file(files[static_cast<std::size_t>(i)],
                 token_for(tokens[static_cast<std::size_t>(i)], 3600));
  }
  const auto refused = [&] {
    for (const json& seen : proxy().get("/requests")) {
      if (seen["name"] == stage.election() && seen["status"] == 401 &&
          seen["user"] == user_name(leader)) {
        return true;
      }
    }
    return false;
  };
  EXPECT_TRUE(wait_until(refused));  // the API server remembers a good token for 10 s
  EXPECT_GT(boottime_ns(), expires_ns);
  EXPECT_TRUE(stage.renews(leader, 2));
  EXPECT_EQ(stage.terms(), 1U) << stage.at(leader).log();
  // And one that expires with nothing new in its file: no leadership, and the reason to be seen.
  const std::string file = files[static_cast<std::size_t>(leader)];
  replace_file(file, token_for(tokens[static_cast<std::size_t>(leader)], -3600));
  const Proxy::Fault forget(
      proxy(),
      stage.fault(leader, {{"action", "answer"}, {"code", 401}, {"body", "{}"}, {"count", 1}}));
  EXPECT_TRUE(wait_until([&] { return !stage.at(leader).leads(); }));
  EXPECT_TRUE(wait_until([&] {
    return stage.at(leader).reason().find("credentials are not accepted") != std::string::npos;
  })) << stage.at(leader).get("/leader").what;
  replace_file(file, tokens[static_cast<std::size_t>(leader)] + "\n");
  EXPECT_TRUE(wait_until(
      [&] { return stage.at(leader).state() == "following" || stage.at(leader).leads(); }));
}

std::string openssl(const std::vector<std::string>& words, const std::string& folder) {
  std::vector<std::string> command = {"/usr/bin/openssl"};
  command.insert(command.end(), words.begin(), words.end());
  Process process(command, {}, folder + "/openssl.log");
  const auto ended = process.wait();
  EXPECT_TRUE(ended && ended->code == 0) << process.output();
  return folder;
}

// kube-apiserver takes its new certificate without a restart, first of the same authority, then of
// a new one that the candidates' files name beside the old one.
TEST_F(ApiServers, F16ServerCertificateAndAuthorityAreRotated) {
  const std::string pki = TestCluster::get().folder() + "/pki";
  const std::string own = make_folder("pki");
  const auto issue = [&](const std::string& authority) {
    openssl({"req",
             "-newkey",
             "ec",
             "-pkeyopt",
             "ec_paramgen_curve:prime256v1",
             "-nodes",
             "-x509",
             "-days",
             "30",
             "-subj",
             "/CN=kube-apiserver-" + authority,
             "-CA",
             pki + "/" + authority + ".crt",
             "-CAkey",
             pki + "/" + authority + ".key",
             "-addext",
             "subjectAltName=IP:127.0.0.1,DNS:localhost",
             "-addext",
             "basicConstraints=CA:FALSE",
             "-keyout",
             own + "/new.key",
             "-out",
             own + "/new.crt"},
            own);
    std::filesystem::rename(own + "/new.key", own + "/server.key");
    std::filesystem::rename(own + "/new.crt", own + "/server.crt");
  };
  issue("ca");
  ApiServerCopy server(
      {{"--tls-cert-file", own + "/server.crt"}, {"--tls-private-key-file", own + "/server.key"}});
  const std::string ca = own + "/trusted.crt";
  replace_file(ca, text_of(pki + "/ca.crt"));
  Stage stage({.change = [&](BatonOptions& options) {
    // A kubeconfig that names its authority as a file.
    std::string text = text_of(server.kubeconfig(options.user));
    const auto at = text.find("certificate-authority-data: ");
    text.replace(at, text.find('}', at) - at, "certificate-authority: " + ca);
    options.kubeconfig = own + "/" + options.user + ".kubeconfig";
    replace_file(options.kubeconfig, text);
  }});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  const std::string target = own + "/" + user_name(leader) + ".kubeconfig";
  const auto shown_by = [&](const std::string& authority) {
    const auto cluster = kube::from_kubeconfig(target, "");
    EXPECT_TRUE(cluster.ok());
    kube::Cluster strict = *cluster;
    strict.ca_file = pki + "/" + authority + ".crt";
    kube::Credentials credentials(strict);
    const auto connection = http::Connection::make(strict.endpoint, credentials.tls().value());
    return connection->connect(boot_now() + std::chrono::seconds(5)).empty();
  };
  issue("ca");  // the same authority
  replace_file(ca, text_of(pki + "/ca.crt") + text_of(pki + "/other-ca.crt"));
  issue("other-ca");
  // It looks at its files once a minute, or when they change.
  ASSERT_TRUE(wait_until([&] { return shown_by("other-ca"); }, std::chrono::seconds(90)));
  EXPECT_TRUE(stage.renews(leader, 2));
  EXPECT_EQ(stage.terms(), 1U) << stage.at(leader).log();
  stage.candidates().restart(1 - leader);  // which trusts the new authority from the start
  EXPECT_TRUE(wait_until([&] { return stage.at(1 - leader).state() == "following"; }));
  stage.at(leader).process().send(SIGKILL);
  EXPECT_EQ(stage.leader(leader), 1 - leader);
}

// 429 from a priority level with next to no concurrency, which others keep busy.
TEST_F(ApiServers, F13StarvedPriorityLevel) {
  const std::string flow = "/apis/flowcontrol.apiserver.k8s.io/v1";
  Api admin("admin");
  const json level = {{"metadata", {{"name", "baton-starved"}}},
                      {"spec",
                       {{"type", "Limited"},
                        {"limited",
                         {{"nominalConcurrencyShares", 1},
                          {"lendablePercent", 0},
                          {"borrowingLimitPercent", 0},
                          {"limitResponse", {{"type", "Reject"}}}}}}}};
  const json schema = {{"metadata", {{"name", "baton-starved"}}},
                       {"spec",
                        {{"priorityLevelConfiguration", {{"name", "baton-starved"}}},
                         {"matchingPrecedence", 10},
                         {"rules",
                          {{{"subjects",
                             {{{"kind", "ServiceAccount"},
                               {"serviceAccount", {{"namespace", "baton-test"}, {"name", "*"}}}}}},
                            {"resourceRules",
                             {{{"verbs", {"*"}},
                               {"apiGroups", {"*"}},
                               {"resources", {"*"}},
                               {"namespaces", {"*"}},
                               {"clusterScope", true}}}}}}}}}};
  Stage stage;
  ASSERT_GE(stage.leader(), 0);
  ASSERT_EQ(admin.post(flow + "/prioritylevelconfigurations", level).status, 201);
  ASSERT_EQ(admin.post(flow + "/flowschemas", schema).status, 201);
  std::atomic<bool> is_over = false;
  std::atomic<int> refused = 0;
  std::vector<std::thread> load;
  for (int i = 0; i < 12; ++i) {
    load.emplace_back([&] {
      Api other("lease-only");
      while (!is_over)
        refused += other.get(kLeases + "?fieldSelector=metadata.name%3De49").status == 429;
    });
  }
  const auto throttled = [&] {
    double failures = 0;
    for (int i = 0; i < 2; ++i) {
      failures += stage.at(i).metric("baton_request_failures_total", {{"kind", "throttled"}});
    }
    return failures;
  };
  EXPECT_TRUE(wait_until([&] { return throttled() > 3; }));
  is_over = true;
  for (std::thread& thread : load) thread.join();
  EXPECT_EQ(admin.remove(flow + "/flowschemas/baton-starved").status, 200);
  EXPECT_EQ(admin.remove(flow + "/prioritylevelconfigurations/baton-starved").status, 200);
  std::printf("429: %d to the load, %.0f to the candidates\n", refused.load(), throttled());
  const int next = stage.leader();
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

}  // namespace
}  // namespace baton::test
