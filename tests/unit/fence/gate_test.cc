// In which order requests pass, without threads: what records and drains is the test itself.
#include "fence/gate.h"

#include <gtest/gtest.h>

#include <random>

namespace baton::fence {
namespace {

using Log = std::vector<std::string>;

struct Caller final : Passage {
  Caller(Log& log, std::string name) : log(log), name(std::move(name)) {}
  void forward() override { log.push_back(name + " forward"); }
  void refuse(Refusal why, std::int64_t highest, const std::string& detail) override {
    const char* const words[] = {" stale ", " jump ", " not recorded "};
    log.push_back(name + words[static_cast<int>(why)] + std::to_string(highest) + detail);
  }
  void cut(std::int64_t highest) override {
    log.push_back(name + " cut " + std::to_string(highest));
  }
  Log& log;
  const std::string name;
};

class FenceGate : public testing::Test {
 protected:
  std::shared_ptr<Caller> arrive(const std::string& name, std::int64_t token) {
    auto caller = std::make_shared<Caller>(log_, name);
    gate_.arrive(caller, token);
    return caller;
  }
  /// What has happened since it was asked last.
  Log happened() { return std::exchange(log_, {}); }

  Log log_;
  Gate gate_{41,
             1000,
             {.record = [this](auto token) { log_.push_back("record " + std::to_string(token)); },
              .drain = [this](auto token) { log_.push_back("drain " + std::to_string(token)); }}};
};

TEST_F(FenceGate, TheHighestPassesAtOnceAndBesideItself) {
  arrive("a", 41);
  arrive("b", 41);
  EXPECT_EQ(happened(), (Log{"a forward", "b forward"}));
  EXPECT_EQ(gate_.in_flight(), 2U);
}

TEST_F(FenceGate, ALowerOneIsRefused) {
  arrive("a", 40);
  EXPECT_EQ(happened(), Log{"a stale 41"});
}

TEST_F(FenceGate, AHigherOnePassesOnceItIsRecorded) {
  arrive("a", 42);
  arrive("b", 42);
  arrive("old", 41);
  EXPECT_EQ(happened(), (Log{"record 42", "old stale 42"}));
  gate_.recorded(42, "");
  EXPECT_EQ(happened(), (Log{"a forward", "b forward"}));
}

TEST_F(FenceGate, AHigherOneWaitsForTheEndOfLowerOnes) {
  const auto old = arrive("old", 41);
  arrive("new", 42);
  gate_.recorded(42, "");
  EXPECT_EQ(happened(), (Log{"old forward", "record 42", "drain 42"}));
  gate_.leave(old);
  EXPECT_EQ(happened(), Log{"new forward"});
  gate_.drained(42);
  EXPECT_EQ(happened(), Log{});
}

TEST_F(FenceGate, WhatDoesNotEndInTimeIsCutFirst) {
  const auto old = arrive("old", 41);
  arrive("new", 42);
  gate_.recorded(42, "");
  happened();
  gate_.drained(42);
  EXPECT_EQ(happened(), Log{"old cut 42"});
  gate_.leave(old);
  EXPECT_EQ(happened(), Log{"new forward"});
}

TEST_F(FenceGate, AStillHigherOneTakesThePlaceOfThoseThatWait) {
  const auto old = arrive("old", 41);
  arrive("new", 42);
  arrive("newest", 43);
  EXPECT_EQ(happened(), (Log{"old forward", "record 42", "new stale 43"}));
  gate_.recorded(42, "");
  EXPECT_EQ(happened(), (Log{"drain 42", "record 43"}));
  gate_.recorded(43, "");
  gate_.leave(old);
  EXPECT_EQ(happened(), (Log{"drain 43", "newest forward"}));
}

TEST_F(FenceGate, WhatCannotBeRecordedDoesNotPassAndLowersNothing) {
  arrive("a", 42);
  gate_.recorded(42, ": disk full");
  EXPECT_EQ(happened(), (Log{"record 42", "a not recorded 42: disk full"}));
  arrive("old", 41);
  arrive("again", 42);
  EXPECT_EQ(happened(), (Log{"old stale 42", "record 42"}));
  gate_.recorded(42, "");
  EXPECT_EQ(happened(), Log{"again forward"});
}

TEST_F(FenceGate, AJumpAboveTheLimitLocksNothing) {
  arrive("far", 1042);
  arrive("a", 41);
  EXPECT_EQ(happened(), (Log{"far jump 41", "a forward"}));
  arrive("most", 1041);
  EXPECT_EQ(happened(), Log{"record 1041"});
}

TEST_F(FenceGate, WhoNoLongerWaitsIsNotForwarded) {
  const auto gone = arrive("gone", 42);
  gate_.leave(gone);
  gate_.recorded(42, "");
  EXPECT_EQ(happened(), Log{"record 42"});
  EXPECT_TRUE(gate_.is_empty());
}

// Whatever comes in whatever order: nothing is forwarded below what is recorded or beside a lower
// one, and what was forwarded never falls.
TEST(FenceGateStorm, ForwardedTokensNeverFall) {
  struct World {
    std::int64_t disk = 0, forwarded = 0;
    std::map<const Passage*, std::int64_t> flying;
    std::vector<PassagePointer> callers;
  } world;
  struct Walker final : Passage {
    Walker(World& world, std::int64_t token) : world(world), token(token) {}
    void forward() override {
      EXPECT_GE(world.disk, token);
      EXPECT_GE(token, world.forwarded);
      for (const auto& [other, its_token] : world.flying) EXPECT_GE(its_token, token);
      world.forwarded = token;
      world.flying[this] = token;
    }
    void refuse(Refusal, std::int64_t, const std::string&) override {}
    void cut(std::int64_t highest) override { EXPECT_LT(token, highest); }
    World& world;
    const std::int64_t token;
  };
  std::mt19937 random(7);
  std::vector<std::int64_t> to_record, to_drain;
  Gate gate(0, 5,
            {.record = [&](auto token) { to_record.push_back(token); },
             .drain = [&](auto token) { to_drain.push_back(token); }});
  for (int step = 0; step < 200'000; ++step) {
    switch (random() % 5) {
      case 0:
      case 1: {
        const auto token =
            std::max<std::int64_t>(1, world.disk - 2 + static_cast<std::int64_t>(random() % 5));
        world.callers.push_back(std::make_shared<Walker>(world, token));
        gate.arrive(world.callers.back(), token);
        break;
      }
      case 2:
        if (world.callers.empty()) break;
        std::swap(world.callers[random() % world.callers.size()], world.callers.back());
        world.flying.erase(world.callers.back().get());
        gate.leave(world.callers.back());
        world.callers.pop_back();
        break;
      case 3:
        if (to_record.empty()) break;
        EXPECT_EQ(to_record.size(), 1U);
        if (const auto token = std::exchange(to_record, {}).front(); random() % 4 == 0) {
          gate.recorded(token, "no");
        } else {
          world.disk = token;
          gate.recorded(token, "");
        }
        break;
      default:
        if (to_drain.empty()) break;
        gate.drained(to_drain.front());
        to_drain.erase(to_drain.begin());
    }
  }
  EXPECT_GT(world.forwarded, 1000);
}

}  // namespace
}  // namespace baton::fence
