// The status as the listeners read it: one writer (the election's thread), any number of readers,
// no lock on the read path: a listener that loses its processor never keeps the election waiting.
// It also knows the largest validity ever handed out (section 5 e).
#pragma once

#include <cstdint>
#include <memory>

#include "api/status_page.h"
#include "base/clock.h"
#include "election/status.h"

namespace baton::api {

/// A published status. What depends on the time is computed for the moment of asking (R2).
struct StatusView {
  election::Status status;
  std::uint64_t change = 0;  // counts published changes, from 1; the document's `revision` is made
                             // of it and of a number drawn at the process's start

  /// Whether the answer is yes at `now`.
  bool leads(Instant now) const { return status.believes && now < status.deadline; }
  /// The deadline of a belief has passed before the election's thread has had its turn, as after a
  /// stop of the process.
  bool has_lapsed(Instant now) const { return status.believes && now >= status.deadline; }
  election::State state(Instant now) const {
    return has_lapsed(now) ? election::State::degraded : status.state;
  }
  /// How long it surely leads from `now` on; never less than nothing.
  Duration validity(Instant now) const { return leads(now) ? status.deadline - now : Duration(0); }
};

class StatusBoard {
 public:
  StatusBoard();
  ~StatusBoard();

  /// Before the first publish() and reader: shows each status on `page` as well. The page says yes
  /// no sooner and no longer than read() does. Whatever it shows counts as handed out, and as an
  /// answer up to its "no": nobody knows who has read it.
  void show_on(std::unique_ptr<StatusPage> page);

  /// Writer only. A status that differs from the one before only in deadline, fresh_at, watch_live
  /// and leader.expires is taken over without counting as a change. Returns whether those who wait
  /// should be told: a change, or another deadline of a belief. Texts are made printable and cut to
  /// what the cells hold (reason and identity: 500 bytes).
  bool publish(const election::Status& status);

  /// Any thread, without a lock.
  StatusView read() const;

  /// As read(), for an answer that gives validity away: if it leads at `now`, its deadline is first
  /// recorded as handed out and the status read again; so whoever publishes "no" and then reads
  /// handed_out() sees every deadline that any answer may carry.
  StatusView read_for_answer(Instant now);

  /// The largest deadline recorded, kLongAgo if none. Any thread.
  Instant handed_out() const;
  /// How many answers have given validity away; counted before the deadline is read again, as
  /// handed_out() is. Any thread.
  std::uint64_t answers() const;

 private:
  struct Cells;
  void hand_out(Instant deadline);
  std::unique_ptr<Cells> cells_;
};

}  // namespace baton::api
