#include "observe/codec.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "base/clock.h"
#include "unit/election/storm.h"

namespace baton::observe {
namespace {

using election::Election;
using election::Event;
using election::testing::Runner;
using Json = nlohmann::ordered_json;

template <typename T>
Json written(const T& value) {
  return Json::parse(to_json(value).dump());
}

// Before every step the election is written down and read back: if anything that a decision rests
// on were missing, the one read back would sooner or later decide otherwise.
class Shadows {
 public:
  void follow(const Runner& runner, const Event& event, const election::Step& step, Instant now) {
    const auto known = shadows_.find(&runner);
    Shadow& shadow =
        known != shadows_.end()
            ? known->second
            : shadows_.try_emplace(&runner, Election(runner.options, now)).first->second;
    shadow.election = election_of(written(shadow.election));
    const auto again = shadow.election.step(event_of(written(event)), now,
                                            std::exchange(shadow.handed_out, runner.handed_out));
    ASSERT_EQ(digest(again, shadow.election.status()), digest(step, runner.status()))
        << runner.options.identity << " " << written(event);
    ++steps;
  }

  int steps = 0;

 private:
  struct Shadow {
    explicit Shadow(Election started) : election(std::move(started)) {}
    Election election;
    Instant handed_out = kLongAgo;
  };
  std::map<const Runner*, Shadow> shadows_;
};

TEST(Codec, ElectionsReadBackBeforeEachStepDecideTheSame) {
  int steps = 0;
  for (std::uint64_t seed = 1; seed <= 3 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Shadows shadows;
    std::mt19937_64 random(seed);
    election::testing::Storm storm(
        [&](std::uint64_t below) { return random() % below; },
        [&](const Runner& runner, const Event& event, const election::Step& step) {
          if (!HasFatalFailure()) shadows.follow(runner, event, step, storm.now());
        });
    storm.blow(std::chrono::seconds(300));
    storm.calm();
    steps += shadows.steps;
  }
  EXPECT_GT(steps, 500);
}

TEST(Codec, CopiesGoOnAsTheirOriginals) {
  Election original(election::testing::options_of("a"), election::testing::kStart);
  original.step(election::Tick{}, election::testing::kStart, kLongAgo);
  Election copy(original);
  const Event list = election::Listed{1, 7, {}};
  const auto at = election::testing::kStart + std::chrono::milliseconds(5);
  const auto step = original.step(list, at, kLongAgo);
  EXPECT_FALSE(step.actions.empty());
  EXPECT_EQ(digest(copy.step(list, at, kLongAgo), copy.status()), digest(step, original.status()));
}

TEST(Codec, KeepsTextsThatAreNoUtf8) {
  const Event event = election::ApplicationHealth{false, std::string("\xff\0\"x", 4)};
  const auto again = std::get<election::ApplicationHealth>(event_of(written(event)));
  EXPECT_EQ(again.reason, std::get<election::ApplicationHealth>(event).reason);
}

TEST(Codec, RefusesOtherJson) {
  for (const char* text : {"null", "{}", "[]", R"({"Tick":{},"Resign":{}})", R"({"Unheard":{}})",
                           R"({"Listed":{"id":1}})", R"({"Listed":[]})"}) {
    EXPECT_ANY_THROW(event_of(Json::parse(text))) << text;
  }
  EXPECT_ANY_THROW(election_of(Json::object()));
}

TEST(Codec, DigestsDifferWithEveryPartOfTheAnswer) {
  const election::Step step{{election::SendList{1}}, kNever};
  const election::Status status;
  const std::uint64_t first = digest(step, status);
  EXPECT_NE(first, digest({{election::SendList{2}}, kNever}, status));
  EXPECT_NE(first, digest({{election::StopWatch{1}}, kNever}, status));
  EXPECT_NE(first, digest({{}, kNever}, status));
  EXPECT_NE(first, digest({{election::SendList{1}}, kLongAgo}, status));
  election::Status other;
  other.leader.expires = Instant(Duration(1));
  EXPECT_NE(first, digest(step, other));
  EXPECT_EQ(first, digest(step, {}));
}

}  // namespace
}  // namespace baton::observe
