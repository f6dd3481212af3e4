#include "runtime/mailbox.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace baton::runtime {

Mailbox::Mailbox() : timer_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC)) {
  if (timer_.open()) return;
  std::perror("timerfd_create");
  std::abort();  // made once, at the start: without it there is nothing to run
}

void Mailbox::fire_at(Instant at) {
  const auto since_boot = at.time_since_epoch();
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec setting{};
  setting.it_value.tv_sec = whole.count();
  setting.it_value.tv_nsec = (since_boot - whole).count();
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

void Mailbox::post(election::Event event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
  fire_at(Instant(Duration(1)));  // long past; 0 would turn the timer off
}

bool Mailbox::try_post(election::Event event) {
  {
    const std::lock_guard lock(mutex_);
    if (events_.size() >= kFlood) return false;
  }
  post(std::move(event));
  return true;
}

std::optional<election::Event> Mailbox::take(Instant deadline) {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (!events_.empty()) {
        auto event = std::move(events_.front());
        events_.pop_front();
        return event;
      }
      if (boot_now() >= deadline) return {};
      fire_at(deadline);  // under the lock: a post() from now on sets it again, to fire at once
    }
    std::uint64_t count = 0;
    [[maybe_unused]] const auto size = ::read(timer_.get(), &count, sizeof count);
  }
}

}  // namespace baton::runtime
