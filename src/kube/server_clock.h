// The API server's clock, as its answers show it. A pause of an election (baton/pause-until) ends
// by it: at one time for all candidates, whatever the wall clocks of their machines say.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "base/clock.h"
#include "election/lease.h"

namespace baton::kube {

/// Any thread.
class ServerClock {
 public:
  /// The Date of an answer, in seconds since 1970, and when it was received.
  void heard(std::int64_t date_s, Instant at);
  /// When it shows `epoch_s` seconds since 1970: up to a second later than that, since a Date has
  /// whole seconds. kNever before the first answer.
  Instant when(std::int64_t epoch_s) const;
  /// Fills in what the Lease's baton/pause-until means here.
  void read_pause(election::Lease& lease) const;

 private:
  static constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::min();
  std::atomic<std::int64_t> epoch_ns_ = kUnknown;  // when 1970 began, on CLOCK_BOOTTIME
};

}  // namespace baton::kube
