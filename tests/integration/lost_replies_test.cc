// Replies that are lost, late or doubled, and watches that fall silent. R2, R10, R15, R16.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

using nlohmann::json;

std::size_t extended(const Baton& baton) { return baton.log_lines("extended").size(); }

// Waits for renewals that came after now.
bool renews(const Baton& baton, std::size_t times) {
  const std::size_t before = extended(baton);
  return wait_until([&] { return extended(baton) >= before + times; });
}

class LostReplies : public testing::TestWithParam<const char*> {};

TEST_P(LostReplies, OneLostRenewalNeverCostsLeadership) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  Baton& baton = candidates.at(leader);
  const json fault = {{"action", GetParam()},
                      {"user", "candidate-" + std::to_string(leader)},
                      {"verbs", {"update"}},
                      {"delay_ms", 600},
                      {"count", 1}};
  const dev::Fault once(fault);
  EXPECT_TRUE(renews(baton, 3)) << baton.log();
  EXPECT_TRUE(baton.log_lines("lost").empty()) << baton.log();
  EXPECT_EQ(candidates.judge(), 1U);
}

TEST_P(LostReplies, LostAcquisitionIsReadBackOrTakenAfresh) {
  std::unique_ptr<dev::Fault> fault;
  Candidates candidates(1, [&](BatonOptions& options) {
    // The first update creates; the second one acquires.
    fault = std::make_unique<dev::Fault>(json{{"action", GetParam()},
                                              {"verbs", {"update"}},
                                              {"name", options.election},
                                              {"delay_ms", 600},
                                              {"skip", 1},
                                              {"count", 1}});
  });
  EXPECT_EQ(candidates.wait_for_leader(), 0);
}

INSTANTIATE_TEST_SUITE_P(Each, LostReplies,
                         testing::Values("cut", "cut_after_commit", "drop_request", "drop_answer",
                                         "delay_request", "delay_answer", "duplicate"),
                         [](const auto& action) { return std::string(action.param); });

TEST(LostRelease, IsReadBackAndTheNextOneLeads) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  const json fault = {{"action", "cut_after_commit"},
                      {"user", "candidate-" + std::to_string(leader)},
                      {"verbs", {"update"}},
                      {"count", 1}};
  const dev::Fault once(fault);
  EXPECT_EQ(candidates.at(leader).post("/resign?drained=true&wait=30s").status, 200);
  EXPECT_GE(candidates.wait_for_leader(leader), 0);
}

TEST(SilentWatch, IsReplacedByListsAndTheNextOneLeads) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  const dev::Fault stall(json{{"action", "stall"}});
  EXPECT_EQ(candidates.at(leader).post("/resign?drained=true&wait=30s").status, 200);
  EXPECT_GE(candidates.wait_for_leader(leader), 0);
}

TEST(SilentWatch, RefusedClosedAndCompactedWatchesDoNoHarm) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  dev::control("POST", "/compact", json::object());
  dev::control("POST", "/watches/close", json::object());
  EXPECT_TRUE(renews(candidates.at(leader), 2));
  const json refusal = {
      {"action", "answer"}, {"code", 410}, {"verbs", {"watch"}}, {"body", "{}"}, {"for_ms", 2000}};
  const dev::Fault refused(refusal);
  dev::control("POST", "/watches/close", json::object());
  EXPECT_TRUE(renews(candidates.at(leader), 3));
  EXPECT_TRUE(candidates.at(leader).log_lines("lost").empty());
  EXPECT_EQ(candidates.at(leader).post("/resign?drained=true&wait=30s").status, 200);
  EXPECT_GE(candidates.wait_for_leader(leader), 0);
}

TEST(SilentWatch, DoubledEventsDoNoHarm) {
  const dev::Fault doubled(json{{"action", "duplicate"}, {"verbs", {"watch"}}});
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  EXPECT_TRUE(renews(candidates.at(leader), 3));
  EXPECT_TRUE(candidates.at(leader).log_lines("lost").empty());
}

// Two candidates on either side of a partition: the one cut off stops by its deadline.
TEST(Partition, LeaderCutOffStopsBeforeTheNextOneLeads) {
  Candidates candidates(3);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  const std::int64_t token = candidates.at(leader).token();
  const json fault = {{"action", "partition"}, {"user", "candidate-" + std::to_string(leader)}};
  {
    const dev::Fault cut_off(fault);
    const int next = candidates.wait_for_leader(leader);
    ASSERT_GE(next, 0);
    EXPECT_GT(candidates.at(next).token(), token);
    EXPECT_TRUE(wait_until([&] { return candidates.at(leader).state() == "degraded"; }))
        << candidates.at(leader).get("/leader").what;
  }
  EXPECT_TRUE(wait_until([&] { return candidates.at(leader).state() == "following"; }));
}

// R14: a restore with a bump is noticed; no token comes again in any case.
TEST(Restore, WithBumpIsAnAlarmAndTokensRise) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  const json snapshot = dev::control("POST", "/snapshots", json::object());
  EXPECT_TRUE(renews(candidates.at(leader), 2));
  const std::int64_t token = candidates.at(leader).token();
  dev::control("POST", "/restore", {{"snapshot", snapshot["snapshot"]}, {"bump", 1'000'000}});
  EXPECT_TRUE(wait_until([&] {
    return !candidates.at(0).log_lines("history_went_back").empty() ||
           !candidates.at(1).log_lines("history_went_back").empty();
  })) << candidates.at(0).log()
      << candidates.at(1).log();
  EXPECT_TRUE(wait_until(
      [&] { return candidates.at(0).token() > token || candidates.at(1).token() > token; }));
}

}  // namespace
}  // namespace baton::test
