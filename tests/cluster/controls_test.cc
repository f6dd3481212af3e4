// R18: what a person asks for by `kubectl annotate`, which is a PATCH of the Lease: obeyed by the
// real binary, told in Events, and what is a slip refused. And what the real binary does without a
// person against monopoly and flapping.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <nlohmann/json.hpp>

#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

using nlohmann::json;

class Controls : public testing::Test {
 protected:
  json lease() { return Api("admin").get(kLeases + "/" + candidates_.election()).json(); }
  json annotations() { return lease()["metadata"]["annotations"]; }
  void annotate(const std::string& key, const json& value) {
    Api("admin").patch(kLeases + "/" + candidates_.election(),
                       {{"metadata", {{"annotations", {{key, value}}}}}});
  }
  bool is_told(const std::string& message) {
    return wait_until([&] {
      const json events = Api("admin").get(kEvents).json()["items"];
      return std::any_of(events.begin(), events.end(), [&](const json& event) {
        return event["involvedObject"]["name"] == candidates_.election() &&
               event["message"].get<std::string>().find(message) != std::string::npos;
      });
    });
  }
  std::string token_of(int index) { return std::to_string(candidates_.at(index).token()); }

  Candidates candidates_{3};
};

/// The lines with this "msg", this key and this value.
std::vector<json> lines_with(Baton& baton, const std::string& message, const std::string& key,
                             const json& value) {
  std::vector<json> lines = baton.log_lines(message);
  std::erase_if(lines, [&](const json& line) { return line[key] != value; });
  return lines;
}

/// The line with this "msg" of the term that it leads now; the log is written after that has begun.
json line_of_term(Baton& baton, const std::string& message) {
  std::vector<json> lines;
  EXPECT_TRUE(wait_until([&] {
    lines = lines_with(baton, message, "token", std::to_string(baton.token()));
    return !lines.empty();
  })) << baton.log();
  return lines.empty() ? json() : lines[0];
}

std::string clock_text(std::time_t at) {
  char text[32];
  std::tm utc{};
  gmtime_r(&at, &utc);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

TEST_F(Controls, APauseHoldsUntilItsTime) {
  const int first = candidates_.wait_for_leader();
  ASSERT_GE(first, 0);
  const std::int64_t here_ns = boottime_ns();
  const std::time_t end = std::time(nullptr) + 8;
  const std::int64_t earliest_ns = here_ns + 7'000'000'000;  // time() cuts off up to a second
  annotate("baton/pause-until", clock_text(end));
  Baton& old = candidates_.at(first);
  ASSERT_TRUE(wait_until([&] { return !old.log_lines("released").empty(); })) << old.log();
  for (int i = 0; i < candidates_.count(); ++i) {
    EXPECT_TRUE(wait_until([&] {
      return candidates_.at(i).reason().starts_with("paused until '" + clock_text(end) + "'");
    })) << candidates_.at(i).log();
    EXPECT_EQ(candidates_.at(i).probe("/readyz").status, 200);
  }
  EXPECT_TRUE(is_told("resigns: paused until '" + clock_text(end) + "' by baton/pause-until"));
  const int next = candidates_.wait_for_leader();
  ASSERT_GE(next, 0);
  const json gained = line_of_term(candidates_.at(next), "gained");
  EXPECT_GE(gained["decided_boottime_ns"].get<std::int64_t>(), earliest_ns);
  EXPECT_FALSE(annotations().contains("baton/pause-until"));
}

TEST_F(Controls, AResignAndAHandOverNameOneTerm) {
  const int first = candidates_.wait_for_leader();
  ASSERT_GE(first, 0);
  const std::string token = token_of(first);
  annotate("baton/resign", token);
  const int second = candidates_.wait_for_leader(first);
  ASSERT_GE(second, 0);
  EXPECT_TRUE(is_told("resigns: asked to resign by baton/resign"));

  annotate("baton/resign", token);  // once more
  EXPECT_TRUE(is_told("does not obey: baton/resign is '" + token + "'"));
  EXPECT_TRUE(wait_until([&] { return !annotations().contains("baton/resign"); }));
  EXPECT_TRUE(candidates_.at(second).leads()) << candidates_.at(second).log();

  const int third = 3 - first - second;
  annotate("baton/hand-over-to", candidates_.at(third).name() + "/" + token_of(second));
  EXPECT_EQ(candidates_.wait_for_leader(second), third);
  EXPECT_TRUE(is_told("asked to hand over to '" + candidates_.at(third).name() + "'"));
  EXPECT_FALSE(annotations().contains("baton/hand-over-to"));
}

TEST_F(Controls, ASlipEndsNoTerm) {
  const int leader = candidates_.wait_for_leader();
  ASSERT_GE(leader, 0);
  const std::string token = token_of(leader);
  annotate("baton/pause-until", "in an hour");
  EXPECT_TRUE(is_told("does not obey: baton/pause-until is 'in an hour', which is no time"));
  EXPECT_TRUE(wait_until([&] { return !annotations().contains("baton/pause-until"); }));
  EXPECT_EQ(token_of(leader), token);
  EXPECT_TRUE(candidates_.at(leader).log_lines("draining").empty());
}

TEST(MaxTerm, TheLeaderHandsOverByItself) {
  Candidates candidates(3, [](BatonOptions& options) { options.flags = {"--max-term=30s"}; });
  json end, began;  // of the first term that lasts: on a busy machine one may be lost before
  int old = -1;
  ASSERT_TRUE(wait_until(
      [&] {
        for (int i = 0; i < candidates.count() && old < 0; ++i) {
          const auto ends = lines_with(candidates.at(i), "draining", "reason",
                                       "it has led for the maximum term (R18)");
          if (ends.empty()) continue;
          old = i;
          end = ends[0];
          began = lines_with(candidates.at(i), "gained", "token", end["token"]).at(0);
        }
        return old >= 0;
      },
      std::chrono::minutes(5)));
  EXPECT_GE(end["decided_boottime_ns"].get<std::int64_t>(),
            began["decided_boottime_ns"].get<std::int64_t>() + 30'000'000'000);
  EXPECT_GE(candidates.wait_for_leader(old), 0);
  EXPECT_GE(candidates.at(old).metric("baton_transitions_total",
                                      {{"change", "lost"}, {"reason", "max_term"}}),
            1);
}

// One that is alone, though it believes in another: nobody else ends its back-off.
TEST(BackOff, TheSecondLostTermIsLeftToOthersFirst) {
  Candidates candidates(1, [](BatonOptions& options) {
    options.flags = {"--replicas=2", "--log-level=debug"};
  });
  Baton& baton = candidates.at(0);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  for (std::size_t lost = 0; lost < 2;) {
    baton.process().send(SIGSTOP);
    let_pass(std::chrono::seconds(3));  // longer than V
    baton.process().send(SIGCONT);
    ASSERT_TRUE(wait_until([&] { return baton.log_lines("lost").size() > lost; })) << baton.log();
    ASSERT_EQ(candidates.wait_for_leader(), 0);
    const json attempt = line_of_term(baton, "attempt");
    std::vector<json> losses = baton.log_lines("lost");  // on a busy machine more than these
    std::erase_if(losses, [&](const json& line) {
      return line["decided_boottime_ns"] > attempt["decided_boottime_ns"];
    });
    lost = losses.size();
    EXPECT_EQ(attempt["reason"], lost == 1 ? "shows an own term that is over (R10)"
                                           : "waited out, and left to others first (R4, R18)");
  }
}

}  // namespace
}  // namespace baton::test
