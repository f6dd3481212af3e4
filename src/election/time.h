// Time as the election sees it: points and lengths on CLOCK_BOOTTIME, in nanoseconds.
//
// The election never reads a clock: callers pass `now` in. BOOTTIME runs on through suspend and
// SIGSTOP and is never stepped, so a deadline on it is right whenever it is looked at (rule R2).
#pragma once

#include <chrono>
#include <cstdint>

namespace baton::election {

/// Names the clock for the type system; it deliberately has no now().
struct BootClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<BootClock, duration>;
  static constexpr bool is_steady = true;
};

using Duration = BootClock::duration;
using Instant = BootClock::time_point;

inline constexpr Instant kLongAgo = Instant::min();
inline constexpr Instant kNever = Instant::max();

}  // namespace baton::election
