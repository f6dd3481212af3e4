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

  /// Any thread; never blocks for longer than the mutex is held. Wakes nobody.
  void post(election::Event event);
  /// Ends wait(), the present or the next one. Any thread.
  void ring();
  /// When there is a Tick to take, until this is said anew (exact, and through suspend: a timerfd
  /// on CLOCK_BOOTTIME). Before it is said for the first time there is one. Any thread.
  void alarm_at(Instant at);
  /// Waits until there is something to take, at most this long, or until the bell rings. Owner's
  /// thread only.
  void wait(std::chrono::milliseconds at_most);
  /// The oldest event, or the Tick that is due; empty: neither. Any thread.
  std::optional<election::Event> take();

 private:
  std::mutex mutex_;  // protects what follows, up to timer_, which is set with it held
  std::deque<election::Event> events_;
  Instant alarm_ = kLongAgo;
  // What wait() waits for. A timer that fires at once would do for both; it wakes 20 us later.
  const Descriptor timer_, bell_;
};

}  // namespace baton::runtime
