// What a network and a restarting API server do to requests, answers and connections: F7 to F16.
// F17's rotation with real tokens is in api_servers_test.cc.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "stage.h"
#include "support/text.h"

namespace baton::test {
namespace {

using nlohmann::json;

// The answers to updates are late or lost; lists are answered well.
json on_updates(const char* action, const json& more = json::object()) {
  json fault = {{"action", action}, {"verbs", {"update"}}};
  fault.update(more);
  return fault;
}

using Faults = std::vector<std::unique_ptr<Proxy::Fault>>;

Faults switch_on(const std::vector<json>& wishes) {
  Faults faults;
  for (const json& wish : wishes) {
    faults.push_back(std::make_unique<Proxy::Fault>(proxy(), wish));
  }
  return faults;
}

struct CutOff {
  const char* name;
  std::vector<const char*> actions;
};
std::ostream& operator<<(std::ostream& out, const CutOff& one) { return out << one.name; }

class F7 : public testing::TestWithParam<CutOff> {};

TEST_P(F7, LeaderCutOffStopsByItsDeadlineAndDoesNotFlapAfterwards) {
  Stage stage({.candidates = 3, .change = unhurried});
  const int old = stage.leader();
  ASSERT_TRUE(old >= 0 && stage.writes(old, 3));
  std::vector<json> wishes;
  for (const char* action : GetParam().actions) {
    wishes.push_back(stage.fault(old, {{"action", action}}));
  }
  Faults cut_off = switch_on(wishes);
  EXPECT_TRUE(wait_until([&] { return !stage.at(old).leads(); }));
  const int next = stage.leader(old);
  ASSERT_TRUE(next >= 0 && stage.writes(next, 3));
  cut_off.clear();
  EXPECT_TRUE(wait_until([&] { return stage.at(old).state() == "following"; }));
  EXPECT_TRUE(stage.renews(next, 3));
  EXPECT_TRUE(stage.at(next).log_lines("lost").empty()) << stage.at(next).log();
}

INSTANTIATE_TEST_SUITE_P(Ways, F7,
                         testing::Values(CutOff{"Both", {"partition"}},
                                         CutOff{"RequestsLost", {"drop_request"}},
                                         CutOff{"AnswersLost", {"drop_answer", "stall"}},
                                         CutOff{"ConnectionsCut", {"cut", "stall"}}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(F8, FollowersCutOffNeitherDisturbNorStormBack) {
  Stage stage({.candidates = 3, .change = unhurried});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  std::vector<json> wishes;
  for (int i = 0; i < 3; ++i) {
    if (i != leader) wishes.push_back(stage.fault(i, {{"action", "partition"}}));
  }
  Faults cut_off = switch_on(wishes);
  EXPECT_TRUE(stage.renews(leader, 5));
  cut_off.clear();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(i == leader || wait_until([&] { return stage.at(i).state() == "following"; }));
  }
  EXPECT_TRUE(stage.renews(leader, 2));
  EXPECT_EQ(stage.terms(), 1U);
}

// R2: counted from sending. A reply that is 300 ms late leaves 300 ms less.
TEST(F9, LateAnswersCountFromSending) {
  constexpr std::int64_t kDelay_ns = 300'000'000;
  constexpr std::int64_t kValidity_ns = 7'200'000'000;
  Stage stage({.change = unhurried});
  const int leader = stage.leader();
  ASSERT_TRUE(leader >= 0 && stage.renews(leader, 1));
  // The watch shows the write too, which counts as its reply.
  const Proxy::Fault late(proxy(), stage.fault(leader, {{"action", "delay_answer"},
                                                        {"verbs", {"update", "watch"}},
                                                        {"delay_ms", 300}}));
  ASSERT_TRUE(stage.renews(leader, 1));  // one may have been under way
  const auto before = stage.at(leader).log_lines("extended").size();
  ASSERT_TRUE(stage.renews(leader, 3));
  const auto lines = stage.at(leader).log_lines("extended");
  for (std::size_t i = before; i < lines.size(); ++i) {
    const std::int64_t replied_ns = lines[i]["boottime_ns"];
    EXPECT_LE(lines[i]["deadline_boottime_ns"].get<std::int64_t>(),
              replied_ns - kDelay_ns + kValidity_ns);
  }
  EXPECT_EQ(stage.terms(), 1U);
}

class F9Late : public testing::TestWithParam<int> {};

// Beyond R, V and D: dead on arrival, and nothing that comes later revives it.
TEST_P(F9Late, AnswersToEverythingComeTooLate) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  const Proxy::Fault late(proxy(), stage.fault(old, {{"action", "delay_answer"},
                                                     {"verbs", {"update", "list", "watch"}},
                                                     {"delay_ms", GetParam()}}));
  EXPECT_TRUE(wait_until([&] { return !stage.at(old).leads(); }));
  const int next = stage.leader(old);
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

INSTANTIATE_TEST_SUITE_P(DelayMs, F9Late, testing::Values(600, 2600, 4000));

// No answer to a write ever comes, but the watch shows each one: that counts as its reply (R10).
TEST(F9, LostAnswersAreReadOffTheWatch) {
  Stage stage({.change = unhurried});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  const Proxy::Fault lost(proxy(), stage.fault(leader, on_updates("drop_answer")));
  EXPECT_TRUE(stage.renews(leader, 4));
  EXPECT_EQ(stage.terms(), 1U) << stage.at(leader).log();
}

// Answers held back until the term is over, and then let go.
TEST(F9, HeldAnswerIsDeadOnArrival) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  Faults held = switch_on(
      {stage.fault(old, {{"action", "hold_answer"}}), stage.fault(old, {{"action", "stall"}})});
  const int next = stage.leader(old);
  EXPECT_GE(next, 0);
  held.clear();
  EXPECT_TRUE(wait_until([&] { return stage.at(old).state() == "following"; }));
  EXPECT_TRUE(stage.renews(next, 2));
}

// Applied long after the client gave up: refused by its version, or known as one's own.
TEST(F10, RequestsThatAreAppliedLate) {
  Stage stage({.change = unhurried});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  for (const int delay_ms : {2600, 7600, 9600}) {
    const Proxy::Fault late(
        proxy(),
        stage.fault(leader, on_updates("delay_request", {{"delay_ms", delay_ms}, {"count", 1}})));
    EXPECT_TRUE(stage.renews(leader, 3));
  }
  EXPECT_EQ(stage.terms(), 1U);
  const int other = 1 - leader;
  const Proxy::Fault late(
      proxy(), stage.fault(other, on_updates("delay_request", {{"delay_ms", 2600}, {"count", 1}})));
  EXPECT_EQ(stage.at(leader).post("/resign?drained=true&wait=30s").status, 200);
  EXPECT_GE(stage.leader(), 0);
}

class Ambiguous : public testing::TestWithParam<const char*> {};

// F11, F12: creation, acquisition, renewal and release, each lost or doubled once.
TEST_P(Ambiguous, CreationAcquisitionRenewalAndRelease) {
  Stage stage({.change = [](BatonOptions& options) { options.flags = kUnhurried; }});
  const Faults first =
      switch_on({stage.fault(0, on_updates(GetParam(), {{"count", 2}, {"delay_ms", 600}})),
                 stage.fault(1, on_updates(GetParam(), {{"count", 2}, {"delay_ms", 600}}))});
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  const Faults renewal = switch_on({stage.fault(old, on_updates(GetParam(), {{"count", 1}}))});
  EXPECT_TRUE(stage.renews(old, 2));
  const Faults release = switch_on({stage.fault(old, on_updates(GetParam(), {{"count", 1}}))});
  EXPECT_EQ(stage.at(old).post("/resign?drained=true&wait=30s").status, 200);
  const int next = stage.leader(old);
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

INSTANTIATE_TEST_SUITE_P(F11, Ambiguous,
                         testing::Values("cut", "cut_after_commit", "drop_request", "drop_answer",
                                         "truncate"),
                         [](const auto& one) { return std::string(one.param); });
INSTANTIATE_TEST_SUITE_P(F12, Ambiguous, testing::Values("duplicate"),
                         [](const auto& one) { return std::string(one.param); });

json answer(int code, const std::string& body, const json& more = json::object()) {
  json fault = {{"action", "answer"}, {"code", code}, {"body", body}};
  fault.update(more);
  return fault;
}

// Each bad answer for a third of a second, to everything that the leader asks.
TEST(F13, BadAnswersForAMomentCostNothing) {
  Stage stage({.change = unhurried});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  const std::vector<json> bad = {
      answer(409, "{}"),
      answer(404, "404 page not found"),
      answer(410, "{}"),
      answer(422, "{}"),
      answer(429, "{}", {{"retry_after", "1"}}),
      answer(500, "{}"),
      answer(503, "{}"),
      answer(504, "{}"),
      answer(401, "{}"),
      answer(403, "{}"),
      answer(200, "{\"kind\":"),
      answer(200, "<html>Sign in</html>", {{"content_type", "text/html"}}),
      {{"action", "truncate"}}};
  for (const json& wish : bad) {
    json once = wish;
    once["count"] = 1;
    once["verbs"] = {"update"};
    const Proxy::Fault fault(proxy(), stage.fault(leader, once));
    EXPECT_TRUE(stage.renews(leader, 1)) << wish;
  }
  EXPECT_EQ(stage.terms(), 1U) << stage.at(leader).log();
}

// Retry-After is obeyed, but never past the deadline.
TEST(F13, ThrottledForLongEndsTheTermInTime) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  const Proxy::Fault fault(proxy(), stage.fault(old, answer(429, "{}", {{"retry_after", "30"}})));
  EXPECT_TRUE(wait_until([&] { return !stage.at(old).leads(); }));
  EXPECT_GE(stage.leader(old), 0);
}

// A server that goes away in good order, connections that are reset, an outage shorter than
// 2 R + 2 retry-min: no leadership is lost (R15).
TEST(F14, RestartsThatAreShortCostNothing) {
  Stage stage({.change = unhurried});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  {
    const Proxy::Fault going(proxy(), stage.fault(-1, {{"action", "close_after"}}));
    EXPECT_TRUE(stage.renews(leader, 3));
  }
  for (int i = 0; i < 5; ++i) {
    proxy().post("/connections/close", json::object());
    let_pass(std::chrono::milliseconds(400));
  }
  proxy().post("/listener", {{"open", false}});
  let_pass(std::chrono::milliseconds(2700));
  proxy().post("/listener", {{"open", true}});
  EXPECT_TRUE(stage.renews(leader, 2));
  EXPECT_EQ(stage.terms(), 1U) << stage.at(leader).log();
}

// The name is looked up anew for each connection, so that a server that moved is found; while a
// connection lives it is not looked up at all.
TEST(F14, AServerThatMovesIsFoundByItsName) {
  const std::string folder = make_folder("dns");
  const auto move_to = [&](const std::string& address) {
    std::ofstream(folder + "/new") << address;
    std::filesystem::rename(folder + "/new", folder + "/address");
  };
  move_to("127.0.0.1");
  Stage stage({.candidates = 1, .change = [&](BatonOptions& options) {
                 unhurried(options);
                 std::string text = text_of(options.kubeconfig);
                 const std::string by_address = "https://127.0.0.1:";
                 text.replace(text.find(by_address), by_address.size(), "https://localhost:");
                 options.kubeconfig = folder + "/kubeconfig";
                 std::ofstream(options.kubeconfig) << text;
                 options.environment = {{"LD_PRELOAD", preloaded("wrong_dns")},
                                        {"WRONG_DNS", folder + "/address"}};
               }});
  ASSERT_EQ(stage.leader(), 0);
  const auto failures = [&] { return stage.at(0).metric("baton_request_failures_total", {}); };
  for (const char* nobodys : {"", "127.0.0.9"}) {
    move_to(nobodys);
    EXPECT_TRUE(stage.renews(0, 3));
    const double before = failures();
    proxy().post("/connections/close", json::object());
    EXPECT_TRUE(wait_until([&] { return failures() >= before + 2; }));
    move_to("127.0.0.1");
    EXPECT_TRUE(stage.renews(0, 2)) << stage.at(0).log();
  }
  EXPECT_EQ(stage.terms(), 1U) << stage.at(0).log();
}

TEST(F15, OutageLongerThanTheTermIsSurvived) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  proxy().post("/listener", {{"open", false}});
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(wait_until([&] { return stage.at(i).state() == "degraded"; }))
        << stage.at(i).get("/leader").what;
  }
  EXPECT_NE(stage.at(old).reason(), "");
  proxy().post("/listener", {{"open", true}});
  const int next = stage.leader();
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

TEST(F15, SlowNetworkIsNoOutage) {
  Stage stage({.change = unhurried});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  const Proxy::Fault slow(proxy(), stage.fault(-1, {{"action", "slow"}, {"bytes_per_s", 4'000}}));
  EXPECT_TRUE(stage.renews(leader, 4));
  EXPECT_EQ(stage.terms(), 1U) << stage.at(leader).log();
}

// A new certificate, a new authority that the files name in time, and one that they do not.
TEST(F16, CertificatesAreRotated) {
  Stage stage({.change = unhurried});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  for (const char* authority : {"same", "new"}) {
    proxy().post("/certificate", {{"authority", authority}});
    EXPECT_TRUE(stage.renews(leader, 2)) << authority;
    EXPECT_EQ(stage.terms(), 1U) << authority << "\n" << stage.at(leader).log();
  }
  proxy().post("/certificate", {{"authority", "stranger"}});
  EXPECT_TRUE(wait_until([&] {
    return stage.at(leader).state() == "degraded" &&
           stage.at(leader).reason().find("did not sign it") != std::string::npos;
  })) << stage.at(leader).get("/leader").what;
  proxy().post("/certificate", {{"authority", "new"}});
  const int next = stage.leader();
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

// One 401: the token's file is read again, and the election goes on.
TEST(F17, RefusedTokenIsReadAgain) {
  Stage stage({.change = unhurried});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  const Proxy::Fault fault(
      proxy(), stage.fault(leader, answer(401, "{\"kind\":\"Status\"}", {{"count", 3}})));
  EXPECT_TRUE(stage.renews(leader, 3));
  EXPECT_EQ(stage.terms(), 1U) << stage.at(leader).log();
}

}  // namespace
}  // namespace baton::test
