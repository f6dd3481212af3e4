// The devserver through plain HTTP: its faults and its control port. What it answers without
// faults is held to the real API server's answers by tests/cluster.
#include "devserver/api_server.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "devserver/control.h"
#include "http/client.h"

namespace baton::devserver {
namespace {

using http::IoKind;
using nlohmann::json;

const std::string kLeases = "/apis/coordination.k8s.io/v1/namespaces/baton-test/leases";
const std::string kWatch = kLeases + "?fieldSelector=metadata.name%3De0&watch=true";

http::Endpoint endpoint_of(const http::Server& server) {
  const std::string address = server.address();
  const auto port = std::stoi(address.substr(address.rfind(':') + 1));
  return {"127.0.0.1", static_cast<std::uint16_t>(port), ""};
}

Instant soon() { return boot_now() + std::chrono::seconds(20); }

class ApiServerTest : public testing::Test {
 protected:
  ApiServerTest() {
    api_server_ = http::Server::listen({"127.0.0.1:0", {}, nullptr}, api_.handler()).value();
    control_server_ =
        http::Server::listen({"127.0.0.1:0", {}, nullptr}, control_.handler()).value();
    api_.attach(*api_server_);
    control_.attach(*control_server_);
    api_server_->start();
    control_server_->start();
  }
  ~ApiServerTest() override {
    control_server_->stop();
    api_server_->stop();
  }

  json control(const std::string& method, const std::string& target, const json& body, int status) {
    auto connection = http::Connection::make(endpoint_of(*control_server_), nullptr);
    const auto reply =
        connection->exchange({method, target, {}, body.is_null() ? "" : body.dump()}, soon());
    EXPECT_EQ(reply.response.status, status) << reply.what << reply.response.body;
    return json::parse(reply.response.body, nullptr, false);
  }
  void fault(const json& wish) { control("POST", "/faults", wish, 201); }

  http::Request request(const std::string& method, const std::string& target,
                        const std::string& body = "") {
    return {method, target, {{"Authorization", "Bearer " + users_[1].token}}, body};
  }
  http::Reply send(const std::string& method, const std::string& target,
                   const std::string& body = "", Instant deadline = soon()) {
    return connect()->exchange(request(method, target, body), deadline);
  }
  http::Reply put(const json& object, Instant deadline = soon()) {
    return send("PUT", kLeases + "/e0", object.dump(), deadline);
  }
  std::unique_ptr<http::Connection> connect() {
    return http::Connection::make(endpoint_of(*api_server_), nullptr);
  }
  json stored() { return json::parse(send("GET", kLeases + "/e0").response.body); }

  const json lease_ = {{"metadata", {{"name", "e0"}}}, {"spec", {{"holderIdentity", "x"}}}};
  const std::vector<User> users_ = make_users();
  ApiServer api_{users_};
  Control control_{api_};
  std::unique_ptr<http::Server> api_server_, control_server_;
};

TEST_F(ApiServerTest, CutIsNotApplied) {
  fault({{"action", "cut"}, {"count", 1}});
  EXPECT_EQ(put(lease_).kind, IoKind::unknown);
  EXPECT_EQ(send("GET", kLeases + "/e0").response.status, 404);
}

TEST_F(ApiServerTest, CutAfterCommitIsApplied) {
  fault({{"action", "cut_after_commit"}, {"count", 1}});
  EXPECT_EQ(put(lease_).kind, IoKind::unknown);
  EXPECT_EQ(stored()["spec"]["holderIdentity"], "x");
}

TEST_F(ApiServerTest, DroppedRequestAndAnswerAreSilence) {
  const auto brief = std::chrono::seconds(1);
  fault({{"action", "drop_request"}, {"count", 1}});
  EXPECT_EQ(put(lease_, boot_now() + brief).kind, IoKind::unknown);
  EXPECT_EQ(send("GET", kLeases + "/e0").response.status, 404);
  fault({{"action", "drop_answer"}, {"count", 1}});
  EXPECT_EQ(put(lease_, boot_now() + brief).kind, IoKind::unknown);
  EXPECT_EQ(stored()["spec"]["holderIdentity"], "x");
}

TEST_F(ApiServerTest, DelayedRequestIsAppliedAfterTheClientHasGone) {
  fault({{"action", "delay_request"}, {"delay_ms", 3000}, {"count", 1}});
  EXPECT_EQ(put(lease_, boot_now() + std::chrono::seconds(1)).kind, IoKind::unknown);
  EXPECT_EQ(send("GET", kLeases + "/e0").response.status, 404);
  std::string error;
  auto watch = connect();
  ASSERT_EQ(watch->open_stream(request("GET", kWatch), soon()).kind, IoKind::ok);
  EXPECT_TRUE(watch->next_line(soon(), error).has_value()) << error;
}

TEST_F(ApiServerTest, DuplicatedWriteConflictsWithItself) {
  ASSERT_EQ(put(lease_).response.status, 201);
  json changed = stored();
  changed["spec"]["holderIdentity"] = "y";
  fault({{"action", "duplicate"}, {"count", 1}});
  EXPECT_EQ(put(changed).response.status, 409);
  EXPECT_EQ(stored()["spec"]["holderIdentity"], "y");
}

TEST_F(ApiServerTest, AnswersAsTold) {
  fault({{"action", "answer"},
         {"code", 429},
         {"retry_after", "3"},
         {"content_type", "text/html"},
         {"body", "<html>"},
         {"count", 1}});
  const auto reply = put(lease_);
  EXPECT_EQ(reply.response.status, 429);
  EXPECT_EQ(http::header(reply.response.headers, "Retry-After"), "3");
  EXPECT_EQ(http::header(reply.response.headers, "Content-Type"), "text/html");
  EXPECT_EQ(reply.response.body, "<html>");
}

TEST_F(ApiServerTest, TruncatesAndAlters) {
  ASSERT_EQ(put(lease_).response.status, 201);
  fault({{"action", "truncate"}, {"count", 1}});
  EXPECT_TRUE(
      json::parse(send("GET", kLeases + "/e0").response.body, nullptr, false).is_discarded());
  fault({{"action", "alter"}, {"patch", {{"spec", {{"leaseDurationSeconds", -5}}}}}});
  EXPECT_EQ(stored()["spec"]["leaseDurationSeconds"], -5);
  const auto list = send("GET", kLeases + "?fieldSelector=metadata.name%3De0");
  EXPECT_EQ(json::parse(list.response.body)["items"][0]["spec"]["leaseDurationSeconds"], -5);
  control("DELETE", "/faults", nullptr, 200);
  EXPECT_FALSE(stored()["spec"].contains("leaseDurationSeconds"));
}

TEST_F(ApiServerTest, WatchesAreClosedStalledAndDoubled) {
  std::string error;
  auto watch = connect();
  ASSERT_EQ(watch->open_stream(request("GET", kWatch), soon()).kind, IoKind::ok);
  fault({{"action", "duplicate"}, {"verbs", {"watch"}}});
  ASSERT_EQ(put(lease_).response.status, 201);
  const auto first = watch->next_line(soon(), error);
  EXPECT_EQ(first, watch->next_line(soon(), error));
  control("DELETE", "/faults", nullptr, 200);
  fault({{"action", "stall"}, {"user", users_[1].name}});
  json changed = stored();
  changed["spec"]["holderIdentity"] = "y";
  ASSERT_EQ(put(changed).response.status, 200);
  EXPECT_EQ(control("POST", "/watches/close", json::object(), 200)["closed"], 1);
  EXPECT_FALSE(watch->next_line(soon(), error).has_value());
  EXPECT_EQ(error, "");
}

TEST_F(ApiServerTest, RestoreGoesBackAndEndsWatches) {
  ASSERT_EQ(put(lease_).response.status, 201);
  const json snapshot = control("POST", "/snapshots", json::object(), 201);
  json changed = stored();
  changed["spec"]["holderIdentity"] = "y";
  ASSERT_EQ(put(changed).response.status, 200);
  std::string error;
  auto watch = connect();
  ASSERT_EQ(watch->open_stream(request("GET", kWatch + "&resourceVersion=3"), soon()).kind,
            IoKind::ok);
  const json wish = {{"snapshot", snapshot["snapshot"]}, {"bump", 1000}};
  const json restored = control("POST", "/restore", wish, 200);
  EXPECT_EQ(restored["revision"], snapshot["revision"].get<int>() + 1000);
  EXPECT_EQ(stored()["spec"]["holderIdentity"], "x");
  EXPECT_FALSE(watch->next_line(soon(), error).has_value());
}

TEST_F(ApiServerTest, ControlEditsObjectsAndLogsRequests) {
  control("PUT", "/objects/leases/e0", {{"spec", "no spec at all"}}, 200);
  EXPECT_EQ(stored()["spec"], "no spec at all");
  control("DELETE", "/objects/leases/e0", nullptr, 200);
  control("GET", "/objects/leases/e0", nullptr, 404);
  put(lease_);
  const json log = control("GET", "/requests?after=1", nullptr, 200);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(log[0]["verb"], "update");
  EXPECT_EQ(log[0]["holder"], "x");
  EXPECT_EQ(log[0]["user"], users_[1].name);
  EXPECT_EQ(log[0]["status"], 201);
}

// The fields of coordinated election, whose feature is off in 1.36: nobody can set them through the
// API, but what an object has already stays through updates, as in the API server's strategy.
TEST_F(ApiServerTest, FieldsOfAFeatureThatIsOffAreKeptNotSet) {
  json wish = lease_;
  wish["spec"]["strategy"] = "OldestEmulationVersion";
  EXPECT_EQ(put(wish).response.status, 201);
  EXPECT_FALSE(stored()["spec"].contains("strategy"));
  control("PUT", "/objects/leases/e0", wish, 200);
  json update = stored();
  update["spec"]["holderIdentity"] = "y";
  update["spec"]["preferredHolder"] = "z";
  EXPECT_EQ(put(update).response.status, 200);
  EXPECT_EQ(stored()["spec"],
            (json{{"holderIdentity", "y"}, {"strategy", "OldestEmulationVersion"}}));
}

TEST_F(ApiServerTest, ControlRefusesWhatItDoesNotKnow) {
  control("POST", "/faults", {{"action", "explode"}}, 400);
  control("GET", "/nothing", nullptr, 404);
  control("DELETE", "/faults/7", nullptr, 404);
  control("POST", "/restore", {{"snapshot", 9}}, 404);
}

}  // namespace
}  // namespace baton::devserver
