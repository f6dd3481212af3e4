// The election of one candidate for one Lease: rules R1-R19 of the design as a function of
// (state, event, now). Same input, same output: no thread, clock, socket, log or random inside.
//
// NOT GUARANTEED. (1) Two processes may *act* as leader at once if the resource they act on does
// not check the fencing token: a process can be stopped between its check and its effect. (2) A
// virtual machine that is paused together with its clocks does not see time pass and believes too
// long. (3) A store restored from an old backup without a revision bump may hand out a token twice.
// The token, checked by the resource, is the protection in all three.
//
// TOLERANCE. At most one candidate believes at any time as long as every candidate's clock rate
// stays within rho of real time and V <= D (1 - rho) / (1 + rho). R3 demands V <= 0.8 D, which
// covers rho = 10 % (0.9 / 1.1 = 0.818); the Linux kernel slews by at most that. Clock *offset*
// between machines never matters: no time written by another process is compared with a clock.
//
// Threads: none; the caller serialises. Errors: none; events that make no sense are ignored,
// a caller that breaks the protocol (answers a request twice) is ignored too.
#pragma once

#include <memory>

#include "election/action.h"
#include "election/event.h"
#include "election/options.h"
#include "election/status.h"

namespace baton::election {

class Election {
 public:
  /// `start` is when this process started: validity that an earlier incarnation of the own Pod may
  /// have handed out is counted from it (R19).
  Election(Options options, Instant start);
  ~Election();
  /// A copy goes on as the original does.
  Election(const Election&);
  Election(Election&&) noexcept;
  Election& operator=(Election&&) noexcept;

  /// Advances the election. `handed_out` is the largest deadline that any answer has carried so
  /// far (kLongAgo if none), read by the caller *after* it has published the status of the step
  /// before: so a step that begins to say "no" never rests a release on it; the next one may.
  Step step(const Event& event, Instant now, Instant handed_out);

  /// As of the last step. Belief is a deadline: compare it with the clock at the time of asking.
  const Status& status() const;

  /// Everything that the next step depends on (impl.h), for the flight recorder.
  class Impl;
  Impl& state() { return *impl_; }
  const Impl& state() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace baton::election
