// The checker of histories takes what a lock with fencing does, and refuses each way of breaking
// it. Without this its verdict on the mixed election would say nothing.
#include <gtest/gtest.h>

#include "mixed/history_check.h"

namespace baton::test {
namespace {

// Two terms; the application of the first one wakes up late and is refused.
std::vector<Operation> good() {
  return {
      {"p0", "acquire", 7, 0, false, 10, 12},  //
      {"p0", "seal", 7, 0, true, 13, 14},      //
      {"p0", "read", 0, 0, false, 15, 16},     //
      {"p0", "write", 7, 1, true, 17, 18},     //
      {"p0", "expire", 7, 0, false, 40, 40},   //
      {"p1", "acquire", 9, 0, false, 38, 42},  //
      {"p1", "seal", 9, 0, true, 43, 44},      //
      {"p1", "read", 0, 1, false, 45, 46},     //
      {"p0", "write", 7, 2, false, 47, 48},    //
      {"p1", "write", 9, 2, true, 49, 50},     //
      {"p1", "release", 9, 0, false, 60, 60},
  };
}

TEST(LockHistory, AGoodOneIsLinearizable) {
  const auto verdict = check_history(good());
  EXPECT_TRUE(verdict.linearizable) << verdict.line;
  EXPECT_NE(verdict.line.find("11 operations"), std::string::npos) << verdict.line;
}

TEST(LockHistory, TwoLeadersAtOnceAreRefused) {
  auto history = good();
  history[5].return_ns = 39;  // the other one's term ends at 40
  const auto verdict = check_history(history);
  EXPECT_FALSE(verdict.linearizable) << verdict.line;
  EXPECT_NE(verdict.line.find("p1: acquire, token 9"), std::string::npos) << verdict.line;
}

TEST(LockHistory, ATokenThatDoesNotRiseIsRefused) {
  auto history = good();
  history.push_back({"p0", "acquire", 9, 0, false, 70, 71});
  EXPECT_FALSE(check_history(history).linearizable);
}

TEST(LockHistory, AStaleWriteThatWasTakenIsRefused) {
  auto history = good();
  history[8].accepted = true;
  EXPECT_FALSE(check_history(history).linearizable);
}

TEST(LockHistory, AFreshWriteThatWasRefusedIsRefused) {
  auto history = good();
  history[9].accepted = false;
  EXPECT_FALSE(check_history(history).linearizable);
}

TEST(LockHistory, AWriteWithATokenThatNobodyGotIsRefused) {
  auto history = good();
  history[9].token = 10;
  EXPECT_FALSE(check_history(history).linearizable);
}

TEST(LockHistory, ALostUpdateIsRefused) {
  auto history = good();
  history[7].value = 0;
  EXPECT_FALSE(check_history(history).linearizable);
}

TEST(LockHistory, WhatIsNoHistoryIsSaidInOneLine) {
  const auto verdict = check_history({});
  EXPECT_FALSE(verdict.linearizable);
  EXPECT_NE(verdict.line.find("has no operation"), std::string::npos) << verdict.line;
}

}  // namespace
}  // namespace baton::test
