// The election thread's inbox: events from any thread, and a timer on CLOCK_BOOTTIME.
#pragma once

#include <deque>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "election/event.h"

namespace baton::runtime {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

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

  void fire_at(Instant at);  // with mutex_ held

  std::mutex mutex_;  // protects events_ and the setting of timer_
  std::deque<election::Event> events_;
  const Descriptor timer_;  // what take() waits for; an event makes it fire at once
};

}  // namespace baton::runtime
