// The local API over the real server and client: what the fakes promise holds on sockets.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "api/local_api.h"
#include "http/client.h"

namespace baton::api {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using election::State;
using election::Status;
using nlohmann::json;

class OverHttpTest : public testing::Test {
 protected:
  OverHttpTest() {
    context_.pod = context_.legacy_name = "web-0";
    context_.run_id = "77";
    context_.timings = {15s, 12s, 5s, 2s, 250ms, 450ms};
    context_.board = board_;
    context_.ledger = std::make_shared<WorkLedger>(std::vector<std::string>{});
    context_.now = boot_now;
    context_.post = [this](election::Event event) {
      const std::lock_guard lock(mutex_);
      posted_.push_back(std::move(event));
      has_posted_.notify_all();
    };
    api_ = std::make_unique<LocalApi>(context_);
    http::ServerOptions options;
    options.address = "127.0.0.1:0";
    auto server = http::Server::listen(options, api_->handler());
    if (!server.ok()) throw std::runtime_error(server.error());
    server_ = std::move(server).value();
    api_->attach(*server_);
    server_->start();
  }
  ~OverHttpTest() override { server_->stop(); }

  void publish(State state, bool believes) {
    Status status;
    status.state = state;
    status.believes = believes;
    status.term_id = "t1";
    status.token = 42;
    status.deadline = believes ? boot_now() + 60s : kLongAgo;
    if (board_->publish(status)) api_->changed();
  }
  std::unique_ptr<http::Connection> connection() const {
    const std::string address = server_->address();
    const auto port = std::stoi(address.substr(address.rfind(':') + 1));
    return http::Connection::make({"127.0.0.1", static_cast<std::uint16_t>(port), ""}, nullptr);
  }
  static http::Reply call(http::Connection& connection, const std::string& method,
                          const std::string& target) {
    return connection.exchange({method, target, {{"Baton-Control", "1"}}, ""}, boot_now() + 60s);
  }
  /// The first event posted to the election of this type.
  template <typename T>
  T posted() {
    std::unique_lock lock(mutex_);
    while (true) {
      for (const election::Event& event : posted_) {
        if (const T* found = std::get_if<T>(&event)) return *found;
      }
      has_posted_.wait(lock);
    }
  }

  std::shared_ptr<StatusBoard> board_ = std::make_shared<StatusBoard>();
  Context context_;
  std::unique_ptr<LocalApi> api_;
  std::unique_ptr<http::Server> server_;
  std::mutex mutex_;
  std::condition_variable has_posted_;
  std::vector<election::Event> posted_;
};

TEST_F(OverHttpTest, AnswersOnOneConnection) {
  const auto client = connection();
  EXPECT_EQ(call(*client, "GET", "/leader").response.status, 503);
  publish(State::leading, true);
  const http::Reply yes = call(*client, "GET", "/leader");
  EXPECT_TRUE(yes.reused_connection);
  EXPECT_EQ(yes.response.status, 200);
  EXPECT_EQ(http::header(yes.response.headers, "baton-fencing-token"), "42");
  EXPECT_EQ(json::parse(yes.response.body)["fencingToken"], "42");
  EXPECT_EQ(call(*client, "HEAD", "/leader").response.body, "");
  EXPECT_EQ(call(*client, "GET", "/token").response.body, "42");
}

TEST_F(OverHttpTest, ALongPollIsAnsweredFromAnotherThread) {
  std::thread poll([this] {
    const auto client = connection();
    EXPECT_EQ(call(*client, "GET", "/leader?wait=1m&after=77-1").response.status, 200);
  });
  publish(State::leading, true);
  poll.join();
}

TEST_F(OverHttpTest, ResignWaitsAndTheHoldingConnectionProves) {
  publish(State::leading, true);
  const auto stream = connection();
  ASSERT_EQ(stream->open_stream({"GET", "/leader/events?hold=true", {}, ""}, boot_now() + 60s)
                .response.status,
            200);
  std::string error;
  EXPECT_EQ(stream->next_line(boot_now() + 60s, error), "id: 77-2");
  std::thread resign([this] {
    const auto client = connection();
    EXPECT_EQ(call(*client, "POST", "/resign?wait=1m").response.status, 200);
  });
  posted<election::Resign>();
  publish(State::draining, false);
  std::string line;
  while (!line.starts_with("data: ") || json::parse(line.substr(6))["state"] != "draining") {
    line = stream->next_line(boot_now() + 60s, error).value_or("data: {\"state\":\"draining\"}");
  }
  stream->close();
  EXPECT_EQ(posted<election::WorkEnded>().proof, election::Proof::connections_closed);
  publish(State::released, false);
  resign.join();
}

}  // namespace
}  // namespace baton::api
