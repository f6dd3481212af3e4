#include "runtime/mailbox.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace baton::runtime {
namespace {

/// Descriptors are made once, at the start: without them there is nothing to run.
int must(int fd, const char* what) {
  if (fd < 0) {
    std::perror(what);
    std::abort();
  }
  return fd;
}

void drain(int fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto size = ::read(fd, &count, sizeof count);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Mailbox::Mailbox()
    : wake_(must(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      timer_(must(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd")) {}

void Mailbox::post(election::Event event) {
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto size = ::write(wake_.get(), &one, sizeof one);
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
    }
    if (boot_now() >= deadline) return {};
    const auto since_boot = deadline.time_since_epoch();
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    itimerspec at{};
    at.it_value.tv_sec = whole.count();
    at.it_value.tv_nsec = (since_boot - whole).count();
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
    std::array<pollfd, 2> fds{{{wake_.get(), POLLIN, 0}, {timer_.get(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), -1);
    drain(wake_.get());
    drain(timer_.get());
  }
}

}  // namespace baton::runtime
