#include "runtime/mailbox.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace baton::runtime {
namespace {

void fire_at(const Descriptor& timer, Instant at) {
  const auto since_boot = at.time_since_epoch();
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec setting{};
  setting.it_value.tv_sec = whole.count();
  setting.it_value.tv_nsec = (since_boot - whole).count();
  ::timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

}  // namespace

Mailbox::Mailbox()
    : timer_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC)),
      bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (timer_.open() && bell_.open()) return;
  std::perror("timerfd_create or eventfd");
  std::abort();  // made once, at the start: without them there is nothing to run
}

void Mailbox::post(election::Event event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
}

void Mailbox::ring() { ::eventfd_write(bell_.get(), 1); }

void Mailbox::alarm_at(Instant at) {
  const std::lock_guard lock(mutex_);
  alarm_ = at;
  fire_at(timer_, std::max(at, Instant(Duration(1))));  // 0 would turn it off
}

void Mailbox::wait(std::chrono::milliseconds at_most) {
  {
    const std::lock_guard lock(mutex_);
    if (!events_.empty() || boot_now() >= alarm_) return;
  }
  std::array<pollfd, 2> either{{{timer_.get(), POLLIN, 0}, {bell_.get(), POLLIN, 0}}};
  if (::poll(either.data(), either.size(), static_cast<int>(at_most.count())) == 0) return;
  eventfd_t rings = 0;
  ::eventfd_read(bell_.get(), &rings);
}

std::optional<election::Event> Mailbox::take() {
  const std::lock_guard lock(mutex_);
  if (!events_.empty()) {
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  if (boot_now() >= alarm_) return election::Tick{};
  return {};
}

}  // namespace baton::runtime
