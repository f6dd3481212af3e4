#include "runtime/mailbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace baton::runtime {
namespace {

using election::Event;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kLong = seconds(30);

TEST(Mailbox, DeliversInOrder) {
  Mailbox box;
  box.post(election::Resign{});
  box.post(election::Terminate{});
  const auto first = box.take(kLong);
  const auto second = box.take(kLong);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(std::holds_alternative<election::Resign>(*first));
  EXPECT_TRUE(std::holds_alternative<election::Terminate>(*second));
}

bool is_tick(const std::optional<Event>& taken) {
  return taken && std::holds_alternative<election::Tick>(*taken);
}

TEST(Mailbox, TicksAtTheAlarmAndNotBefore) {
  Mailbox box;
  EXPECT_TRUE(is_tick(box.take(kLong))) << "the first";
  const Instant at = boot_now() + milliseconds(20);
  box.alarm_at(at);
  EXPECT_TRUE(is_tick(box.take(kLong)));
  EXPECT_GE(boot_now(), at);
  box.alarm_at(kNever);
  EXPECT_FALSE(box.take(milliseconds(1)));
}

TEST(Mailbox, WakesForAnEventOfAnotherThread) {
  Mailbox box;
  box.alarm_at(kNever);
  std::thread other([&] { box.post(election::Resign{}); });
  const auto taken = box.take(kLong);
  EXPECT_TRUE(taken && std::holds_alternative<election::Resign>(*taken));
  other.join();
}

TEST(Mailbox, WakesForAnAlarmThatAnotherThreadSetsEarlier) {
  Mailbox box;
  box.alarm_at(kNever);
  std::thread other([&] { box.alarm_at(boot_now()); });
  EXPECT_TRUE(is_tick(box.take(kLong)));
  other.join();
}

}  // namespace
}  // namespace baton::runtime
