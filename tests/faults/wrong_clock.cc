// Clocks that go wrong in one process, by LD_PRELOAD. WRONG_WALL_CLOCK_S=3600: every other look at
// the wall clock is that much ahead, the others as much behind. WRONG_RATE=1.1 (or 0.9) and
// WRONG_RATE_FROM_NS: since that moment the clocks that count suspends or not run at that rate; the
// kernel's timers are set so that they fit. WRONG_PAUSE=FILE: the machine was paused with its
// clocks for as many nanoseconds as FILE says, eight bytes that may change at any time.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

double rate() {
  static const char* text = std::getenv("WRONG_RATE");
  static const double value = text == nullptr ? 1.0 : std::atof(text);
  return value;
}
std::int64_t origin_ns() {
  static const char* text = std::getenv("WRONG_RATE_FROM_NS");
  static const std::int64_t value = text == nullptr ? 0 : std::atoll(text);
  return value;
}
long wall_s() {
  static const char* text = std::getenv("WRONG_WALL_CLOCK_S");
  static const long value = text == nullptr ? 0 : std::atol(text);
  return value;
}

std::int64_t paused_ns() {
  static const std::atomic<std::int64_t>* const shown = [] {
    static const std::atomic<std::int64_t> none = 0;
    const char* path = std::getenv("WRONG_PAUSE");
    if (path == nullptr) return &none;
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    void* const page = ::mmap(nullptr, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) std::abort();
    ::close(file);
    return static_cast<const std::atomic<std::int64_t>*>(page);
  }();
  return *shown;
}

constexpr std::int64_t kSecond_ns = 1'000'000'000;
std::int64_t to_ns(const timespec& time) {
  return std::int64_t{time.tv_sec} * kSecond_ns + time.tv_nsec;
}
timespec to_time(std::int64_t ns) { return {ns / kSecond_ns, ns % kSecond_ns}; }

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  static const auto real =
      reinterpret_cast<int (*)(clockid_t, timespec*)>(::dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = real(clock, time);
  if (clock == CLOCK_REALTIME && wall_s() != 0) {
    static std::atomic<unsigned> looks = 0;
    time->tv_sec += looks++ % 2 == 0 ? wall_s() : -wall_s();
  }
  if (clock == CLOCK_BOOTTIME && rate() != 1.0) {
    const auto since = static_cast<double>(to_ns(*time) - origin_ns());
    *time = to_time(origin_ns() + static_cast<std::int64_t>(since * rate()));
  }
  if (clock == CLOCK_BOOTTIME) *time = to_time(to_ns(*time) - paused_ns());
  return result;
}

int timerfd_settime(int timer, int flags, const itimerspec* setting, itimerspec* before) noexcept {
  static const auto real = reinterpret_cast<int (*)(int, int, const itimerspec*, itimerspec*)>(
      ::dlsym(RTLD_NEXT, "timerfd_settime"));
  itimerspec changed = *setting;
  const std::int64_t at_ns = to_ns(setting->it_value);
  if ((flags & TFD_TIMER_ABSTIME) != 0 && rate() != 1.0 && at_ns > origin_ns()) {
    const auto since = static_cast<double>(at_ns - origin_ns());
    changed.it_value = to_time(origin_ns() + static_cast<std::int64_t>(since / rate()));
  }
  if ((flags & TFD_TIMER_ABSTIME) != 0 && at_ns > 0) {
    changed.it_value = to_time(to_ns(changed.it_value) + paused_ns());
  }
  return real(timer, flags, &changed, before);
}
}
