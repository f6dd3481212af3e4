// A thread for what must never touch the renew path: Events, the own Pod's reading. Bounded; when
// it is full the newest job is dropped, since none of them is needed for the election to be right.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace baton::runtime {

class SideWorker {
 public:
  SideWorker();
  ~SideWorker() { stop(); }

  /// False if the queue is full and the job was dropped. Any thread; never blocks.
  bool submit(std::function<void()> job);
  /// Waits until nothing is queued or running, at most `limit`.
  void flush(Duration limit);
  /// Returns after the job that runs; drops the others and all that come later.
  void stop();

 private:
  static constexpr std::size_t kQueue = 64;

  void run();

  std::mutex mutex_;  // protects what follows, up to the thread
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace baton::runtime
