// POST /resign, /drained, /ready-to-lead, /token/advance, /fencing/rejections, and the proofs.
#include "local_api_fixture.h"

namespace baton::api {
namespace {

using election::Proof;
using election::WorkEnded;

class ControlTest : public ApiTest {
 protected:
  using ApiTest::ApiTest;
  std::vector<Proof> proofs() const {
    std::vector<Proof> all;
    for (const election::Event& event : posted_) {
      if (const auto* ended = std::get_if<WorkEnded>(&event)) all.push_back(ended->proof);
    }
    return all;
  }
  void release() { publish(following("", Instant())); }
};

TEST_F(ControlTest, ResignAnswersAsSoonAsBeliefHasEnded) {
  lead();
  const Exchange resign = post("/resign");
  ASSERT_EQ(posted<election::Resign>(), 1);
  EXPECT_EQ(resign->replies, 0);
  publish(draining("t1"));
  ASSERT_EQ(resign->replies, 1);
  EXPECT_EQ(resign->answer.status, 202) << "not yet released";
  EXPECT_EQ(document(resign)["isLeader"], false);
}

TEST_F(ControlTest, ResignWaitsForTheRelease) {
  lead();
  const Exchange resign = post("/resign?wait=30s");
  publish(draining("t1"));
  EXPECT_EQ(resign->replies, 0);
  release();
  ASSERT_EQ(resign->replies, 1);
  EXPECT_EQ(resign->answer.status, 200);
}

TEST_F(ControlTest, ResignGivesUpWaiting) {
  lead();
  const Exchange resign = post("/resign?wait=3s");
  publish(draining("t1"));
  server_.run_until(server_.now + 3s);
  ASSERT_EQ(resign->replies, 1);
  EXPECT_EQ(resign->answer.status, 202);
  EXPECT_EQ(document(resign)["state"], "draining");
}

TEST_F(ControlTest, ResignIsIdempotent) {
  EXPECT_EQ(post("/resign?wait=5s")->answer.status, 200) << "no term: nothing to release";
  publish(draining("t1"));
  const Exchange again = post("/resign?wait=5s");
  EXPECT_EQ(again->replies, 0);
  release();
  EXPECT_EQ(again->answer.status, 200);
}

TEST_F(ControlTest, ResignDrainedProvesAtOnce) {
  lead();
  post("/resign?drained=true&wait=5s");
  ASSERT_EQ(posted_.size(), 2U);
  EXPECT_EQ(std::get<WorkEnded>(posted_[0]).term_id, "t1") << "before a drain could be written";
  EXPECT_TRUE(std::holds_alternative<election::Resign>(posted_[1]));
  EXPECT_EQ(proofs(), std::vector{Proof::drained});
}

TEST_F(ControlTest, AnnounceReleasesNothing) {
  lead();
  const Exchange announce = post("/resign?announce=true");
  EXPECT_EQ(announce->replies, 0) << "whoever asks after the answer must be told no";
  EXPECT_EQ(posted<election::Announce>(), 1);
  EXPECT_EQ(posted_.size(), 1U);
  EXPECT_EQ(post("/resign?announce=true&drained=true")->answer.status, 400);
  EXPECT_EQ(post("/resign?announce=true&wait=1s")->answer.status, 400);
  EXPECT_EQ(posted_.size(), 1U);
  publish(draining("t1"));
  ASSERT_EQ(announce->replies, 1);
  EXPECT_EQ(announce->answer.status, 202);
}

TEST_F(ControlTest, DrainedOfAnotherTermDoesNothing) {
  lead("t2");
  const Exchange stale = post("/drained", R"({"termId":"t1"})");
  EXPECT_EQ(stale->answer.status, 409);
  EXPECT_EQ(post("/resign", R"({"termId":"t1"})")->answer.status, 409);
  EXPECT_EQ(post("/ready-to-lead", R"({"termId":"t1"})")->answer.status, 409);
  EXPECT_TRUE(posted_.empty());
  EXPECT_EQ(post("/drained")->answer.status, 400);
}

TEST_F(ControlTest, DrainedReleasesAndMayBeRepeated) {
  lead();
  const Exchange drained = post("/drained?wait=5s", R"({"termId":"t1"})");
  EXPECT_EQ(proofs(), std::vector{Proof::drained});
  publish(draining("t1"));
  release();
  EXPECT_EQ(drained->answer.status, 200);
  EXPECT_EQ(post("/drained", R"({"termId":"t1"})")->answer.status, 200);
  EXPECT_EQ(proofs().size(), 1U);
}

// Section 5 (b): the kernel closes a holding connection when the application dies.
TEST_F(ControlTest, TheEndOfTheHoldingConnectionIsAProofWhileDraining) {
  lead();
  const Exchange one = get("/leader/events?hold=true");
  const Exchange two = get("/leader/events?hold=true");
  get("/leader/events")->end(true);
  publish(draining("t1"));
  EXPECT_TRUE(proofs().empty());
  one->end(true);
  EXPECT_TRUE(proofs().empty()) << "one is still open";
  two->end(true);
  EXPECT_EQ(proofs(), std::vector{Proof::connections_closed});
}

TEST_F(ControlTest, AClosedConnectionProvesNothingWhileLeading) {
  lead();
  get("/leader/events?hold=true")->end(true);
  EXPECT_TRUE(proofs().empty());
  publish(draining("t1"));
  EXPECT_EQ(proofs(), std::vector{Proof::connections_closed}) << "nobody was answered yes since";
}

TEST_F(ControlTest, AnAnswerAfterTheCloseTakesTheProofAway) {
  lead();
  get("/leader/events?hold=true")->end(true);
  EXPECT_EQ(get("/leader")->answer.status, 200);  // a restarted application asks
  publish(draining("t1"));
  EXPECT_TRUE(proofs().empty());
}

TEST_F(ControlTest, AConnectionThatWeCutProvesNothing) {
  lead();
  const Exchange stream = get("/leader/events?hold=true");
  publish(draining("t1"));
  stream->end(false);
  EXPECT_TRUE(proofs().empty());
}

TEST_F(ControlTest, APlainClosedConnectionIsNoProof) {
  lead();
  const Exchange stream = get("/leader/events");
  publish(draining("t1"));
  stream->end(true);
  EXPECT_TRUE(proofs().empty());
}

TEST_F(ControlTest, AConnectionHeldIntoANewTermHoldsThatToo) {
  lead("t1");
  const Exchange stream = get("/leader/events?hold=true");
  publish(draining("t1"));
  lead("t2", 43);
  publish(draining("t2"));
  EXPECT_TRUE(proofs().empty());
  stream->end(true);
  ASSERT_EQ(proofs().size(), 1U);
  EXPECT_EQ(std::get<WorkEnded>(posted_.back()).term_id, "t2");
}

TEST_F(ControlTest, TwoListenersShareTheLedger) {
  lead();
  LocalApi second{context_};
  FakeServer server;
  second.attach(server);
  const auto held = std::make_shared<FakeExchange>(
      http::Request{"GET", "/leader/events?hold=true", {{"Host", "[::1]:4040"}}, ""}, false);
  second.handler()(held);
  const Exchange here = get("/leader/events?hold=true");
  publish(draining("t1"));
  here->end(true);
  EXPECT_TRUE(proofs().empty());
  held->end(true);
  EXPECT_EQ(proofs(), std::vector{Proof::connections_closed});
}

TEST_F(ControlTest, ReadyToLead) {
  EXPECT_EQ(post("/ready-to-lead")->answer.status, 409);
  Status status = leading("t1", 42, server_.now + 12s);
  status.state = State::warming;
  publish(status);
  const Exchange ready = post("/ready-to-lead", R"({"termId":"t1"})");
  EXPECT_EQ(std::get<election::ReadyToLead>(posted_.at(0)).term_id, "t1");
  EXPECT_EQ(ready->replies, 0);
  lead();
  EXPECT_EQ(ready->answer.status, 200);
  EXPECT_EQ(document(ready)["state"], "leading");
}

TEST_F(ControlTest, RejectionsAreReported) {
  EXPECT_EQ(post("/fencing/rejections", R"({"token":41,"highestToken":"42","resource":"db"})")
                ->answer.status,
            204);
  ASSERT_EQ(rejections_.size(), 1U);
  EXPECT_EQ(rejections_[0].token, "41");
  EXPECT_EQ(rejections_[0].highest_token, "42");
  EXPECT_EQ(rejections_[0].resource, "db");
  EXPECT_EQ(post("/fencing/rejections", R"({"resource":"db"})")->answer.status, 400);
  EXPECT_EQ(post("/fencing/rejections", R"({"token":0})")->answer.status, 400);
  EXPECT_EQ(rejections_.size(), 1U);
}

TEST_F(ControlTest, AdvanceIsConfirmedByANewTerm) {
  EXPECT_EQ(post("/token/advance", R"({"atLeast":100})")->answer.status, 409);
  lead();
  const Exchange advance = post("/token/advance", R"({"atLeast":100})");
  ASSERT_EQ(posted<election::AdvanceToken>(), 1);
  publish(following("", Instant()));
  lead("t2", 99);
  EXPECT_EQ(advance->replies, 0);
  lead("t3", 100);
  EXPECT_EQ(advance->answer.status, 200);
  EXPECT_EQ(document(advance)["fencingToken"], "100");
  EXPECT_EQ(post("/token/advance", R"({"atLeast":100})")->answer.status, 200)
      << "a repeated call costs no term";
  EXPECT_EQ(posted<election::AdvanceToken>(), 1);
}

TEST_F(ControlTest, AdvanceIsBounded) {
  lead();
  for (const char* bad :
       {"0", "-1", "1000000000000000000", "1.5", "true", "\"x\"", "1000000000043"}) {
    EXPECT_EQ(post("/token/advance", std::string(R"({"atLeast":)") + bad + "}")->answer.status, 400)
        << bad;
  }
  EXPECT_TRUE(posted_.empty());
  const Exchange late = post("/token/advance", R"({"atLeast":"1000000000042"})");
  publish(following("", Instant()));
  server_.run_until(server_.now + 30s);
  EXPECT_EQ(late->answer.status, 504);
}

class NamedHoldersTest : public ControlTest {
 protected:
  NamedHoldersTest() : ControlTest({"app", "worker"}) {}
};

TEST_F(NamedHoldersTest, EachMustHaveSaidSo) {
  lead();
  post("/drained", R"({"termId":"t1","name":"app"})");
  EXPECT_TRUE(proofs().empty());
  post("/resign?drained=true&name=worker");
  EXPECT_EQ(proofs(), std::vector{Proof::drained});
}

TEST_F(NamedHoldersTest, OneSaysSoTheOtherCloses) {
  lead();
  const Exchange app = get("/leader/events?hold=true&name=app");
  const Exchange worker = get("/leader/events?hold=true&name=worker");
  publish(draining("t1"));
  app->end(true);
  EXPECT_TRUE(proofs().empty());
  post("/drained", R"({"termId":"t1","name":"worker"})");
  EXPECT_EQ(proofs(), std::vector{Proof::connections_closed});
}

TEST_F(NamedHoldersTest, ACutHolderMayComeBack) {
  lead();
  get("/leader/events?hold=true&name=app")->end(false);
  const Exchange app = get("/leader/events?hold=true&name=app");
  post("/drained", R"({"termId":"t1","name":"worker"})");
  publish(draining("t1"));
  app->end(true);
  EXPECT_EQ(proofs(), std::vector{Proof::connections_closed});
}

TEST_F(NamedHoldersTest, OthersMayNotSpeak) {
  lead();
  for (const char* target : {"/leader/events?hold=true", "/leader/events?hold=true&name=x"}) {
    EXPECT_EQ(get(target)->answer.status, 400) << target;
  }
  const Exchange refused = post("/drained", R"({"termId":"t1","name":"x"})");
  EXPECT_EQ(refused->answer.status, 400);
  EXPECT_EQ(error(refused),
            "name: \"x\" is none of the configured holders; use one of app, worker");
  EXPECT_EQ(post("/resign?drained=true")->answer.status, 400);
  EXPECT_TRUE(posted_.empty());
}

}  // namespace
}  // namespace baton::api
