#include "runtime/worker.h"

#include <utility>

#include "base/thread.h"

namespace baton::runtime {

Worker::Worker(const char* name) : thread_(named_thread(name, [this] { run(); })) {}

void Worker::stop(const std::function<void()>& interrupt) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
    wake_.notify_all();
  }
  interrupt();
  if (thread_.joinable()) thread_.join();
}

bool Worker::submit(std::function<void()> job, Duration delay) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= kQueue) return false;
    jobs_.emplace(boot_now() + delay, std::move(job));
  }
  wake_.notify_all();  // who wakes finds the mutex free
  return true;
}

void Worker::flush(Duration limit) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, limit, [this] { return jobs_.empty() && !busy_; });
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const auto first = jobs_.begin();
    if (const Duration early = first->first - boot_now(); early > Duration::zero()) {
      wake_.wait_for(lock, early);
      continue;
    }
    auto job = std::move(first->second);
    jobs_.erase(first);
    busy_ = true;
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
    busy_ = false;
    wake_.notify_all();
  }
}

}  // namespace baton::runtime
