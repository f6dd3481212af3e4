#include "support/belief_log.h"

#include <gtest/gtest.h>

namespace baton::test {
namespace {

std::string line(const std::string& message, const std::string& term, int token, int at,
                 int deadline = 0) {
  return R"({"msg":")" + message + R"(","term_id":")" + term + R"(","token":")" +
         std::to_string(token) + R"(","boottime_ns":)" + std::to_string(at) +
         R"(,"deadline_boottime_ns":)" + std::to_string(deadline) + "}\n";
}

std::size_t violations(const std::string& a, const std::string& b) {
  return judge({{"a", a}, {"b", b}}).violations.size();
}

TEST(Judge, TermsOneAfterTheOtherAreFine) {
  EXPECT_EQ(violations(line("gained", "x", 5, 10, 20) + line("extended", "x", 5, 15, 25),
                       "no JSON at all\n" + line("gained", "y", 6, 25, 35)),
            0U);
}

TEST(Judge, OverlapIsSeenAlsoAcrossExtensions) {
  EXPECT_EQ(violations(line("gained", "x", 5, 10, 20) + line("extended", "x", 5, 15, 25),
                       line("gained", "y", 6, 24, 35)),
            1U);
}

TEST(Judge, ABeliefBeginsBeforeItsLine) {
  std::string late = line("gained", "y", 6, 26, 35);
  EXPECT_EQ(violations(line("gained", "x", 5, 10, 25), late), 0U);
  late.replace(late.find('{'), 1, R"({"decided_boottime_ns":24,)");
  EXPECT_EQ(violations(line("gained", "x", 5, 10, 25), late), 1U);
}

TEST(Judge, LossEndsABeliefBeforeItsDeadline) {
  const std::string lost = line("gained", "x", 5, 10, 20) + line("lost", "x", 5, 12);
  EXPECT_EQ(violations(lost, line("gained", "y", 6, 13, 23)), 0U);
  EXPECT_EQ(violations(lost, line("gained", "y", 6, 11, 23)), 1U);
}

// A release is sent before its line is written (R12), and the next leader may be quick.
TEST(Judge, ABeliefEndsBeforeItsLine) {
  const std::string gained = line("gained", "x", 5, 10, 20);
  std::string end = line("draining", "x", 5, 14);
  const std::string next = line("gained", "y", 6, 13, 23);
  EXPECT_EQ(violations(gained + end, next), 1U);
  end.replace(0, 1, R"({"decided_boottime_ns":11,"published_boottime_ns":12,)");
  EXPECT_EQ(violations(gained + end, next), 0U);
  end.replace(end.find(":12,"), 4, ":14,");
  EXPECT_EQ(violations(gained + end, next), 1U) << "a yes was possible until then";
}

TEST(Judge, ALongTermIsComparedWithAllThatFollow) {
  EXPECT_EQ(violations(line("gained", "x", 5, 10, 100),
                       line("gained", "y", 6, 20, 30) + line("gained", "z", 7, 40, 50)),
            2U);
}

TEST(Judge, TokensRiseAndTermIdsAreUsedOnce) {
  EXPECT_EQ(violations(line("gained", "x", 5, 10, 20), line("gained", "y", 5, 30, 40)), 1U);
  EXPECT_EQ(violations(line("gained", "x", 5, 10, 20), line("gained", "x", 6, 30, 40)), 1U);
}

TEST(Judge, R19OwnPodsSuccessorOfADeadProcessMayBeginAtOnce) {
  const std::string first = line("gained", "x", 5, 10, 20);
  const std::string second = line("gained", "y", 6, 15, 25);
  EXPECT_EQ(judge({{"a", first, "pod", 14}, {"b", second, "pod"}}).violations.size(), 0U);
  EXPECT_EQ(judge({{"a", first, "pod", 16}, {"b", second, "pod"}}).violations.size(), 1U);
  EXPECT_EQ(judge({{"a", first, "pod", 0}, {"b", second, "pod"}}).violations.size(), 1U);
  EXPECT_EQ(judge({{"a", first, "pod", 14}, {"b", second, "another"}}).violations.size(), 1U);
  EXPECT_EQ(judge({{"a", first, "", 14}, {"b", second, ""}}).violations.size(), 1U);
}

TEST(Judge, NothingExtendsALostTerm) {
  EXPECT_EQ(violations(line("gained", "x", 5, 10, 20) + line("lost", "x", 5, 12) +
                           line("extended", "x", 5, 14, 24),
                       ""),
            1U);
}

}  // namespace
}  // namespace baton::test
