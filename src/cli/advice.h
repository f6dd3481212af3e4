// From what `baton check --measure` saw to timings that are safe there: the formula of
// docs/tuning.md, and its words. Pure, apart from the stream behind the findings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/findings.h"
#include "config/settings.h"
#include "election/options.h"

namespace baton::cli {

/// Lengths of time as they were seen. Any of the lists may be empty.
struct Measured {
  using Lengths = std::vector<election::Duration>;
  Lengths writes = {};          // a PUT on a kept connection: from before it was sent until its
                                // answer was read
  Lengths reads = {};           // a LIST with the set-up of its own connection
  Lengths events = {};          // from before a PUT was sent to its event on the watch
  election::Duration stall{0};  // the most that a timer of this process was late
};

/// The least of `lengths` that `percent` of a hundred of them do not exceed (nearest rank; of fewer
/// than a hundred the 99th is the longest). Zero of none.
election::Duration percentile(std::vector<election::Duration> lengths, int percent);

/// What timings have to stand here.
struct Needs {
  election::Duration p99{0};      // of the writes
  election::Duration slowest{0};  // of all writes and reads: also the longest gap of the server
  election::Duration stall{0};
  election::Duration pause() const { return stall + slowest; }
};
Needs needs_of(const Measured& measured);

/// Empty if `timings`, which obey R3 and R15, are safe there; else a line for each reason why not:
///   D >= 3 h
///   R >= 3 p99, R >= 2 slowest
///   V - h - R >= 2 pause: what a leader has left at the worst moment, less the renewal after it
std::vector<std::string> misfits(const election::Timings& timings, const Needs& needs);

/// D, V = 4/5 D, h = D/3, R = 2/15 D, retries of D/60 to 3/100 D, in whole milliseconds: for each D
/// of at least a second they obey R3 and R15. The profiles aggressive and balanced are two of them.
election::Timings scaled_to(std::chrono::seconds lease_duration);

/// Those of the shortest lease duration that fit; none up to an hour do if it is empty.
std::optional<election::Timings> smallest_safe(const Needs& needs);

/// "--lease-duration=3s --renew-deadline=2400ms ...": what says just these timings.
std::string flags_of(const election::Timings& timings);

void describe(const Measured& measured, Findings& findings);

/// The smallest safe timings beside those of `settings`, what either costs and gives, and which
/// profiles fit. A failure if those of `settings` do not. `measured` has a write.
void advise(const Measured& measured, const config::Settings& settings, Findings& findings);

}  // namespace baton::cli
