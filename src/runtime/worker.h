// A thread that does one job after the other: the requests for the Lease have one of their own, the
// watch too, and a third has what must never touch the renew path (Events, the own Pod's reading).
// Bounded: when the queue is full, the newest job is dropped.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace baton::runtime {

class Worker {
 public:
  explicit Worker(const char* name);
  ~Worker() { stop(); }

  /// Runs it after `delay` at the earliest; what is due earlier goes first. False if the queue is
  /// full and the job was dropped. Any thread; never blocks.
  bool submit(std::function<void()> job, Duration delay = {});
  /// Waits until nothing is queued or running, at most `limit`.
  void flush(Duration limit);
  /// Drops what is queued and all that comes later, calls `interrupt` and returns after the job
  /// that runs.
  void stop(const std::function<void()>& interrupt = [] {});

 private:
  static constexpr std::size_t kQueue = 64;

  void run();

  std::mutex mutex_;  // protects what follows, up to the thread
  std::condition_variable wake_;
  std::multimap<Instant, std::function<void()>> jobs_;  // by when they are due
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace baton::runtime
