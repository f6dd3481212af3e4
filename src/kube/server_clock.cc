#include "kube/server_clock.h"

#include <algorithm>

#include "kube/formats.h"

namespace baton::kube {
namespace {

/// The year 2223: no time beyond it is told from it, and its nanoseconds fit.
constexpr std::int64_t kLast_s = 8'000'000'000;

}  // namespace

void ServerClock::heard(std::int64_t date_s, Instant at) {
  if (date_s <= 0 || date_s > kLast_s) return;
  epoch_ns_ = (at - std::chrono::seconds(date_s)).time_since_epoch().count();
}

Instant ServerClock::when(std::int64_t epoch_s) const {
  const std::int64_t epoch_ns = epoch_ns_;
  if (epoch_ns == kUnknown) return kNever;
  return Instant(Duration(epoch_ns) +
                 std::chrono::seconds(std::clamp<std::int64_t>(epoch_s, 0, kLast_s)));
}

void ServerClock::read_pause(election::Lease& lease) const {
  if (lease.annotations.count(election::annotation::kPauseUntil) == 0) return;
  const auto until_s = parse_rfc3339(lease.annotated(election::annotation::kPauseUntil));
  lease.paused_until = until_s ? when(*until_s) : kNever;
}

}  // namespace baton::kube
