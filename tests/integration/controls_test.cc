// R18: what a person asks for by `kubectl annotate`, which is a PATCH of the Lease: obeyed by the
// real binary, told in Events, and what is a slip refused.
#include <gtest/gtest.h>

#include <algorithm>
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
  const json gained = candidates_.at(next).log_lines("gained").back();
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

}  // namespace
}  // namespace baton::test
