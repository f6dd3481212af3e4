// A local API over a board that the test publishes to, on a clock that the test moves.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "api/local_api.h"
#include "fake_exchange.h"

namespace baton::api {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using election::State;
using election::Status;
using nlohmann::json;

class ApiTest : public testing::Test {
 protected:
  using Exchange = std::shared_ptr<FakeExchange>;

  explicit ApiTest(const std::vector<std::string>& holders = {}) : context_(context(holders)) {
    server_.now = Instant(1000s);
    api_.attach(server_);
  }

  Context context(const std::vector<std::string>& holders) {
    Context context;
    context.election = "web";
    context.namespace_name = "prod";
    context.pod = "web-0";
    context.identity = "web-0_1234abcd_0011";
    context.legacy_name = "web-0";
    context.run_id = "77";
    context.timings = {15s, 12s, 5s, 2s, 250ms, 450ms};
    context.board = board_;
    context.ledger = std::make_shared<WorkLedger>(holders);
    context.now = [this] { return server_.now; };
    context.post = [this](election::Event event) { posted_.push_back(std::move(event)); };
    context.report_rejection = [this](Rejection one) { rejections_.push_back(std::move(one)); };
    context.metrics = [] { return "baton_is_leader 1\n"; };
    context.liveness = [this] {
      return std::vector<Check>{{"election-thread", is_live_, "last went round 3 ms ago"}};
    };
    return context;
  }

  static Status leading(const std::string& term_id, election::Token token, Instant deadline) {
    Status status;
    status.state = State::leading;
    status.believes = true;
    status.term_id = term_id;
    status.token = token;
    status.deadline = deadline;
    status.leader = {.identity = "web-0_1234abcd_0011",
                     .address = "",
                     .fencing_token = token,
                     .since = "2026-01-02T03:04:05.000000Z",
                     .transitions = 3,
                     .expires = deadline};
    return status;
  }
  static Status following(const std::string& leader, Instant expires) {
    Status status;
    status.state = State::following;
    status.leader = {.identity = leader,
                     .address = "10.0.0.7:80",
                     .fencing_token = 41,
                     .since = "2026-01-02T03:04:05.000000Z",
                     .transitions = 3,
                     .expires = expires};
    return status;
  }
  static Status draining(const std::string& term_id) {
    Status status;
    status.state = State::draining;
    status.term_id = term_id;
    return status;
  }

  /// As the election's thread does it.
  void publish(const Status& status) {
    if (board_->publish(status)) api_.changed();
    server_.run_posted();
  }
  void lead(const std::string& term_id = "t1", election::Token token = 42) {
    publish(leading(term_id, token, server_.now + 12s));
  }

  Exchange send(http::Request request, bool over_unix_socket = false) {
    auto exchange = std::make_shared<FakeExchange>(std::move(request), over_unix_socket);
    api_.handler()(exchange);
    return exchange;
  }
  Exchange get(const std::string& target, const std::string& method = "GET") {
    return send({method, target, {{"Host", "localhost:4040"}}, ""});
  }
  Exchange post(const std::string& target, const std::string& body = "") {
    return send({"POST", target, {{"Host", "127.0.0.1:4040"}, {"Baton-Control", "1"}}, body});
  }

  static json document(const Exchange& exchange) { return json::parse(exchange->answer.body); }
  static std::string error(const Exchange& exchange) {
    return json::parse(exchange->answer.body).at("error");
  }
  static std::string header(const Exchange& exchange, const char* name) {
    return std::string(http::header(exchange->answer.headers, name));
  }
  /// The document of a server-sent event.
  static json event(const std::string& chunk) {
    const auto data = chunk.find("data: ");
    EXPECT_TRUE(data != std::string::npos && chunk.ends_with("}\n\n")) << chunk;
    return json::parse(chunk.substr(data + 6));
  }
  template <typename T>
  int posted() const {
    return static_cast<int>(std::count_if(posted_.begin(), posted_.end(), [](const auto& event) {
      return std::holds_alternative<T>(event);
    }));
  }

  FakeServer server_;
  std::shared_ptr<StatusBoard> board_ = std::make_shared<StatusBoard>();
  std::vector<election::Event> posted_;
  std::vector<Rejection> rejections_;
  bool is_live_ = true;
  Context context_;
  LocalApi api_{context_};
};

}  // namespace baton::api
