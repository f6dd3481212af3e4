#include "api/status_board.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace baton::api {
namespace {

using election::State;
using election::Status;

Instant at(std::int64_t ns) { return Instant(Duration(ns)); }

Status leading(std::int64_t n) {
  Status status;
  status.state = State::leading;
  status.believes = true;
  status.token = n;
  status.term_id = "term-" + std::to_string(n);
  status.reason = std::string(static_cast<std::size_t>(n % 400), 'r');
  status.deadline = at(n);
  status.fresh_at = at(n);
  status.leader = {"pod_" + std::to_string(n), "10.0.0.1:80", n, "since", n, at(n)};
  return status;
}

TEST(StatusBoard, ReadsWhatWasPublished) {
  StatusBoard board;
  EXPECT_EQ(board.read().status, Status{});
  EXPECT_EQ(board.read().change, 1U);
  EXPECT_TRUE(board.publish(leading(7)));
  EXPECT_EQ(board.read().status, leading(7));
  EXPECT_EQ(board.read().change, 2U);
}

TEST(StatusBoard, TimesAloneAreNoChange) {
  StatusBoard board;
  Status status = leading(7);
  EXPECT_TRUE(board.publish(status));
  status.fresh_at = status.leader.expires = at(9);
  status.watch_live = true;
  EXPECT_FALSE(board.publish(status)) << "nobody need be told";
  EXPECT_EQ(board.read().status, status);
  status.deadline = at(10);
  EXPECT_TRUE(board.publish(status)) << "streams carry the extended deadline";
  EXPECT_EQ(board.read().change, 2U) << "but the revision stays";
  status.state = State::uncertain;
  EXPECT_TRUE(board.publish(status));
  EXPECT_EQ(board.read().change, 3U);
}

TEST(StatusBoard, ForeignTextsAreCutAndMadePrintable) {
  StatusBoard board;
  Status status;
  status.leader.identity = std::string(4000, 'x');
  status.leader.address = std::string(4000, '\xff');
  for (int i = 0; i < 500; ++i) status.reason += "ä\n";
  board.publish(status);
  const Status shown = board.read().status;
  EXPECT_EQ(shown.leader.identity.substr(0, 500), std::string(500, 'x'));
  EXPECT_LE(shown.leader.identity.size(), 512U);
  EXPECT_EQ(shown.leader.address.front(), '?');
  EXPECT_EQ(shown.reason.find('\n'), std::string::npos);
  EXPECT_FALSE(board.publish(status)) << "the same long text again is no change";
}

// R2: nothing stores "I am leader"; an answer after the deadline is no.
TEST(StatusBoard, BeliefIsADeadline) {
  StatusBoard board;
  board.publish(leading(100));
  EXPECT_TRUE(board.read().leads(at(99)));
  EXPECT_FALSE(board.read().leads(at(100)));
}

// Section 5 (e): the largest validity ever handed out in an answer.
TEST(StatusBoard, OnlyAnswersThatGiveValidityAwayCount) {
  StatusBoard board;
  board.publish(leading(100));
  EXPECT_EQ(board.handed_out(), kLongAgo);
  EXPECT_FALSE(board.read_for_answer(at(100)).leads(at(100)));
  board.read();
  EXPECT_EQ(board.handed_out(), kLongAgo);
  EXPECT_EQ(board.answers(), 0U);
  EXPECT_TRUE(board.read_for_answer(at(99)).leads(at(99)));
  EXPECT_EQ(board.handed_out(), at(100));
  EXPECT_EQ(board.answers(), 1U);
  board.publish(leading(50));
  board.read_for_answer(at(1));
  EXPECT_EQ(board.handed_out(), at(100));
  EXPECT_EQ(board.answers(), 2U);
}

TEST(StatusBoard, NoReadIsTorn) {
  StatusBoard board;
  std::atomic<bool> stop{false};
  board.publish(leading(1));
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      std::int64_t last = 0;
      while (!stop) {
        const StatusView view = board.read();
        ASSERT_EQ(view.status, leading(view.status.token));
        ASSERT_GE(view.status.token, last) << "a reader never goes back";
        ASSERT_EQ(view.change, static_cast<std::uint64_t>(view.status.token) + 1);
        last = view.status.token;
      }
    });
  }
  for (std::int64_t n = 2; n <= 20'000; ++n) board.publish(leading(n));
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

// The contract that a release rests on: who publishes "no" and then reads handed_out() sees every
// deadline that any answer may carry.
TEST(StatusBoard, TheWriterSeesEveryDeadlineThatWasHandedOut) {
  constexpr std::int64_t kRounds = 20'000;
  StatusBoard board;
  std::atomic<std::int64_t> said_no{0};  // the writer has said no to this round
  std::vector<std::thread> readers;
  std::vector<std::vector<std::int64_t>> answers(3);  // the deadlines each reader has given away
  std::vector<std::int64_t> promised(kRounds + 1);    // handed_out() as read after each "no"
  for (auto& given : answers) {
    readers.emplace_back([&] {
      std::int64_t last = 0;
      while (said_no < kRounds) {
        const StatusView view = board.read_for_answer(at(0));
        const std::int64_t deadline = view.status.deadline.time_since_epoch().count();
        if (view.leads(at(0)) && deadline != last) given.push_back(last = deadline);
      }
    });
  }
  for (std::int64_t round = 1; round <= kRounds; ++round) {
    board.publish(leading(round));
    board.publish(Status{});
    promised[static_cast<std::size_t>(round)] = board.handed_out().time_since_epoch().count();
    said_no = round;
  }
  for (std::thread& reader : readers) reader.join();
  for (const auto& given : answers) {
    for (const std::int64_t deadline : given) {
      ASSERT_GE(promised[static_cast<std::size_t>(deadline)], deadline);
    }
  }
}

}  // namespace
}  // namespace baton::api
