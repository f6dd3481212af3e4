// `baton exec`: the leash in logical time, the child as a process, and the whole against a sidecar
// whose answers the test writes.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "cli/child.h"
#include "cli/leash.h"
#include "unit/cli/fake_sidecar.h"

namespace baton::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Order = Leash::Order;

Instant at(Duration since) { return Instant(seconds(1000) + since); }

Document yes(const std::string& term, Duration deadline) {
  Document document;
  document.is_leader = true;
  document.term_id = term;
  document.fencing_token = "1";
  document.deadline = at(deadline);
  document.validity = seconds(12);
  return document;
}

TEST(Leash, WithoutAnAnswerTheChildLivesToTheLastDeadlineOnly) {
  // "No answer means no: a client that gets no connection keeps the last deadline, nothing longer."
  const Leash leash(yes("t", seconds(12)), at(seconds(0)));
  EXPECT_EQ(leash.order(at(milliseconds(9999))), Order::work);
  EXPECT_EQ(leash.next_change(at(seconds(0))), at(seconds(10)));
  EXPECT_EQ(leash.order(at(seconds(10))), Order::stop);
  EXPECT_EQ(leash.next_change(at(seconds(10))), at(milliseconds(11500)));
  EXPECT_EQ(leash.order(at(milliseconds(11500))), Order::kill);
  EXPECT_EQ(leash.next_change(at(milliseconds(11500))), kNever);
}

TEST(Leash, OnlyAYesForTheSameTermMakesItLonger) {
  Leash leash(yes("t", seconds(12)), at(seconds(0)));
  leash.see(yes("t", seconds(17)), at(seconds(5)));
  EXPECT_EQ(leash.order(at(seconds(14))), Order::work);
  leash.see(yes("t", seconds(13)), at(seconds(6)));  // an older answer that came late
  EXPECT_EQ(leash.order(at(seconds(14))), Order::work);
  leash.see(yes("u", seconds(30)), at(seconds(6)));
  EXPECT_EQ(leash.order(at(seconds(6))), Order::stop);
  leash.see(yes("t", seconds(30)), at(seconds(7)));
  EXPECT_EQ(leash.order(at(seconds(7))), Order::stop);
  EXPECT_EQ(leash.order(at(milliseconds(16500))), Order::kill);
}

TEST(Leash, ANoEndsIt) {
  Leash leash(yes("t", seconds(12)), at(seconds(0)));
  Document no = yes("t", seconds(12));
  no.is_leader = false;
  leash.see(no, at(seconds(1)));
  EXPECT_EQ(leash.order(at(seconds(1))), Order::stop);
  EXPECT_EQ(leash.next_change(at(seconds(1))), at(milliseconds(11500)));
}

TEST(Leash, AYesAfterTheStopIsTooLate) {
  Leash leash(yes("t", seconds(12)), at(seconds(0)));
  leash.see(yes("t", seconds(22)), at(seconds(11)));
  EXPECT_EQ(leash.order(at(seconds(11))), Order::stop);
}

/// Blocks until the child has ended.
int exit_of(Child& child) {
  while (true) {
    if (const auto code = child.poll_exit()) return *code;
    poll(nullptr, 0, 1);
  }
}

/// A pipe whose write end children inherit: its end of file says that all of them are gone.
class LifeLine {
 public:
  LifeLine() { EXPECT_EQ(pipe(ends_), 0); }
  ~LifeLine() {
    close(ends_[0]);
    close_write_end();
  }
  void close_write_end() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  /// The next byte written, 0 at the end of file, -1 if there is none in time.
  int next(int timeout_ms = 10'000) {
    pollfd readable{ends_[0], POLLIN, 0};
    if (poll(&readable, 1, timeout_ms) != 1) return -1;
    char byte = 0;
    return read(ends_[0], &byte, 1) == 1 ? byte : 0;
  }
  std::string write_end() const { return std::to_string(ends_[1]); }

 private:
  int ends_[2];
};

TEST(Children, ExitCodesAndSignalsAreTold) {
  auto exits = Child::start({"sh", "-c", "exit 5"}, {});
  EXPECT_EQ(exit_of(*exits), 5);
  auto killed = Child::start({"sh", "-c", "kill -9 $$"}, {});
  EXPECT_EQ(exit_of(*killed), 128 + SIGKILL);
  auto told = Child::start({"sh", "-c", "test \"$A\" = b"}, {{"A", "b"}});
  EXPECT_EQ(exit_of(*told), 0);
}

TEST(Children, ACommandThatCannotBeStartedIsAnError) {
  EXPECT_EQ(Child::start({"/no/such/program"}, {}).error(),
            "/no/such/program: No such file or directory");
  EXPECT_EQ(Child::start({"/etc/passwd"}, {}).error(), "/etc/passwd: Permission denied");
}

TEST(Children, WhatIsLeftOfTheGroupDiesWithTheChild) {
  LifeLine life;
  auto child = Child::start({"sh", "-c", "sleep 1000 & echo x >&" + life.write_end()}, {});
  life.close_write_end();
  EXPECT_EQ(life.next(), 'x');
  EXPECT_EQ(exit_of(*child), 0);
  while (const int byte = life.next()) ASSERT_NE(byte, -1);
}

class Exec : public testing::Test {
 protected:
  /// `baton exec` has its process to itself and blocks its signals before it makes threads; here
  /// the test's own threads would take them.
  static void SetUpTestSuite() { mask_signals(SIG_BLOCK); }
  static void TearDownTestSuite() { mask_signals(SIG_UNBLOCK); }
  static void mask_signals(int how) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    pthread_sigmask(how, &signals, nullptr);
  }
  /// Runs `baton exec -- sh -c script` on a thread of its own.
  void start(const std::string& script, std::vector<std::string> options = {}) {
    std::vector<std::string> arguments = {"exec", "--local-address", sidecar_.address()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    for (const std::string& word :
         {std::string("--"), std::string("sh"), std::string("-c"), script}) {
      arguments.push_back(word);
    }
    thread_ = std::thread([this, arguments] { outcome_ = run_cli(arguments); });
  }
  /// Gives short yeses until the command has started under one of them, then no more.
  void lead_briefly() {
    for (int tries = 0; tries < 20; ++tries) {
      auto yes = leading("t", milliseconds(1500));
      yes["lease"]["renewDeadlineMs"] = 1500;
      sidecar_.publish(yes);
      if (life_.next(1500) == 'x') return;
    }
    ADD_FAILURE() << "the command was not started";
  }
  /// Its code is the killed command's if the signal comes before the command has been reaped.
  void expect_end_by_sigterm() {
    kill(getpid(), SIGTERM);
    const int code = end().code;
    EXPECT_TRUE(code == 128 + SIGTERM || code == 128 + SIGKILL) << code;
  }
  Outcome end() {
    thread_.join();
    return outcome_;
  }

  FakeSidecar sidecar_;
  LifeLine life_;
  Outcome outcome_{};
  std::thread thread_;
};

TEST_F(Exec, RunsTheCommandWhileLeadingAndResignsAfterIt) {
  sidecar_.answer("/resign", 200, document("released").dump());
  sidecar_.publish(document("following"));
  start("echo $BATON_FENCING_TOKEN$BATON_TERM_ID >&" + life_.write_end() + "; exit 3",
        {"--name=web"});
  ASSERT_TRUE(sidecar_.wait_for("GET /leader/events?hold=true&name=web"));
  sidecar_.publish(leading("t", minutes(1)));
  const Outcome outcome = end();
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_EQ(life_.next(), '4');
  EXPECT_EQ(life_.next(), '1');
  EXPECT_EQ(life_.next(), 't');
  EXPECT_TRUE(sidecar_.wait_for(R"(POST /resign?drained=true&name=web {"termId":"t"})"));
}

TEST_F(Exec, EndsTheCommandOnLossAndRunsItAgainInTheNextTerm) {
  sidecar_.answer("/resign", 200, document("released").dump());
  sidecar_.publish(leading("one", minutes(1)));
  start("trap 'echo T >&" + life_.write_end() + "; exit 0' TERM; echo $BATON_TERM_ID >&" +
        life_.write_end() + "; test $BATON_TERM_ID = two && exit 0; while :; do sleep 0.05; done");
  EXPECT_EQ(life_.next(), 'o');
  for (const char c : {'n', 'e', '\n'}) EXPECT_EQ(life_.next(), c);
  sidecar_.publish(document("following"));
  EXPECT_EQ(life_.next(), 'T');
  // The end of the holding connection is the proof that the work has ended.
  EXPECT_TRUE(sidecar_.wait_for_streams(2));
  for (const std::string& request : sidecar_.requests()) EXPECT_FALSE(request.starts_with("POST"));
  sidecar_.publish(leading("two", minutes(1)));
  EXPECT_EQ(end().code, 0);
}

TEST_F(Exec, KillsACommandThatIgnoresTheLoss) {
  sidecar_.publish(document("following"));
  start("trap '' TERM; echo x >&" + life_.write_end() + "; while :; do sleep 0.05; done");
  lead_briefly();
  life_.close_write_end();
  while (const int byte = life_.next()) ASSERT_NE(byte, -1);  // nobody renews: killed in time
  expect_end_by_sigterm();
}

TEST_F(Exec, ASilentSidecarMeansTheLastDeadline) {
  sidecar_.publish(document("following"));
  start("echo x >&" + life_.write_end() + "; while :; do sleep 0.05; done");
  lead_briefly();
  life_.close_write_end();
  sidecar_.stop();
  while (const int byte = life_.next()) ASSERT_NE(byte, -1);
  expect_end_by_sigterm();
}

TEST_F(Exec, ForwardsSignalsAndExitsWithTheCommandsCode) {
  sidecar_.answer("/resign", 200, document("released").dump());
  sidecar_.publish(leading("t", minutes(1)));
  start("trap 'exit 9' TERM; echo x >&" + life_.write_end() + "; while :; do sleep 0.05; done");
  EXPECT_EQ(life_.next(), 'x');
  kill(getpid(), SIGTERM);
  EXPECT_EQ(end().code, 9);
  EXPECT_TRUE(sidecar_.wait_for("POST /resign?drained=true"));
}

TEST_F(Exec, ACommandThatCannotBeStartedResigns) {
  sidecar_.answer("/resign", 200, document("released").dump());
  sidecar_.publish(leading("t", minutes(1)));
  const Outcome outcome =
      run_cli({"exec", "--local-address", sidecar_.address(), "--", "/no/such/program"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("/no/such/program: No such file"), std::string::npos);
  EXPECT_TRUE(sidecar_.wait_for("POST /resign?drained=true"));
}

}  // namespace
}  // namespace baton::cli
