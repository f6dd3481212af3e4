#include "runtime/observer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "runtime/elector.h"
#include "support/process.h"
#include "unit/kube/scripted_server.h"

namespace baton::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kDate_s = 1709209845;
constexpr election::Timings kTimings{seconds(15), seconds(12),     seconds(5),
                                     seconds(2),  milliseconds(1), milliseconds(2)};

/// The value of a series without labels of its own; -1 if there is none.
int value(Observer& observer, const std::string& metric) {
  const std::string page = observer.metrics_page();
  std::smatch found;
  const std::regex line("\n" + metric + "\\{[^}]*\\} (\\d+)");
  return std::regex_search(page, found, line) ? std::stoi(found[1]) : -1;
}

class ObserverClockTest : public testing::Test {
 protected:
  /// An elector gets one answer, with kDate_s, and ends. Whatever our wall clock shows.
  void SetUp() override {
    election::Options options;
    options.identity = "p0";
    options.timings = kTimings;
    kube::ScriptedServer server;
    server.then(kube::answer(500, "{}", "Date: Thu, 29 Feb 2024 12:30:45 GMT\r\n"));
    const auto board = std::make_shared<api::StatusBoard>();
    Elector elector(
        options, boot_now(), std::make_shared<kube::Credentials>(server.cluster()),
        {"shop", "billing", seconds(20)}, board, observer_, [] {}, [] {});
    elector.start();
    ASSERT_TRUE(test::wait_until([&] { return board->read().status.reason.starts_with("list"); }));
  }

  int anomalies() { return value(observer_, "baton_clock_rate_anomalies_total"); }

  Worker worker_{"worker"};
  Observer observer_{worker_, std::make_shared<kube::Credentials>(kube::Cluster{}),
                     nullptr, {"Lease", "shop", "billing", "", "p0", ""},
                     {},      kTimings};
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

// R18: who annotated the Lease reads in its Events what came of it.
TEST(Observer, TellsWhatCameOfAControl) {
  kube::ScriptedServer server;
  for (int i = 0; i < 2; ++i) server.then(kube::answer(201, "{}"));
  const auto credentials = std::make_shared<kube::Credentials>(server.cluster());
  Worker worker("worker");
  Observer observer(worker, credentials, std::make_shared<kube::SideClient>(credentials),
                    {"Lease", "shop", "billing", "", "p0", ""},
                    {"Pod", "shop", "p0", "uid-0", "p0", ""}, kTimings);
  const auto notice = [&](election::NoticeKind kind, const std::string& reason) {
    observer.notice({.kind = kind, .reason = reason, .term_id = "t"}, {}, {boot_now(), boot_now()});
  };
  notice(election::NoticeKind::control_obeyed, "asked to resign by baton/resign (R18)");
  notice(election::NoticeKind::control_refused, "baton/resign is '\n'");
  worker.flush(seconds(20));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2U);
  const auto event = [&](std::size_t i) { return nlohmann::json::parse(requests[i].body); };
  EXPECT_EQ(event(0)["type"], "Normal");
  EXPECT_EQ(event(0)["involvedObject"]["kind"], "Lease");
  EXPECT_EQ(event(0)["message"], "p0 resigns: asked to resign by baton/resign (R18)");
  EXPECT_EQ(event(1)["type"], "Warning");
  EXPECT_EQ(event(1)["message"], "p0 does not obey: baton/resign is '?'");
}

// An application that tries again and again makes one Event; text from outside is made printable.
TEST(Observer, ReportsARefusedTokenOnceOnItsPod) {
  kube::ScriptedServer server;
  server.then(kube::answer(201, "{}"));
  server.then(kube::answer(403, "{}"));
  const auto credentials = std::make_shared<kube::Credentials>(server.cluster());
  Worker worker("worker");
  Observer observer(worker, credentials, std::make_shared<kube::SideClient>(credentials),
                    {"Lease", "shop", "billing", "", "p0", ""},
                    {"Pod", "shop", "p0", "uid-0", "p0", ""}, kTimings);
  observer.rejected({"41", "42", "orders"});
  observer.rejected({"41", "42", "orders"});
  observer.rejected({"43", "44", "a\xFF\nb"});
  worker.flush(seconds(20));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2U);
  const auto event = [&](std::size_t i) { return nlohmann::json::parse(requests[i].body); };
  EXPECT_EQ(event(0)["type"], "Warning");
  EXPECT_EQ(event(0)["involvedObject"]["uid"], "uid-0");
  EXPECT_EQ(event(0)["message"], R"(stale token 41 refused by "orders", which has seen "42")");
  EXPECT_EQ(event(1)["message"], R"(stale token 43 refused by "a??b", which has seen "44")");
  EXPECT_EQ(value(observer, "baton_events_not_recorded_total"), 1) << "the second was refused";
}

}  // namespace
}  // namespace baton::runtime
