// Real baton processes elect, resign, crash, stop and are interfered with. Safety is judged from
// their logs on one clock at the end of every test (Candidates); liveness by generous bounds.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/api.h"
#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

using nlohmann::json;

std::string lease_path(const Candidates& candidates) {
  return kLeases + "/" + candidates.election();
}

json lease_of(Api& api, const Candidates& candidates) {
  return api.get(lease_path(candidates)).json();
}

bool names_as_leader(Baton& baton, const std::string& pod) {
  const json status = baton.status();
  return status.is_object() && status["leader"].is_object() &&
         status["leader"].value("pod", "") == pod;
}

TEST(Election, ThreeElectOneAndAllKnowIt) {
  Candidates candidates(3);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  const std::int64_t token = candidates.at(leader).token();
  EXPECT_GT(token, 0);
  for (int i = 0; i < 3; ++i) {
    Baton& baton = candidates.at(i);
    EXPECT_TRUE(wait_until([&] { return names_as_leader(baton, candidates.at(leader).name()); }))
        << baton.get("/leader").what;
    EXPECT_TRUE(wait_until([&] { return baton.probe("/readyz").status == 200; }));
    const json status = baton.status();
    EXPECT_EQ(status["isLeader"], i == leader);
    EXPECT_EQ(status["leader"]["fencingToken"], std::to_string(token));
    EXPECT_EQ(baton.get("/").json()["name"], candidates.at(leader).name());
    EXPECT_EQ(baton.probe("/leaderz").status, i == leader ? 200 : 503);
  }
  Api admin("admin");
  const json lease = lease_of(admin, candidates);
  EXPECT_EQ(lease["metadata"]["annotations"]["baton/fencing-token"], std::to_string(token));
  EXPECT_EQ(lease["spec"]["holderIdentity"], candidates.at(leader).status()["identity"]);
}

TEST(Election, HandOverByResignSayingDrained) {
  Candidates candidates(3);
  Api admin("admin");
  std::int64_t token = 0;
  for (int round = 0; round < 3; ++round) {
    const int leader = candidates.wait_for_leader();
    ASSERT_GE(leader, 0);
    EXPECT_GT(candidates.at(leader).token(), token);
    token = candidates.at(leader).token();
    const Answer resigned = candidates.at(leader).post("/resign?drained=true&wait=30s");
    EXPECT_EQ(resigned.status, 200) << resigned.what;
    EXPECT_FALSE(candidates.at(leader).leads());  // hold-off: not for D, nor before another term
    const int next = candidates.wait_for_leader();
    ASSERT_GE(next, 0);
    EXPECT_GT(candidates.at(next).token(), token);
  }
}

TEST(Election, ResignWaitsForDrainedOfThatTerm) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  Baton& old = candidates.at(leader);
  const json term = old.status()["termId"];
  EXPECT_EQ(old.post("/resign").status / 100, 2);
  EXPECT_EQ(old.get("/leader").status, 503);
  EXPECT_EQ(old.post("/drained", R"({"termId":"another"})").status, 409);
  const Answer drained = old.post("/drained", json{{"termId", term}}.dump());
  EXPECT_EQ(drained.status / 100, 2) << drained.what;
  EXPECT_GE(candidates.wait_for_leader(leader), 0);
  EXPECT_FALSE(old.log_lines("released").empty());
}

TEST(Election, HandOverWhenAHoldingStreamCloses) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  Baton& old = candidates.at(leader);
  auto stream = http::Connection::make({"127.0.0.1", old.local_port(), ""}, nullptr);
  const Instant bound = boot_now() + kBound;
  const auto opened = stream->open_stream({"GET", "/leader/events?hold=true", {}, ""}, bound);
  ASSERT_EQ(opened.response.status, 200) << opened.what;
  const std::int64_t token = old.token();
  old.process().send(SIGTERM);
  std::string error;
  const auto says_no = [&] {
    const auto line = stream->next_line(bound, error);
    return !line || line->find("\"isLeader\":false") != std::string::npos ||
           line->find("\"isLeader\": false") != std::string::npos;
  };
  EXPECT_TRUE(wait_until(says_no));
  EXPECT_EQ(error, "");
  EXPECT_TRUE(old.log_lines("released").empty());
  stream->close();
  const int next = candidates.wait_for_leader(leader);
  ASSERT_GE(next, 0);
  EXPECT_GT(candidates.at(next).token(), token);
  const auto ended = old.process().wait();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->code, 0);
  EXPECT_FALSE(old.log_lines("released").empty());
}

TEST(Election, AnnouncementReleasesNothing) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  Baton& old = candidates.at(leader);
  EXPECT_EQ(old.post("/resign?announce=true").status / 100, 2);
  EXPECT_TRUE(wait_until([&] { return old.state() == "draining"; }));
  EXPECT_EQ(old.get("/leader").status, 503);
  Api admin("admin");
  EXPECT_NE(lease_of(admin, candidates)["spec"]["holderIdentity"], "");
  EXPECT_EQ(old.post("/resign?drained=true&wait=30s").status, 200);
  EXPECT_GE(candidates.wait_for_leader(leader), 0);
}

TEST(Election, SigtermAfterDrainedReleasesAndExits) {
  Candidates candidates(2);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  Baton& old = candidates.at(leader);
  const json term = old.status()["termId"];
  old.process().send(SIGTERM);
  wait_until([&] { return !old.leads(); });
  old.post("/drained", json{{"termId", term}}.dump());
  const auto ended = old.process().wait();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->code, 0);
  EXPECT_FALSE(old.log_lines("released").empty());
  EXPECT_GE(candidates.wait_for_leader(leader), 0);
}

TEST(Election, CrashIsWaitedOutAndTheRestartedOneFollows) {
  Candidates candidates(3);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  const std::int64_t token = candidates.at(leader).token();
  candidates.at(leader).process().send(SIGKILL);
  candidates.at(leader).process().wait();
  const int next = candidates.wait_for_leader(leader);
  ASSERT_GE(next, 0);
  EXPECT_GT(candidates.at(next).token(), token);
  candidates.restart(leader);
  EXPECT_TRUE(wait_until(
      [&] { return names_as_leader(candidates.at(leader), candidates.at(next).name()); }));
  EXPECT_EQ(candidates.at(leader).state(), "following");
}

TEST(Election, StoppedLeaderSaysNoOnItsFirstAnswer) {
  Candidates candidates(3);
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  Baton& old = candidates.at(leader);
  old.process().send(SIGSTOP);
  const int next = candidates.wait_for_leader(leader);
  old.process().send(SIGCONT);
  const Answer first = old.get("/leader");
  EXPECT_EQ(first.status, 503) << first.what;
  EXPECT_TRUE(first.reused_connection);
  ASSERT_GE(next, 0);
  EXPECT_TRUE(wait_until([&] { return names_as_leader(old, candidates.at(next).name()); }));
}

TEST(Election, DeletedLeaseEndsTheTermAndIsWaitedOut) {
  Candidates candidates(3);
  Api admin("admin");
  std::int64_t token = 0;
  for (int round = 0; round < 2; ++round) {
    const int leader = candidates.wait_for_leader();
    ASSERT_GE(leader, 0);
    token = std::max(token, candidates.at(leader).token());
    const auto lost = [&] { return candidates.at(leader).log_lines("lost").size(); };
    const std::size_t lost_before = lost();
    ASSERT_EQ(admin.remove(lease_path(candidates)).status, 200);
    EXPECT_TRUE(wait_until([&] { return lost() > lost_before; }));
    const int next = candidates.wait_for_leader();
    ASSERT_GE(next, 0);
    EXPECT_GT(candidates.at(next).token(), token);
  }
}

TEST(Election, HolderEditedByHandEndsTheTermAndIsWaitedOut) {
  Candidates candidates(2);
  Api admin("admin");
  for (const char* holder : {"somebody", ""}) {
    const int leader = candidates.wait_for_leader();
    ASSERT_GE(leader, 0);
    const std::int64_t token = candidates.at(leader).token();
    ASSERT_EQ(admin.patch(lease_path(candidates), {{"spec", {{"holderIdentity", holder}}}}).status,
              200);
    EXPECT_TRUE(wait_until([&] { return !candidates.at(leader).leads(); }));
    const int next = candidates.wait_for_leader();
    ASSERT_GE(next, 0);
    EXPECT_GT(candidates.at(next).token(), token);
  }
}

/// Is there an Event on this election's Lease with these words? Where kubectl describe looks.
bool has_event(Api& admin, const Candidates& candidates, const std::string& type,
               const std::string& words) {
  const std::string uid = lease_of(admin, candidates)["metadata"].value("uid", "");
  const json events = admin.get(kEvents).json();
  return std::ranges::any_of(events["items"], [&](const json& event) {
    return event["involvedObject"].value("uid", "") == uid && event.value("type", "") == type &&
           event.value("message", "").find(words) != std::string::npos;
  });
}

TEST(Election, LoweredTokenIsAnAlarmAndNeverReissued) {
  Candidates candidates(2);
  Api admin("admin");
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  const std::int64_t token = candidates.at(leader).token();
  const json lowered = {{"metadata", {{"annotations", {{"baton/fencing-token", "1"}}}}}};
  ASSERT_EQ(admin.patch(lease_path(candidates), lowered).status, 200);
  EXPECT_TRUE(wait_until([&] {
    return !candidates.at(leader).log_lines("history_went_back").empty();
  })) << candidates.at(leader).log();
  const int next = candidates.wait_for_leader();
  ASSERT_GE(next, 0);
  EXPECT_GT(candidates.at(next).token(), token);
  EXPECT_TRUE(wait_until(
      [&] { return has_event(admin, candidates, "Warning", "history go back: R14: "); }));
}

TEST(Election, LabelsAndOtherAnnotationsSurvive) {
  Candidates candidates(2);
  Api admin("admin");
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  const json marks = {
      {"metadata", {{"labels", {{"team", "a"}}}, {"annotations", {{"note", "b"}}}}}};
  ASSERT_EQ(admin.patch(lease_path(candidates), marks).status, 200);
  EXPECT_EQ(candidates.at(leader).post("/resign?drained=true&wait=30s").status, 200);
  ASSERT_GE(candidates.wait_for_leader(leader), 0);
  const json lease = lease_of(admin, candidates);
  EXPECT_EQ(lease["metadata"]["labels"]["team"], "a");
  EXPECT_EQ(lease["metadata"]["annotations"]["note"], "b");
}

TEST(Rights, LeaseOnlyElectsWithoutPodsAndEvents) {
  Candidates candidates(2, [](BatonOptions& options) { options.user = "lease-only"; });
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  EXPECT_EQ(candidates.at(leader).post("/resign?drained=true&wait=30s").status, 200);
  EXPECT_GE(candidates.wait_for_leader(leader), 0);
}

TEST(Rights, WithExtrasEventsAreOnTheLease) {
  Candidates candidates(1);
  ASSERT_GE(candidates.wait_for_leader(), 0);
  Api admin("admin");
  EXPECT_TRUE(wait_until([&] { return has_event(admin, candidates, "Normal", "became leader"); }));
}

TEST(Rights, R5WithoutCreateAMissingLeaseBlocksAndSaysWhy) {
  Candidates candidates(1, [](BatonOptions& options) { options.user = "no-create"; });
  Baton& baton = candidates.at(0);
  EXPECT_TRUE(wait_until([&] { return baton.state() == "blocked"; })) << baton.log();
  EXPECT_NE(baton.reason().find("Lease missing"), std::string::npos) << baton.reason();
  EXPECT_EQ(baton.get("/leader").status, 503);
  EXPECT_EQ(baton.probe("/readyz").status, 503);
  EXPECT_EQ(baton.probe("/livez").status, 200);
  Api admin("admin");
  ASSERT_EQ(admin.post(kLeases, lease_body(candidates.election(), json::object())).status, 201);
  EXPECT_EQ(candidates.wait_for_leader(), 0);
}

TEST(Rights, WithoutWatchListsDoTheWork) {
  Candidates candidates(2, [](BatonOptions& options) { options.user = "no-watch"; });
  const int leader = candidates.wait_for_leader();
  ASSERT_GE(leader, 0);
  EXPECT_EQ(candidates.at(leader).post("/resign?drained=true&wait=30s").status, 200);
  const int next = candidates.wait_for_leader(leader);
  ASSERT_GE(next, 0);
  candidates.at(next).process().send(SIGKILL);
  EXPECT_EQ(candidates.wait_for_leader(next), leader);
}

TEST(Rights, WithoutUpdateItNeverLeadsAndSaysWhy) {
  Api admin("admin");
  Candidates candidates(1, [&](BatonOptions& options) {
    options.user = "no-update";
    admin.post(kLeases, lease_body(options.election, json::object()));
  });
  Baton& baton = candidates.at(0);
  EXPECT_TRUE(wait_until([&] { return baton.log().find("403") != std::string::npos; }));
  EXPECT_EQ(baton.get("/leader").status, 503);
  EXPECT_TRUE(wait_until([&] {
    return baton.reason().find("403") != std::string::npos ||
           baton.reason().find("forbidden") != std::string::npos;
  })) << baton.get("/leader").what;
  EXPECT_EQ(candidates.judge(), 0U);
}

}  // namespace
}  // namespace baton::test
