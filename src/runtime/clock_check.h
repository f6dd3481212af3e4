// Compares the rate of CLOCK_BOOTTIME with the API server's Date. An alarm, no protection: a
// machine that was paused together with its clocks shows here after the fact.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace baton::runtime {

class ClockCheck {
 public:
  /// Takes the server's Date (whole seconds) in its last answer, and when it was seen here; 0 or
  /// the same Date again is no sample. Once a minute has passed between two samples: the seconds by
  /// which they differ, if that is more than the 10 % that R3 covers and the 2 s that cutting off
  /// to whole seconds can make.
  std::optional<double> sample(std::int64_t date_s, Instant at) {
    if (date_s == 0 || date_s == last_date_s_) return {};
    last_date_s_ = date_s;
    if (first_at_ == kLongAgo || at < first_at_) {
      restart(date_s, at);
      return {};
    }
    const double here_s = std::chrono::duration<double>(at - first_at_).count();
    if (here_s < 60) return {};
    const double gap_s = static_cast<double>(date_s - first_date_s_) - here_s;
    restart(date_s, at);
    if (std::abs(gap_s) <= 2 + here_s / 10) return {};
    return gap_s;
  }

 private:
  void restart(std::int64_t date_s, Instant at) {
    first_date_s_ = date_s;
    first_at_ = at;
  }

  std::int64_t last_date_s_ = 0;
  std::int64_t first_date_s_ = 0;
  Instant first_at_ = kLongAgo;
};

}  // namespace baton::runtime
