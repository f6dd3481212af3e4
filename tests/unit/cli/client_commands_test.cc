// probe, resign, drained, status, token and wait against a sidecar whose answers the test writes.
#include <gtest/gtest.h>

#include "cli/document.h"
#include "unit/cli/fake_sidecar.h"

namespace baton::cli {
namespace {

using std::chrono::minutes;

class ClientCommands : public testing::Test {
 protected:
  Outcome run(std::vector<std::string> arguments, config::Environment environment = {}) {
    environment["BATON_LOCAL_ADDRESS"] = sidecar_.address();
    environment["BATON_PROBE_ADDRESS"] = sidecar_.address();
    return run_cli(arguments, environment);
  }
  FakeSidecar sidecar_;
};

TEST_F(ClientCommands, ProbesExitZeroOnlyOnA200) {
  sidecar_.answer("/livez", 200, "ok");
  sidecar_.answer("/readyz", 503, "starting\nmore");
  sidecar_.answer("/startupz", 200);
  sidecar_.answer("/leaderz", 503);
  EXPECT_EQ(run({"probe", "live"}).code, 0);
  EXPECT_EQ(run({"probe", "started"}).code, 0);
  EXPECT_EQ(run({"probe", "leader"}).code, 1);
  const Outcome outcome = run({"probe", "ready"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err,
            "baton: probe ready: the sidecar answered 503 Service Unavailable: starting\n");
}

TEST_F(ClientCommands, NoAnswerIsANo) {
  const std::string address = sidecar_.address();
  sidecar_.stop();
  for (const auto& command : std::vector<std::vector<std::string>>{{"probe", "leader"},
                                                                   {"token"},
                                                                   {"status"},
                                                                   {"resign"},
                                                                   {"drained"},
                                                                   {"drained", "--term=t"},
                                                                   {"wait", "--timeout=0s"},
                                                                   {"status", "--watch"}}) {
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.code, 1) << command[0];
    EXPECT_NE(outcome.err.find("no answer from the sidecar at " + address), std::string::npos)
        << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(ClientCommands, ATakenAddressAfterADeadOneIsFound) {
  sidecar_.answer("/token", 200, "17");
  const Outcome outcome = run({"token", "--local-address", "127.0.0.1:1," + sidecar_.address()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "17\n");
}

TEST_F(ClientCommands, TokenPrintsATokenAndNothingElse) {
  sidecar_.answer("/token", 200, "123456789012\n");
  EXPECT_EQ(run({"token"}).out, "123456789012\n");
  sidecar_.answer("/token", 503);
  Outcome outcome = run({"token"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  sidecar_.answer("/token", 200, "<html>");
  outcome = run({"token"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
}

TEST_F(ClientCommands, ResignSaysWhatItWasAsked) {
  sidecar_.answer("/resign", 200, document("released").dump());
  EXPECT_EQ(run({"resign"}).code, 0);
  EXPECT_EQ(run({"resign", "--drained", "--wait"}).out, "released\n");
  EXPECT_EQ(run({"resign", "--wait=2m", "--name", "a b"}).code, 0);
  EXPECT_EQ(run({"resign", "--announce"}).code, 0);
  EXPECT_EQ(
      sidecar_.requests(),
      (std::vector<std::string>{"POST /resign", "POST /resign?drained=true&wait=30s",
                                "POST /resign?wait=2m&name=a%20b", "POST /resign?announce=true"}));
}

TEST_F(ClientCommands, ResignFailsWhileNotReleased) {
  sidecar_.answer("/resign", 202, document("draining").dump());
  EXPECT_EQ(run({"resign"}).code, 0);
  const Outcome outcome = run({"resign", "--wait=1s"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("not released within 1s, state draining"), std::string::npos);
  sidecar_.answer("/resign", 409, "another term");
  EXPECT_EQ(run({"resign"}).code, 1);
}

TEST_F(ClientCommands, DrainedNamesTheTerm) {
  sidecar_.answer("/drained", 200);
  sidecar_.publish(leading("term-now", minutes(1)));
  EXPECT_EQ(run({"drained", "--term=term-1", "--name=web"}).code, 0);
  EXPECT_EQ(run({"drained"}, {{"BATON_TERM_ID", "term-2"}}).code, 0);
  EXPECT_EQ(run({"drained"}).code, 0);
  const auto requests = sidecar_.requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[0], R"(POST /drained {"name":"web","termId":"term-1"})");
  EXPECT_EQ(requests[1], R"(POST /drained {"termId":"term-2"})");
  EXPECT_EQ(requests[3], R"(POST /drained {"termId":"term-now"})");
  sidecar_.answer("/drained", 409, "another term");
  EXPECT_EQ(run({"drained"}).code, 1);
}

TEST_F(ClientCommands, DrainedWithoutATermHasNothingToSay) {
  sidecar_.publish(document("following"));
  EXPECT_EQ(run({"drained"}).code, 0);
  EXPECT_EQ(sidecar_.requests(), (std::vector<std::string>{"GET /leader"}));
}

TEST_F(ClientCommands, StatusIsATableOrTheDocument) {
  const auto shown = leading("t", minutes(1));
  sidecar_.publish(shown);
  const Outcome table = run({"status"});
  EXPECT_EQ(table.code, 0);
  for (const char* row : {"election    prod/app\n", "state       leading\n",
                          "leader      pod-1 (this Pod)\n", "token       41\n", "valid for   "}) {
    EXPECT_NE(table.out.find(row), std::string::npos) << table.out;
  }
  EXPECT_EQ(run({"status", "--json"}).out, shown.dump() + "\n");
  auto led = leading("t", minutes(1));
  led["traffic"] = {{"leads", "here"}, {"reason", nullptr}};
  sidecar_.publish(led);
  EXPECT_NE(run({"status"}).out.find("traffic     here\n"), std::string::npos);
  led["traffic"] = {{"leads", "away"}, {"reason", "update endpointslice: 403"}};
  sidecar_.publish(led);
  EXPECT_NE(run({"status"}).out.find("traffic     away, update endpointslice: 403\n"),
            std::string::npos);
  auto hostile = document("blocked");
  hostile["reason"] = "a\nb\x1b[2J";
  sidecar_.publish(hostile);
  const std::string out = run({"status"}).out;
  EXPECT_NE(out.find("reason      a?b?[2J\n"), std::string::npos) << out;
  EXPECT_NE(out.find("leader      none known\n"), std::string::npos) << out;
}

TEST_F(ClientCommands, StatusWatchShowsEachChangeUntilTheStreamEnds) {
  const auto first = document("following");
  auto renewed = first, second = document("leading");
  renewed["validForMs"] = 5;
  second["revision"] = "r2";
  sidecar_.publish(first);
  Outcome outcome{};
  std::thread watching([&] { outcome = run({"status", "--watch", "--json"}); });
  EXPECT_TRUE(sidecar_.wait_for_streams(1));
  sidecar_.publish(renewed);  // the same revision: no change
  sidecar_.publish(second);
  sidecar_.end_streams();
  watching.join();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, first.dump() + "\n" + second.dump() + "\n");
  EXPECT_NE(outcome.err.find("the sidecar ended the stream"), std::string::npos);
}

TEST_F(ClientCommands, SomethingElseOnThePortIsNamed) {
  for (const char* body : {"<html>", "[]", "{}", R"({"isLeader":"yes"})", "", "{\"isLeader\":tr"}) {
    sidecar_.answer("/leader", 200, body);
    const Outcome outcome = run({"status"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.err.find("not a status document"), std::string::npos) << outcome.err;
  }
}

TEST_F(ClientCommands, WaitEndsWhenThisPodLeads) {
  sidecar_.publish(document("following"));
  Outcome outcome{};
  std::thread waiting([&] { outcome = run({"wait", "--timeout=1m"}); });
  EXPECT_TRUE(sidecar_.wait_for("GET /leader?wait="));
  sidecar_.publish(leading("t", minutes(1)));
  waiting.join();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "pod-1\n");
}

TEST_F(ClientCommands, WaitForALeaderIsContentWithAnother) {
  auto other = document("following");
  other["leader"] = {{"pod", "pod-2"}, {"identity", "pod-2_x_y"}};
  sidecar_.publish(other);
  EXPECT_EQ(run({"wait", "--leader"}).out, "pod-2\n");
  const Outcome outcome = run({"wait", "--timeout=0s"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "baton: wait: timed out; state following\n");
}

TEST(Documents, AYesNeedsATermATokenAndADeadlineAhead) {
  const Instant now = boot_now();
  const auto leads = [&](nlohmann::json json) { return parse_document(json.dump())->leads(now); };
  const auto good = leading("t", minutes(1));
  EXPECT_TRUE(leads(good));
  for (const char* no_token : {"", "0", "4x", "41\n", "1000000000000000000"}) {
    auto document = good;
    document["fencingToken"] = no_token;
    EXPECT_FALSE(leads(document)) << no_token;
  }
  for (const char* missing : {"termId", "fencingToken", "deadlineBoottimeNs"}) {
    auto bad = good;
    bad.erase(missing);
    EXPECT_FALSE(leads(bad)) << missing;
  }
  EXPECT_FALSE(leads(leading("t", -minutes(1))));
}

TEST(Documents, EventsComeLineByLine) {
  EventLines events;
  EXPECT_FALSE(events.feed(": heartbeat"));
  EXPECT_FALSE(events.feed(""));
  EXPECT_FALSE(events.feed("event: status\r"));
  EXPECT_FALSE(events.feed("data: {\"a\":\r"));
  EXPECT_FALSE(events.feed("data:1}"));
  EXPECT_EQ(events.feed("\r"), "{\"a\":\n1}");
  EXPECT_FALSE(events.feed(""));
}

}  // namespace
}  // namespace baton::cli
