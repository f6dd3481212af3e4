// The only place that reads clocks.
#pragma once

#include <string>

#include "election/time.h"

namespace baton {

using election::Duration;
using election::Instant;
using election::kLongAgo;
using election::kNever;

/// CLOCK_BOOTTIME.
Instant boot_now();

/// The wall clock as the API server wants it: "2006-01-02T15:04:05.000000Z" (MicroTime, exactly six
/// fractional digits). For people and renewTime only; never used to decide.
std::string wall_now_micro();

/// Seconds since the Unix epoch by the wall clock, for comparing with an HTTP Date only.
std::int64_t wall_now_s();

}  // namespace baton
