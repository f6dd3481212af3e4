// The gateway between real sockets: what the service behind it sees, and when.
#include "fence/gateway.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "support/certificates.h"
#include "unit/http/pair.h"
#include "unit/kube/folder.h"

namespace baton::fence {
namespace {

using http::kPatience;
using http::Reply;
using http::Signal;
using namespace std::chrono_literals;

const std::vector<std::string> kScopes = {"shop/billing", "shop/orders"};

http::Headers claim_of(const std::string& token, const std::string& scope = "shop/orders") {
  return {{"Baton-Fencing-Token", token}, {"baton-fencing-scope", scope}};
}

TEST(FenceClaim, OneTokenAndOneScope) {
  const Claim claim = read_claim(claim_of("999999999999999999"), kScopes);
  EXPECT_EQ(claim.status, 200);
  EXPECT_EQ(claim.token, 999999999999999999);
  EXPECT_EQ(claim.scope, "shop/orders");
}

TEST(FenceClaim, WhatIsNoToken) {
  for (const char* token : {"0", "-1", "9223372036854775808", "1000000000000000000", "forty", "042",
                            "42.0", "1e3", "", "42, 43", "+42", "\xD9\xA4\xD9\xA2", "42'"}) {
    const Claim claim = read_claim(claim_of(token), kScopes);
    EXPECT_EQ(claim.status, 400) << token;
    EXPECT_TRUE(claim.reason.starts_with("not a fencing token: ")) << claim.reason;
  }
  http::Headers twice = claim_of("42");
  twice.emplace_back("BATON-FENCING-TOKEN", "42");
  EXPECT_EQ(read_claim(twice, kScopes).status, 400);
  EXPECT_EQ(read_claim({{"Baton-Fencing-Scope", "shop/orders"}}, kScopes).status, 400);
}

TEST(FenceClaim, WhatIsNotItsScope) {
  EXPECT_EQ(read_claim(claim_of("42", "shop/other"), kScopes).status, 403);
  EXPECT_EQ(read_claim(claim_of("42", "shop/orders,shop/billing"), kScopes).status, 403);
  EXPECT_EQ(read_claim({{"Baton-Fencing-Token", "42"}}, kScopes).status, 403);
  http::Headers twice = claim_of("42");
  twice.emplace_back("Baton-Fencing-Scope", "shop/orders");
  EXPECT_EQ(read_claim(twice, kScopes).status, 403);
}

TEST(FenceHeaders, ThoseOfOneConnectionEndHere) {
  const http::Headers kept = {{"Accept", "*/*"}, {"X-Trace", "1"}, {"X-Trace", "2"}};
  http::Headers given = kept;
  for (const char* name : {"connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Host",
                           "Upgrade", "Expect", "Content-Length", "X-Hop", "x-other"}) {
    given.emplace_back(name, std::string(name) == "connection" ? "close, x-hop ,X-Other" : "x");
  }
  EXPECT_EQ(end_to_end(given), kept);
}

/// A gateway before a service whose answers the test gives.
class FenceGateway : public testing::Test {
 protected:
  void start(Duration drain = kPatience) {
    if (!std::filesystem::exists(state_path_)) {
      ASSERT_EQ(StateFile::initialise(state_path_, kScopes, 0), "");
    }
    auto state = StateFile::open(state_path_, kScopes);
    ASSERT_TRUE(state.ok()) << state.error();
    Options options{.scopes = kScopes,
                    .upstream = http::endpoint_of(service_address_),
                    .upstream_trust = trust_,
                    .listen_addresses = {gate_address_},
                    .probe_addresses = {"unix:" + folder_.path("probes")},
                    .max_jump = 1000,
                    .drain = drain,
                    .upstream_timeout = timeout_};
    auto gateway = Gateway::open(std::move(options), std::move(state).value());
    ASSERT_TRUE(gateway.ok()) << gateway.error();
    gateway_ = std::move(gateway).value();
    gateway_->start();
  }
  void serve(http::Handler handler) {
    http::ServerOptions options{.address = service_address_, .limits = {}, .tls = nullptr};
    options.limits.body_bytes = 2 * kMostBodyBytes;
    service_ = http::started(options, std::move(handler));
  }
  static void answer(const std::shared_ptr<http::Exchange>& exchange) {
    exchange->reply({200, {{"X-Of", "service"}}, exchange->request().body});
  }
  static http::Request post(const std::string& token, const std::string& body = "") {
    return {.method = "POST", .target = "/pay?id=7", .headers = claim_of(token), .body = body};
  }
  Reply send(const http::Request& request) const {
    return http::Connection::make(http::endpoint_of(gate_address_), nullptr)
        ->exchange(request, http::soon());
  }
  std::string probe(const std::string& target) const {
    return http::Connection::make(http::endpoint_of("unix:" + folder_.path("probes")), nullptr)
        ->exchange(http::get(target), http::soon())
        .response.body;
  }

  const kube::Folder folder_;
  const std::string state_path_ = folder_.path("state");
  const std::string gate_address_ = "unix:" + folder_.path("gate");
  std::string service_address_ = "unix:" + folder_.path("service");
  std::shared_ptr<Trust> trust_;
  Duration timeout_ = kPatience;
  std::unique_ptr<http::Server> service_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(FenceGateway, PassesARequestAndItsAnswerOn) {
  http::Request seen;
  serve([&](const auto& exchange) {
    seen = exchange->request();
    answer(exchange);
  });
  start();
  http::Request request = post("41", std::string(kMostBodyBytes, 'x'));
  request.headers.emplace_back("X-Trace", "7");
  const Reply reply = send(request);
  EXPECT_EQ(reply.response.status, 200) << reply.what;
  EXPECT_EQ(http::header(reply.response.headers, "X-Of"), "service");
  EXPECT_TRUE(reply.response.body == request.body);
  EXPECT_EQ(seen.target, "/pay?id=7");
  EXPECT_EQ(http::header(seen.headers, "X-Trace"), "7");
  EXPECT_EQ(http::header(seen.headers, "Baton-Fencing-Token"), "41");
  EXPECT_EQ(http::header(seen.headers, "Via"), "1.1 baton");
  request.body += 'x';
  EXPECT_EQ(send(request).response.status, 413);
}

TEST_F(FenceGateway, PassesOtherFormsOfAnswersOn) {
  serve([](const auto& exchange) {
    if (exchange->request().method == "HEAD") {
      return exchange->reply({200, {{"Content-Length", "12345"}}, ""});
    }
    exchange->start_stream({202, {}, ""});
    exchange->write("in ");
    exchange->write("chunks");
    exchange->close();
  });
  start();
  const Reply chunked = send(post("41"));
  EXPECT_EQ(chunked.response.status, 202) << chunked.what;
  EXPECT_EQ(chunked.response.body, "in chunks");
  EXPECT_EQ(http::header(chunked.response.headers, "Content-Length"), "9");
  http::Request head = post("41");
  head.method = "HEAD";
  EXPECT_EQ(http::header(send(head).response.headers, "Content-Length"), "12345");
}

TEST_F(FenceGateway, AHigherTokenIsOnTheDiskWhenTheServiceSeesIt) {
  serve([&](const auto& exchange) { exchange->reply({200, {}, read_file(state_path_).value()}); });
  start();
  for (std::int64_t token = 1; token <= 20; ++token) {
    EXPECT_EQ(send(post(std::to_string(token))).response.body,
              encode({{"shop/billing", 0}, {"shop/orders", token}}));
  }
}

TEST_F(FenceGateway, RefusesAndForwardsNothing) {
  int seen = 0;
  serve([&](const auto& exchange) {
    ++seen;
    answer(exchange);
  });
  start();
  EXPECT_EQ(send(post("41")).response.status, 200);
  const Reply stale = send(post("40"));
  EXPECT_EQ(stale.response.status, 409);
  EXPECT_EQ(http::header(stale.response.headers, "Baton-Highest-Token"), "41");
  EXPECT_EQ(stale.response.body, "stale fencing token 40: the highest is 41\n");
  EXPECT_EQ(send(post("1042")).response.status, 403);
  EXPECT_EQ(send(post("0")).response.status, 400);
  EXPECT_EQ(send({.method = "POST", .target = "/", .headers = {}, .body = ""}).response.status,
            400);
  EXPECT_EQ(send(post("41")).response.status, 200);
  EXPECT_EQ(seen, 2);
  const std::string page = probe("/metrics");
  for (const char* line :
       {"baton_fence_requests_total{result=\"stale\",scope=\"shop/orders\"} 1",
        "baton_fence_requests_total{result=\"jump\",scope=\"shop/orders\"} 1",
        "baton_fence_requests_total{result=\"forwarded\",scope=\"shop/orders\"} 2",
        "baton_fence_requests_total{result=\"bad_token\",scope=\"\"} 2",
        "baton_fence_requests_total{result=\"not_recorded\",scope=\"shop/orders\"} 0",
        "baton_fence_highest_token{scope=\"shop/orders\"} 41",
        "baton_fence_requests_in_flight{scope=\"shop/orders\"} 0"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << "\n" << page;
  }
}

TEST_F(FenceGateway, ScopesDoNotKnowOfEachOther) {
  serve(answer);
  start();
  EXPECT_EQ(send(post("500")).response.status, 200);
  http::Request other = post("1");
  other.headers = claim_of("1", "shop/billing");
  EXPECT_EQ(send(other).response.status, 200);
}

TEST_F(FenceGateway, WhatIsInFlightWithALowerTokenIsCutBeforeAHigherOnePasses) {
  Signal arrived;
  bool is_cut = false;
  std::vector<std::string> seen;
  std::shared_ptr<http::Exchange> held;
  serve([&](const auto& exchange) {
    seen.emplace_back(http::header(exchange->request().headers, "Baton-Fencing-Token"));
    if (seen.back() != "41") {
      exchange->reply({200, {}, is_cut ? "after the cut" : "beside a lower one"});
      return;
    }
    held = exchange;
    exchange->on_closed([&] { is_cut = true; });
    arrived.set();
  });
  start(0s);
  Reply old;
  std::thread client([&] { old = send(post("41")); });
  ASSERT_TRUE(arrived.wait());
  const Reply reply = send(post("42"));
  client.join();
  EXPECT_EQ(reply.response.body, "after the cut") << reply.what;
  EXPECT_EQ(old.response.status, 502);
  EXPECT_EQ(http::header(old.response.headers, "Baton-Highest-Token"), "42");
  EXPECT_NE(old.response.body.find("what the service did of this is unknown"), std::string::npos);
  EXPECT_EQ(seen, (std::vector<std::string>{"41", "42"}));
  service_->stop();
}

TEST_F(FenceGateway, WhatIsInFlightMayEndWithinTheTimeToDrain) {
  Signal arrived;
  std::vector<std::shared_ptr<http::Exchange>> held;
  serve([&](const auto& exchange) {
    held.push_back(exchange);
    held.size() == 1 ? arrived.set() : answer(exchange);
  });
  start();
  Reply old, reply;
  std::thread client([&] { old = send(post("41", "old")); });
  ASSERT_TRUE(arrived.wait());
  std::thread successor([&] { reply = send(post("42", "new")); });
  // The successor is seen and waits: a lower one is refused now.
  while (send(post("40")).response.body.find("42") == std::string::npos) {
  }
  service_->post([&] { answer(held.front()); });
  client.join();
  successor.join();
  EXPECT_EQ(old.response.body, "old");
  EXPECT_EQ(reply.response.body, "new");
  service_->stop();
}

TEST_F(FenceGateway, WhatCannotBeRecordedIsNotForwarded) {
  bool is_seen = false;
  serve([&](const auto& exchange) {
    is_seen = true;
    answer(exchange);
  });
  start();
  std::filesystem::create_directory(state_path_ + ".next");
  const Reply reply = send(post("41"));
  EXPECT_EQ(reply.response.status, 503);
  EXPECT_NE(reply.response.body.find("cannot be recorded: open "), std::string::npos);
  EXPECT_NE(probe("/readyz").find(".next"), std::string::npos);
  EXPECT_FALSE(is_seen);
  std::filesystem::remove(state_path_ + ".next");
  EXPECT_EQ(send(post("41")).response.status, 200);
  EXPECT_EQ(probe("/readyz"), "ok\n");
}

TEST_F(FenceGateway, KeepsItsConnectionToTheService) {
  const http::RawServer once([](int descriptor) {  // nobody answers on a second one
    for (const char* body : {"a", "b"}) {
      http::read_request(descriptor);
      http::say(descriptor, std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n") + body);
    }
  });
  service_address_ = "127.0.0.1:" + std::to_string(once.endpoint().port);
  start();
  EXPECT_EQ(send(post("41")).response.body, "a");
  EXPECT_EQ(send(post("41")).response.body, "b");
}

TEST_F(FenceGateway, ReplacesAConnectionThatTheServiceHasClosed) {
  serve(answer);
  start();
  EXPECT_EQ(send(post("41", "before")).response.body, "before");
  service_.reset();
  serve(answer);
  const Reply reply = send(post("41", "after"));
  EXPECT_EQ(reply.response.body, "after") << reply.what;
}

TEST_F(FenceGateway, ManyAtOnceGetTheirOwnAnswers) {
  constexpr int kClients = 20;
  constexpr int kRequests = 50;
  serve(answer);
  start();
  std::atomic<int> right = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      const auto connection = http::Connection::make(http::endpoint_of(gate_address_), nullptr);
      for (int j = 0; j < kRequests; ++j) {
        const std::string body(static_cast<std::size_t>(i * kRequests + j), 'x');
        right += connection->exchange(post("41", body), http::soon()).response.body == body;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, kClients * kRequests);
}

TEST_F(FenceGateway, FindsItsServiceByName) {
  service_address_ = "127.0.0.1:0";
  serve(answer);
  service_address_ = "localhost" + service_->address().substr(9);
  start();
  const Reply reply = send(post("41", "by name"));
  EXPECT_EQ(reply.response.body, "by name") << reply.what;
  service_.reset();
  gateway_.reset();
  const std::string no_name(64, 'x');  // nor a label, so that no server is asked
  service_address_ = no_name + ":80";
  start();
  const std::string body = send(post("41")).response.body;
  EXPECT_TRUE(body.starts_with("resolve " + no_name + ": ")) << body;
  EXPECT_TRUE(body.ends_with("; nothing was sent\n")) << body;
}

TEST_F(FenceGateway, WaitsForAnAnswerNoLongerThanTheTimeout) {
  timeout_ = 50ms;
  std::vector<std::shared_ptr<http::Exchange>> held;
  serve([&](const auto& exchange) { held.push_back(exchange); });
  start();
  EXPECT_TRUE(
      send(post("41"))
          .response.body.ends_with(": deadline exceeded; what the service did is unknown\n"));
  service_->stop();
}

TEST_F(FenceGateway, AServiceThatIsAwayOrGivesNoAnswer) {
  start();
  Reply reply = send(post("41"));
  EXPECT_EQ(reply.response.status, 502);
  EXPECT_NE(reply.response.body.find("nothing was sent"), std::string::npos) << reply.response.body;
  serve([](const auto&) {});  // cuts the connection
  reply = send(post("41"));
  EXPECT_EQ(reply.response.status, 502);
  EXPECT_NE(reply.response.body.find("is unknown"), std::string::npos) << reply.response.body;
}

TEST_F(FenceGateway, AServiceThatAnotherCaHasSignedOrForAnotherNameIsSentNothing) {
  const test::CertificateAuthority authority, other("other");
  int seen = 0;
  service_address_ = "127.0.0.1:0";
  const auto serve_as = [&](const test::CertificateAuthority& issuer, const std::string& name) {
    const auto issued = issuer.issue({"service", {"DNS:" + name}});
    service_.reset();
    service_ = http::started({.address = service_address_,
                              .limits = {},
                              .tls = std::make_shared<http::ServerTls>(
                                  http::ServerTls{issued.certificate_pem, issued.key_pem, ""})},
                             [&](const auto& exchange) {
                               ++seen;
                               answer(exchange);
                             });
    service_address_ = service_->address();
  };
  const std::string ca = folder_.write("ca", authority.pem());
  trust_ = Trust::open(ca, "ledger.shop.svc").value();
  serve_as(authority, "other.shop.svc");
  start();
  Reply reply = send(post("41"));
  EXPECT_EQ(reply.response.status, 502);
  EXPECT_TRUE(reply.response.body.ends_with(
      ": certificate verify failed: hostname mismatch; the certificate is for other names; set "
      "--upstream-server-name to one of its SANs; nothing was sent\n"))
      << reply.response.body;
  serve_as(other, "ledger.shop.svc");
  reply = send(post("41"));
  EXPECT_EQ(reply.response.status, 502);
  EXPECT_TRUE(reply.response.body.ends_with(": unable to get local issuer certificate; the CA of " +
                                            ca + " did not sign it; nothing was sent\n"))
      << reply.response.body;
  EXPECT_EQ(seen, 0);

  folder_.write("ca", other.pem());  // replaced, and known to the next connection
  EXPECT_EQ(send(post("41")).response.status, 200);
  serve_as(other, "ledger.shop.svc");
  folder_.write("ca", "half of a PEM");
  EXPECT_EQ(send(post("41")).response.status, 200);
  service_->stop();
  EXPECT_EQ(seen, 2);
}

TEST(FenceTrust, WhatIsNoCa) {
  const kube::Folder folder;
  EXPECT_EQ(Trust::open(folder.path("ca"), "").error(), read_file(folder.path("ca")).error());
  const std::string ca = folder.write("ca", "none");
  EXPECT_EQ(Trust::open(ca, "").error(), ca + ": TLS: the CA is no PEM certificate (none found); "
                                              "give the PEM text with BEGIN CERTIFICATE");
}

TEST_F(FenceGateway, RemembersAndRefusesWhileItStops) {
  Signal arrived;
  std::shared_ptr<http::Exchange> held;
  serve([&](const auto& exchange) {
    held = exchange;
    arrived.set();
  });
  start();
  Reply last;
  std::thread client([&] { last = send(post("41", "last")); });
  ASSERT_TRUE(arrived.wait());
  std::thread stopper([&] { gateway_->stop(); });
  while (probe("/readyz") == "ok\n") {
  }
  EXPECT_EQ(send(post("41")).response.status, 503);
  service_->post([&] { answer(held); });
  client.join();
  stopper.join();
  EXPECT_EQ(last.response.body, "last");
  service_->stop();
  gateway_.reset();
  serve(answer);
  start();
  EXPECT_EQ(send(post("40")).response.status, 409);
  EXPECT_EQ(send(post("41")).response.status, 200);
}

}  // namespace
}  // namespace baton::fence
