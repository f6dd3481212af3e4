#include "runtime/observer.h"

#include <gtest/gtest.h>

#include <regex>

#include "runtime/elector.h"
#include "support/process.h"
#include "unit/kube/scripted_server.h"

namespace baton::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kDate_s = 1709209845;

class ObserverClockTest : public testing::Test {
 protected:
  /// An elector gets one answer, with kDate_s, and ends. Whatever our wall clock shows.
  void SetUp() override {
    election::Options options;
    options.identity = "p0";
    options.timings = {seconds(15), seconds(12),     seconds(5),
                       seconds(2),  milliseconds(1), milliseconds(2)};
    kube::ScriptedServer server;
    server.then(kube::answer(500, "{}", "Date: Thu, 29 Feb 2024 12:30:45 GMT\r\n"));
    const auto board = std::make_shared<api::StatusBoard>();
    Elector elector(
        options, boot_now(), std::make_shared<kube::Credentials>(server.cluster()),
        {"shop", "billing", seconds(20)}, board, observer_, [] {}, [] {});
    elector.start();
    ASSERT_TRUE(test::wait_until([&] { return board->read().status.reason.starts_with("list"); }));
  }

  int anomalies() {
    const std::string page = observer_.metrics_page();
    std::smatch found;
    const std::regex line("\nbaton_clock_rate_anomalies_total\\{.*\\} (\\d+)");
    return std::regex_search(page, found, line) ? std::stoi(found[1]) : -1;
  }

  Worker worker_;
  Observer observer_{worker_, nullptr, {"Lease", "shop", "billing", "", "p0", ""}, {}};
};

// It was fed the difference from our wall clock once: the check then said nothing on a host whose
// clock was right, and raised an alarm every minute on one whose clock was not.
TEST_F(ObserverClockTest, IsFedTheServersDateNotItsDifference) {
  EXPECT_EQ(anomalies(), 0);
  observer_.stepped({}, kDate_s + 60, boot_now() + seconds(60));
  EXPECT_EQ(anomalies(), 0);
}

TEST_F(ObserverClockTest, CountsAPauseOfTheClocksHere) {
  observer_.stepped({}, kDate_s + 100, boot_now() + seconds(60));
  EXPECT_EQ(anomalies(), 1);
}

}  // namespace
}  // namespace baton::runtime
