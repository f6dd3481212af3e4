#include "kube/lease_client.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "unit/kube/folder.h"
#include "unit/kube/scripted_server.h"

namespace baton::kube {
namespace {

using election::FailureKind;
using election::WriteKind;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::string lease_json(int version) {
  return json{{"kind", "Lease"},
              {"metadata",
               {{"name", "billing"},
                {"namespace", "shop"},
                {"uid", "u-1"},
                {"resourceVersion", std::to_string(version)}}},
              {"spec", {{"holderIdentity", "a"}, {"leaseDurationSeconds", 15}}}}
      .dump();
}

std::string list_json(int version, bool with_lease) {
  json list = {{"kind", "LeaseList"},
               {"metadata", {{"resourceVersion", std::to_string(version)}}},
               {"items", json::array()}};
  if (with_lease) list["items"].push_back(json::parse(lease_json(version - 1)));
  return list.dump();
}

std::string status_json(int code, const std::string& message) {
  return json{{"kind", "Status"}, {"code", code}, {"message", message}}.dump();
}

class LeaseClientTest : public testing::Test {
 protected:
  LeaseClient client(election::Duration timeout = kGenerous) {
    return {std::make_shared<Credentials>(server_.cluster()), {"shop", "billing", timeout}};
  }
  static election::LeaseWrite renewal() {
    election::LeaseWrite write;
    write.kind = WriteKind::renew;
    write.base.uid = "u-1";
    write.base.version = 7;
    write.holder = "a";
    write.duration_s = 15;
    return write;
  }
  /// What a LIST's failure is when the server answers like this.
  election::Failure list_failure(const Answer& next, election::Duration timeout = kGenerous) {
    server_.then(next);
    const ListAnswer answer = client(timeout).list(5);
    if (!std::holds_alternative<election::ListFailed>(answer)) return {};
    EXPECT_EQ(std::get<election::ListFailed>(answer).id, 5u);
    return std::get<election::ListFailed>(answer).failure;
  }
  election::Failure write_failure(const Answer& next, election::Duration timeout = kGenerous) {
    server_.then(next);
    const WriteAnswer answer = client(timeout).write(6, renewal());
    if (!std::holds_alternative<election::WriteFailed>(answer)) return {};
    return std::get<election::WriteFailed>(answer).failure;
  }
  ScriptedServer server_;
};

TEST_F(LeaseClientTest, ListsOneLeaseByName) {
  server_.then(answer(200, list_json(41, true), "Date: Thu, 29 Feb 2024 12:30:45 GMT\r\n"));
  server_.then(answer(200, list_json(42, false)));
  LeaseClient client = this->client(milliseconds(20'400));
  const auto listed = std::get<election::Listed>(client.list(3));
  EXPECT_EQ(listed.id, 3u);
  EXPECT_EQ(listed.revision, 41);
  EXPECT_EQ(listed.lease->version, 40);
  EXPECT_FALSE(std::get<election::Listed>(client.list(4)).lease);
  EXPECT_EQ(server_.connections(), 1);
  EXPECT_EQ(client.server_date_s(), 1709209845);

  const SeenRequest request = server_.requests()[0];
  EXPECT_EQ(request.line,
            "GET /apis/coordination.k8s.io/v1/namespaces/shop/leases?fieldSelector=metadata.name"
            "%3Dbilling&timeout=21s HTTP/1.1");  // no resourceVersion: R7, R14
  EXPECT_EQ(request.header("Authorization"), "Bearer secret");
  EXPECT_EQ(request.header("Accept"), "application/json");
  EXPECT_EQ(request.header("User-Agent"), "baton/" BATON_VERSION);
}

// R18: a pause is read by the server's Date, in every answer and event that shows the Lease.
TEST_F(LeaseClientTest, ReadsAPauseByTheServersDate) {
  const std::string date = "Date: Thu, 29 Feb 2024 12:30:45 GMT\r\n";
  json lease = json::parse(lease_json(40));
  lease["metadata"]["annotations"]["baton/pause-until"] = "2024-02-29T12:31:45Z";
  json list = json::parse(list_json(41, false));
  list["items"].push_back(lease);
  server_.then(answer(200, list.dump(), date));
  server_.then(answer(200, lease.dump(), date));
  LeaseClient client = this->client();
  const auto is_in_a_minute = [before = boot_now()](const election::Lease& shown) {
    return shown.paused_until >= before + seconds(60) &&
           shown.paused_until <= boot_now() + seconds(60);
  };
  EXPECT_TRUE(is_in_a_minute(*std::get<election::Listed>(client.list(3)).lease));
  EXPECT_TRUE(is_in_a_minute(std::get<election::Written>(client.write(4, renewal())).lease));
}

// R1: "with fieldManager=baton, without managedFields and never with strict field validation".
TEST_F(LeaseClientTest, WritesByPut) {
  server_.then(answer(200, lease_json(8)));
  server_.then(answer(201, lease_json(9)));
  LeaseClient client = this->client();
  const auto written = std::get<election::Written>(client.write(1, renewal()));
  EXPECT_EQ(written.id, 1u);
  EXPECT_EQ(written.lease.version, 8);
  EXPECT_TRUE(std::holds_alternative<election::Written>(client.write(2, renewal())));
  const SeenRequest request = server_.requests()[0];
  EXPECT_EQ(request.line,
            "PUT /apis/coordination.k8s.io/v1/namespaces/shop/leases/billing?fieldManager=baton"
            "&timeout=20s HTTP/1.1");
  EXPECT_EQ(request.header("Content-Type"), "application/json");
  const json body = json::parse(request.body);
  EXPECT_EQ(body["metadata"]["uid"], "u-1");
  EXPECT_EQ(body["metadata"]["resourceVersion"], "7");
  EXPECT_EQ(body["spec"]["renewTime"].get<std::string>().size(), 27u);
}

TEST_F(LeaseClientTest, StatusesHaveTheirKinds) {
  EXPECT_EQ(write_failure(answer(409, status_json(409, "conflict"))).kind, FailureKind::conflict);
  EXPECT_EQ(write_failure(answer(404, status_json(404, "none"))).kind, FailureKind::not_found);
  EXPECT_EQ(write_failure(answer(422, status_json(422, "invalid"))).kind, FailureKind::refused);
  EXPECT_EQ(write_failure(answer(503, "later")).kind, FailureKind::unavailable);
  EXPECT_EQ(list_failure(answer(410, status_json(410, "old"))).kind, FailureKind::gone);
  EXPECT_EQ(list_failure(answer(302, "", "Location: https://elsewhere/\r\n")).kind,
            FailureKind::garbled);
}

TEST_F(LeaseClientTest, RetryAfterInSecondsIsPassedOnAndCapped) {
  const auto after = [&](const std::string& value) {
    const auto failure = list_failure(answer(429, "slow", "Retry-After: " + value + "\r\n"));
    EXPECT_EQ(failure.kind, FailureKind::throttled);
    return failure.retry_after;
  };
  EXPECT_EQ(after("1"), seconds(1));
  EXPECT_EQ(after("0"), seconds(0));
  EXPECT_EQ(after("86400"), seconds(60));
  for (const char* bad : {"-1", "soon", "1.5", "Thu, 29 Feb 2024 12:30:45 GMT", ""}) {
    EXPECT_FALSE(after(bad)) << bad;
  }
  EXPECT_FALSE(list_failure(answer(429, "slow")).retry_after);
}

TEST_F(LeaseClientTest, ARefusalNamesTheVerbAndTheMend) {
  const std::string forbidden = status_json(403, "leases is forbidden");
  const std::string list = list_failure(answer(403, forbidden)).what;
  EXPECT_EQ(list,
            "list lease shop/billing: 403: leases is forbidden; bind the Role 'lease', or another "
            "that allows 'list' on leases.coordination.k8s.io 'billing' in namespace 'shop', to "
            "this identity");
  EXPECT_TRUE(holds(write_failure(answer(403, forbidden)).what, "allows 'update' on"));
  server_.then(answer(403, forbidden));
  election::LeaseWrite creation = renewal();
  creation.kind = WriteKind::create;
  const auto refused = client().write(1, creation);
  // Seen on a real API server: without 'update' such a PUT is refused as an update.
  EXPECT_TRUE(holds(std::get<election::WriteFailed>(refused).failure.what,
                    "allows 'update' and 'create' on"));
}

TEST_F(LeaseClientTest, A401DropsTheTokenAndTheConnectionWithItsCertificate) {
  const Folder folder;
  Cluster cluster = server_.cluster();
  cluster.token_file = folder.write("token", "old");
  LeaseClient client(std::make_shared<Credentials>(cluster), {"shop", "billing", kGenerous});
  server_.then(answer(401, status_json(401, "Unauthorized")));
  server_.then(answer(200, list_json(2, true)));
  const auto refused = client.list(1);
  EXPECT_EQ(std::get<election::ListFailed>(refused).failure.kind, FailureKind::refused);
  EXPECT_TRUE(holds(std::get<election::ListFailed>(refused).failure.what, cluster.token_file));
  folder.write("token", "new");
  EXPECT_TRUE(std::holds_alternative<election::Listed>(client.list(2)));
  EXPECT_EQ(server_.requests()[0].header("Authorization"), "Bearer old");
  EXPECT_EQ(server_.requests()[1].header("Authorization"), "Bearer new");
  EXPECT_EQ(server_.connections(), 2);
}

TEST_F(LeaseClientTest, WhatIsNoLeaseIsGarbled) {
  for (const std::string& body :
       {std::string("<html>502</html>"), std::string(), lease_json(3).substr(0, 40),
        status_json(200, "fine"), std::string(R"({"kind":"LeaseList","items":[]})")}) {
    const auto failure = list_failure(answer(200, body));
    EXPECT_EQ(failure.kind, FailureKind::garbled) << body;
    EXPECT_TRUE(holds(failure.what, "list lease shop/billing: ")) << failure.what;
  }
}

// R10: such a write may have been applied.
TEST_F(LeaseClientTest, AGarbledAnswerToAWriteIsUnknown) {
  for (const char* body : {"<html>", "{}", R"({"kind":"Lease","metadata":{"uid":5}})"}) {
    EXPECT_EQ(write_failure(answer(200, body)).kind, FailureKind::unknown) << body;
  }
}

TEST_F(LeaseClientTest, SilenceIsUnknownAtTheDeadline) {
  const auto failure = write_failure({}, milliseconds(500));
  EXPECT_EQ(failure.kind, FailureKind::unknown);
  EXPECT_TRUE(holds(failure.what, "deadline")) << failure.what;
}

TEST_F(LeaseClientTest, CutsAreUnknownAndANewConnectionFollows) {
  LeaseClient client = this->client();
  const Answer cuts[] = {{"", true},                               // after the request
                         {"HTTP/1.1 200 OK\r\nContent-Le", true},  // within the head
                         {answer(200, lease_json(8)).bytes.substr(0, 90), true},
                         {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false},
                         {"SSH-2.0-OpenSSH\r\n", true}};
  int connections = 0;
  for (const Answer& cut : cuts) {
    server_.then(cut);
    const WriteAnswer answered = client.write(1, renewal());
    EXPECT_EQ(std::get<election::WriteFailed>(answered).failure.kind, FailureKind::unknown);
    EXPECT_EQ(server_.connections(), ++connections) << cut.bytes;
  }
  // R10: nothing is sent again behind the election's back.
  EXPECT_EQ(server_.requests().size(), std::size(cuts));
}

TEST_F(LeaseClientTest, AConnectionClosedWhileIdleIsReplaced) {
  LeaseClient client = this->client();
  for (election::RequestId id = 1; id <= 3; ++id) {
    Answer last = answer(200, list_json(2, true));
    last.closes = true;
    server_.then(last);
    EXPECT_TRUE(std::holds_alternative<election::Listed>(client.list(id)));
    server_.wait_until_closed();
  }
  EXPECT_EQ(server_.connections(), 3);
}

TEST_F(LeaseClientTest, NobodyThereAndAForeignCaAreUnknownWithTheReason) {
  Cluster cluster = server_.cluster();
  cluster.ca_pem = test::CertificateAuthority("another").pem();
  LeaseClient stranger(std::make_shared<Credentials>(cluster), {"shop", "billing", kGenerous});
  const auto untrusted = stranger.list(1);
  EXPECT_EQ(std::get<election::ListFailed>(untrusted).failure.kind, FailureKind::unknown);
  EXPECT_TRUE(holds(std::get<election::ListFailed>(untrusted).failure.what, "certificate"));
  cluster.endpoint.port = 1;
  LeaseClient nobody(std::make_shared<Credentials>(cluster), {"shop", "billing", kGenerous});
  const auto refused = nobody.list(1);
  EXPECT_TRUE(holds(std::get<election::ListFailed>(refused).failure.what, "refused"));
  cluster.ca_pem = "none";
  LeaseClient broken(std::make_shared<Credentials>(cluster), {"shop", "billing", kGenerous});
  EXPECT_TRUE(holds(std::get<election::ListFailed>(broken.list(1)).failure.what, "no PEM"));
  EXPECT_EQ(server_.requests().size(), 0u);
}

TEST_F(LeaseClientTest, DialAheadOpensTheConnection) {
  LeaseClient client = this->client();
  client.dial_ahead();
  client.dial_ahead();
  server_.then(answer(200, list_json(2, true)));
  EXPECT_TRUE(std::holds_alternative<election::Listed>(client.list(1)));
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(LeaseClientTest, CancelEndsTheCallUnderWayAndThoseToCome) {
  LeaseClient client = this->client(std::chrono::minutes(5));
  server_.then(answer(200, list_json(2, true)));
  EXPECT_TRUE(std::holds_alternative<election::Listed>(client.list(1)));
  std::thread canceler([&] {
    server_.wait_for_request(2);
    client.cancel();
  });
  const WriteAnswer answered = client.write(2, renewal());
  canceler.join();
  EXPECT_EQ(std::get<election::WriteFailed>(answered).failure.kind, FailureKind::unknown);
  const ListAnswer late = client.list(3);
  EXPECT_EQ(std::get<election::ListFailed>(late).failure.kind, FailureKind::unknown);
  EXPECT_TRUE(holds(std::get<election::ListFailed>(late).failure.what, "canceled"));
  EXPECT_EQ(server_.requests().size(), 2u);
}

// The elector cancels as it ends, when its thread may be about to send.
TEST_F(LeaseClientTest, CancelReachesACallThatHasYetToBegin) {
  LeaseClient fresh = client(std::chrono::minutes(5));
  fresh.cancel();
  EXPECT_TRUE(std::holds_alternative<election::WriteFailed>(fresh.write(1, renewal())));
  LeaseClient connected = client(std::chrono::minutes(5));
  connected.dial_ahead();
  connected.cancel();
  EXPECT_TRUE(std::holds_alternative<election::WriteFailed>(connected.write(1, renewal())));
  EXPECT_EQ(server_.requests().size(), 0u);
}

TEST_F(LeaseClientTest, ThePathOfTheServerUrlComesFirst) {
  Cluster cluster = server_.cluster();
  cluster.path_prefix = "/k8s/clusters/c-1";
  server_.then(answer(200, list_json(2, true)));
  LeaseClient(std::make_shared<Credentials>(cluster), {"shop", "billing", kGenerous}).list(1);
  EXPECT_TRUE(holds(server_.requests()[0].line, "GET /k8s/clusters/c-1/apis/coordination"));
}

class LeaseWatchTest : public LeaseClientTest {
 protected:
  static std::string event(const std::string& type, const std::string& object) {
    return R"({"type":")" + type + R"(","object":)" + object + "}";
  }
  election::WatchEnded run(const Answer& next) {
    server_.then(next);
    return watch_.run(9, 40, 120, [this](election::Watched event) { events_.push_back(event); });
  }
  LeaseWatch watch_{std::make_shared<Credentials>(server_.cluster()),
                    {"shop", "billing", kGenerous}};
  std::vector<election::Watched> events_;
};

TEST_F(LeaseWatchTest, EventsLineByLine) {
  const std::string bookmark = R"({"kind":"Lease","metadata":{"resourceVersion":"50"}})";
  const auto ended =
      run(ended_stream({event("ADDED", lease_json(41)), event("MODIFIED", lease_json(42)),
                        event("BOOKMARK", bookmark), event("DELETED", lease_json(51))}));
  EXPECT_EQ(ended.id, 9u);
  EXPECT_EQ(ended.failure.kind, FailureKind::ended);
  EXPECT_TRUE(holds(ended.failure.what, "ended by the server"));
  ASSERT_EQ(events_.size(), 4u);
  EXPECT_EQ(events_[0].id, 9u);
  EXPECT_EQ(events_[0].kind, election::WatchEventKind::changed);
  EXPECT_EQ(events_[1].lease->version, 42);
  EXPECT_EQ(events_[2].kind, election::WatchEventKind::bookmark);
  EXPECT_EQ(events_[2].revision, 50);
  EXPECT_EQ(events_[3].kind, election::WatchEventKind::deleted);
  const SeenRequest request = server_.requests()[0];
  EXPECT_EQ(request.line,
            "GET /apis/coordination.k8s.io/v1/namespaces/shop/leases?fieldSelector=metadata.name"
            "%3Dbilling&watch=true&allowWatchBookmarks=true&resourceVersion=40&timeoutSeconds=120 "
            "HTTP/1.1");
}

TEST_F(LeaseWatchTest, ALineInPiecesAndTwoLinesInOne) {
  const std::string first = event("ADDED", lease_json(41)) + "\n";
  const std::string both = first + event("MODIFIED", lease_json(42));
  // stream() makes a chunk of each "line" and its newline; the break is put elsewhere here.
  std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string text = both + "\n\n" + first;
  for (std::size_t at = 0; at < text.size(); at += 10) {
    const std::string piece = text.substr(at, 10);
    bytes += std::string(1, "0123456789a"[piece.size()]) + "\r\n" + piece + "\r\n";
  }
  run({bytes + "0\r\n\r\n"});
  ASSERT_EQ(events_.size(), 3u);
  EXPECT_EQ(events_[1].revision, 42);
}

TEST_F(LeaseWatchTest, GoneAsAStatusAndAsAnEvent) {
  EXPECT_EQ(run(answer(410, status_json(410, "too old"))).failure.kind, FailureKind::gone);
  const auto ended = run(stream({event("ADDED", lease_json(41)),
                                 event("ERROR", status_json(410, "too old resource version"))}));
  EXPECT_EQ(ended.failure.kind, FailureKind::gone);
  EXPECT_TRUE(holds(ended.failure.what, "too old resource version"));
  EXPECT_EQ(events_.size(), 1u);
}

TEST_F(LeaseWatchTest, RefusalsCutsAndNonsense) {
  const auto refused = run(answer(403, status_json(403, "no"))).failure;
  EXPECT_EQ(refused.kind, FailureKind::refused);
  EXPECT_TRUE(holds(refused.what, "allows 'watch'"));
  EXPECT_EQ(run({"", true}).failure.kind, FailureKind::unknown);
  EXPECT_EQ(run(stream({"<html>"})).failure.kind, FailureKind::garbled);
  Answer cut = stream({event("ADDED", lease_json(41)), event("MODIFIED", lease_json(42))});
  cut.bytes.resize(cut.bytes.size() - 20);
  cut.closes = true;
  EXPECT_EQ(run(cut).failure.kind, FailureKind::unknown);
  EXPECT_EQ(events_.size(), 1u);
}

TEST_F(LeaseWatchTest, CancelEndsARunAtOnce) {
  server_.then(stream({event("ADDED", lease_json(41))}));
  std::thread canceler;
  const auto ended = watch_.run(1, 40, 100'000, [&](election::Watched) {
    canceler = std::thread([&] { watch_.cancel(1); });
  });
  canceler.join();
  EXPECT_EQ(ended.failure.kind, FailureKind::unknown);
  EXPECT_TRUE(holds(ended.failure.what, "canceled")) << ended.failure.what;
  // The next one is not touched by it.
  EXPECT_TRUE(holds(run(ended_stream({})).failure.what, "ended by the server"));
}

TEST_F(LeaseWatchTest, CancelByIdReachesARunThatHasYetToBegin) {
  watch_.cancel(8);
  const auto sink = [](const election::Watched&) {};
  EXPECT_TRUE(holds(watch_.run(8, 40, 100, sink).failure.what, "canceled"));
  EXPECT_EQ(server_.requests().size(), 0u);
  EXPECT_TRUE(holds(run(ended_stream({})).failure.what, "ended by the server"));
  server_.then({});
  std::thread canceler([&] {
    server_.wait_for_request(2);
    watch_.cancel(10);
  });
  EXPECT_TRUE(holds(watch_.run(10, 40, 100, sink).failure.what, "canceled"));
  canceler.join();
}

}  // namespace
}  // namespace baton::kube
