// Bad input from the API server: no belief gained, no crash, no hot loop, the reason to be seen
// everywhere, and recovery without a restart.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

using nlohmann::json;

struct Row {
  const char* name;
  const char* fault;          // of the devserver, as JSON
  const char* lease = "{}";   // spec and annotations of the Lease before baton starts
  bool gains_nothing = true;  // false: what baton sees allows it to lead; it must only survive
};

std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

const Row kRows[] = {
    {"Unreachable", R"({"action":"partition"})"},
    {"CutBeforeAnyAnswer", R"({"action":"cut"})"},
    {"ExpiredToken", R"({"action":"answer","code":401,"body":"{\"kind\":\"Status\"}"})"},
    {"ForbiddenList", R"({"action":"answer","code":403,"verbs":["list"],"body":"{}"})"},
    {"ForbiddenUpdate", R"({"action":"answer","code":403,"verbs":["update"],"body":"{}"})"},
    {"ForbiddenEverything", R"({"action":"answer","code":403,"body":"{}"})"},
    {"ForbiddenWatchAndList",
     R"({"action":"answer","code":403,"verbs":["watch","list"],"body":"{}"})"},
    {"NotFoundEverywhere", R"({"action":"answer","code":404,"body":"404 page not found"})"},
    {"ThrottledWithRetryAfter", R"({"action":"answer","code":429,"retry_after":"1","body":"{}"})"},
    {"ThrottledWithoutRetryAfter", R"({"action":"answer","code":429,"body":"{}"})"},
    {"AbsurdRetryAfter", R"({"action":"answer","code":429,"body":"{}","count":5,)"
                         R"("retry_after":"99999999999999999999"})"},
    {"ServerError", R"({"action":"answer","code":500,"body":"{}"})"},
    {"Html",
     R"({"action":"answer","code":200,"content_type":"text/html","body":"<html>Sign in</html>"})"},
    {"TruncatedJson", R"({"action":"truncate"})"},
    {"EmptyBody", R"({"action":"answer","code":200,"body":""})"},
    {"NullList", R"({"action":"answer","code":200,"body":"null"})"},
    {"ListVersionThatIsNoNumber", R"({"action":"answer","code":200,"body":{"kind":"LeaseList",)"
                                  R"("metadata":{"resourceVersion":"abc"},"items":[]}})"},
    {"SpecOfTheWrongType", R"({"action":"alter","patch":{"spec":"x"}})",
     R"({"spec":{"holderIdentity":"somebody","leaseDurationSeconds":3}})"},
    {"DurationOfTheWrongType",
     R"({"action":"alter","patch":{"spec":{"leaseDurationSeconds":"x"}}})",
     R"({"spec":{"holderIdentity":"somebody"}})"},
    {"ObjectVersionThatIsNoNumber",
     R"({"action":"alter","patch":{"metadata":{"resourceVersion":"abc"}}})",
     R"({"spec":{"holderIdentity":"somebody","leaseDurationSeconds":3}})"},
    {"HugeDuration", R"({"action":"alter","patch":{"spec":{"leaseDurationSeconds":2147483647}}})",
     R"({"spec":{"holderIdentity":"somebody"}})"},
    {"TokenThatIsNoNumber",
     R"({"action":"alter","patch":{"metadata":{"annotations":)"
     R"({"baton/fencing-token":"99999999999999999999"}}}})",
     R"({"spec":{"holderIdentity":"somebody","leaseDurationSeconds":3}})"},
    {"NegativeDuration", R"({"action":"alter","patch":{"spec":{"leaseDurationSeconds":-5}}})",
     R"({"spec":{"holderIdentity":"somebody"}})", false},
};

class BadAnswers : public testing::TestWithParam<Row> {};

// At most one request is in flight, and after a failure comes a delay of at least 50 ms in the
// profile aggressive; the watch is on a connection of its own.
void expect_no_hot_loop(std::int64_t after_sequence) {
  const auto seen = devserver::requests(after_sequence);
  if (seen.empty()) {
    return;
  }
  const std::int64_t elapsed_ms = (seen.back().boottime_ns - seen.front().boottime_ns) / 1'000'000;
  EXPECT_LE(static_cast<std::int64_t>(seen.size()), 20 + 3 * elapsed_ms / 50)
      << elapsed_ms << " ms";
}

void store_lease(const std::string& election, const json& wish) {
  if (wish.contains("spec")) {
    devserver::control("PUT", "/objects/leases/" + election,
                       {{"apiVersion", "coordination.k8s.io/v1"},
                        {"kind", "Lease"},
                        {"metadata", {{"name", election}}},
                        {"spec", wish["spec"]}});
  }
}

void expect_trouble_is_seen(Baton& baton) {
  EXPECT_TRUE(wait_until([&] { return !baton.reason().empty(); }))
      << baton.get("/leader").what << baton.log();
  EXPECT_EQ(baton.get("/leader").status, 503);
  EXPECT_EQ(baton.get("/token").status, 503);
  EXPECT_NE(baton.probe("/readyz?verbose").body, "");
  EXPECT_NE(baton.probe("/metrics").body.find("baton_"), std::string::npos);
  EXPECT_EQ(baton.probe("/livez").status, 200);
}

TEST_P(BadAnswers, GiveNoBeliefAndAreRecoveredFrom) {
  const Row& row = GetParam();
  auto fault = std::make_unique<devserver::Fault>(json::parse(row.fault));
  const std::int64_t before = devserver::last_sequence();
  Candidates candidates(
      1, [&](BatonOptions& options) { store_lease(options.election, json::parse(row.lease)); });
  Baton& baton = candidates.at(0);
  ASSERT_TRUE(wait_until([&] { return baton.get("/leader").status != 0; })) << baton.log();
  if (row.gains_nothing) {
    expect_trouble_is_seen(baton);
    // Longer than any wait after which it might lead: the lease duration is 3 s.
    const std::int64_t until = boottime_ns() + 4'000'000'000;
    EXPECT_TRUE(wait_until([&] { return boottime_ns() > until || !baton.process().running(); }));
    if (std::string(row.name) != "AbsurdRetryAfter") {
      EXPECT_TRUE(baton.log_lines("gained").empty()) << baton.log();
    }
  } else {
    EXPECT_TRUE(wait_until([&] { return !baton.state().empty() && baton.state() != "starting"; }));
  }
  EXPECT_TRUE(baton.process().running()) << baton.log();
  expect_no_hot_loop(before);
  fault.reset();
  EXPECT_EQ(candidates.wait_for_leader(), 0);
}

INSTANTIATE_TEST_SUITE_P(FromTheStart, BadAnswers, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

class LostWhileLeading : public testing::TestWithParam<Row> {};

// The leader stops by its deadline, counted from sending, and leads again afterwards.
TEST_P(LostWhileLeading, EndsByTheDeadlineAndIsRecoveredFrom) {
  Candidates candidates(1);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  Baton& baton = candidates.at(0);
  const std::int64_t token = baton.token();
  auto fault = std::make_unique<devserver::Fault>(json::parse(GetParam().fault));
  EXPECT_TRUE(wait_until([&] { return !baton.leads(); })) << baton.log();
  fault.reset();
  EXPECT_EQ(candidates.wait_for_leader(), 0);
  EXPECT_GT(baton.token(), token);  // R8: another term
  EXPECT_EQ(candidates.judge(), 2U);
}

const Row kOutages[] = {kRows[0], kRows[1], kRows[2], kRows[5], kRows[9], kRows[11], kRows[12]};
INSTANTIATE_TEST_SUITE_P(AllOfASudden, LostWhileLeading, testing::ValuesIn(kOutages),
                         [](const auto& row) { return std::string(row.param.name); });

std::string read_all(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The value after `key` in a kubeconfig's flow mapping.
std::string kubeconfig_value(const std::string& text, const std::string& key) {
  const std::size_t at = text.find(key) + key.size();
  return text.substr(at, text.find_first_of(",}", at) - at);
}

TEST(BadTrust, WrongAuthorityIsSeenAndNoLeader) {
  Candidates candidates(1, [](BatonOptions& options) { options.user = "wrong-ca"; });
  Baton& baton = candidates.at(0);
  EXPECT_TRUE(wait_until([&] { return baton.reason().find("certificate") != std::string::npos; }))
      << baton.get("/leader").what << baton.log();
  EXPECT_TRUE(baton.process().running());
  EXPECT_EQ(candidates.judge(), 0U);
}

TEST(BadTrust, NobodyListensAndNoLeader) {
  const TestCluster& cluster = TestCluster::get();
  std::string text = read_all(cluster.kubeconfig("candidate-0"));
  const std::string server = kubeconfig_value(text, "server: ");
  text.replace(text.find(server), server.size(),
               "\"https://127.0.0.1:" + std::to_string(free_port()) + "\"");
  std::ofstream(cluster.kubeconfig("closed-port")) << text;
  Candidates candidates(1, [](BatonOptions& options) { options.user = "closed-port"; });
  Baton& baton = candidates.at(0);
  EXPECT_TRUE(wait_until([&] { return baton.reason().find("refused") != std::string::npos; }))
      << baton.get("/leader").what << baton.log();
  EXPECT_TRUE(baton.process().running());
  EXPECT_EQ(candidates.judge(), 0U);
}

TEST(BadTrust, R4LeaseWithoutSpecIsWaitedOutOnce) {
  Candidates candidates(2, [](BatonOptions& options) {
    if (options.pod == "p0") {
      devserver::control("PUT", "/objects/leases/" + options.election,
                         {{"metadata", {{"name", options.election}}}});
    }
  });
  EXPECT_GE(candidates.wait_for_leader(), 0);
}

}  // namespace
}  // namespace baton::test
