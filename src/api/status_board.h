// The status as the listeners read it: one writer (the election's thread), any number of readers,
// no lock on the read path. It also knows the largest validity ever handed out (section 5 e).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "election/status.h"

namespace baton::api {

struct StatusView {
  election::Status status;
  std::uint64_t change = 0;  // counts published changes, from 1; the document's `revision` is made
                             // of it and of a number drawn at the process's start
  /// Whether the answer is yes at `now`: belief is compared with the clock at the time of asking.
  bool leads(Instant now) const { return status.believes && now < status.deadline; }
};

class StatusBoard {
 public:
  StatusBoard();
  ~StatusBoard();

  /// Writer only. A status equal to the one before is not a change, apart from deadline and
  /// fresh_at, which are taken over without counting as one. Returns whether it was a change.
  bool publish(const election::Status& status);

  /// Any thread, without a lock.
  StatusView read() const;

  /// As read(), for an answer that gives validity away: if it leads at `now`, its deadline is first
  /// recorded as handed out and the status read again; so whoever publishes "no" and then reads
  /// handed_out() sees every deadline that any answer may carry.
  StatusView read_for_answer(Instant now);

  /// The largest deadline recorded, kLongAgo if none. Any thread.
  Instant handed_out() const;
  /// How many answers have given validity away. Any thread.
  std::uint64_t answers() const;

 private:
  struct Cells;
  std::unique_ptr<Cells> cells_;
};

}  // namespace baton::api
