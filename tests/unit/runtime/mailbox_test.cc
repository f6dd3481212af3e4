#include "runtime/mailbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace baton::runtime {
namespace {

using election::Event;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Mailbox, DeliversInOrder) {
  Mailbox box;
  box.post(election::Resign{});
  box.post(election::Terminate{});
  const auto first = box.take(kNever);
  const auto second = box.take(kNever);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(std::holds_alternative<election::Resign>(*first));
  EXPECT_TRUE(std::holds_alternative<election::Terminate>(*second));
}

TEST(Mailbox, IsEmptyOnlyOnceTheDeadlineHasCome) {
  Mailbox box;
  const Instant deadline = boot_now() + milliseconds(20);
  EXPECT_FALSE(box.take(deadline));
  EXPECT_GE(boot_now(), deadline);
  EXPECT_FALSE(box.take(kLongAgo));
}

TEST(Mailbox, WakesForAnEventOfAnotherThread) {
  Mailbox box;
  std::thread other([&] { box.post(election::Resign{}); });
  EXPECT_TRUE(box.take(boot_now() + seconds(30)));
  other.join();
}

TEST(Mailbox, RefusesTheWatchWhenFlooded) {
  Mailbox box;
  while (box.try_post(election::Tick{})) {
  }
  box.post(election::Resign{});  // what people ask for is always taken
  int taken = 0;
  while (box.take(kLongAgo)) ++taken;
  EXPECT_EQ(taken, 1001);
  EXPECT_TRUE(box.try_post(election::Tick{}));
}

}  // namespace
}  // namespace baton::runtime
