// Which answers of an application's health URL the election is told of.
#include "runtime/health.h"

#include <gtest/gtest.h>

#include "support/fake_application.h"

namespace baton::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::wait_until;

std::string verdicts(std::string_view answers) {
  HealthJudge judge;
  std::string out;
  for (const char answer : answers) {
    judge.hear(answer == '+' ? "" : "down");
    out += judge.is_healthy() ? 'h' : '.';
  }
  return out;
}

TEST(HealthJudge, ThreeAnswersInARowChangeIt) {
  EXPECT_EQ(verdicts("-+++"), "...h");
  EXPECT_EQ(verdicts("-+++---"), "...hhh.");
  EXPECT_EQ(verdicts("-++-+++"), "......h");
  EXPECT_EQ(verdicts("-+++--+--+---"), "...hhhhhhhhh.");
}

// A restarted sidecar of an application that works goes on with its Pod's term.
TEST(HealthJudge, TheVeryFirstGoodAnswerCountsAtOnce) {
  EXPECT_EQ(verdicts("+"), "h");
  EXPECT_EQ(verdicts("+--+---"), "hhhhhh.");
  EXPECT_EQ(verdicts("-+"), "..");
}

// Up for two answers, then down again, for ever.
TEST(HealthJudge, ACrashLoopIsNeverHealthy) {
  std::string answers;
  for (int i = 0; i < 100; ++i) answers += "--++";
  EXPECT_EQ(verdicts(answers).find('h'), std::string::npos);
}

// Each of them may become an Event.
TEST(HealthJudge, AnotherFailureIsNewsOnceItLasts) {
  HealthJudge judge;
  const auto hear = [&](const std::vector<std::string>& failures) {
    std::string news;
    for (const std::string& failure : failures) news += judge.hear(failure).value_or("-");
    return news;
  };
  EXPECT_EQ(hear({"refused", "refused"}), "refused-");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(hear({"503", "503", "refused"}), "---");
  EXPECT_EQ(hear({"503", "503", "503", "503"}), "--503-");
  EXPECT_EQ(hear({"", "", ""}), "--");
  EXPECT_TRUE(judge.is_healthy());
  EXPECT_EQ(hear({"503", "503", "refused", "503"}), "--refused-");
  EXPECT_FALSE(judge.is_healthy());
}

class HealthGateTest : public testing::Test {
 protected:
  void open_gate(Duration period = milliseconds(5)) {
    gate_ = std::make_unique<HealthGate>(
        config::HttpUrl{application_.url(), "127.0.0.1", application_.port(), "/up?x=1"},
        [this](const election::ApplicationHealth& health) {
          const std::lock_guard lock(mutex_);
          told_.push_back(health.healthy ? "healthy" : health.reason);
        },
        [this] { return pod_is_ending_.load(); }, period);
  }
  std::vector<std::string> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  bool hears(const std::string& part) {
    return wait_until([&] { return told().back().find(part) != std::string::npos; });
  }

  test::FakeApplication application_;
  std::atomic<bool> pod_is_ending_ = false;
  std::mutex mutex_;
  std::vector<std::string> told_;
  std::unique_ptr<HealthGate> gate_;  // first to go
};

TEST_F(HealthGateTest, TellsOfAnApplicationThatComesAndGoes) {
  open_gate();
  EXPECT_EQ(told().at(0), application_.url() + ": no answer yet");
  EXPECT_TRUE(hears("Connection refused"));
  application_.status = 503;
  application_.come_up();
  EXPECT_TRUE(hears("answered 503"));
  application_.status = 200;
  EXPECT_TRUE(hears("healthy"));
  application_.go_down();
  EXPECT_TRUE(hears("Connection refused"));
  EXPECT_TRUE(told().back().starts_with(application_.url() + ": ")) << told().back();
  application_.come_up();
  EXPECT_TRUE(hears("healthy"));
  gate_.reset();
  application_.go_down();
  EXPECT_EQ(application_.last_request(), "GET /up?x=1 " + application_.address());
}

TEST_F(HealthGateTest, TwoAndThreeHundredsAreGoodAnswers) {
  application_.come_up();
  const std::pair<int, const char*> cases[] = {
      {200, "healthy"},      {204, "healthy"},      {302, "healthy"},     {399, "healthy"},
      {400, "answered 400"}, {404, "answered 404"}, {503, "answered 503"}};
  for (const auto& [status, expected] : cases) {
    application_.status = status;
    open_gate();
    EXPECT_TRUE(hears(expected)) << status;
    gate_.reset();
  }
}

TEST_F(HealthGateTest, TheAnswersBodyDoesNotMatter) {
  application_.body_bytes = std::size_t{8} << 20;
  application_.come_up();
  open_gate();
  EXPECT_TRUE(hears("healthy"));
}

TEST_F(HealthGateTest, AnApplicationThatHangsIsUnhealthy) {
  application_.come_up();
  open_gate();
  EXPECT_TRUE(hears("healthy"));
  application_.hangs = true;
  EXPECT_TRUE(hears("deadline exceeded"));
}

// The kubelet has told the application to end, which closes its listener and works on.
TEST_F(HealthGateTest, AnApplicationThatEndsWithItsPodIsNotToldOf) {
  application_.come_up();
  open_gate();
  EXPECT_TRUE(hears("healthy"));
  pod_is_ending_ = true;
  application_.status = 503;
  ASSERT_TRUE(wait_until([&] {
    const int before = application_.requests();
    return !wait_until([&] { return application_.requests() > before; }, milliseconds(200));
  })) << "it still asks";
  EXPECT_EQ(told().back(), "healthy");
}

// So many that the bound would not do if each waited for its answer.
TEST_F(HealthGateTest, EndsInTheMiddleOfARequest) {
  constexpr int kGates = 90;
  application_.hangs = true;
  application_.come_up();
  const Instant before = boot_now();
  for (int i = 1; i <= kGates; ++i) {
    open_gate(seconds(60));
    ASSERT_TRUE(wait_until([&] { return application_.requests() == i; }));
    gate_.reset();
  }
  EXPECT_LT(boot_now() - before, test::kBound);
}

TEST_F(HealthGateTest, AsksOnceAPeriod) {
  application_.come_up();
  open_gate(test::kBound);
  EXPECT_TRUE(hears("healthy"));
  const int before = application_.requests();
  EXPECT_FALSE(wait_until([&] { return application_.requests() > before; }, milliseconds(300)));
}

}  // namespace
}  // namespace baton::runtime
