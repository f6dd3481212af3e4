// What the clock check is fed with in production: the Date of the API server's answers, as the
// elector hands it on. The check itself is in clock_check_test.cc.
#include <gtest/gtest.h>

#include "runtime/clock_check.h"
#include "runtime/elector.h"
#include "support/process.h"
#include "unit/kube/scripted_server.h"

namespace baton::runtime {
namespace {

using std::chrono::seconds;

constexpr std::int64_t kDate_s = 1709209845;  // Thu, 29 Feb 2024 12:30:45 GMT

election::Options options() {
  election::Options options;
  options.identity = "p0";
  options.timings = {seconds(15),
                     seconds(12),
                     seconds(5),
                     seconds(2),
                     std::chrono::milliseconds(1),
                     std::chrono::milliseconds(2)};
  return options;
}

class ElectorClockTest : public testing::Test {
 protected:
  ElectorClockTest() {
    ElectorSinks sinks;
    sinks.changed = [] {};
    sinks.notice = [](const election::Notice&, const election::Status&) {};
    sinks.stepped = [](const election::Status&) {};
    sinks.request_failed = [](const std::string&, election::FailureKind) {};
    sinks.exited = [] {};
    elector_ = std::make_unique<Elector>(options(), boot_now(),
                                         std::make_shared<kube::Credentials>(server_.cluster()),
                                         kube::LeaseTarget{"shop", "billing", seconds(20)},
                                         std::make_shared<api::StatusBoard>(), sinks);
  }

  /// A refusal, so that the next request is another LIST and no watch is in the way.
  void answer_with_date(const std::string& date) {
    server_.then(kube::answer(500, "{}", "Date: " + date + "\r\n"));
  }
  kube::ScriptedServer server_;
  std::unique_ptr<Elector> elector_;
};

// It was fed the difference from our wall clock once: the check then said nothing on a host whose
// clock was right, and raised an alarm every minute on one whose clock was not.
TEST_F(ElectorClockTest, IsFedTheServersDateNotItsDifference) {
  const Instant before = boot_now();
  answer_with_date("Thu, 29 Feb 2024 12:30:45 GMT");
  elector_->start();
  ASSERT_TRUE(test::wait_until([&] { return elector_->server_date().second != kLongAgo; }));
  const auto [date_s, at] = elector_->server_date();
  EXPECT_EQ(date_s, kDate_s);
  EXPECT_GE(at, before);
  EXPECT_LE(at, boot_now());

  // However far our wall clock is from the server's, and whatever it does meanwhile.
  ClockCheck in_step;
  EXPECT_FALSE(in_step.sample(date_s, at));
  EXPECT_FALSE(in_step.sample(kDate_s + 60, at + seconds(60)));
  ClockCheck paused;
  EXPECT_FALSE(paused.sample(date_s, at));
  const auto gap_s = paused.sample(kDate_s + 100, at + seconds(60));
  ASSERT_TRUE(gap_s);
  EXPECT_DOUBLE_EQ(*gap_s, 40);
}

TEST_F(ElectorClockTest, IsFedTheLatestDate) {
  answer_with_date("Thu, 29 Feb 2024 12:30:45 GMT");
  answer_with_date("Thu, 29 Feb 2024 12:31:45 GMT");
  elector_->start();
  EXPECT_TRUE(test::wait_until([&] { return elector_->server_date().first == kDate_s + 60; }))
      << elector_->server_date().first;
}

}  // namespace
}  // namespace baton::runtime
