#include "runtime/mailbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace baton::runtime {
namespace {

using election::Event;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kLong = seconds(30);

/// As the election's thread takes: waits for an event, at most so long.
std::optional<Event> take(Mailbox& box, milliseconds at_most = kLong) {
  box.wait(at_most);
  return box.take();
}

TEST(Mailbox, DeliversInOrder) {
  Mailbox box;
  box.post(election::Resign{});
  box.post(election::Terminate{});
  const auto first = take(box);
  const auto second = take(box);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(std::holds_alternative<election::Resign>(*first));
  EXPECT_TRUE(std::holds_alternative<election::Terminate>(*second));
}

bool is_tick(const std::optional<Event>& taken) {
  return taken && std::holds_alternative<election::Tick>(*taken);
}

TEST(Mailbox, TicksAtTheAlarmAndNotBefore) {
  Mailbox box;
  EXPECT_TRUE(is_tick(take(box))) << "the first";
  const Instant at = boot_now() + milliseconds(20);
  box.alarm_at(at);
  EXPECT_TRUE(is_tick(take(box)));
  EXPECT_GE(boot_now(), at);
  box.alarm_at(kNever);
  EXPECT_FALSE(take(box, milliseconds(1)));
}

TEST(Mailbox, WakesForTheBellOfAnotherThread) {
  Mailbox box;
  box.alarm_at(kNever);
  std::thread other([&] {
    box.post(election::Resign{});
    box.ring();
  });
  const auto taken = take(box);
  EXPECT_TRUE(taken && std::holds_alternative<election::Resign>(*taken));
  other.join();
}

TEST(Mailbox, ARingBeforeTheWaitEndsIt) {
  Mailbox box;
  box.alarm_at(kNever);
  box.ring();
  EXPECT_FALSE(take(box));
}

TEST(Mailbox, WakesForAnAlarmThatAnotherThreadSetsEarlier) {
  Mailbox box;
  box.alarm_at(kNever);
  std::thread other([&] { box.alarm_at(boot_now()); });
  EXPECT_TRUE(is_tick(take(box)));
  other.join();
}

}  // namespace
}  // namespace baton::runtime
