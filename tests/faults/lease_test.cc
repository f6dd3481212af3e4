// What watches, stale reads, hands and restores do to the Lease: F18 to F22, F27.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "stage.h"

namespace baton::test {
namespace {

using nlohmann::json;

struct Watches {
  const char* name;
  json wish;
};
std::ostream& operator<<(std::ostream& out, const Watches& one) { return out << one.name; }

class F18 : public testing::TestWithParam<Watches> {};

// A watch may stall, break, repeat itself or lag: the next one leads all the same.
TEST_P(F18, HandOverWorksWithoutAGoodWatch) {
  Stage stage({.with_applications = false, .change = unhurried});
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  const Proxy::Fault fault(proxy(), stage.fault(-1, GetParam().wish));
  proxy().post("/watches/close", json::object());
  EXPECT_TRUE(stage.renews(old, 2));
  EXPECT_EQ(stage.at(old).post("/resign?drained=true&wait=30s").status, 200);
  const int next = stage.leader(old);
  ASSERT_GE(next, 0);
  EXPECT_TRUE(stage.renews(next, 1));
  EXPECT_EQ(stage.terms(), 2U);
}

const Watches kWatches[] = {
    {"Silent", {{"action", "stall"}}},
    {"Gone", {{"action", "answer"}, {"code", 410}, {"body", "{}"}, {"verbs", {"watch"}}}},
    {"ErrorEvent",
     {{"action", "alter"}, {"verbs", {"watch"}}, {"patch", {{"kind", "Status"}, {"spec", 5}}}}},
    {"Doubled", {{"action", "duplicate"}, {"verbs", {"watch"}}}},
    {"ClosedAtOnce", {{"action", "cut_after_commit"}, {"verbs", {"watch"}}}},
    {"Late", {{"action", "delay_answer"}, {"verbs", {"watch"}}, {"delay_ms", 900}}},
    {"Slow", {{"action", "slow"}, {"verbs", {"watch"}}, {"bytes_per_s", 2000}}},
};
INSTANTIATE_TEST_SUITE_P(Watch, F18, testing::ValuesIn(kWatches),
                         [](const auto& one) { return std::string(one.param.name); });

// F19: old versions arrive after newer ones, and lists are late.
TEST(F19, StaleReadsOnlyWasteWrites) {
  Stage stage({.candidates = 3, .with_applications = false});
  ASSERT_GE(stage.leader(), 0);
  const Proxy::Fault watch(
      proxy(),
      stage.fault(-1, {{"action", "delay_answer"}, {"verbs", {"watch"}}, {"delay_ms", 700}}));
  const Proxy::Fault list(
      proxy(),
      stage.fault(-1, {{"action", "delay_answer"}, {"verbs", {"list"}}, {"delay_ms", 250}}));
  for (int round = 0; round < 3; ++round) {
    const int old = stage.leader();
    ASSERT_GE(old, 0);
    EXPECT_EQ(stage.at(old).post("/resign?drained=true&wait=30s").status, 200);
  }
  EXPECT_GE(stage.leader(), 0);
}

std::string path(const Stage& stage) { return kLeases + "/" + stage.election(); }

// F20: deleted, deleted again as soon as it is back, and re-created by a hand at once.
TEST(F20, DeletedTwiceAndRecreatedByAHand) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_TRUE(old >= 0 && stage.writes(old, 3));
  Api admin("admin");
  ASSERT_EQ(admin.remove(path(stage)).status, 200);
  ASSERT_TRUE(wait_until([&] { return admin.remove(path(stage)).status == 200; }));
  EXPECT_TRUE(wait_until([&] {
    return admin.post(kLeases, lease_body(stage.election(), json::object())).status == 201 ||
           admin.get(path(stage)).status == 200;
  }));
  const int next = stage.leader();
  ASSERT_TRUE(next >= 0 && stage.writes(next, 3));
  ASSERT_EQ(admin.remove(path(stage)).status, 200);
  const Answer created = admin.post(
      kLeases,
      lease_body(stage.election(), {{"holderIdentity", "somebody"}, {"leaseDurationSeconds", 2}}));
  EXPECT_TRUE(created.status == 201 || created.status == 409) << created.what;
  EXPECT_TRUE(wait_until([&] { return stage.terms() >= 3; }));
  const int last = stage.leader();
  EXPECT_TRUE(last >= 0 && stage.writes(last, 3));
}

struct Edit {
  const char* name;
  json patch;
  json back;  // what ends it, null if it ends by itself
};
std::ostream& operator<<(std::ostream& out, const Edit& one) { return out << one.name; }

class F21 : public testing::TestWithParam<Edit> {};

TEST_P(F21, EditByHandIsSurvived) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_TRUE(old >= 0 && stage.writes(old, 3));
  Api admin("admin");
  ASSERT_EQ(admin.patch(path(stage), GetParam().patch).status, 200);
  EXPECT_TRUE(wait_until([&] {
    const json lease = admin.get(path(stage)).json();
    return lease["metadata"]["resourceVersion"] != json() &&
           stage.at(old).get("/leader").status != 0;
  }));
  if (!GetParam().back.is_null()) {
    ASSERT_EQ(admin.patch(path(stage), GetParam().back).status, 200);
  }
  const int next = stage.one_renews(4);
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

json spec(const json& spec) { return {{"spec", spec}}; }
json annotations(const json& values) { return {{"metadata", {{"annotations", values}}}}; }

const Edit kEdits[] = {
    {"HolderCleared", spec({{"holderIdentity", ""}}), {}},
    {"HolderReplaced", spec({{"holderIdentity", "somebody"}}), {}},
    {"HolderRemoved", spec({{"holderIdentity", nullptr}}), {}},
    {"DurationShortened", spec({{"leaseDurationSeconds", 1}}), {}},
    {"DurationLengthened", spec({{"leaseDurationSeconds", 10}}), {}},
    {"DurationRemoved", spec({{"leaseDurationSeconds", nullptr}}), {}},
    {"AnnotationsDropped", annotations(nullptr), {}},
    {"TermChanged", annotations({{"baton/term", "another"}}), {}},
    {"TokenGarbled", annotations({{"baton/fencing-token", "many"}}),
     annotations({{"baton/fencing-token", nullptr}})},
    {"PreferredHolder", spec({{"strategy", "OldestEmulationVersion"}, {"preferredHolder", "x"}}),
     spec({{"strategy", nullptr}, {"preferredHolder", nullptr}})},
};
INSTANTIATE_TEST_SUITE_P(Edits, F21, testing::ValuesIn(kEdits),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(F21, DeletionHeldUpByAFinalizerEndsTheTerm) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_TRUE(old >= 0 && stage.writes(old, 3));
  Api admin("admin");
  ASSERT_EQ(admin.patch(path(stage), {{"metadata", {{"finalizers", {"baton.test/hold"}}}}}).status,
            200);
  ASSERT_EQ(admin.remove(path(stage)).status, 200);
  EXPECT_TRUE(wait_until([&] { return !stage.at(old).leads(); }));
  ASSERT_EQ(admin.patch(path(stage), {{"metadata", {{"finalizers", nullptr}}}}).status, 200);
  const int next = stage.leader();
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

class F22 : public testing::TestWithParam<int> {};

// The devserver's restore; etcd's own is in api_servers_test.cc. With a bump tokens rise; without
// one it is noticed, which is all that can be promised.
TEST_P(F22, RestoreIsAnAlarm) {
  if (TestCluster::get().is_real()) {
    std::printf("on a real etcd: ApiServers.F22*\n");
    return;
  }
  Stage stage({.with_applications = GetParam() > 0, .change = unhurried, .restores = true});
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  const json snapshot = dev::control("POST", "/snapshots", json::object());
  EXPECT_TRUE(stage.renews(old, 3));
  // Without a bump nobody else's tokens can rise above one that nobody else has seen.
  EXPECT_TRUE(wait_until([&] {
    return stage.at(1 - old).status()["leader"]["fencingToken"] ==
           std::to_string(stage.at(old).token());
  }));
  dev::control("POST", "/restore", {{"snapshot", snapshot["snapshot"]}, {"bump", GetParam()}});
  EXPECT_TRUE(wait_until([&] {
    return !stage.at(0).log_lines("history_went_back").empty() ||
           !stage.at(1).log_lines("history_went_back").empty();
  })) << stage.at(old).log();
  EXPECT_GE(stage.one_renews(3), 0);
}

INSTANTIATE_TEST_SUITE_P(Bump, F22, testing::Values(1'000'000, 0));

// F27: answers that do not show what was sent count for nothing, for anybody, until they do.
TEST(F27, AlteredAnswersAreNoRenewals) {
  Stage stage({.change = unhurried});
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  const json altered = {{"action", "alter"},
                        {"verbs", {"update", "list", "watch"}},
                        {"patch", {{"metadata", {{"annotations", {{"baton/attempt", "x"}}}}}}}};
  auto fault = std::make_unique<Proxy::Fault>(proxy(), stage.fault(-1, altered));
  EXPECT_TRUE(wait_until([&] { return !stage.at(old).leads(); })) << stage.at(old).log();
  EXPECT_TRUE(wait_until(
      [&] { return stage.at(old).reason().find("look for a webhook") != std::string::npos; }));
  EXPECT_EQ(stage.terms(), 1U);
  fault.reset();
  const int next = stage.leader();
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

}  // namespace
}  // namespace baton::test
