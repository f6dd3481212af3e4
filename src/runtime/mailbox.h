// The election thread's inbox: events from any thread, and a timer on CLOCK_BOOTTIME.
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
  /// As post(), unless the box already holds kFlood events: then false, and the event is dropped.
  /// For the watch, whose rate others decide.
  bool try_post(election::Event event);
  /// Waits for an event until `deadline` (exact, and through suspend: a timerfd on CLOCK_BOOTTIME).
  /// Empty when the deadline came first. Owner's thread only.
  std::optional<election::Event> take(Instant deadline);

 private:
  static constexpr std::size_t kFlood =
      1000;  // a thousand versions behind: a fresh LIST is cheaper

  std::mutex mutex_;  // protects events_
  std::deque<election::Event> events_;
  // What take() waits for. A timer that fires at once would do for both; it wakes 20 us later.
  const Descriptor timer_, bell_;
};

}  // namespace baton::runtime
