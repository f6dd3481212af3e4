#include "devserver/faults.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::devserver {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

const Instant kStart{std::chrono::seconds(100)};
const Met kUpdate{"candidate-0", "update", "leases", "e0"};

FaultKind kind(Faults& faults, const Met& met, Instant now = kStart) {
  return faults.for_request(met, now).kind;
}

TEST(Faults, MeetsOnlyWhatFitsAllItsFields) {
  Faults faults;
  const json wish = {{"action", "cut"},
                     {"user", "candidate-0"},
                     {"verbs", {"update", "list"}},
                     {"resource", "leases"},
                     {"name", "e0"}};
  ASSERT_TRUE(faults.add(wish, kStart).ok());
  EXPECT_EQ(kind(faults, kUpdate), FaultKind::cut);
  EXPECT_EQ(kind(faults, {"candidate-0", "list", "leases", "e0"}), FaultKind::cut);
  EXPECT_EQ(kind(faults, {"candidate-1", "update", "leases", "e0"}), FaultKind::none);
  EXPECT_EQ(kind(faults, {"candidate-0", "get", "leases", "e0"}), FaultKind::none);
  EXPECT_EQ(kind(faults, {"candidate-0", "update", "pods", "e0"}), FaultKind::none);
  EXPECT_EQ(kind(faults, {"candidate-0", "update", "leases", "e1"}), FaultKind::none);
}

TEST(Faults, SkipsThenCountsThenIsGone) {
  Faults faults;
  ASSERT_TRUE(faults.add({{"action", "cut"}, {"skip", 1}, {"count", 2}}, kStart).ok());
  EXPECT_EQ(kind(faults, kUpdate), FaultKind::none);
  EXPECT_EQ(kind(faults, kUpdate), FaultKind::cut);
  EXPECT_EQ(kind(faults, kUpdate), FaultKind::cut);
  EXPECT_EQ(kind(faults, kUpdate), FaultKind::none);
  EXPECT_EQ(faults.list(), json::array());
}

TEST(Faults, EndsWithItsTime) {
  Faults faults;
  ASSERT_TRUE(faults.add({{"action", "cut"}, {"for_ms", 500}}, kStart).ok());
  EXPECT_EQ(kind(faults, kUpdate, kStart + milliseconds(499)), FaultKind::cut);
  EXPECT_EQ(kind(faults, kUpdate, kStart + milliseconds(500)), FaultKind::none);
  EXPECT_EQ(faults.list(), json::array());
}

TEST(Faults, NumbersOutOfRangeAreRefused) {
  Faults faults;
  for (const char* field : {"for_ms", "delay_ms", "skip", "count", "code"}) {
    for (const char* number : {"-1", "9223372036854775807", "18446744073709551615", "1e300"}) {
      const auto added = faults.add({{"action", "cut"}, {field, json::parse(number)}}, kStart);
      ASSERT_FALSE(added.ok()) << field << " " << number;
      EXPECT_NE(added.error().find("must be a whole number from"), std::string::npos);
    }
  }
}

TEST(Faults, StallIsForStreamsAndPartitionForBoth) {
  Faults faults;
  const Met watch{"candidate-0", "watch", "leases", "e0"};
  ASSERT_TRUE(faults.add({{"action", "stall"}}, kStart).ok());
  EXPECT_EQ(kind(faults, watch), FaultKind::none);
  EXPECT_EQ(faults.for_event(watch, kStart).kind, FaultKind::stall);
  faults.clear();
  ASSERT_TRUE(faults.add({{"action", "partition"}}, kStart).ok());
  EXPECT_EQ(kind(faults, watch), FaultKind::partition);
  EXPECT_EQ(faults.for_event(watch, kStart).kind, FaultKind::partition);
}

TEST(Faults, WhatOnlyTheProxyDoesIsRefusedElsewhere) {
  for (const char* action : {"hold_answer", "close_after", "slow"}) {
    EXPECT_FALSE(Faults().add({{"action", action}}, kStart).ok()) << action;
    EXPECT_TRUE(Faults(true).add({{"action", action}}, kStart).ok()) << action;
  }
  EXPECT_FALSE(Faults(true).add({{"action", "slow"}, {"bytes_per_s", 0}}, kStart).ok());
}

TEST(Faults, HeldAnswersStayHeldUntilTheFaultIsDeleted) {
  Faults faults(true);
  const auto id = faults.add({{"action", "hold_answer"}, {"count", 1}}, kStart);
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(kind(faults, kUpdate), FaultKind::hold_answer);
  EXPECT_EQ(kind(faults, kUpdate), FaultKind::none);
  EXPECT_TRUE(faults.has(*id));
  EXPECT_TRUE(faults.remove(*id));
  EXPECT_FALSE(faults.has(*id));
}

TEST(Faults, RefusesWhatItDoesNotKnowByName) {
  Faults faults;
  for (const json& wish :
       {json({{"action", "explode"}}), json({{"action", "cut"}, {"usr", "x"}}),
        json({{"action", "cut"}, {"count", "many"}}), json({{"count", 1}}), json::array()}) {
    EXPECT_FALSE(faults.add(wish, kStart).ok()) << wish;
  }
  EXPECT_NE(faults.add({{"action", "cut"}, {"usr", "x"}}, kStart).error().find("usr"),
            std::string::npos);
}

}  // namespace
}  // namespace baton::devserver
