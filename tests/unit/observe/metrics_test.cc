#include "observe/metrics.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace baton::observe {
namespace {

using election::NoticeKind;
using election::State;
using election::Status;
using std::chrono::milliseconds;
using std::chrono::seconds;

Instant at_s(double s) { return Instant(Duration(static_cast<std::int64_t>(s * 1e9))); }

class MetricsTest : public testing::Test {
 protected:
  static constexpr election::Timings kTimings{seconds(15), seconds(12),       seconds(5),
                                              seconds(2),  milliseconds(250), milliseconds(450)};
  Metrics metrics_{"web", "prod", "pod_1234_abcd", kTimings, at_s(0.5)};

  static Status leading(election::Token token, double until_s) {
    Status status;
    status.state = State::leading;
    status.believes = true;
    status.term_id = "term-" + std::to_string(token);
    status.token = token;
    status.deadline = at_s(until_s);
    return status;
  }
  static Status following(double record_runs_out_s) {
    Status status;
    status.state = State::following;
    status.leader.identity = "other_5678_efgh";
    status.leader.expires = at_s(record_runs_out_s);
    return status;
  }
  void notice(NoticeKind kind, std::string reason = "", std::string term_id = "",
              Duration took = Duration(0), Instant now = at_s(1)) {
    metrics_.notice({kind, std::move(reason), std::move(term_id), 0, 0, took}, now);
  }
  // The value of the one series of `name` whose labels include `label`; "absent" if there is none.
  std::string value(const std::string& name, double now_s, const std::string& label = "") {
    std::istringstream page(metrics_.text(at_s(now_s)));
    for (std::string line; std::getline(page, line);) {
      if ((line.starts_with(name + "{")) && line.find(label) != std::string::npos) {
        return line.substr(line.rfind(' ') + 1);
      }
    }
    return "absent";
  }
};

TEST_F(MetricsTest, LeadershipIsComparedWithTheClockAtTheScrape) {
  metrics_.status(leading(41, 112), at_s(100));
  EXPECT_EQ(value("baton_is_leader", 111.5), "1");
  EXPECT_EQ(value("leader_election_master_status", 111.5), "1");
  EXPECT_EQ(value("baton_fencing_token", 111.5), "41");
  EXPECT_EQ(value("baton_leader_uptime_seconds", 111.5), "11.5");
  EXPECT_EQ(value("baton_validity_remaining_seconds", 111.5), "0.5");
  EXPECT_EQ(value("baton_is_leader", 112), "0");
  EXPECT_EQ(value("leader_election_master_status", 112), "0");
  EXPECT_EQ(value("baton_fencing_token", 112), "0");
  EXPECT_EQ(value("baton_leader_uptime_seconds", 112), "0");
  EXPECT_EQ(value("baton_validity_remaining_seconds", 112), "0");
}

TEST_F(MetricsTest, UptimeIsThatOfTheTerm) {
  metrics_.status(leading(41, 112), at_s(100));
  metrics_.status(leading(41, 117), at_s(105));
  EXPECT_EQ(value("baton_leader_uptime_seconds", 110), "10");
  metrics_.status(leading(42, 130), at_s(120));
  EXPECT_EQ(value("baton_leader_uptime_seconds", 121), "1") << "R8: a new term starts anew";
}

TEST_F(MetricsTest, LeaderlessTimeRunsFromWhenTheLastTermRanOut) {
  metrics_.status(following(115), at_s(100));
  EXPECT_EQ(value("baton_leaderless_seconds_total", 115), "0");
  EXPECT_EQ(value("baton_leaderless_seconds_total", 117), "2");
  metrics_.status(leading(41, 132), at_s(120));
  EXPECT_EQ(value("baton_leaderless_seconds_total", 132), "5");
  EXPECT_EQ(value("baton_leaderless_seconds_total", 133), "6");
  metrics_.status(Status{}, at_s(134));
  EXPECT_EQ(value("baton_leaderless_seconds_total", 135), "8");
}

TEST_F(MetricsTest, WarmUpIsTimeOfTheTermUntilItsApplicationIsReady) {
  Status warming = leading(41, 112);
  warming.state = State::warming;
  metrics_.status(warming, at_s(100));
  EXPECT_EQ(value("baton_warm_up_seconds_total", 103), "3");
  warming.deadline = at_s(117);
  metrics_.status(warming, at_s(105));
  metrics_.status(leading(41, 122), at_s(110));
  EXPECT_EQ(value("baton_warm_up_seconds_total", 121), "10");
  metrics_.status(warming, at_s(121));
  EXPECT_EQ(value("baton_warm_up_seconds_total", 130), "10") << "its deadline has passed";
}

TEST_F(MetricsTest, TransitionsCarryTheRuleOnly) {
  notice(NoticeKind::gained);
  notice(NoticeKind::lost, "R11: another holder, pod-7");
  notice(NoticeKind::lost, "R2: the deadline passed");
  notice(NoticeKind::lost, "R2: once more");
  notice(NoticeKind::lost, "Resigned by hand");
  EXPECT_EQ(value("baton_transitions_total", 1, R"(change="gained")"), "1");
  EXPECT_EQ(value("baton_transitions_total", 1, R"(reason="R11")"), "1");
  EXPECT_EQ(value("baton_transitions_total", 1, R"(reason="R2")"), "2");
  EXPECT_EQ(value("baton_transitions_total", 1, R"(reason="other")"), "1");
}

// A term that is resigned ends with its release, under the reason of its drain.
TEST_F(MetricsTest, ReleasedTermsAreCountedByWhyTheyWereDrained) {
  notice(NoticeKind::gained, "", "t1");
  notice(NoticeKind::draining, "resigned on request", "t1");
  EXPECT_EQ(value("baton_transitions_total", 1, R"(reason="resigned")"), "0") << "not yet over";
  notice(NoticeKind::released, "", "t1");
  EXPECT_EQ(value("baton_transitions_total", 1, R"(reason="resigned")"), "1");
  notice(NoticeKind::draining, "a term that was not begun or has lapsed is released", "t2");
  notice(NoticeKind::released, "", "t2");
  EXPECT_EQ(value("baton_transitions_total", 1, R"(reason="other")"), "0") << "never gained";
  notice(NoticeKind::lost, "a token of at least 7 was asked for", "t3");
  EXPECT_EQ(value("baton_transitions_total", 1, R"(reason="token_advanced")"), "1");
}

// Every sentence with which src/election ends or drains a term has a class, whose series begins at
// 0, and a word for it is in docs/metrics.md; only a term that never began or was counted as lapsed
// has none.
TEST_F(MetricsTest, EveryReasonOfTheElectionHasAClassInDocs) {
  const std::filesystem::path root = BATON_SOURCE_FOLDER;
  const auto text_of = [](const std::filesystem::path& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string docs = text_of(root / "docs/metrics.md");
  const std::regex call(R"re((end_term|begin_drain|resign)\("([^"]+)")re");
  std::set<std::string> classes;
  for (const auto& entry : std::filesystem::directory_iterator(root / "src/election")) {
    const std::string source = text_of(entry.path());
    for (std::sregex_iterator it(source.begin(), source.end(), call), end; it != end; ++it) {
      const std::string reason = (*it)[2];
      if (reason.starts_with("a term that was not begun")) continue;
      const std::string name = reason_class(reason);
      EXPECT_NE(name, "other") << reason;
      EXPECT_EQ(value("baton_transitions_total", 1, "reason=\"" + name + "\""), "0") << reason;
      if (!reason.starts_with('R')) classes.insert("`" + name + "`");
    }
  }
  for (const char* asked :
       {"asked to resign by", "asked to hand over to", "paused until"}) {  // R18
    const std::string name = reason_class(asked);
    EXPECT_EQ(value("baton_transitions_total", 1, "reason=\"" + name + "\""), "0") << asked;
    classes.insert("`" + name + "`");
  }
  EXPECT_EQ(classes.size(), 13U);
  for (const std::string& name : classes) {
    EXPECT_NE(docs.find("\n| " + name + " | "), std::string::npos) << name;
  }
}

TEST_F(MetricsTest, TheSettingsThatAlertsCompareWith) {
  EXPECT_EQ(value("baton_lease_duration_seconds", 1), "15");
  EXPECT_EQ(value("baton_renew_deadline_seconds", 1), "12");
  EXPECT_EQ(value("baton_request_timeout_seconds", 1), "2");
}

TEST_F(MetricsTest, AMarginIsWhatWasLeftOfTheTermAsItWasBefore) {
  const auto within = [&](const char* le) {
    return value("baton_renew_margin_seconds_bucket", 1, std::string("le=\"") + le + '"');
  };
  metrics_.status(leading(41, 112), at_s(100));
  notice(NoticeKind::extended, "", "t1", milliseconds(3), at_s(109.5));
  EXPECT_EQ(within("1.5"), "0");
  EXPECT_EQ(within("3"), "1") << "a quarter of the renew deadline is a boundary";
  metrics_.status(leading(41, 120), at_s(109.5));
  notice(NoticeKind::extended, "", "t1", milliseconds(3), at_s(113));
  EXPECT_EQ(within("6"), "1");
  EXPECT_EQ(within("7.5"), "2");
  notice(NoticeKind::lost, "R11: held by another");
  EXPECT_EQ(within("1.5"), "0") << "no renewal was late";
  notice(NoticeKind::lost, "R2: no renewal was confirmed within the renew deadline");
  EXPECT_EQ(within("1.5"), "1");
}

TEST_F(MetricsTest, SilenceIsCountedFromTheLastAnswerElseFromTheStart) {
  EXPECT_EQ(value("baton_api_silence_seconds", 2.5), "2");
  Status status = following(9);
  status.fresh_at = at_s(3);
  metrics_.status(status, at_s(4));
  EXPECT_EQ(value("baton_api_silence_seconds", 5.5), "2.5");
  EXPECT_EQ(value("baton_api_silence_seconds", 2), "0") << "a scrape that began before";
}

TEST_F(MetricsTest, ACircuitIsOpenWhileRequestsFailByTheLastFailuresKind) {
  const auto open = [&](const char* reason) {
    return value("baton_api_circuit_open", 1, std::string("reason=\"") + reason + '"');
  };
  metrics_.request_failed("list", election::FailureKind::unknown);
  EXPECT_EQ(open("unknown"), "0") << "following still";
  Status status;
  status.state = State::degraded;
  metrics_.status(status, at_s(1));
  EXPECT_EQ(open("unknown"), "1");
  metrics_.request_failed("list", election::FailureKind::unavailable);
  metrics_.route_failed("label", election::FailureKind::refused);
  EXPECT_EQ(open("unknown"), "0");
  EXPECT_EQ(open("refused"), "0") << "no request of the election's";
  EXPECT_EQ(open("unavailable"), "1");
  Status lead = leading(41, 12);
  metrics_.status(lead, at_s(1));
  EXPECT_EQ(open("unavailable"), "0");
  lead.state = State::uncertain;
  metrics_.status(lead, at_s(1));
  EXPECT_EQ(open("unavailable"), "1");
}

TEST_F(MetricsTest, ACredentialIsShownAsLongAsItSaysWhenItEnds) {
  const auto shown = [&](const std::string& what) {
    return value("baton_credential_" + what + "_seconds", 1, R"(credential="token")");
  };
  EXPECT_EQ(shown("expiry_timestamp"), "absent");
  metrics_.credential("token", 1999996400, 2000000000);
  EXPECT_EQ(shown("expiry_timestamp"), "2000000000");
  EXPECT_EQ(shown("lifetime"), "3600");
  metrics_.credential("token", {}, 2000000000);
  EXPECT_EQ(shown("expiry_timestamp"), "2000000000");
  EXPECT_EQ(shown("lifetime"), "absent");
  metrics_.credential("token", {}, {});
  EXPECT_EQ(shown("expiry_timestamp"), "absent");
}

TEST_F(MetricsTest, OneStateAtATime) {
  EXPECT_EQ(value("baton_state", 1, R"(state="starting")"), "1");
  metrics_.status(following(9), at_s(1));
  EXPECT_EQ(value("baton_state", 1, R"(state="starting")"), "0");
  EXPECT_EQ(value("baton_state", 1, R"(state="following")"), "1");
}

TEST_F(MetricsTest, SlowPathIsARenewalThatItsFirstWriteDidNotSettle) {
  notice(NoticeKind::write_unsettled);
  EXPECT_EQ(value("leader_election_slowpath_total", 1), "0") << "not leading: an acquisition";
  metrics_.status(leading(41, 12), at_s(1));
  notice(NoticeKind::write_unsettled);
  EXPECT_EQ(value("leader_election_slowpath_total", 1), "1");
  EXPECT_NE(metrics_.text(at_s(1)).find("leader_election_slowpath_total{name=\"web\"} 1"),
            std::string::npos)
      << "client-go's labels, no others";
}

TEST_F(MetricsTest, Counts) {
  notice(NoticeKind::attempt);
  notice(NoticeKind::history_went_back);
  metrics_.request_failed("renew", election::FailureKind::conflict);
  metrics_.rejection();
  notice(NoticeKind::watch_ended);
  metrics_.clock_rate_anomaly();
  metrics_.event_not_recorded();
  metrics_.status(leading(41, 12), at_s(1));
  notice(NoticeKind::extended, "", "t1", milliseconds(3));
  EXPECT_EQ(value("baton_acquisition_attempts_total", 1), "1");
  EXPECT_EQ(value("baton_history_went_back_total", 1), "1");
  EXPECT_EQ(value("baton_request_failures_total", 1, R"(request="renew")"), "1");
  EXPECT_EQ(value("baton_fencing_rejections_total", 1), "1");
  EXPECT_EQ(value("baton_watch_restarts_total", 1), "1");
  EXPECT_EQ(value("baton_clock_rate_anomalies_total", 1), "1");
  EXPECT_EQ(value("baton_events_not_recorded_total", 1), "1");
  EXPECT_EQ(value("baton_renew_latency_seconds_bucket", 1, R"(le="0.002")"), "0");
  EXPECT_EQ(value("baton_renew_latency_seconds_bucket", 1, R"(le="0.004")"), "1");
}

}  // namespace
}  // namespace baton::observe
