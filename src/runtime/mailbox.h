// What others say to an election, from any thread, and its timer on CLOCK_BOOTTIME.
#pragma once

#include <deque>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "base/descriptor.h"
#include "election/event.h"

namespace baton::runtime {

class Mailbox {
 public:
  Mailbox();

  /// Any thread; never blocks for longer than the mutex is held.
  void post(election::Event event);
  /// When there is a Tick to take, until this is said anew (exact, and through suspend: a timerfd
  /// on CLOCK_BOOTTIME). Before it is said for the first time there is one. Any thread.
  void alarm_at(Instant at);
  /// Waits for an event, at most this long. Owner's thread only.
  std::optional<election::Event> take(std::chrono::milliseconds at_most);

 private:
  std::mutex mutex_;  // protects what follows, up to timer_, which is set with it held
  std::deque<election::Event> events_;
  Instant alarm_ = kLongAgo;
  // What take() waits for. A timer that fires at once would do for both; it wakes 20 us later.
  const Descriptor timer_, bell_;
};

}  // namespace baton::runtime
