// GET /leader, /leader/events, /token and /: what the application reads.
#include "local_api_fixture.h"

namespace baton::api {
namespace {

class LeaderTest : public ApiTest {};

TEST_F(LeaderTest, AFollowersDocument) {
  publish(following("web-1_aaaa_bbbb", server_.now + 9s));
  const Exchange answer = get("/leader");
  EXPECT_EQ(answer->answer.status, 503);
  EXPECT_EQ(header(answer, "Cache-Control"), "no-store");
  EXPECT_EQ(header(answer, "Content-Type"), "application/json");
  EXPECT_EQ(header(answer, "Baton-Valid-For-Ms"), "0");
  EXPECT_EQ(header(answer, "Baton-Fencing-Token"), "");
  EXPECT_EQ(
      answer->answer.body,
      "{\"isLeader\":false,\"state\":\"following\",\"reason\":null,\"election\":\"web\","
      "\"namespace\":\"prod\",\"pod\":\"web-0\",\"identity\":\"web-0_1234abcd_0011\","
      "\"fencingToken\":null,\"termId\":null,\"validForMs\":0,\"deadlineBoottimeNs\":null,"
      "\"leader\":{\"pod\":\"web-1\",\"identity\":\"web-1_aaaa_bbbb\",\"address\":"
      "\"10.0.0.7:80\",\"fencingToken\":\"41\",\"since\":\"2026-01-02T03:04:05.000000Z\","
      "\"transitions\":3},\"traffic\":null,\"revision\":\"77-2\",\"lease\":{\"durationMs\":15000,"
      "\"renewDeadlineMs\":12000,\"renewPeriodMs\":5000,\"requestTimeoutMs\":2000,"
      "\"retryMinMs\":250,\"retryMaxMs\":450}}\n");
}

TEST_F(LeaderTest, ALeadersDocument) {
  lead("t1", election::kMaxToken);
  server_.now += 1500ms + 1ns;
  const Exchange answer = get("/leader");
  EXPECT_EQ(answer->answer.status, 200);
  EXPECT_EQ(header(answer, "Baton-Valid-For-Ms"), "10499") << "rounded down";
  EXPECT_EQ(header(answer, "Baton-Fencing-Token"), "999999999999999999");
  const json shown = document(answer);
  EXPECT_EQ(shown["isLeader"], true);
  EXPECT_EQ(shown["state"], "leading");
  EXPECT_EQ(shown["fencingToken"], "999999999999999999") << "a string: no double holds it";
  EXPECT_EQ(shown["termId"], "t1");
  EXPECT_EQ(shown["validForMs"], 10499);
  EXPECT_EQ(shown["deadlineBoottimeNs"], "1012000000000");
  EXPECT_EQ(board_->handed_out(), Instant(1012s));
}

// R2: an answer says the deadline of its own moment, which is extended without another revision.
TEST_F(LeaderTest, AnExtendedDeadlineIsInTheNextAnswer) {
  lead();
  const json before = document(get("/leader"));
  publish(leading("t1", 42, server_.now + 20s));
  const json after = document(get("/leader"));
  EXPECT_EQ(after["deadlineBoottimeNs"], "1020000000000");
  EXPECT_EQ(after["validForMs"], 20000);
  EXPECT_EQ(after["revision"], before["revision"]);
}

// R2 and section 1: the first answer after a stop is no, with no timer having run.
TEST_F(LeaderTest, TheDeadlineIsComparedAtTheMomentOfAsking) {
  lead();
  const std::string before = document(get("/leader"))["revision"];
  server_.now += 12s;
  const Exchange answer = get("/leader");
  EXPECT_EQ(answer->answer.status, 503);
  const json shown = document(answer);
  EXPECT_EQ(shown["isLeader"], false);
  EXPECT_EQ(shown["state"], "degraded");
  EXPECT_EQ(shown["validForMs"], 0);
  EXPECT_EQ(shown["fencingToken"], nullptr);
  EXPECT_NE(shown["revision"], before) << "the revision differs after every change";
}

TEST_F(LeaderTest, UncertainAndWarmingAnswerYes) {
  for (const State state : {State::warming, State::uncertain}) {
    Status status = leading("t1", 42, server_.now + 3s);
    status.state = state;
    publish(status);
    EXPECT_EQ(get("/leader")->answer.status, 200);
    EXPECT_EQ(document(get("/leader"))["fencingToken"], "42");
  }
}

TEST_F(LeaderTest, ADrainingTermIsNamedButNotBelieved) {
  publish(draining("t1"));
  const json shown = document(get("/leader"));
  EXPECT_EQ(shown["isLeader"], false);
  EXPECT_EQ(shown["termId"], "t1");
  EXPECT_EQ(shown["fencingToken"], nullptr);
}

TEST_F(LeaderTest, TextsOfOthersStayJson) {
  Status status = following("a\"b\\c\n\xff", server_.now + 9s);
  status.leader.fencing_token.reset();
  publish(status);
  const json shown = document(get("/leader"));
  EXPECT_EQ(shown["leader"]["identity"], "a\"b\\c??");
  EXPECT_EQ(shown["leader"]["fencingToken"], nullptr) << "a foreign elector's token is unknown";
}

// Of the names that are the same in every answer nothing is replaced: JSON can write them all.
TEST_F(LeaderTest, WhatJsonEscapesIsReadBackWherever) {
  for (const std::string text :
       {"\"", "\\\\", "\"a", "a\\", "\na\n", "a\x1f\"\\\t", "\xC3\xA9\""}) {
    Context context = context_;
    context.election = text;
    LocalApi api(context);
    api.attach(server_);
    const auto exchange = std::make_shared<FakeExchange>(
        http::Request{"GET", "/leader", {{"Host", "localhost:4040"}}, ""}, false);
    api.handler()(exchange);
    EXPECT_EQ(document(exchange)["election"], text);
  }
}

// Beside the status: a change of where the Service leads is a change of the document.
TEST_F(LeaderTest, TellsWhereTheTrafficLeads) {
  const auto board = std::make_shared<TrafficBoard>();
  Context context = context_;
  context.traffic = board;
  LocalApi api(context);
  api.attach(server_);
  const auto ask = [&](const std::string& target) {
    const auto exchange = std::make_shared<FakeExchange>(
        http::Request{"GET", target, {{"Host", "localhost:4040"}}, ""}, false);
    api.handler()(exchange);
    return exchange;
  };
  lead();
  const json before = document(ask("/leader"));
  EXPECT_EQ(before["traffic"], (json{{"leads", "unknown"}, {"reason", nullptr}}));
  const Exchange poll = ask("/leader?wait=30s&after=" + before["revision"].get<std::string>());
  EXPECT_EQ(poll->replies, 0);
  const TrafficState refused{TrafficState::Leads::away, "update \"web\": 403\n"};
  EXPECT_TRUE(board->publish(refused));
  api.changed();
  server_.run_posted();
  ASSERT_EQ(poll->replies, 1);
  EXPECT_EQ(document(poll)["traffic"],
            (json{{"leads", "away"}, {"reason", "update \"web\": 403?"}}));
  EXPECT_FALSE(board->publish(refused)) << "no change";
  EXPECT_EQ(document(ask("/leader"))["revision"], document(poll)["revision"]);
}

TEST_F(LeaderTest, MinRemaining) {
  lead();
  EXPECT_EQ(get("/leader?minRemaining=12s")->answer.status, 200);
  server_.now += 1ns;
  EXPECT_EQ(get("/leader?minRemaining=12s")->answer.status, 503);
  EXPECT_EQ(get("/leader?minRemaining=11999ms")->answer.status, 200);
}

TEST_F(LeaderTest, HeadIsAnsweredAsGet) {
  lead();
  EXPECT_EQ(get("/leader", "HEAD")->answer.status, 200);
  EXPECT_EQ(get("/", "HEAD")->answer.status, 200);
}

TEST_F(LeaderTest, ALongPollIsAnsweredByAChange) {
  lead();
  const std::string revision = document(get("/leader"))["revision"];
  const Exchange poll = get("/leader?wait=30s&after=" + revision);
  EXPECT_EQ(poll->replies, 0);
  publish(leading("t1", 42, server_.now + 13s));
  EXPECT_EQ(poll->replies, 0) << "a renewal is no change";
  publish(following("web-1_aaaa_bbbb", server_.now + 9s));
  ASSERT_EQ(poll->replies, 1);
  EXPECT_EQ(poll->answer.status, 503);
  server_.run_until(server_.now + 60s);
  EXPECT_EQ(poll->replies, 1);
}

TEST_F(LeaderTest, ALongPollIsAnsweredAtOnceIfTheRevisionDiffersAlready) {
  EXPECT_EQ(get("/leader?wait=30s&after=of-another-process")->replies, 1);
}

TEST_F(LeaderTest, ALongPollEndsAfterItsWait) {
  lead();
  const Exchange poll = get("/leader?wait=2s&after=77-2");
  server_.run_until(server_.now + 1999ms);
  EXPECT_EQ(poll->replies, 0);
  server_.run_until(server_.now + 1ms);
  ASSERT_EQ(poll->replies, 1);
  EXPECT_EQ(poll->answer.status, 200);
  EXPECT_EQ(document(poll)["validForMs"], 10000) << "computed when it is written";
}

TEST_F(LeaderTest, ALapseAnswersALongPollWithoutTheElectionsThread) {
  lead();
  const Exchange poll = get("/leader?wait=1m&after=77-2");
  server_.run_until(server_.now + 12s - 1ns);
  EXPECT_EQ(poll->replies, 0);
  server_.run_until(server_.now + 1ns);
  ASSERT_EQ(poll->replies, 1);
  EXPECT_EQ(poll->answer.status, 503);
}

TEST_F(LeaderTest, ALongPollWithoutAPlaceIsAnsweredTruly) {
  lead();
  server_.places = 0;
  const Exchange poll = get("/leader?wait=30s&after=77-2");
  ASSERT_EQ(poll->replies, 1);
  EXPECT_EQ(poll->answer.status, 200) << "503 would say that this Pod does not lead";
  EXPECT_EQ(header(poll, "Retry-After"), "1");
}

TEST_F(LeaderTest, APollThatHungUpIsForgotten) {
  lead();
  Exchange poll = get("/leader?wait=30s&after=77-2");
  const std::weak_ptr<FakeExchange> watched = poll;
  poll->end(true);
  poll.reset();
  EXPECT_TRUE(watched.expired()) << "its place is given back";
  publish(following("web-1_aaaa_bbbb", server_.now + 9s));
}

TEST_F(LeaderTest, EventsOneAtOnceOneAChange) {
  lead();
  const Exchange stream = get("/leader/events");
  ASSERT_TRUE(stream->streams);
  EXPECT_EQ(header(stream, "Content-Type"), "text/event-stream");
  ASSERT_EQ(stream->written.size(), 1U);
  EXPECT_TRUE(stream->written[0].starts_with("id: 77-2\ndata: {")) << stream->written[0];
  EXPECT_EQ(event(stream->written[0])["fencingToken"], "42");
  server_.now += 5s;
  publish(leading("t1", 42, server_.now + 12s));
  ASSERT_EQ(stream->written.size(), 2U) << "an extended deadline is told";
  EXPECT_EQ(event(stream->written[1])["validForMs"], 12000);
  EXPECT_EQ(event(stream->written[1])["revision"], "77-2");
  publish(draining("t1"));
  ASSERT_EQ(stream->written.size(), 3U);
  EXPECT_EQ(event(stream->written[2])["isLeader"], false);
}

TEST_F(LeaderTest, EventsTellALapseAndKeepTheConnectionWarm) {
  lead();
  const Exchange stream = get("/leader/events");
  server_.run_until(server_.now + 12s);
  ASSERT_EQ(stream->written.size(), 2U);
  EXPECT_EQ(event(stream->written[1])["isLeader"], false);
  server_.run_until(server_.now + 20s);
  ASSERT_EQ(stream->written.size(), 4U);
  EXPECT_EQ(stream->written[2], ":\n\n");
  EXPECT_EQ(stream->written[3], ":\n\n");
  stream->end(true);
  server_.run_until(server_.now + 60s);
  EXPECT_EQ(stream->written.size(), 4U);
}

TEST_F(LeaderTest, EventsWithoutAPlaceAreRefused) {
  server_.places = 0;
  const Exchange stream = get("/leader/events");
  EXPECT_EQ(stream->answer.status, 503);
  EXPECT_EQ(header(stream, "Retry-After"), "1");
  EXPECT_EQ(get("/leader/events", "HEAD")->answer.status, 405);
}

TEST_F(LeaderTest, TokenForShellScripts) {
  EXPECT_EQ(get("/token")->answer.status, 503);
  EXPECT_EQ(get("/token")->answer.body, "");
  lead();
  EXPECT_EQ(get("/token")->answer.status, 200);
  EXPECT_EQ(get("/token")->answer.body, "42");
  EXPECT_EQ(header(get("/token"), "Content-Type"), "text/plain");
  server_.now += 12s;
  EXPECT_EQ(get("/token")->answer.status, 503);
  EXPECT_EQ(get("/token")->answer.body, "");
}

// Section 4: the drop-in for the retired leader-elector; always 200.
TEST_F(LeaderTest, LegacyName) {
  const auto name = [this] {
    const Exchange answer = get("/");
    EXPECT_EQ(answer->answer.status, 200);
    return answer->answer.body;
  };
  EXPECT_EQ(name(), "{\"name\":\"\"}");
  publish(following("web-1_aaaa_bbbb", server_.now + 9s));
  EXPECT_EQ(name(), "{\"name\":\"web-1\"}");
  server_.now += 9s;
  EXPECT_EQ(name(), "{\"name\":\"\"}") << "its observed record has expired";
  Status foreign = following("host_with_underscores", server_.now + 9s);
  foreign.leader.fencing_token.reset();
  publish(foreign);
  EXPECT_EQ(name(), "{\"name\":\"host_with_underscores\"}") << "answered whole";
}

TEST_F(LeaderTest, LegacyNameOfTheOwnPodOnlyWhileLeading) {
  lead();
  EXPECT_EQ(get("/")->answer.body, "{\"name\":\"web-0\"}");
  EXPECT_EQ(board_->handed_out(), server_.now + 12s) << "`/` hands out validity too";
  publish(following("web-0_1234abcd_0011", server_.now + 9s));
  EXPECT_EQ(get("/")->answer.body, "{\"name\":\"\"}");
  publish(following("web-0_5555_earlier", server_.now + 9s));
  EXPECT_EQ(get("/")->answer.body, "{\"name\":\"\"}") << "an earlier incarnation of this Pod";
}

}  // namespace
}  // namespace baton::api
