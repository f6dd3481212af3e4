// R13: spec.strategy or spec.preferredHolder, set by somebody else, gives the Lease to coordinated
// election (KEP-4355). baton does not contest it, says so, and goes on once the fields are gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

using nlohmann::json;

constexpr const char* kWords = "the Lease belongs to coordinated election (R13)";

std::string path_of(const std::string& election) { return "/objects/leases/" + election; }

json spec_of(const std::string& election) { return dev::control("GET", path_of(election))["spec"]; }

// By a hand with all rights; null takes a field away.
void set_spec(const std::string& election, const json& merge_patch) {
  json lease = dev::control("GET", path_of(election));
  lease["spec"].merge_patch(merge_patch);
  dev::control("PUT", path_of(election), lease);
}

void expect_blocked(Baton& baton) {
  EXPECT_TRUE(wait_until([&] {
    return baton.state() == "blocked" && baton.reason().starts_with(kWords) &&
           baton.probe("/readyz?verbose").body.find(kWords) != std::string::npos;
  })) << baton.get("/leader").what
      << baton.log();
  EXPECT_EQ(baton.get("/leader").status, 503);
  EXPECT_EQ(baton.probe("/readyz").status, 503);
  EXPECT_EQ(baton.probe("/livez").status, 200);
  EXPECT_TRUE(wait_until([&] { return baton.metric("baton_state", {{"state", "blocked"}}) == 1; }));
  EXPECT_TRUE(wait_until([&] {
    const auto lines = baton.log_lines("blocked");
    return std::any_of(lines.begin(), lines.end(), [](const json& line) {
      return line["reason"].get<std::string>().starts_with(kWords);
    });
  })) << baton.log();
}

std::size_t terms(Candidates& candidates) {
  std::size_t gained = 0;
  for (int i = 0; i < candidates.count(); ++i) {
    gained += candidates.at(i).log_lines("gained").size();
  }
  return gained;
}

// Longer than any wait after which one might lead: the lease duration is 3 s.
void expect_nobody_acquires(Candidates& candidates) {
  const std::size_t before = terms(candidates);
  const std::int64_t sequence = dev::last_sequence();
  const std::int64_t until = boottime_ns() + 4'000'000'000;
  EXPECT_TRUE(wait_until([&] { return boottime_ns() > until; }));
  EXPECT_EQ(terms(candidates), before);
  for (const dev::Seen& seen : dev::requests(sequence)) {
    EXPECT_FALSE(seen.verb == "update" && seen.name == candidates.election())
        << seen.user << " wrote holder '" << seen.holder << "'";
  }
}

class R13 : public testing::TestWithParam<const char*> {};

TEST_P(R13, CoordinatedLeaseIsNotContestedUntilTheFieldIsRemoved) {
  Candidates candidates(1, [](BatonOptions& options) {
    json lease = lease_body(options.election, json::object());
    lease["spec"][GetParam()] = "somebody";
    dev::control("PUT", path_of(options.election), lease);
  });
  expect_blocked(candidates.at(0));
  expect_nobody_acquires(candidates);
  set_spec(candidates.election(), {{GetParam(), nullptr}});
  EXPECT_EQ(candidates.wait_for_leader(), 0);
}

INSTANTIATE_TEST_SUITE_P(Each, R13, testing::Values("strategy", "preferredHolder"),
                         [](const auto& field) { return std::string(field.param); });

TEST(Coordinated, R13HolderDrainsAndStopsWhenAnotherIsPreferred) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  Baton& old = candidates.at(leader);
  const std::int64_t token = old.token();
  set_spec(candidates.election(), {{"preferredHolder", "somebody"}});
  EXPECT_TRUE(wait_until([&] { return !old.log_lines("released").empty(); })) << old.log();
  const auto drained = old.log_lines("draining");
  ASSERT_EQ(drained.size(), 1U) << old.log();
  EXPECT_EQ(drained[0]["reason"], "R13: coordinated election prefers somebody");
  expect_blocked(candidates.at(0));
  expect_blocked(candidates.at(1));
  expect_nobody_acquires(candidates);
  EXPECT_EQ(spec_of(candidates.election())["preferredHolder"], "somebody");  // never dropped
  set_spec(candidates.election(), {{"preferredHolder", nullptr}});
  const int next = candidates.wait_for_leader();
  ASSERT_GE(next, 0);
  EXPECT_GT(candidates.at(next).token(), token);
}

// A strategy alone prefers nobody: the term goes on, and its renewals leave the field there.
TEST(Coordinated, R13HolderKeepsItsTermAndTheStrategy) {
  Candidates candidates(1);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  Baton& baton = candidates.at(0);
  set_spec(candidates.election(), {{"strategy", "OldestEmulationVersion"}});
  const std::size_t before = baton.log_lines("extended").size();
  EXPECT_TRUE(wait_until([&] { return baton.log_lines("extended").size() >= before + 3; }));
  EXPECT_TRUE(baton.log_lines("lost").empty()) << baton.log();
  EXPECT_EQ(spec_of(candidates.election())["strategy"], "OldestEmulationVersion");
  EXPECT_EQ(baton.post("/resign?drained=true&wait=30s").status, 200);
  expect_blocked(baton);
  EXPECT_EQ(candidates.judge(), 1U);
}

}  // namespace
}  // namespace baton::test
