// The checker is fed what was broken on purpose, one way at a time, and sees each.
#include "support/checker.h"

#include <gtest/gtest.h>

#include <functional>

namespace baton::test {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::string line(const std::string& message, const std::string& term, int token, std::int64_t at,
                 std::int64_t deadline = 0) {
  return R"({"msg":")" + message + R"(","term_id":")" + term + R"(","token":")" +
         std::to_string(token) + R"(","boottime_ns":)" + std::to_string(at) +
         R"(,"deadline_boottime_ns":)" + std::to_string(deadline) + "}\n";
}

LeaseVersion version(std::int64_t at, int revision, const std::string& holder,
                     const std::string& term, int token) {
  LeaseVersion version;
  version.seen_ns = at;
  version.revision = revision;
  version.uid = "u";
  version.holder = holder;
  version.term_id = term;
  version.token = token;
  version.duration_s = 3;
  return version;
}

// Candidate a leads from 10 s on and is cut off; b takes over at 13.5 s, and a's application
// writes once more.
Evidence sound() {
  Evidence evidence;
  evidence.logs = {{"a", line("gained", "x", 5, 10 * kSecond, 12 * kSecond)},
                   {"b", line("gained", "y", 6, 14 * kSecond, 16 * kSecond)}};
  evidence.versions = {version(10 * kSecond, 5, "a1", "x", 5),
                       version(14 * kSecond, 6, "b1", "y", 6),
                       version(15 * kSecond, 7, "", "y", 6)};
  evidence.requests = {{9 * kSecond, "a", "update", "leases", "a1", 5},
                       {13 * kSecond, "b", "update", "leases", "b1", 6},
                       {15 * kSecond, "b", "update", "leases", "", 7}};
  evidence.writes = {{11 * kSecond, "a", "x", 5, true, 11 * kSecond, 12 * kSecond},
                     {15 * kSecond, "b", "y", 6, true, 14 * kSecond, 16 * kSecond},
                     {16 * kSecond, "a", "x", 5, false, 11 * kSecond, 12 * kSecond}};
  evidence.requests_per_s = 10;
  return evidence;
}

// A LIST was answered just after it, with its revision.
TEST(Checker, DoesNotTakeAHandsEditForATermThoughACandidateReadIt) {
  Evidence evidence = sound();
  evidence.versions.insert(evidence.versions.begin() + 2,
                           version(14 * kSecond + 1, 16, "b1", "edited", 6));
  evidence.requests.push_back({14 * kSecond + 2, "b", "list", "leases", "", 16});
  const Report report = check(evidence);
  EXPECT_TRUE(report.verdict.violations.empty()) << report.verdict.text();
}

TEST(Checker, FindsNothingWhereAllIsWell) {
  const Report report = check(sound());
  EXPECT_TRUE(report.verdict.violations.empty()) << report.verdict.text();
  EXPECT_EQ(report.verdict.terms.size(), 2U);
  EXPECT_EQ(report.refused_writes, 1U);
  EXPECT_EQ(report.corruptions, 1U);
  EXPECT_EQ(report.waits_checked, 1U);
  EXPECT_EQ(report.most_requests_per_s, 1);
}

struct Broken {
  const char* name;
  const char* words;
  std::function<void(Evidence&)> how;
};
std::ostream& operator<<(std::ostream& out, const Broken& broken) { return out << broken.name; }

class BrokenOnPurpose : public testing::TestWithParam<Broken> {};

TEST_P(BrokenOnPurpose, IsFound) {
  Evidence evidence = sound();
  GetParam().how(evidence);
  const Report report = check(evidence);
  ASSERT_EQ(report.verdict.violations.size(), 1U) << report.verdict.text();
  EXPECT_NE(report.verdict.violations[0].find(GetParam().words), std::string::npos)
      << report.verdict.violations[0];
}

const Broken kBroken[] = {
    {"TwoBeliefsAtOnce", "two leaders at once",
     [](Evidence& e) { e.logs[0].text += line("extended", "x", 5, 12 * kSecond, 15 * kSecond); }},
    {"ATokenUsedAgain", "R7: the token did not rise",
     [](Evidence& e) {
       e.logs[1].text += line("gained", "z", 6, 20 * kSecond, 21 * kSecond);
       e.versions.clear();
     }},
    {"ATermIdUsedAgain", "R8",
     [](Evidence& e) {
       e.logs[1].text += line("gained", "x", 7, 20 * kSecond, 21 * kSecond);
       e.versions.clear();
     }},
    {"ALostTermExtended", "after it had ended",
     [](Evidence& e) {
       e.logs[0].text += line("lost", "x", 5, 11 * kSecond) +
                         line("extended", "x", 5, 12 * kSecond, 13 * kSecond);
     }},
    {"TokensOutOfOrderInTheStore", "I2",
     [](Evidence& e) {
       e.versions.insert(e.versions.begin(), version(8 * kSecond, 4, "b1", "w", 5));
       e.versions[1].uid = "another";  // which is no take-over
       e.requests.push_back({8 * kSecond, "b", "update", "leases", "b1", 4});
     }},
    {"ABeliefWithoutAWrite", "I4: no version",
     [](Evidence& e) { e.versions[1].term_id = "another"; }},
    {"ATakeOverTooEarly", "I6", [](Evidence& e) { e.versions[1].seen_ns = 11 * kSecond; }},
    {"AnothersTermReleased", "I7", [](Evidence& e) { e.requests[2].user = "a"; }},
    {"AStormOfRequests", "I8",
     [](Evidence& e) {
       for (int i = 0; i < 20; ++i) {
         e.requests.push_back({20 * kSecond + i, "a", "list", "leases", "", 0});
       }
     }},
    {"AStaleWriteAccepted", "I3: the store accepted",
     [](Evidence& e) { e.writes[2].is_accepted = true; }},
    {"AGoodWriteRefused", "I3: the store refused",
     [](Evidence& e) {
       e.writes[1].is_accepted = false;
       e.writes.pop_back();
     }},
    {"AYesAfterTheDeadline", "I10", [](Evidence& e) { e.writes[0].asked_ns = 12 * kSecond; }},
    {"AWriteWithoutABelief", "I4: no sidecar believed",
     [](Evidence& e) { e.writes[2].term_id = "never"; }},
};

INSTANTIATE_TEST_SUITE_P(Each, BrokenOnPurpose, testing::ValuesIn(kBroken),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Checker, SummaryAddsUpAndSaysSoWhereSomethingIsBroken) {
  Summary summary;
  summary.add(check(sound()));
  summary.add(check(sound()));
  EXPECT_NE(summary.text().find("2 elections, 4 terms, no two beliefs at once"), std::string::npos);
  Evidence broken = sound();
  broken.writes[2].is_accepted = true;
  summary.add(check(broken));
  EXPECT_NE(summary.text().find("1 VIOLATIONS"), std::string::npos) << summary.text();
}

}  // namespace
}  // namespace baton::test
