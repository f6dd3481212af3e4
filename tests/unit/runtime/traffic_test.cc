// The thread that leads traffic here: what it asks of its routes as the board changes. No server.
#include "runtime/traffic.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/process.h"

namespace baton::runtime {
namespace {

using election::Failure;
using election::FailureKind;
using election::State;
using election::Token;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::wait_until;

/// What a FakeRoute was asked, and how it answers.
struct Script {
  std::mutex mutex;
  std::vector<std::string> calls;
  std::optional<Failure> show_fails, withdraw_fails;
  bool is_slow = false;  // answers once this is false
  bool moves_in_one_write = false;
};

class FakeRoute : public kube::Route {
 public:
  explicit FakeRoute(Script& script) : script_(script) {}
  const char* name() const override { return "fake"; }
  bool moves_in_one_write() const override { return script_.moves_in_one_write; }
  std::optional<Failure> show(Token token, const std::function<bool()>& leads) override {
    return note("show " + std::to_string(token) + (leads() ? "" : " late"), script_.show_fails);
  }
  std::optional<Failure> withdraw() override { return note("withdraw", script_.withdraw_fails); }

 private:
  std::optional<Failure> note(const std::string& call, const std::optional<Failure>& failure) {
    {
      const std::lock_guard lock(script_.mutex);
      script_.calls.push_back(call);
    }
    EXPECT_TRUE(wait_until([this] {
      const std::lock_guard lock(script_.mutex);
      return !script_.is_slow;
    }));
    const std::lock_guard lock(script_.mutex);
    return failure;
  }
  Script& script_;
};

class TrafficTest : public testing::Test {
 protected:
  void start(Duration lease_duration = seconds(4), Duration request_timeout = milliseconds(300)) {
    std::vector<std::unique_ptr<kube::Route>> routes;
    routes.push_back(std::make_unique<FakeRoute>(script_));
    const election::Timings timings{lease_duration,  seconds(3),      seconds(1),
                                    request_timeout, milliseconds(1), milliseconds(2)};
    traffic_ = std::make_unique<Traffic>(
        std::move(routes), board_, timings,
        [this](const std::string&, FailureKind) { ++failures_; },
        [this](const api::TrafficState& state) { told_.publish(state); });
    traffic_->start();
  }
  void publish(State state, Token token) {
    election::Status status;
    status.state = state;
    status.believes = token != 0;
    status.token = token;
    status.deadline = boot_now() + seconds(60);
    board_->publish(status);
    traffic_->changed();
  }
  std::vector<std::string> calls() {
    const std::lock_guard lock(script_.mutex);
    return script_.calls;
  }
  bool was(const std::vector<std::string>& expected) {
    return wait_until([&] { return calls() == expected; });
  }
  /// How long a release would wait.
  Duration waits() {
    const Instant before = boot_now();
    traffic_->wait_until_withdrawn();
    return boot_now() - before;
  }
  /// Whether one comes to wait for less than the request timeout.
  bool waits_no_more() {
    return wait_until([&] { return waits() < milliseconds(250); });
  }

  Script script_;
  std::atomic<int> failures_ = 0;
  api::TrafficBoard told_;
  const std::shared_ptr<api::StatusBoard> board_ = std::make_shared<api::StatusBoard>();
  std::unique_ptr<Traffic> traffic_;
};

TEST_F(TrafficTest, FollowsTheTerm) {
  start();
  EXPECT_TRUE(was({"withdraw"}));  // of the process before this one
  publish(State::warming, 7);
  publish(State::leading, 7);
  EXPECT_TRUE(was({"withdraw", "show 7"}));
  publish(State::uncertain, 7);
  publish(State::draining, 0);
  EXPECT_TRUE(was({"withdraw", "show 7", "withdraw"}));
  EXPECT_TRUE(waits_no_more());
  publish(State::leading, 9);
  EXPECT_TRUE(was({"withdraw", "show 7", "withdraw", "show 9"}));
}

// A new leader whose application still recovers gets no requests.
TEST_F(TrafficTest, WarmingIsNotLedTo) {
  start();
  EXPECT_TRUE(was({"withdraw"}));
  publish(State::warming, 7);
  EXPECT_FALSE(wait_until([&] { return calls().size() > 1; }, milliseconds(100)));
}

TEST_F(TrafficTest, AReleaseWaitsForTheRequestTimeoutAtMost) {
  start();
  publish(State::leading, 7);
  ASSERT_TRUE(wait_until([&] { return !calls().empty() && calls().back() == "show 7"; }));
  {
    const std::lock_guard lock(script_.mutex);
    script_.withdraw_fails = Failure{FailureKind::unknown, {}, "no answer"};
  }
  publish(State::draining, 0);
  EXPECT_GE(waits(), milliseconds(300));
  const auto tried = std::ranges::count(calls(), "withdraw");
  EXPECT_TRUE(wait_until([&] { return std::ranges::count(calls(), "withdraw") > tried; }));
  {
    const std::lock_guard lock(script_.mutex);
    script_.withdraw_fails.reset();
  }
  EXPECT_TRUE(waits_no_more());
}

// kube-proxy takes a second between two changes: the next leader's must be the only one.
TEST_F(TrafficTest, WhatMovesInOneWriteIsLeftForTheNextLeader) {
  script_.moves_in_one_write = true;
  start(seconds(4), 2 * test::kBound);
  publish(State::leading, 7);
  ASSERT_TRUE(
      wait_until([&] { return told_.read().state.leads == api::TrafficState::Leads::here; }));
  {
    const std::lock_guard lock(script_.mutex);
    script_.is_slow = true;
  }
  const Instant drained = boot_now();
  publish(State::draining, 0);
  traffic_->wait_until_withdrawn();  // before the route may answer
  {
    const std::lock_guard lock(script_.mutex);
    script_.is_slow = false;
  }
  traffic_->stop();  // none has come: it is taken away before the end
  EXPECT_EQ(calls(), (std::vector<std::string>{"show 7", "withdraw"}));
  EXPECT_GE(boot_now() - drained, seconds(2) - milliseconds(1));
}

// A show that is under way when the release comes may still be written.
TEST_F(TrafficTest, AReleaseWaitsForAShowUnderWay) {
  start();
  ASSERT_TRUE(was({"withdraw"}));
  EXPECT_TRUE(waits_no_more());
  {
    const std::lock_guard lock(script_.mutex);
    script_.is_slow = true;
  }
  publish(State::leading, 7);
  ASSERT_TRUE(was({"withdraw", "show 7"}));
  publish(State::draining, 0);
  EXPECT_GE(waits(), milliseconds(300));
  {
    const std::lock_guard lock(script_.mutex);
    script_.is_slow = false;
  }
  EXPECT_TRUE(was({"withdraw", "show 7", "withdraw"}));
}

TEST_F(TrafficTest, ARefusedWithdrawalHoldsNoReleaseUp) {
  script_.withdraw_fails = Failure{FailureKind::refused, {}, "403"};
  start();
  EXPECT_TRUE(waits_no_more());
}

TEST_F(TrafficTest, FailuresAreCountedAndTriedAgain) {
  start();
  ASSERT_TRUE(was({"withdraw"}));
  {
    const std::lock_guard lock(script_.mutex);
    script_.show_fails = Failure{FailureKind::refused, {}, "403"};
  }
  publish(State::leading, 7);
  EXPECT_TRUE(wait_until([&] { return std::ranges::count(calls(), "show 7") >= 3; }));
  EXPECT_GE(failures_, 2);
  publish(State::following, 0);  // nothing was written: nothing is taken away
  const auto before = calls().size();
  EXPECT_FALSE(wait_until([&] { return calls().size() > before + 1; }, milliseconds(100)));
  EXPECT_EQ(std::ranges::count(calls(), "withdraw"), 1);
}

TEST_F(TrafficTest, WhatMayHaveBeenWrittenIsTakenAway) {
  start();
  ASSERT_TRUE(was({"withdraw"}));
  {
    const std::lock_guard lock(script_.mutex);
    script_.show_fails = Failure{FailureKind::unknown, {}, "no answer"};
  }
  publish(State::leading, 7);
  ASSERT_TRUE(wait_until([&] { return calls().back() == "show 7"; }));
  publish(State::following, 0);
  EXPECT_TRUE(wait_until([&] { return calls().back() == "withdraw"; }));
}

TEST_F(TrafficTest, TellsWhereItLeadsAndWhyNot) {
  using Leads = api::TrafficState::Leads;
  const auto is_told = [this](Leads leads, const std::string& reason) {
    return wait_until([&] { return told_.read().state == api::TrafficState{leads, reason}; });
  };
  script_.withdraw_fails = Failure{FailureKind::refused, {}, "403 at the start"};
  start();
  EXPECT_TRUE(is_told(Leads::unknown, "403 at the start"));
  {
    const std::lock_guard lock(script_.mutex);
    script_.withdraw_fails.reset();
    script_.show_fails = Failure{FailureKind::refused, {}, "403"};
  }
  EXPECT_TRUE(is_told(Leads::away, ""));
  publish(State::leading, 7);
  EXPECT_TRUE(is_told(Leads::away, "403"));
  {
    const std::lock_guard lock(script_.mutex);
    script_.show_fails.reset();
    script_.withdraw_fails = Failure{FailureKind::unknown, {}, "no answer"};
  }
  EXPECT_TRUE(is_told(Leads::here, ""));
  publish(State::draining, 0);
  EXPECT_TRUE(is_told(Leads::here, "no answer"));
}

// Somebody may have deleted it. A renewal every while must not put the look off for ever.
TEST_F(TrafficTest, LooksAgainNowAndThenWhileItLeads) {
  start(milliseconds(50));
  EXPECT_TRUE(wait_until([&] {
    publish(State::leading, 7);
    return std::ranges::count(calls(), "show 7") >= 3;
  }));
  publish(State::following, 0);
  ASSERT_TRUE(wait_until([&] { return calls().back() == "withdraw"; }));
  const auto before = calls().size();
  EXPECT_FALSE(wait_until([&] { return calls().size() > before; }, milliseconds(500)));
}

TEST(Traffic, WithoutRoutesNothingWaits) {
  Traffic traffic({}, std::make_shared<api::StatusBoard>(), {}, nullptr, nullptr);
  traffic.start();
  traffic.changed();
  traffic.wait_until_withdrawn();
}

}  // namespace
}  // namespace baton::runtime
