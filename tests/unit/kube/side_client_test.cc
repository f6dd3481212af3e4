#include "kube/side_client.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "unit/kube/folder.h"
#include "unit/kube/scripted_server.h"

namespace baton::kube {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kShort{500};
constexpr const char* kDate = "Date: Thu, 29 Feb 2024 12:30:45 GMT\r\n";

class SideClientTest : public testing::Test {
 protected:
  ScriptedServer server_;
  SideClient client_{std::make_shared<Credentials>(server_.cluster())};
};

TEST_F(SideClientTest, ReadsThePodAndTheServersDate) {
  server_.then(answer(200,
                      R"({"kind":"Pod","metadata":{"uid":"p-1",
                          "deletionTimestamp":"2024-02-29T12:31:00Z",
                          "deletionGracePeriodSeconds":30}})",
                      kDate));
  const auto pod = client_.get_pod("shop", "web-0", kGenerous);
  ASSERT_TRUE(pod.ok()) << pod.error();
  EXPECT_EQ(pod->uid, "p-1");
  EXPECT_EQ(pod->deletion_s, 1709209860);
  EXPECT_EQ(pod->deletion_grace_s, 30);
  EXPECT_EQ(pod->server_date_s, 1709209845);
  const SeenRequest request = server_.requests()[0];
  EXPECT_EQ(request.line, "GET /api/v1/namespaces/shop/pods/web-0 HTTP/1.1");
  EXPECT_EQ(request.header("Authorization"), "Bearer secret");
  EXPECT_EQ(request.header("User-Agent"), "baton/" BATON_VERSION);
}

// Section 5 (d): "A 401, 403 or 404: no proof by (d)".
TEST_F(SideClientTest, AnythingElseIsNoPod) {
  for (const int status : {401, 403, 404, 302, 500}) {
    server_.then(answer(status, R"({"kind":"Status","message":"why"})", kDate));
    const auto pod = client_.get_pod("shop", "web-0", kGenerous);
    ASSERT_FALSE(pod.ok()) << status;
    EXPECT_EQ(pod.error(), "get pod shop/web-0: " + std::to_string(status) + ": why");
  }
  server_.then(answer(200, "<html>", kDate));
  EXPECT_FALSE(client_.get_pod("shop", "web-0", kGenerous).ok());
  server_.then(answer(200, R"({"kind":"Pod","metadata":{"uid":"p-1"}})"));
  EXPECT_TRUE(holds(client_.get_pod("shop", "web-0", kGenerous).error(), "no Date"));
}

TEST_F(SideClientTest, CreatesEventsUnderNamesOfTheirOwn) {
  server_.then(answer(201, "{}"));
  server_.then(answer(201, "{}"));
  server_.then(answer(403, R"({"kind":"Status","message":"events is forbidden"})"));
  const ObjectEvent event{"Lease", "shop", "billing", "u-1", "a_1", "a_1 became leader"};
  EXPECT_EQ(client_.create_event(event, kGenerous), "");
  EXPECT_EQ(client_.create_event(event, kGenerous), "");
  EXPECT_EQ(client_.create_event(event, kGenerous),
            "create event in shop: 403: events is forbidden");
  const auto requests = server_.requests();
  EXPECT_EQ(requests[0].line, "POST /api/v1/namespaces/shop/events?fieldManager=baton HTTP/1.1");
  EXPECT_EQ(requests[0].header("Content-Type"), "application/json");
  const std::string first = json::parse(requests[0].body)["metadata"]["name"];
  const std::string second = json::parse(requests[1].body)["metadata"]["name"];
  EXPECT_EQ(first.find("billing."), 0u);
  EXPECT_NE(first, second);
}

TEST_F(SideClientTest, AsksWhatIsAllowed) {
  server_.then(answer(201, R"({"status":{"allowed":true}})"));
  server_.then(answer(201, R"({"status":{"allowed":false}})"));
  server_.then(answer(500, "oops"));
  const auto ask = [this] {
    return client_.can_i({"update", "coordination.k8s.io", "leases", "shop", "billing"}, kGenerous);
  };
  EXPECT_TRUE(*ask());
  EXPECT_FALSE(*ask());
  EXPECT_EQ(ask().error(), "access review: 500: oops");
  EXPECT_EQ(server_.requests()[0].line,
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1");
}

TEST_F(SideClientTest, TheDeadlineIsHardAndTheClientUsableAfterIt) {
  const SideAnswer silent = client_.request("GET", "/silent", "", kShort);
  EXPECT_EQ(silent.status, 0);
  EXPECT_EQ(silent.what, "no answer in time");
  server_.wait_until_closed();
  server_.then(answer(200, "fine"));
  EXPECT_EQ(client_.request("GET", "/version", "", kGenerous).body, "fine");
}

TEST_F(SideClientTest, TheDeadlineHoldsWithinABody) {
  server_.then({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"});
  EXPECT_EQ(client_.request("GET", "/slow", "", kShort).what, "no answer in time");
}

TEST_F(SideClientTest, FailuresAreOneLine) {
  const Answer failures[] = {{"", true},
                             {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nab", true},
                             {"SSH-2.0\r\n\r\n", true}};
  for (const Answer& failure : failures) {
    server_.then(failure);
    const SideAnswer answer = client_.request("POST", "/x", "{}", kGenerous);
    EXPECT_EQ(answer.status, 0) << failure.bytes;
    EXPECT_FALSE(answer.what.empty());
    EXPECT_EQ(answer.what.find('\n'), std::string::npos);
  }
  EXPECT_EQ(client_.request("GET", "::not a path::", "", kGenerous).status, 0);
}

TEST_F(SideClientTest, ABodyOverTheLimitIsRefused) {
  server_.then(answer(200, std::string(std::size_t{3} << 20, 'x')));
  EXPECT_EQ(client_.request("GET", "/huge", "", kGenerous).status, 0);
  std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 200; ++i) chunked += "4000\r\n" + std::string(0x4000, 'x') + "\r\n";
  server_.then({chunked + "0\r\n\r\n"});
  EXPECT_EQ(client_.request("GET", "/huge", "", kGenerous).status, 0);
  server_.then(answer(200, std::string(1000, 'y')));
  EXPECT_EQ(client_.request("GET", "/small", "", kGenerous).body.size(), 1000u);
}

TEST_F(SideClientTest, ARedirectIsNotFollowed) {
  server_.then(answer(307, "", "Location: /elsewhere\r\n"));
  EXPECT_EQ(client_.request("GET", "/here", "", kGenerous).status, 307);
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(SideClientTest, A401DropsTheToken) {
  const Folder folder;
  Cluster cluster = server_.cluster();
  cluster.token_file = folder.write("token", "old");
  SideClient client(std::make_shared<Credentials>(cluster));
  server_.then(answer(401, ""));
  server_.then(answer(200, ""));
  client.request("GET", "/x", "", kGenerous);
  folder.write("token", "new");
  client.request("GET", "/x", "", kGenerous);
  EXPECT_EQ(server_.requests()[0].header("Authorization"), "Bearer old");
  EXPECT_EQ(server_.requests()[1].header("Authorization"), "Bearer new");
}

TEST_F(SideClientTest, TrustsTheNamedCaAndTheNamesInTheCertificateAlone) {
  Cluster cluster = server_.cluster();
  cluster.ca_pem = test::CertificateAuthority("another").pem();
  EXPECT_EQ(
      SideClient(std::make_shared<Credentials>(cluster)).request("GET", "/x", "", kGenerous).status,
      0);
  ScriptedServer named("DNS:kubernetes.default");
  const auto status = [&](const std::string& name) {
    Cluster cluster = named.cluster();
    cluster.tls_server_name = name;
    return SideClient(std::make_shared<Credentials>(cluster))
        .request("GET", "/x", "", kGenerous)
        .status;
  };
  EXPECT_EQ(status(""), 0);
  EXPECT_EQ(status("other.default"), 0);
  EXPECT_EQ(status("scripted"), 0);  // its CN
  EXPECT_EQ(named.requests().size(), 0u);
  named.then(answer(200, ""));
  EXPECT_EQ(status("kubernetes.default"), 200);
}

TEST_F(SideClientTest, ANewCaFileIsTaken) {
  const Folder folder;
  Cluster cluster = server_.cluster();
  const std::string good = cluster.ca_pem;
  cluster.ca_pem = "";
  cluster.ca_file = folder.write("ca", test::CertificateAuthority("another").pem());
  SideClient client(std::make_shared<Credentials>(cluster));
  EXPECT_EQ(client.request("GET", "/x", "", kGenerous).status, 0);
  folder.write("ca", good);
  server_.then(answer(200, ""));
  EXPECT_EQ(client.request("GET", "/x", "", kGenerous).status, 200);
}

TEST_F(SideClientTest, NobodyThere) {
  Cluster cluster = server_.cluster();
  cluster.endpoint.port = 1;
  const auto pod =
      SideClient(std::make_shared<Credentials>(cluster)).get_pod("shop", "web-0", kGenerous);
  ASSERT_FALSE(pod.ok());
  EXPECT_TRUE(holds(pod.error(), "get pod shop/web-0: Failed to connect")) << pod.error();
}

}  // namespace
}  // namespace baton::kube
